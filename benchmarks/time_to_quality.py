"""How many seconds of fitting until a picture has a given quality?

The picture is the cameraman at 256², the same array for all; the network 256 x 3 throughout. Three ways are compared:
the published recipe and siren-pytorch on all pixels at once, of which the PSNR at some steps is noted; the fair
rival, plain PyTorch in mini-batches; and sinefield's fast recipe. Of the last two the PSNR is noted once a pass, for
several budgets, as their schedules depend on the budget; one of the rival's is the time that the longest fast fit
took. Only fitting is timed, evaluations are not; what the whole command takes beside the fitting it reports is
measured too. Beside them is told what a field that is solved for has at once: one layer of sines in each of many tiles.

The published recipe takes a second a step here and is timed over few steps. What it reaches later is known from an
earlier run to the end, and the seconds until then are extrapolated, which the result says.

    python benchmarks/time_to_quality.py             # four minutes
    python benchmarks/time_to_quality.py --full      # forty minutes more: the published recipes to step 1,000
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
from sinefield.solution import Progress

EQUAL = "as long as fast, {:g} passes"  # the rival's budget that is a time
Curve = list[dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What is run.

    Args:
        longest: of the picture, in pixels.
        steps: of the published recipes, at which their PSNR is noted.
        known: the PSNR in dB of the published recipe at later steps, from an earlier run of it to the end.
        fast: budgets of the fast recipe, in passes.
        rival: budgets of the fair rival, in passes.
        levels: further PSNRs in dB to time.
        command_passes: of the command.
    """

    longest: int = 256
    steps: tuple[int, ...] = (5, 15)
    known: Mapping[int, float] = field(default_factory=lambda: {100: 26.1, 300: 32.2, 1000: 39.6})
    fast: tuple[float, ...] = (6, 12, 16)
    rival: tuple[float, ...] = (6, 12)
    levels: tuple[float, ...] = (35.0, 38.0)
    command_passes: int = 5


SMOKE = Plan(longest=24, steps=(1, 2), known={3: 13.0}, fast=(2,), rival=(2,), levels=(8.0, 60.0), command_passes=1)


# ---- time to quality


def fitted(problem: sinefield.Problem, seed: int, passes: float) -> Curve:
    """Fit by the fast recipe; return passes, seconds of fitting and the PSNR of all pixels, once a pass."""
    rows: Curve = []

    def watch(progress: Progress) -> None:
        last = rows[-1]["passes"] if rows else 0.0
        if progress.passes - last > 1 - 1e-6 or progress.fraction >= 1:
            psnr = problem.measure({"u": progress.field}, None)["psnr"]
            rows.append({"passes": progress.passes, "seconds": progress.seconds, "psnr": psnr})

    sinefield.solve(problem, seed=seed, observe=watch, passes=passes)
    return rows


def seconds_to(psnr: float, curves: Sequence[Curve]) -> dict[str, float] | None:
    """Return the spread of the seconds until ``psnr`` is reached, or None if a curve never does."""
    first = [next((row["seconds"] for row in curve if row["psnr"] >= psnr), None) for curve in curves]
    reached = [each for each in first if each is not None]
    return machine.spread(reached) if len(reached) == len(curves) else None


def time_to_quality(plan: Plan, seeds: int) -> dict[str, Any]:
    """Return the course of each method, and the time of the rival and of the fast recipe to the quality of others."""
    problem = sinefield.problems.image("sample:camera", longest=plan.longest)
    equal = EQUAL.format(plan.fast[-1])
    fast: dict[str, list[Curve]] = {f"{passes:g} passes": [] for passes in plan.fast}
    rival: dict[str, list[Curve]] = {**{f"{passes:g} passes": [] for passes in plan.rival}, equal: []}
    sinefield.solve(problem, passes=0.1)  # starting threads and libraries is nobody's time
    peers.MiniBatches(problem, 1.0).step()
    for seed in range(seeds):  # the methods take turns
        for passes in plan.fast:
            fast[f"{passes:g} passes"].append(fitted(problem, seed, passes))
        seconds = fast[f"{plan.fast[-1]:g} passes"][-1][-1]["seconds"]
        for passes in plan.rival:
            rival[f"{passes:g} passes"].append(peers.MiniBatches(problem, passes, seed).train(round(passes)))
        last = rival[f"{plan.rival[-1]:g} passes"][-1][-1]
        passes = seconds * last["passes"] / last["seconds"]
        rival[equal].append(peers.MiniBatches(problem, passes, seed).train(max(1, round(passes))))
    courses = {
        "published": peers.published(problem).train(plan.steps),
        "siren-pytorch": peers.siren_pytorch(problem).train(plan.steps),
    }
    return {
        "peers": courses,
        "rival": {name: machine.spreads([run[-1] for run in runs]) for name, runs in rival.items()},
        "fast": {name: machine.spreads([run[-1] for run in runs]) for name, runs in fast.items()},
        "levels": levels(plan, courses["published"], rival, fast),
        "curves": {"rival": rival, "fast": fast},
    }


