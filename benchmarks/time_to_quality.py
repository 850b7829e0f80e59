"""How many seconds of fitting until a picture has a given quality?

The picture is the cameraman at 256², the same array for all; the network 256 x 3 throughout. Of the peers the
PSNR at some steps is noted; of sinefield's fast recipe the PSNR twice a pass, for several budgets, as the
schedule depends on the budget. Only fitting is timed, evaluations are not; what the whole command takes beside
the fitting it reports is measured too.

    python benchmarks/time_to_quality.py             # ten minutes, most of them for the peers
    python benchmarks/time_to_quality.py --full      # forty minutes more: the peers to step 1,000
    python benchmarks/time_to_quality.py --smoke     # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import machine
import peers
import sinefield


@dataclass(frozen=True)
class Plan:
    """What is run.

    Args:
        longest: of the picture, in pixels.
        steps: of the peers, at which their PSNR is noted.
        known: the PSNR in dB of the published recipe at later steps, from an earlier run of it to the end.
        budgets: of the fast recipe, by name.
        levels: further PSNRs in dB to time.
        command_passes: of the command.
    """

    longest: int = 256
    steps: tuple[int, ...] = (50, 100)
    known: Mapping[int, float] = field(default_factory=lambda: {200: 29.9, 300: 32.2, 1000: 39.6})
    budgets: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {
            "6 passes": {"passes": 6},
            "10 passes": {"passes": 10},
            "12 passes": {"passes": 12},
            "14 passes": {"passes": 14},
            "16 passes": {"passes": 16},
            "15 s": {"seconds": 15.0},
        }
    )
    levels: tuple[float, ...] = (35.0, 38.0)
    command_passes: int = 5


SMOKE = Plan(
    longest=48,
    steps=(1, 2),
    known={3: 13.0},
    budgets={"2 passes": {"passes": 2}, "0.3 s": {"seconds": 0.3}},
    levels=(8.0, 60.0),
    command_passes=1,
)


# ---- time to quality


def fitted(problem: sinefield.Problem, seed: int, budget: Mapping[str, Any]) -> list[dict[str, float]]:
    """Fit by the fast recipe; return the seconds of fitting and the PSNR of all pixels at each record."""
    rows: list[dict[str, float]] = []

    def watch(progress: Any) -> None:
        if progress.record is not None and progress.record.step == progress.step:
            psnr = problem.measure({"u": progress.field}, None)["psnr"]
            rows.append({"passes": progress.passes, "seconds": progress.seconds, "psnr": psnr})

    sinefield.solve(problem, seed=seed, observe=watch, **budget)
    return rows


def seconds_to(psnr: float, curves: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float] | None:
    """Return the spread of the seconds until ``psnr`` is reached, or None if a curve never does."""
    first = [next((row["seconds"] for row in curve if row["psnr"] >= psnr), None) for curve in curves]
    reached = [each for each in first if each is not None]
    return machine.spread(reached) if len(reached) == len(curves) else None


def time_to_quality(plan: Plan, seeds: int, peer_seeds: int) -> dict[str, Any]:
    """Return the course of each method, and the time of the fast recipe to the quality of the others."""
    problem = sinefield.problems.image("sample:camera", longest=plan.longest)
    courses: dict[str, list[list[dict[str, float]]]] = {"published": [], "siren-pytorch": []}
    curves: dict[str, list[list[dict[str, float]]]] = {name: [] for name in plan.budgets}
    sinefield.solve(problem, passes=0.1)  # starting threads and libraries is nobody's time
    for seed in range(max(seeds, peer_seeds)):  # the methods take turns
        if seed < seeds:
            for name, budget in plan.budgets.items():
                curves[name].append(fitted(problem, seed, budget))
        if seed < peer_seeds:
            courses["published"].append(peers.published(problem, seed).train(plan.steps))
            courses["siren-pytorch"].append(peers.siren_pytorch(problem, seed).train(plan.steps))
    milestones = {
        name: [machine.spreads(rows) | {"step": rows[0]["step"]} for rows in zip(*runs, strict=True)]
        for name, runs in courses.items()
    }
    return {
        "peers": milestones,
        "fast": {name: machine.spreads([run[-1] for run in runs]) for name, runs in curves.items()},
        "levels": levels(plan, milestones["published"], curves),
        "curves": curves,
    }


def levels(
    plan: Plan, published: Sequence[Mapping[str, Any]], curves: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]
) -> list[dict[str, Any]]:
    """Return the seconds of each budget to each level, and how many times sooner the best is there."""
    goals: list[tuple[str, float, float | None]] = [
        (f"published, step {row['step']}", row["psnr"]["median"], row["seconds"]["median"]) for row in published
    ]
    last = published[-1]
    for step, psnr in plan.known.items():
        if step > last["step"]:
            seconds = last["seconds"]["median"] * step / last["step"]
            goals.append((f"published, step {step}, extrapolated", psnr, seconds))
    goals += [(f"{psnr:g} dB", psnr, None) for psnr in plan.levels]
    found = []
    for name, psnr, by_published in goals:
        times = {budget: seconds_to(psnr, runs) for budget, runs in curves.items()}
        best = min((each["median"] for each in times.values() if each is not None), default=None)
        ratio = None if best is None or by_published is None else by_published / best
        found.append({"level": name, "psnr": psnr, "published s": by_published, **times, "times sooner": ratio})
    return found


# ---- the whole command


def outside_the_fit(plan: Plan, runs: int) -> dict[str, float]:
    """Return the seconds that the command takes beside those of fitting that it reports."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "sinefield",
            "fit",
            "sample:camera",
            "--resize",
            str(plan.longest),
            "--passes",
            str(plan.command_passes),
            "--output",
            str(Path(folder) / "camera.safetensors"),
            "--json",
        ]
        for _ in range(runs):
            start = time.perf_counter()
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(time.perf_counter() - start - json.loads(printed)["seconds"])
    return machine.spread(found)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--full", action="store_true", help="run the peers to step 1,000")
    parser.add_argument("--seeds", type=int, default=3, help="of sinefield, and runs of the command")
    parser.add_argument("--peer-seeds", type=int, default=1, help="of the peers, which are slow")
    options = parser.parse_args()
    plan, seeds, peer_seeds = Plan(), options.seeds, options.peer_seeds
    if options.full:
        plan = replace(plan, steps=(*plan.steps, 1000))
    if options.smoke:
        plan, seeds, peer_seeds = SMOKE, 1, 1
    quality = time_to_quality(plan, seeds, peer_seeds)
    outside = outside_the_fit(plan, seeds)
    results = {"longest": plan.longest, **quality, "seconds outside the fit": outside}
    machine.write("time_to_quality", results, smoke=options.smoke)
    machine.show(
        f"as published and siren-pytorch, on all {plan.longest}² pixels at once",
        [{"peer": name, **row} for name, rows in quality["peers"].items() for row in rows],
    )
    machine.show("sinefield, fast", [{"budget": name, **row} for name, row in quality["fast"].items()])
    machine.show("seconds of fitting to a PSNR", quality["levels"])
    machine.show("the command, beside the fitting it reports", [{"": "seconds", "outside the fit": outside}])


if __name__ == "__main__":
    main()
