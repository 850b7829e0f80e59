"""Print the tables of the README's section "What it reaches" from the results, so that no number there can drift.

python benchmarks/table.py             # prints them
python benchmarks/table.py --write     # puts them into the README, between two comments
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

RESULTS = Path(__file__).parent / "results"
EQUATIONS = """\
Equations Δu + κ u = f on a square, beside other libraries with their own settings for it, and the two strongest simple
rivals. On a square with a smooth solution collocation is as exact in a fraction of the time; where a field is worth its
seconds is told [here](docs/equations.md)."""
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- from benchmarks/table.py -->", "<!-- end -->"
LEVEL = 1.15  # of two speeds, within which they are called level
BACH = (
    "2.3e-05 (the authors' file: 9,001 steps, hours)"  # 2.34e-5, read off the file that the paper's authors published
)
USED = (
    "time_to_quality",
    "colour",
    "throughput",
    "derivatives",
    "rendering",
    "held_out",
    "large_pictures",
    "clips",
    "recordings",
    "shapes",
    "supervision",
    "rivals",
)
"""The results that the tables are made of."""


@final
@dataclass(frozen=True)
class Row:
    """A row of the first table.

    Args:
        label: what is measured.
        published: of the published recipe.
        rival: of plain PyTorch in mini-batches.
        ours: of sinefield.
        ratio: how many times as good as the rival we are; None: not comparable in one number, or not measured.
    """

    label: str
    published: str
    rival: str
    ours: str
    ratio: float | None = None


def read(name: str) -> Any:
    """Return a result, with the machine beside it."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def number(value: float | None, digits: int = 3) -> str:
    """Return a number of so many significant digits, thousands apart.

    >>> number(1258.8), number(0.0437), number(None)
    ('1,260', '0.0437', '–')
    """
    if value is None:
        return "–"
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def decibels(value: float | None) -> str:
    """Return a PSNR.

    >>> decibels(39.58)
    '39.6 dB'
    """
    return "–" if value is None else f"{value:.1f} dB"


def middle(spread: Mapping[str, float] | None) -> float | None:
    """Return the median of a spread."""
    return None if spread is None else spread["median"]


def over(one: float | None, other: float | None) -> float | None:
    """Return one number over another, where both are there."""
    return None if one is None or other is None else one / other


# ---- the first table, one function a result