def levels(
    plan: Plan, published: Curve, rival: Mapping[str, Sequence[Curve]], fast: Mapping[str, Sequence[Curve]]
) -> list[dict[str, Any]]:
    """Return the seconds of each method to each level, of the rival and fast with the budget that is there first."""
    last = published[-1]
    goals: list[tuple[int | None, float, float | None]] = [
        (int(row["step"]), row["psnr"], row["seconds"]) for row in published
    ]
    goals += [
        (step, psnr, last["seconds"] * step / last["step"]) for step, psnr in plan.known.items() if step > last["step"]
    ]
    goals += [(None, psnr, None) for psnr in plan.levels]
    found = []
    for step, psnr, by_published in goals:
        theirs, ours = first_there(psnr, rival), first_there(psnr, fast)
        mine = None if ours["seconds"] is None else ours["seconds"]["median"]
        other = None if theirs["seconds"] is None else theirs["seconds"]["median"]
        found.append(
            {
                "psnr": psnr,
                "published step": step,
                "published s": by_published,
                "extrapolated from steps": last["step"] if step is not None and step > last["step"] else None,
                "rival s": theirs["seconds"],
                "rival budget": theirs["budget"],
                "fast s": ours["seconds"],
                "fast budget": ours["budget"],
                "times sooner than published": None if mine is None or by_published is None else by_published / mine,
                "times sooner than rival": None if mine is None or other is None else other / mine,
            }
        )
    return found


def first_there(psnr: float, curves: Mapping[str, Sequence[Curve]]) -> dict[str, Any]:
    """Return the budget that reaches ``psnr`` in the fewest seconds, and the spread of these; None: none does."""
    times = {budget: seconds_to(psnr, runs) for budget, runs in curves.items()}
    reached = {budget: each for budget, each in times.items() if each is not None}
    best = min(reached, key=lambda budget: reached[budget]["median"], default=None)
    return {"budget": best, "seconds": None if best is None else reached[best]}


# ---- the whole command


def solved(plan: Plan, runs: int) -> dict[str, Any]:
    """Return what a field that is solved for reaches, in how many seconds, and those of the whole command."""
    problem = sinefield.problems.image("sample:camera", longest=plan.longest)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sinefield", "fit", "sample:camera", "--resize", str(plan.longest)]
        command += ["--recipe", "solved", "--output", str(Path(folder) / "camera.safetensors"), "--quiet"]
        for _ in range(runs):
            solution = sinefield.solve(problem, recipe="solved")
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            rows.append(
                {
                    "seconds": solution.seconds,
                    "psnr": solution.metrics["psnr"],
                    "numbers": sum(each.numel() for each in solution.field.parameters()),
                    "seconds of the command": time.perf_counter() - start,
                }
            )
    return machine.spreads(rows)


def outside_the_fit(plan: Plan, runs: int) -> dict[str, float]:
    """Return the seconds that the command takes beside those of fitting that it reports."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "camera.safetensors")
        size, passes = str(plan.longest), str(plan.command_passes)
        command = [sys.executable, "-m", "sinefield", "fit", "sample:camera", "--resize", size]
        command += ["--passes", passes, "--output", output, "--json"]
        for _ in range(runs):
            start = time.perf_counter()
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(time.perf_counter() - start - json.loads(printed)["seconds"])
    return machine.spread(found)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--full", action="store_true", help="run the published recipes to step 1,000")
    parser.add_argument("--seeds", type=int, default=3, help="of the rival and sinefield, and runs of the command")
    options = parser.parse_args()
    plan, seeds = Plan(), options.seeds
    if options.full:
        plan = replace(plan, steps=(*plan.steps, 100, 300, 1000))
    if options.smoke:
        plan, seeds = SMOKE, 1
    quality = time_to_quality(plan, seeds)
    outside = outside_the_fit(plan, seeds)
    at_once = solved(plan, seeds)
    known = {str(step): psnr for step, psnr in plan.known.items()}
    results = {
        "longest": plan.longest,
        "published, known from an earlier run": known,
        **quality,
        "seconds outside the fit": outside,
        "solved": at_once,
    }
    machine.write("time_to_quality", results, smoke=options.smoke)
    machine.show(
        f"as published and siren-pytorch, on all {plan.longest}² pixels at once",
        [{"peer": name, **row} for name, rows in quality["peers"].items() for row in rows],
    )
    machine.show("plain PyTorch in mini-batches", [{"budget": name, **row} for name, row in quality["rival"].items()])
    machine.show("sinefield, fast", [{"budget": name, **row} for name, row in quality["fast"].items()])
    machine.show("sinefield, solved", [at_once])
    machine.show("seconds of fitting to a PSNR", quality["levels"])
    machine.show("the command, beside the fitting it reports", [{"": "seconds", "outside the fit": outside}])


if __name__ == "__main__":
    main()
