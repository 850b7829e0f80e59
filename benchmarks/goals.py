"""How soon does a fit reach the PSNR asked for, and by how much does it pass it?

Three fits to each goal: one that spreads its schedule over the way to the goal as it finds it (`until`), one with the
recipe's own schedule that stops at the goal (as every fit did before), and, as the least that could be reached, one
that was told the passes it needs, interpolated in log₂ of the passes between fits of 2, 4, 8, 16 and 32 passes. The
pictures that the constants of `sinefield.approach` were found on and those to check them with are different ones.

    python benchmarks/goals.py             # about seven minutes
    python benchmarks/goals.py --smoke     # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

import machine
import sinefield
from study import CHECKED_WITH, CHOSEN_BY

GOALS = (30.0, 35.0, 40.0, 45.0)
LONGEST = 160
TOLD = (2, 4, 8, 16, 32)  # passes


def told(problem: sinefield.Problem, seed: int, passes: Sequence[float]) -> tuple[list[float], float]:
    """Return the PSNR that fits of so many passes end with, and the seconds of a pass of the longest."""
    fits = [sinefield.solve(problem, seed=seed, passes=each, compiled=False) for each in passes]
    return [each.metrics["psnr"] for each in fits], fits[-1].seconds / passes[-1]


def fixed(problem: sinefield.Problem, seed: int, goals: Sequence[float]) -> dict[float, dict[str, float] | None]:
    """Return when the recipe's own schedule comes to each goal, and what it has by then; None: it never does."""
    records = sinefield.solve(problem, recipe="fast", seed=seed, compiled=False).history
    found: dict[float, dict[str, float] | None] = {}
    for goal in goals:
        first = next((each for each in records if each.metrics["psnr"] >= goal), None)
        found[goal] = None if first is None else {"passes": first.passes, "over": first.metrics["psnr"] - goal}
    return found


def rows_of(picture: str, longest: int, goals: Sequence[float], seed: int, passes: Sequence[float]) -> list[Any]:
    """Return what each way takes to each goal."""
    problem = sinefield.problems.image(f"sample:{picture}", longest=longest)
    reached, second = told(problem, seed, passes)
    before = fixed(problem, seed, goals)
    rows = []
    for goal in goals:
        found = sinefield.solve(problem, seed=seed, until=goal, compiled=False)
        took = found.history[-1].passes
        least = 2 ** float(np.interp(goal, reached, np.log2(passes)))
        inside = reached[0] <= goal <= reached[-1]
        earlier = before[goal]
        rows.append(
            {
                "picture": picture,
                "goal": goal,
                "seed": seed,
                "passes": took,
                "seconds": found.seconds,
                "over": found.metrics["psnr"] - goal,
                "reached": found.stopped == "goal",
                "passes of the recipe's own schedule": None if earlier is None else earlier["passes"],
                "over by the recipe's own schedule": None if earlier is None else earlier["over"],
                "passes if told": least if inside else None,
                "seconds of a pass": second,
            }
        )
    return rows


def summary(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return medians and worst over rows."""
    over = [row["over"] for row in rows if row["reached"]]
    to_told = [row["passes"] / row["passes if told"] for row in rows if row["reached"] and row["passes if told"]]
    own = "passes of the recipe's own schedule"
    to_own = [row["passes"] / row[own] for row in rows if row["reached"] and row[own]]
    return {
        "": name,
        "fits": len(rows),
        "reached": sum(row["reached"] for row in rows),
        "reached by the recipe's own schedule": sum(row[own] is not None for row in rows),
        "passes / told": machine.spread(to_told) if to_told else None,
        "passes / own schedule": machine.spread(to_own) if to_own else None,
        "median dB over": statistics.median(over) if over else None,
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds, longest = range(options.seeds), LONGEST
    goals: Sequence[float] = GOALS
    passes: Sequence[float] = TOLD
    groups: dict[str, Sequence[str]] = {"chosen by": CHOSEN_BY[::2], "checked with": CHECKED_WITH}
    if options.smoke:
        seeds, longest, goals, passes = range(1), 16, (12.0, 20.0), (1, 2)
        groups = {"checked with": CHECKED_WITH[:1]}
    rows = {
        name: [row for seed in seeds for each in part for row in rows_of(each, longest, goals, seed, passes)]
        for name, part in groups.items()
    }
    summaries = [summary(name, part) for name, part in rows.items()]
    for name, part in rows.items():
        each = {goal: [row for row in part if row["goal"] == goal] for goal in goals}
        summaries.extend(summary(f"{name}, {goal:g} dB", some) for goal, some in each.items())
    machine.write("goals", {"longest": longest, "rows": rows, "summary": summaries}, smoke=options.smoke)
    machine.show("each goal", [row for part in rows.values() for row in part])
    machine.show("passes to a goal", summaries)


if __name__ == "__main__":
    main()
