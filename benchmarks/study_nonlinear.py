"""Which solver for nonlinear equations, at equal seconds?

Three problems with a solution in closed form; each solver has the same seconds for one seed after the other, everything
included. Solvers of all weights get one network each, 3 sine layers of 24 features, in double precision, with the
initial and boundary values built in, and as many points. Solvers of last layers get what their problems choose: one
sine layer, or slabs of such. Beside them, for Burgers, what implicit finite differences reach in the same seconds.

    python benchmarks/study_nonlinear.py            # twenty minutes, half of them for two last layers
    python benchmarks/study_nonlinear.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

import machine
from sinefield import Box, Constraint, PointCloud, problems, solve
from sinefield.fields.compose import Formula, Product, Sum
from sinefield.problem import Problem
from sinefield.problems.burgers import VISCOSITY, exact
from sinefield.recipe import Recipe
from sinefield.solvers import LBFGS, Adam, Broyden, Constant, Cosine, GaussNewton, Muon, Soap, Solver, Spring

PI = math.pi
LAYERS, WIDTH = 2, 24
POINTS = 2000
"""Of each domain in a step."""

SOLVERS: Mapping[str, tuple[Solver, int]] = {
    "Adam": (Adam(2e-3), POINTS),
    "SOAP": (Soap(3e-3), POINTS),
    "Muon": (Muon(2e-3, rest=Adam(1e-3)), POINTS),
    "L-BFGS": (LBFGS(), POINTS),
    "self-scaled Broyden": (Broyden(), POINTS),
    "SPRING": (Spring(), 400),
    "Gauss-Newton": (GaussNewton(), POINTS),
    "Gauss-Newton, points by residual": (GaussNewton(share=0.5), 2 * POINTS),
    "Gauss-Newton, five steps at the same points": (GaussNewton(share=0.5, repeats=5), 2 * POINTS),
}
"""Solvers of all weights, and their points of each domain in a step."""


def on_line(axis: int, at: float, bounds: tuple[float, float], count: int = 200) -> PointCloud:
    """Return points on a side of a rectangle in (t, x)."""
    along = torch.linspace(*bounds, count, dtype=torch.float64)
    fixed = torch.full_like(along, at)
    return PointCloud(torch.stack([fixed, along] if axis == 0 else [along, fixed], 1), axes="tx")


def pose(
    constraints: list[Constraint],
    truth: Callable[[Tensor], Tensor],
    start: Callable[[Tensor], Tensor],
    factor: Callable[[Tensor], Tensor],
    **settings: Any,
) -> Problem:
    """Return the problem; of a deep network with its conditions built in, Φ = g + d Ψ, so that the equation is left."""
    if "hidden_layers" not in settings:
        return problems.equation(constraints, exact=truth, **settings)

    def around(network: nn.Module) -> nn.Module:
        return Sum(Formula(start, 2, 1), Product(Formula(factor, 2, 1), network))

    return problems.equation(constraints[:1], exact=truth, around=around, **settings)


def reaction(**settings: Any) -> Problem:
    """Return u_t = 5 u (1 − u) from a Gaussian; Rathore et al., arXiv 2402.01868."""

    def start(x: Tensor) -> Tensor:
        return torch.exp(-((x - PI) ** 2) / (2 * (PI / 4) ** 2))

    def truth(p: Tensor) -> Tensor:
        grown = start(p[:, 1:]) * torch.exp(5 * p[:, :1])
        return grown / (grown + 1 - start(p[:, 1:]))

    box = Box([0, 0], [1, 2 * PI], axes="tx")
    equation = Constraint(box, lambda u: u.d("t") - 5 * u.value * (1 - u.value), name="reaction")
    began = Constraint(on_line(0, 0.0, (0.0, 2 * PI)), lambda u: u.value - start(u.points[:, 1:]), name="start")
    return pose([equation, began], truth, lambda p: start(p[:, 1:]), lambda p: p[:, :1], **settings)


def burgers(**settings: Any) -> Problem:
    """Return Burgers' equation with ν = 0.01 / π."""
    box = Box([0, -1], [1, 1], axes="tx")
    equation = Constraint(box, lambda u: u.d("t") + u.value * u.d("x") - VISCOSITY * u.d("xx"), name="burgers")
    return pose(
        [equation],
        exact,
        lambda p: -torch.sin(PI * p[:, 1:]),
        lambda p: p[:, :1] * (1 - p[:, 1:] ** 2),
        **settings,
    )


def helmholtz(**settings: Any) -> Problem:
    """Return Δu + u = f on [−1, 1]², u = sin πx sin 4πy: linear, to compare with."""

    def truth(p: Tensor) -> Tensor:
        return torch.sin(PI * p[:, :1]) * torch.sin(4 * PI * p[:, 1:])

    box = Box([-1, -1], [1, 1])
    equation = Constraint(box, lambda u: u.laplacian + u.value - (1 - 17 * PI**2) * truth(u.points), name="helmholtz")
    walls = Constraint(box.boundary, lambda u: u.value, name="dirichlet")
    vanishing = lambda p: (1 - p**2).prod(1, keepdim=True)  # noqa: E731 - as the others
    return pose([equation, walls], truth, lambda p: 0 * p[:, :1], vanishing, **settings)


