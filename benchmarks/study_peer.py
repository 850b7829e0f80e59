"""Which batch, rate and ω₀ are best for the fair rival, plain PyTorch in mini-batches?

The grid is tried on pictures that no table shows. All choices get the time that the first one takes for its passes:
the seconds of a pass are measured first, taking turns, and passes are set accordingly, so that what is reached does
not depend on what else the machine does. Pictures are of the size of the cameraman in the tables, as smaller ones
want smaller batches: at 128² pixels 512 is the best, and at 256² three decibels behind 1,024. The best of the mean
PSNR is ``peers.CHOSEN``; a test holds the two together.

    python benchmarks/study_peer.py                  # five minutes
    python benchmarks/study_peer.py --smoke          # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import asdict
from itertools import product
from typing import Any

import machine
import peers
import sinefield

PICTURES: tuple[str, ...] = ("coins", "coffee")  # one grey, one in colour
BATCHES, RATES, OMEGAS = (1024, 2048), (5e-4, 1e-3), (90.0, 120.0, 180.0)


def seconds_of_a_pass(problem: sinefield.Problem, batch: int, steps: int) -> float:
    """Return the seconds of a pass in batches of so many pixels: the least of several turns."""
    fit = peers.MiniBatches(problem, 1000.0, choice=peers.Choice(batch, 1e-4, peers.OMEGA))
    measure = machine.seconds_per_call(fit.step, steps)
    return min(measure() for _ in range(3)) * len(fit.points) / fit.batch


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--longest", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--passes", type=float, default=12.0, help="of the first choice")
    options = parser.parse_args()
    longest, passes, steps, pictures = options.longest, options.passes, 20, PICTURES
    choices = [peers.Choice(*each) for each in product(BATCHES, RATES, OMEGAS)]
    if options.smoke:
        longest, passes, steps, pictures, choices = 24, 2.0, 1, PICTURES[:1], choices[:2]
    problems = {each: sinefield.problems.image(f"sample:{each}", longest=longest) for each in pictures}
    first = problems[pictures[0]]
    cost = {batch: seconds_of_a_pass(first, batch, steps) for batch in {each.batch for each in choices}}
    rows: list[dict[str, Any]] = []
    for choice in choices:
        budget = passes * cost[choices[0].batch] / cost[choice.batch]
        psnr = {
            name: peers.MiniBatches(problem, budget, choice=choice).train()[-1]["psnr"]
            for name, problem in problems.items()
        }
        rows.append({**asdict(choice), "passes": budget, **psnr, "mean": statistics.mean(psnr.values())})
    best = max(rows, key=lambda row: float(row["mean"]))
    results = {
        "longest": longest,
        "choices": rows,
        "best": {name: best[name] for name in ("batch", "rate", "first_omega")},
    }
    machine.write("study_peer", results, smoke=options.smoke)
    machine.show("PSNR in dB at equal time", rows)


if __name__ == "__main__":
    main()
