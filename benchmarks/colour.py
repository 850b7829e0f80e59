"""How many seconds of fitting until a photograph in colour has 35 dB?

The left view of scikit-image's motorcycle, about 768 x 512 pixels; the network 256 x 3. Sinefield's fast recipe is
set beside the fair rival, plain PyTorch in mini-batches, with as many passes. The published recipe takes all pixels
at once and ten seconds a step here: a few steps are timed in plain PyTorch; more are taken by sinefield's kernels,
which are the same steps in a fifth of the time, and counted at the seconds of those. The result says that this is an
extrapolation.

    python benchmarks/colour.py                      # four minutes
    python benchmarks/colour.py --steps 330          # twelve more, to where the published recipe is after an hour
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
_JUDGED = 8192  # pixels whose PSNR is taken on the way


def course(problem: sinefield.Problem, **settings: Any) -> list[dict[str, float]]:
    """Return the step, seconds and estimated PSNR of each record of a fit."""
    history = sinefield.solve(problem, **{"recipe": "fast", **settings}).history
    return [{"step": each.step, "seconds": each.seconds, "psnr": each.metrics["psnr"]} for each in history]


def first_at(rows: list[dict[str, float]], psnr: float) -> dict[str, float] | None:
    """Return the first record of a course that has a PSNR."""
    return next((row for row in rows if row["psnr"] >= psnr), None)


def seconds_to(courses: list[list[dict[str, float]]], psnr: float) -> dict[str, float] | None:
    """Return the spread of the seconds of several courses to a PSNR, or None if one never has it."""
    found = [first_at(rows, psnr) for rows in courses]
    reached = [each["seconds"] for each in found if each is not None]
    return machine.spread(reached) if len(reached) == len(courses) else None


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
    parser.add_argument("--steps", type=int, default=30, help="of the published recipe")
    parser.add_argument("--passes", type=float, default=20.0, help="of the fast recipe and of the rival")
    parser.add_argument("--seeds", type=int, default=1, help="of these; two minutes each")
    options = parser.parse_args()
    longest, steps, passes, goal, repeats, seeds = 768, options.steps, options.passes, GOAL, 2, options.seeds
    if options.smoke:
        longest, steps, passes, goal, repeats, seeds = 32, 3, 1.0, 8.0, 1, 2
    picture = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    problem = sinefield.problems.image(picture, longest=longest)
    ours, rival = [], []
    for seed in range(seeds):  # the methods take turns
        ours.append(course(problem, passes=passes, seed=seed))
        rival.append(peers.MiniBatches(problem, passes, seed).train(round(4 * passes), _JUDGED))
    theirs = course(problem, recipe="published", passes=steps)
    per_step = plain_seconds(problem, repeats)
    mine, fair, other = seconds_to(ours, goal), seconds_to(rival, goal), first_at(theirs, goal)
    reached = other or theirs[-1]
    published = per_step * reached["step"]
    results = {
        "shape": list(peers.grid_of(problem).shape),
        "goal dB": goal,
        "seconds": mine,
        "rival seconds": fair,
        "published": {
            "seconds": published,
            "psnr": reached["psnr"],
            "steps": reached["step"],
            "seconds a step": per_step,
            "extrapolated from steps": repeats,
            "gets there": other is not None,
        },
        "times sooner than published": published / mine["median"] if mine else None,
        "times sooner than rival": fair["median"] / mine["median"] if mine and fair else None,
        "courses": {"fast": ours, "rival": rival, "published": theirs},
    }
    machine.write("colour", results, smoke=options.smoke)
    machine.show(
        f"seconds to {goal:g} dB",
        [
            {"method": "published, extrapolated" + ("" if other else ", not yet there"), "seconds": published},
            {"method": "plain PyTorch in mini-batches", "seconds": fair},
            {"method": "sinefield, fast", "seconds": mine},
        ],
    )


if __name__ == "__main__":
    main()
