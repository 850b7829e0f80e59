"""Does a field predict pixels that were left out, by every recipe, on six photographs?

Every second pixel of both axes of a grey photograph is fitted; the others within the hull of those are predicted.
Gains are in dB over bilinear and over bicubic interpolation of the same pixels; see ``held_out.py`` for the course of a
fit of one of them. Photographs are scikit-image's, cut to a square of at most 512 pixels a side around their middle.

    python benchmarks/left_out.py                        # ten minutes
    python benchmarks/left_out.py --photographs camera   # one; the others are kept from the last result
    python benchmarks/left_out.py --smoke                # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import skimage.color
import skimage.data
from numpy.typing import NDArray

import held_out
import machine
import recipes
from sinefield import problems
from sinefield.problem import Problem
from sinefield.solution import Solution

PHOTOGRAPHS = ("camera", "astronaut", "coffee", "chelsea", "rocket", "coins")
LONGEST = 512  # pixels of a side
MODES = ("bilinear", "bicubic")


def photograph(name: str, longest: int) -> NDArray[np.uint8]:
    """Return a square of even sides around the middle of a photograph, in grey."""
    picture = getattr(skimage.data, name)()
    grey = picture if picture.ndim == 2 else np.round(255 * skimage.color.rgb2gray(picture)).astype(np.uint8)
    side = min(*grey.shape, longest) // 2 * 2
    top, left = ((size - side) // 2 for size in grey.shape)
    return np.ascontiguousarray(grey[top : top + side, left : left + side])


def measured(name: str, longest: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return what interpolation and each recipe predict of a photograph."""
    full = photograph(name, longest)
    kept = np.ascontiguousarray(full[::2, ::2])
    bars = {mode: held_out.judged(held_out.interpolated(kept, mode), full)["held out"] for mode in MODES}

    def judge(problem: Problem, solution: Solution) -> dict[str, float]:
        reached = held_out.judged(held_out.rendered(problem, solution.field), full)
        return reached | {f"over {mode}": reached["held out"] - bar for mode, bar in bars.items()}

    print(f"{name}, {len(full)}²: {bars}", flush=True)
    known = recipes.last_ways("left_out", photograph=name, side=len(full))
    ways = recipes.compared(lambda: problems.image(kept), judge, options, known=known)
    return {"photograph": name, "side": len(full), **recipes.setting(), "interpolation": bars, "ways": ways}


def summed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return median and worst gain of each recipe over the photographs."""
    found = []
    for way in (way for way in rows[0]["ways"] if all(way in row["ways"] for row in rows)):
        one: dict[str, Any] = {"way": way}
        for mode in MODES:
            gains = [row["ways"][way][f"over {mode}"]["median"] for row in rows]
            one |= {f"over {mode}, median": statistics.median(gains), f"over {mode}, worst": min(gains)}
        found.append(one | {"seconds": sum(row["ways"][way]["seconds"]["median"] for row in rows)})
    return found


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipes.add_options(parser)
    parser.add_argument("--photographs", nargs="+", choices=PHOTOGRAPHS, default=PHOTOGRAPHS)
    parser.add_argument("--longest", type=int, default=LONGEST, help="pixels of a side, at most")
    options = parser.parse_args()
    if options.smoke:
        rows: list[Any] = [measured("coins", 64, options)]
    else:
        rows = [measured(name, options.longest, options) for name in options.photographs]
        rows = recipes.with_last("left_out", rows, ["photograph"])
    summary = summed(rows)
    machine.write("left_out", {"rows": rows, "summary": summary}, smoke=options.smoke)
    machine.show("pixels left out: dB over interpolation", summary)


if __name__ == "__main__":
    main()