def times(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of ``time_to_quality``: seconds to the published recipe's best PSNR, and PSNR in equal time."""
    size = found["longest"]
    goal = max((each for each in found["levels"] if each["published step"]), key=lambda each: float(each["psnr"]))
    steps, timed = goal["published step"], goal["extrapolated from steps"]
    note = f"{number(steps, 6)} steps" + (f", extrapolated from {timed}" if timed else "")
    rival, ours = middle(goal["rival s"]), middle(goal["fast s"])
    yield Row(
        f"cameraman {size}², seconds to {decibels(goal['psnr'])}",
        f"{number(goal['published s'])} ({note})",
        number(rival),
        number(ours),
        over(rival, ours),
    )
    name, reached = max(found["fast"].items(), key=lambda each: float(each[1]["passes"]["median"]))
    seconds = reached["seconds"]["median"]
    later = next((each for each in found["peers"]["published"] if each["seconds"] > seconds), None)
    equal = [each["psnr"] for budget, each in found["rival"].items() if budget.startswith("as long as")]
    yield Row(
        f"the same after {number(seconds)} s ({name})",
        f"below {decibels(later and later['psnr'])} (reached after {number(later['seconds'])} s)" if later else "–",
        decibels(middle(equal[0]) if equal else None),
        decibels(middle(reached["psnr"])),
    )

    if "solved" in found:
        solved = found["solved"]
        told = f"{decibels(middle(solved['psnr']))} after {number(middle(solved['seconds']))} s"
        command = number(middle(solved["seconds of the command"]))
        yield Row(
            "the same, solved for in tiles and not trained",
            "–",
            "–",
            f"{told}, {command} s for the whole command; {number(middle(solved['numbers']), 3)} numbers",
        )


def colour(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of ``colour``."""
    height, width = found["shape"]
    published, rival, ours = found["published"], middle(found["rival seconds"]), middle(found["seconds"])
    note = f"{number(published['steps'], 6)} steps, extrapolated from {published['extrapolated from steps']}"
    cell = f"{number(published['seconds'])} ({note})"
    if not published["gets there"]:
        cell = f"more than {number(published['seconds'])}: {decibels(published['psnr'])} by then ({note})"
    yield Row(
        f"colour photograph {width} x {height}, seconds to {found['goal dB']:g} dB",
        cell,
        number(rival),
        number(ours),
        over(rival, ours),
    )


def throughput(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of ``throughput``: as PyTorch runs programs, and compiled; ratios are those of float32."""
    rates = {name: float(each["points/s"]["median"]) for name, each in found["training"]["methods"].items()}

    def ours(single: str, rounded: str) -> str:
        exact = f"{number(rates[single])} in float32; " if single in rates else ""
        return f"{exact}{number(rates[rounded])} as `fast` does, backward factors in bfloat16"

    single, compiled = "sinefield, fast, float32", "sinefield, batches of 4,096, compiled"
    rival = rates.get(found["training"].get("best rival"))
    label = "training on values, points a second"
    published = number(rates["published, plain PyTorch"])
    yield Row(label, published, number(rival), ours(single, "sinefield, fast"), over(rates[single], rival))
    rival = rates.get("plain PyTorch, oneDNN, batches of 4,096, compiled")
    yield Row(
        f"{label}, batches of 4,096, compiled",
        "–",
        number(rival),
        ours(f"{compiled}, float32", compiled),
        over(rates.get(f"{compiled}, float32"), rival),
    )


def derivatives(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of ``derivatives``, for its smallest count of points."""
    count = min(each["points"] for each in found["losses"])
    for loss in ("Laplacian in 2-D", "Hessian in 3-D", "Jacobian of 3 outputs in 2-D"):
        rows = {each["method"]: each for each in found["losses"] if (each["loss"], each["points"]) == (loss, count)}
        rival = next((each for each in rows.values() if each.get("best rival")), None)
        published, ours = rows["nested autograd, plain PyTorch"], rows["sinefield"]
        time = middle(ours["ms per step"])
        yield Row(
            f"loss of a {loss}, {count:,} points",
            _cost(published),
            f"{_cost(rival)} ({rival['method'].partition(',')[0]})" if rival else "–",
            _cost(ours),
            over(middle(rival["ms per step"]), time) if rival else None,
        )


def _cost(row: Mapping[str, Any]) -> str:
    return f"{number(middle(row['ms per step']))} ms, {number(row['MiB'])} MiB"


def rendering(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of ``rendering``."""
    rows = {each["method"]: each for each in found["methods"]}

    def cell(method: str) -> str:
        row = rows.get(method)
        return f"{number(middle(row['seconds']))} s, {number(middle(row['MiB']))} MiB" if row else "–"

    rival, ours = "plain PyTorch, oneDNN, small chunks", "sinefield"
    yield Row(
        f"{found['size']}² points evaluated",
        cell("plain PyTorch in chunks"),
        cell(rival),
        cell(ours),
        over(middle(rows[rival]["seconds"]), middle(rows[ours]["seconds"])) if rival in rows else None,
    )


def held_out(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of ``held_out``: the recipe ``best`` where it is best, the published one as well fitted."""
    ours = max((each for each in found["recipes"] if each["recipe"] == "best"), key=_held_out)
    rivals = [each for each in found["recipes"] if each["recipe"] == "plain PyTorch in mini-batches"]
    rival = max(rivals, key=_held_out, default=None)
    then = ours["seconds, published, as fitted"]
    after = f" after {number(then)} s (extrapolated from {found['extrapolated from steps']} steps)" if then else ""
    yield Row(
        f"every second pixel fitted, to {decibels(middle(ours['fitted']))}: the others",
        decibels(ours["held out, published, as fitted"]) + after,
        f"{_at(rival)} (fitted to {decibels(middle(rival['fitted']))})" if rival else "–",
        f"{_at(ours)} (recipe `best`)",
    )


def _held_out(row: Mapping[str, Any]) -> float:
    return float(row["held out"]["median"])


def _at(row: Mapping[str, Any]) -> str:
    return f"{decibels(middle(row['held out']))} after {number(middle(row['seconds']))} s"


FIRST: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Row]]] = {
    "time_to_quality": times,
    "colour": colour,
    "throughput": throughput,
    "derivatives": derivatives,
    "rendering": rendering,
    "held_out": held_out,
}

# ---- the other tables


def tiles() -> list[Sequence[str]]:
    """Return the rows of the table of tiles beside one network, both trained for as long, and of what is solved for."""
    relief = read("large_pictures")["results"]
    tiled, one, solved = relief["tiled"], relief["best one"], relief["solved"]
    at_once = f"{decibels(solved['PSNR'])} in {number(solved['seconds'], 2)} s, {number(solved['MiB'])} MiB"
    label = f"relief of 58 megapixels, {number(tiled['seconds'], 2)} s"
    rows: list[Sequence[str]] = [(label, _one(one, relief["one"]), _tiled(tiled), at_once)]
    clips = read("clips")["results"]["fits"]
    for size in dict.fromkeys(each["size"] for each in clips):
        tiled, *ones = [each for each in clips if each["size"] == size]
        best = max(ones, key=lambda each: float(each["PSNR"]))
        label = f"{tiled['frames']} frames of a street, {size.replace('x', ' x ')}, {number(tiled['seconds'], 2)} s"
        rows.append((label, _one(best, ones), _tiled(tiled), "–"))
    return rows


def _one(best: Mapping[str, Any], tried: Sequence[object]) -> str:
    frequency = str(best["method"]).partition("ω₀ ")[2]
    choice = f"the best of {len(tried)}" if len(tried) > 1 else "the only one tried"
    return f"{decibels(best['PSNR'])} (ω₀ {frequency}, {choice})"


def _tiled(row: Mapping[str, Any]) -> str:
    return f"{decibels(row['PSNR'])}, {number(row['MiB'])} MiB"


def others() -> list[Sequence[str]]:
    """Return the rows of the table of what has a reference of its own."""
    bach = [
        f"{each['MSE']:.1e} in {number(each['seconds'], 2)} s" + (", trained" if each["recipe"] == "fast" else "")
        for each in read("recordings")["results"]["fits"]
    ]
    shapes = read("shapes")["results"]["fits"]
    shortest = min(each["seconds"] for each in shapes)
    scan = {each["method"]: each for each in shapes if each["seconds"] == shortest}
    supervised = read("supervision")["results"]["fits"]
    gradient, laplacian = (next(each for each in supervised if each["on"] == on) for on in ("gradient", "laplacian"))
    outside = read("time_to_quality")["results"]["seconds outside the fit"]
    return [
        (
            "seven seconds of Bach at 44.1 kHz, in tiles: mean square error over the squared peak",
            BACH,
            ", ".join(bach),
        ),
        (
            f"a scan of 100,000 points, {shortest:g} s: Chamfer distance over the floor of what can be told",
            f"{_scan(scan['official loss, plain PyTorch'])} (official loss, plain PyTorch)",
            _scan(scan["points with normals"]),
        ),
        (
            f"cameraman from its gradients alone, {number(gradient['seconds'], 2)} s",
            f"{decibels(gradient['exact_psnr'])} (exact solution of the discrete problem)",
            decibels(gradient["psnr"]),
        ),
        (
            f"cameraman from its Laplacian alone, {number(laplacian['seconds'], 2)} s",
            "–",
            f"correlation {laplacian['laplacian_correlation']:.3f}",
        ),
        ("the whole command besides the fit, imports included", "–", f"{number(middle(outside), 2)} s"),
    ]


def _scan(row: Mapping[str, Any]) -> str:
    if row["over the floor"] is None:
        return "no surface"
    closed, parts = "closed" if row["watertight"] else "not closed", int(row["parts"])
    return f"{number(row['over the floor'], 4)}, {closed}, in {parts} part" + "s" * (parts > 1)


def equations() -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the head and the rows of the table of equations: relative errors, and the seconds they took."""
    found = read("rivals")["results"]
    rows = found["problems"]
    names = [name for name in rows[0] if name != "problem"]
    head = [f"relative error, the median of {found['seeds']}", *names]
    return head, [[row["problem"], *(_error(row[name]) for name in names)] for row in rows]


def _error(found: Mapping[str, Any]) -> str:
    error, seconds = (
        each["median"] if isinstance(each := found[name], dict) else each for name in ("error", "seconds")
    )
    return f"{error:.0e} in {number(seconds, 2)} s"


# ---- the text


def machines() -> str:
    """Return the sentence that says where the results were measured."""
    named: dict[str, list[str]] = {}
    for name in USED:
        told = read(name)["machine"]
        cores = "1 core" if told["cores used"] == 1 else f"{told['cores used']} cores"
        place = f"{cores} of {told['processor']}, {told['instructions']}, PyTorch {told['torch']}"
        named.setdefault(place, []).append(name)
    if len(named) == 1:
        return f"Measured on {next(iter(named))}."
    return "Measured on " + "; on ".join(f"{place} ({', '.join(several)})" for place, several in named.items()) + "."


def verdict(rows: Sequence[Row]) -> str:
    """Return the sentence that says where plain PyTorch is level with us, of the rows that compare one number."""
    compared = [row for row in rows if row.ratio is not None]
    if not compared:
        return "Plain PyTorch in mini-batches has not been measured yet."
    behind = [f"{row.label} ({row.ratio:.2g} x)" for row in compared if row.ratio is not None and row.ratio > LEVEL]
    level = [f"{row.label} ({row.ratio:.2g} x)" for row in compared if row.ratio is not None and row.ratio <= LEVEL]
    found = []
    if level:
        found.append(f"Plain PyTorch in mini-batches is level with Sinefield, or ahead of it, on: {'; '.join(level)}.")
    if behind:
        found.append(f"Sinefield is ahead of it on: {'; '.join(behind)}.")
    return " ".join(found)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown.

    >>> print(table(("", "a"), [("x", "1")]))
    | | a |
    |---|---|
    | x | 1 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("|" + "|".join(_padded(each) for each in line) + "|" for line in lines)


def _padded(cell: str) -> str:
    if cell == "---":
        return cell
    return f" {cell} " if cell else " "


def text() -> str:
    """Return all that the README's section holds between its comments."""
    rows = [row for name, rows_of in FIRST.items() for row in rows_of(read(name)["results"])]
    first = table(
        ("", "published recipe, plain PyTorch", "plain PyTorch in mini-batches, oneDNN", "Sinefield"),
        [(row.label, row.published, row.rival, row.ours) for row in rows],
    )
    second = table(("", "one network, 256 x 3", "tiles, trained", "solved for, the default"), tiles())
    third = table(("", "reference", "Sinefield"), others())
    fourth = table(*equations())
    return "\n\n".join([machines(), first, verdict(rows), second, third, EQUATIONS, fourth])


def written(readme: str) -> str:
    """Return a README with its tables as they should be.

    Raises:
        ValueError: it lacks the two comments.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no place for the tables; put {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n{text()}\n{END}{after}"


def main() -> None:
    """Print the tables, or put them into the README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put them into the README")
    if parser.parse_args().write:
        README.write_text(written(README.read_text()))
    else:
        print(text())


if __name__ == "__main__":
    main()