PROBLEMS: Mapping[str, tuple[Callable[..., Problem], Callable[..., Problem]]] = {
    "reaction, ρ = 5": (reaction, reaction),
    "Burgers, ν = 0.01 / π": (burgers, problems.burgers),
    "Helmholtz, sin πx sin 4πy": (helmholtz, helmholtz),
}
"""By name: the problem for a deep network, and that which a solver of last layers is given."""


def run(problem: Problem, recipe: Recipe | str, seed: int, **changes: Any) -> dict[str, float]:
    """Return the error, the worst residual and the seconds of everything, with changes of the recipe."""
    start = time.perf_counter()
    solution = solve(problem, recipe=recipe, seed=seed, **changes)
    seconds = time.perf_counter() - start
    return {"error": solution.metrics["error"], "residual": solution.metrics["residual"], "seconds": seconds}


def finite_differences(cells: int, steps: int) -> float:
    """Return the relative error at t = 1 of Burgers' equation by Crank-Nicolson in time on a uniform grid.

    The flux is that of the mean of both times, found by Newton's method; matrices have three diagonals.
    """
    x = np.linspace(-1, 1, cells + 1)
    h, dt = x[1] - x[0], 1.0 / steps
    u = -np.sin(PI * x)

    def rate(v: Any) -> Any:
        return -(v[2:] ** 2 - v[:-2] ** 2) / (4 * h) + VISCOSITY * (v[2:] - 2 * v[1:-1] + v[:-2]) / h**2

    for _ in range(steps):
        before, explicit = u[1:-1].copy(), rate(u)
        for _ in range(8):
            wrong = u[1:-1] - before - dt / 2 * (explicit + rate(u))
            bands = np.zeros((3, cells - 1))
            bands[1] = 1 + dt * VISCOSITY / h**2
            bands[0, 1:] = dt / 2 * (u[2:-1] / (2 * h) - VISCOSITY / h**2)
            bands[2, :-1] = dt / 2 * (-u[1:-2] / (2 * h) - VISCOSITY / h**2)
            change = scipy.linalg.solve_banded((1, 1), bands, wrong)
            u[1:-1] -= change
            if np.abs(change).max() < 1e-13:
                break
    truth = exact(torch.from_numpy(np.stack([np.ones_like(x), x], 1)))[:, 0].numpy()
    return float(np.linalg.norm(u - truth) / np.linalg.norm(truth))


def rival(seconds: float, *, smoke: bool) -> dict[str, float]:
    """Return the best that finite differences reach in some seconds."""
    best = {"error": math.inf, "cells": 0.0, "seconds": 0.0}
    for cells in (200,) if smoke else (1000, 2000, 4000, 8000, 16000):
        start = time.perf_counter()
        error = finite_differences(cells, cells)
        taken = time.perf_counter() - start
        if taken > seconds and best["cells"]:
            break
        if error < best["error"]:
            best = {"error": error, "cells": float(cells), "seconds": taken}
    return best


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each solver, problem and seed")
    parser.add_argument("--solvers", nargs="+", choices=list(SOLVERS), help="these; others stay as the last result has")
    options = parser.parse_args()
    seconds, seeds = (0.1, 1) if options.smoke else (options.seconds, options.seeds)
    rows: list[dict[str, Any]] = []
    known: dict[tuple[str, str], dict[str, Any]] = {}
    if options.solvers:
        last = json.loads((machine.RESULTS / "study_nonlinear.json").read_text())["results"]
        if (last["seeds"], last["seconds"]) != (seeds, seconds):
            parser.error(
                f"the last result is of {last['seeds']} seeds and {last['seconds']} s, got {seeds} and {seconds}"
            )
        known = {(row["problem"], row["solver"]): row for row in last["rows"] if row["solver"] not in options.solvers}
    for name, (deep, shallow) in PROBLEMS.items():
        for label, (solver, points) in SOLVERS.items():
            if (name, label) in known:
                rows.append(known[name, label])
                continue
            posed = deep(features=8 if options.smoke else WIDTH, hidden_layers=LAYERS)
            schedule = Cosine(0.01) if label in ("Adam", "SOAP", "Muon") else Constant()
            recipe = Recipe("study", solver, schedule, batch=points, passes=None, seconds=seconds, first_omega=1.0)
            runs = [run(posed, recipe, seed) for seed in range(seeds)]
            rows.append({"problem": name, "solver": label, **machine.spreads(runs)})
            print(rows[-1])
        if (name, "last layer") in known:
            rows.append(known[name, "last layer"])
            continue
        small, budget = ({"features": 60}, {"seconds": seconds}) if options.smoke else ({}, {})
        runs = [run(shallow(**small), "fast", seed, **budget) for seed in range(seeds)]
        rows.append({"problem": name, "solver": "last layer", **machine.spreads(runs)})
        print(rows[-1])
    differences = ("Burgers, ν = 0.01 / π", "Crank-Nicolson")
    found = known.get(differences)
    if found is None:
        found = {"problem": differences[0], "solver": differences[1], **rival(seconds, smoke=options.smoke)}
        print(found)
    rows.append(found)
    machine.write("study_nonlinear", {"seeds": seeds, "seconds": seconds, "rows": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
