"""How many seconds of fitting until a photograph in colour has 35 dB?

The left view of scikit-image's motorcycle, about 768 x 512 pixels; the network 256 x 3. The published recipe takes all
pixels at once and nine seconds a step here, so its steps are taken by sinefield's kernels, which are the same steps in
a fifth of the time, and counted at the seconds that a step takes in plain PyTorch, measured beside them.

    python benchmarks/colour.py                      # twenty minutes
    python benchmarks/colour.py --smoke              # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import skimage

import machine
import peers
import sinefield

GOAL = 35.0


def course(problem: sinefield.Problem, **settings: Any) -> list[dict[str, float]]:
    """Return the step, seconds and estimated PSNR of each record of a fit."""
    history = sinefield.solve(problem, **settings).history
    return [{"step": each.step, "seconds": each.seconds, "psnr": each.metrics["psnr"]} for each in history]


def first_at(rows: list[dict[str, float]], psnr: float) -> dict[str, float] | None:
    """Return the first record of a course that has a PSNR."""
    return next((row for row in rows if row["psnr"] >= psnr), None)


def plain_seconds(problem: sinefield.Problem, steps: int) -> float:
    """Return the median seconds of a step of the published recipe in plain PyTorch."""
    fit = peers.published(problem)
    fit.step()
    found = []
    for _ in range(steps):
        start = time.perf_counter()
        fit.step()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--steps", type=int, default=500, help="of the published recipe")
    parser.add_argument("--passes", type=float, default=20.0, help="of the fast recipe")
    options = parser.parse_args()
    longest, steps, passes, goal, repeats = 768, options.steps, options.passes, GOAL, 3
    if options.smoke:
        longest, steps, passes, goal, repeats = 32, 3, 1.0, 8.0, 1
    picture = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    problem = sinefield.problems.image(picture, longest=longest)
    per_step = plain_seconds(problem, repeats)
    ours = course(problem, passes=passes)
    theirs = course(problem, recipe="published", passes=steps)
    mine, other = first_at(ours, goal), first_at(theirs, goal)
    published = per_step * (other["step"] if other else steps)
    results = {
        "shape": list(peers.grid_of(problem).shape),
        "goal dB": goal,
        "plain seconds a step": per_step,
        "seconds": mine and mine["seconds"],
        "published seconds": published,
        "published gets there": other is not None,
        "times sooner": published / mine["seconds"] if mine else None,
        "fast": ours,
        "published": theirs,
    }
    machine.write("colour", results, smoke=options.smoke)
    machine.show(
        f"seconds to {goal:g} dB",
        [
            {"method": "published, plain PyTorch" + ("" if other else ", not yet there"), "seconds": published},
            {"method": "sinefield, fast", "seconds": mine and mine["seconds"]},
        ],
    )


if __name__ == "__main__":
    main()
