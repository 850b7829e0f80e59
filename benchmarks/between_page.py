"""Write the tables of docs/between.md from the results, and its picture.

python benchmarks/between_page.py              # print the page with new tables
python benchmarks/between_page.py --write      # write it
python benchmarks/between_page.py --picture    # fit the Gabor sum, a minute, and draw the errors of its Laplacian
python benchmarks/between_page.py --smoke      # the picture of a small one, thrown away
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import between
import flat
import hiss
import recipes
from sinefield import problems, solve
from sinefield.signals.image import ImageSignal

PAGE = Path(__file__).parents[1] / "docs" / "between.md"
PICTURE = PAGE.parent / "pictures" / "between.png"
HALF = 0.15  # of the side of the part that is drawn, in field coordinates
FINE = 200  # places along it
_PLACE = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def median(each: Mapping[str, Any], key: str) -> float:
    """Return the median of a figure over seeds, NaN where there is none."""
    found = each.get(key, {"median": None})["median"]
    return math.nan if found is None else float(found)


def cell(each: Mapping[str, Any], key: str, form: str = ".2g") -> str:
    """Return the median of a figure over seeds as text, a dash where there is none."""
    found = median(each, key)
    return "–" if math.isnan(found) else f"{found:{form}}"


def closed_forms() -> str:
    """Return the table of errors off the grid, of value / gradient / Laplacian."""
    order = list(between.SIGNALS)
    rows = sorted(recipes.last_rows("between"), key=lambda row: (order.index(row["signal"]), row["samples"] != "exact"))
    ways = dict.fromkeys(way for way in ("spline", *recipes.WAYS, recipes.LONG) if any(way in r["ways"] for r in rows))
    found = []
    for row in rows:
        having = row["ways"]
        errors = [
            " / ".join(cell(having[way], name) for name in between.QUANTITIES) if way in having else "–" for way in ways
        ]
        found.append([f"{row['signal']}, {row['samples']}", cell(having["fast"], "seconds", ".0f"), *errors])
    return table(["signal", "s of `fast`", *ways], found)


def photographs() -> str:
    """Return the table of gains over interpolation."""
    rows = recipes.last_rows("left_out")
    ways = dict.fromkeys(way for row in rows for way in row["ways"])
    found = []
    for way in ways:
        having = [row["ways"][way] for row in rows if way in row["ways"]]
        cells = [way, str(len(having))]
        for mode in ("bilinear", "bicubic"):
            gains = [median(each, f"over {mode}") for each in having]
            cells += [f"{statistics.median(gains):+.2f}", f"{min(gains):+.2f}"]
        found.append(cells)
    return table(["way", "photographs", "dB over bilinear, median", "worst", "over bicubic, median", "worst"], found)


def quiet() -> str:
    """Return the table of noise in flat parts and of hiss."""
    wanted: Mapping[str, Sequence[tuple[str, str]]] = {
        "flat": (("PSNR", ".1f"), ("noise at pixels", ".2f"), ("noise halfway", ".2f")),
        "hiss": (("SNR", ".1f"), ("hiss", ".0f"), ("distance of spectra", ".1f"), ("worst third", ".2f")),
    }
    made = {"flat": ("map", flat.MADE), "hiss": ("recording", hiss.MADE)}  # in other rows are files
    rows = {name: [row for row in recipes.last_rows(name) if row[key] == own] for name, (key, own) in made.items()}
    ways = dict.fromkeys(way for found in rows.values() for row in found for way in row["ways"])
    lines = []
    for way in ways:
        cells = [way]
        for name, keys in wanted.items():
            each = rows[name][0]["ways"].get(way, {}) if rows[name] else {}
            cells += [cell(each, key, form) for key, form in keys]
        lines.append(cells)
    names = ["map, dB", "noise at pixels", "halfway", "sound, dB", "hiss, dBFS", "spectra", "worst third, dB"]
    return table(["way", *names], lines)


def shape() -> str:
    """Return the table of a torus."""
    keys = (*between.QUANTITIES, "angle", "slope off 1", "Chamfer over the floor")
    rows = [
        [way, *(cell(each, key) for key in keys), cell(each, "seconds", ".0f")]
        for row in recipes.last_rows("curved")
        for way, each in row["ways"].items()
    ]
    return table(["way", "value", "gradient", "Laplacian", "normals off, °", "‖∇Φ‖ off 1", "Chamfer", "s"], rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "closed": closed_forms,
    "photographs": photographs,
    "quiet": quiet,
    "shape": shape,
}


def written(page: str) -> str:
    """Return the page with the tables that the results give."""
    return _PLACE.sub(lambda found: f"<!-- {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end -->", page)


# ---- the picture


def draw(path: Path, *, smoke: bool) -> None:
    """Draw the Laplacian of the Gabor sum, in the middle and enlarged, and the errors of what is fitted to 8 bits."""
    signal = between.SIGNALS["gabor"].smaller() if smoke else between.SIGNALS["gabor"]
    samples = signal.rounded()
    axis = torch.linspace(-HALF, HALF, FINE, dtype=torch.float64)
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    truth = between.truths_of(signal.function, places)[2]
    found: dict[str, Tensor] = {"spline": between.spline(signal, samples, places)[2]}
    seconds = 0.0
    for way in ("earlier", "fast", "published"):
        problem = problems.image(samples)
        budget: dict[str, Any] = {"passes": 1.0} if smoke else {"seconds": seconds} if way == "published" else {}
        solution = solve(problem, recipe=recipes.earlier(problem) if way == "earlier" else way, **budget)
        seconds = solution.seconds
        assert isinstance(problem.signal, ImageSignal)
        found[way] = between.jet_of(solution.field, problem.signal.lattice, places)[2]
    figure, across = plt.subplots(1, 1 + len(found), figsize=(3 * (1 + len(found)), 3.3), layout="constrained")
    largest = float(truth.abs().max())
    pictures: dict[str, Tensor] = {"ΔΦ, the truth": truth}
    for name, each in found.items():
        part = float((each - truth).norm() / (truth - truth.mean()).norm())
        pictures[f"{name}: error of ΔΦ, {100 * part:.0f} %"] = each - truth
    for ax, (title, values) in zip(across, pictures.items(), strict=True):
        shown: NDArray[np.float64] = values.reshape(FINE, FINE).numpy()
        ax.imshow(shown, cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.set_title(title, fontsize=10)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.savefig(path, dpi=100)


def main() -> None:
    """Print or write the page, or draw its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--picture", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder) / "between.png", smoke=True)
    elif options.picture:
        draw(PICTURE, smoke=False)
    elif options.write:
        PAGE.write_text(written(PAGE.read_text()))
    else:
        print(written(PAGE.read_text()))


if __name__ == "__main__":
    main()
