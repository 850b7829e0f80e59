"""Which solver trains a prior, and which rate is best for the published recipe, at equal time?

Mean square errors of Fashion-MNIST's held-out pictures from 10, 50 and 200 known pixels, see priors.py.

    python benchmarks/study_priors.py --data FOLDER                          # twelve minutes
    python benchmarks/study_priors.py --data FOLDER --only "modulated, Adam 1e-3"
    python benchmarks/study_priors.py --smoke
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import machine
from priors import DATA, Row, Task, measured, published, read_task
from sinefield import priors
from sinefield.io import sets
from sinefield.priors.prior import Prior
from sinefield.priors.training import RECIPE
from sinefield.solvers import Adam, Solver

SOLVERS: dict[str, Solver] = {
    "Muon 1e-2": RECIPE.solver,
    "Adam 1e-3": Adam(1e-3, (0.9, 0.99)),
    "Adam 3e-3": Adam(3e-3, (0.9, 0.99)),
}
RATES = (5e-5, 2e-4, 1e-3)
HELD = 500  # pictures


def ours(task: Task, pictures: sets.SignalSet, method: str, solver: Solver, seconds: float) -> Row:
    """Return the errors of a prior of a method after so many seconds of a solver."""
    solution = priors.train(pictures, method, recipe=RECIPE.changed(solver=solver), seconds=seconds)
    assert isinstance(solution.field, Prior)
    return measured(solution.field, task) | {"steps": solution.history[-1].step}


def main() -> None:
    """Train each, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--smoke", action="store_true")
    chosen = parser.parse_args()
    seconds = 0.1 if chosen.smoke else chosen.seconds
    pictures, task = read_task(None if chosen.smoke else chosen.data, HELD)

    def of(method: str, solver: Solver) -> Callable[[], Row]:
        return lambda: ours(task, pictures, method, solver, seconds)

    def rival(rate: float) -> Callable[[], Row]:
        return lambda: published(task, seconds, 0, rate, smoke=chosen.smoke)

    variants = {
        f"{method}, {name}": of(method, solver)
        for method in ("hypernetwork", "modulated", "shifted")
        for name, solver in SOLVERS.items()
    }
    variants |= {f"published, Adam {rate:g}": rival(rate) for rate in RATES}
    path = machine.RESULTS / "study_priors.json"
    before = json.loads(path.read_text())["results"] if path.exists() and not chosen.smoke else {}
    for name, measure in variants.items():
        if chosen.only and name not in chosen.only:
            continue
        found = {key: each for key, each in measure().items() if key != "course"}
        before[name] = found | {"asked": seconds, "processor": machine.describe()["processor"]}
        print(name, found, flush=True)
        machine.write("study_priors", {each: before[each] for each in variants if each in before}, smoke=chosen.smoke)


if __name__ == "__main__":
    main()
