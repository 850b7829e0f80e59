"""Sinefield's recipes side by side: what they leave between the samples, at about the same seconds.

    default    what is done where nobody asks, where it is told beside the others
    solved     nothing is trained: a layer of sines in each of many small tiles, where the problem has that
    fast       the default where that is not sure: its own budget
    samples    for decibels at the samples: as many passes as ``fast``
    earlier    the default before Muon took the steps: Adam, on batches half as large; as many passes
    best       five times as many passes
    published  the paper's, with as many seconds as ``fast`` took, and 300 steps where that is asked for

``earlier`` has today's ω₀ and draws batches as today: what differs is the solver, its rates and the size of batches. Of
recordings it and ``published`` are one network, whose ω₀ is half the mean frequency, where the default is in tiles.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import machine
from sinefield import problems, solve
from sinefield.fields.frequency import mean_frequency
from sinefield.problem import Problem
from sinefield.recipe import Proportional, Recipe
from sinefield.solution import Solution
from sinefield.solvers import Adam, Cosine

EARLIER = Recipe(
    "earlier",
    Adam(5e-4, (0.9, 0.95)),
    Cosine(0.05),
    batch=Proportional(steps=64),
    rounding=True,
    first_omega=None,
    passes=16,
    pace=16,
)
WAYS = ("default", "solved", "fast", "samples", "earlier", "best", "published", "steps")
STEPS = 300
LONG = f"published, {STEPS} steps"
_SOUND = replace(EARLIER, solver=Adam(3e-4, (0.9, 0.99)), schedule=Cosine(0.005), batch=2048, passes=24, pace=32)

Judge = Callable[[Problem, Solution], Mapping[str, float]]


def earlier(problem: Problem) -> Recipe:
    """Return the earlier default of a problem on samples; tiles and recordings had rates of their own."""
    if problem.parts is not None:
        return replace(
            EARLIER, solver=Adam(1e-3, (0.9, 0.95)), batch=problem.tuning["fast"].get("batch"), passes=8, pace=8
        )
    return _SOUND if problem.name == "audio" else EARLIER


def one_network(samples: NDArray[Any], rate: int) -> Problem:
    """Return the problem of a recording ``(n, c)`` as one network, as it was posed before it was in tiles."""
    problem = problems.audio(samples, rate=rate, tiles=(1,))
    frequency = mean_frequency(torch.from_numpy(np.asarray(samples, dtype=np.float32)), 2 / len(samples))
    return replace(problem, omega=0.5 * frequency)


def compared(
    pose: Callable[[], Problem],
    judge: Judge,
    options: argparse.Namespace,
    *,
    alone: Callable[[], Problem] | None = None,
    at_once: Callable[[], Problem] | None = None,
    default: bool = False,
    steps: bool = False,
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what each recipe reaches, and the seconds of posing and solving.

    Args:
        pose: the problem anew.
        judge: a fit.
        options: of :func:`add_options`.
        alone: the problem anew, as one network, for ``earlier`` and ``published``; None: as for the others.
        at_once: the problem anew for ``solved``; None: as for the others.
        default: whether what is done where nobody asks is none of the others.
        steps: whether the published recipe takes :data:`STEPS` steps too.
        known: of other recipes, from the last result.
    """

    def fitted(seed: int, recipe: str, budget: Mapping[str, Any]) -> dict[str, float]:
        start = time.perf_counter()
        own = {"auto": at_once, "solved": at_once, "earlier": alone, "published": alone}.get(recipe)
        problem = (own or pose)()
        solution = solve(problem, recipe=earlier(problem) if recipe == "earlier" else recipe, seed=seed, **budget)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "passes": solution.history[-1].passes} | dict(judge(problem, solution))

    found = {} if options.smoke or known is None else dict(known)

    def add(name: str, recipe: str, count: int, **budget: Any) -> None:
        runs = [fitted(seed, recipe, {"passes": 1.0} if options.smoke else budget) for seed in range(count)]
        found[name] = {"seeds": count, **machine.spreads(runs)}
        told = ", ".join(f"{key} {found[name][key]['median']:.4g}" for key in runs[0])
        print(f"  {name}: {told}", flush=True)

    if default and "default" in options.ways:
        add("default", "auto", 1)
    if "solved" in options.ways and (at_once or pose)().solved is not None:
        add("solved", "solved", 1)  # it has no seed
    for recipe in ("fast", "samples", "earlier", "best"):
        if recipe in options.ways:
            add(recipe, recipe, 1 if options.smoke or recipe == "best" else options.seeds)
    if "published" in options.ways:
        add("published", "published", 1, seconds=found["fast"]["seconds"]["median"])
    if steps and "steps" in options.ways:
        add(LONG, "published", 1, passes=float(STEPS))
    order = ("spline", *WAYS[:-1], LONG)
    return {name: found[name] for name in order if name in found}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a script that compares recipes."""
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3, help="of fast, samples and earlier; the others have one")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="the others are kept as they were")


def medians(ways: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row of medians for each way, to be shown as a table."""
    return [
        {"way": way, **{name: each[name]["median"] if name in each else None for name in names}}
        for way, each in ways.items()
    ]


def last_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of the last result of a name."""
    path = machine.RESULTS / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())["results"]["rows"] if path.exists() else []
    return found


def last_ways(name: str, **keys: object) -> dict[str, Any]:
    """Return what recipes reached by the row of the last result that has these values."""
    for row in last_rows(name):
        if all(row[key] == value for key, value in keys.items()):
            found: dict[str, Any] = row["ways"]
            return found
    return {}


def with_last(name: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return rows, and those of the last result that have other values under ``keys``: cases not run this time."""
    here = {tuple(row[key] for key in keys) for row in rows}
    return [*(row for row in last_rows(name) if tuple(row[key] for key in keys) not in here), *rows]


def setting() -> dict[str, Any]:
    """Return what a row says of how it was made."""
    return {"threads": torch.get_num_threads()}
