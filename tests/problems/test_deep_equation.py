"""Tests of equations solved by deep sine networks: a nonlinear one in closed form, weights, schedules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield import Box, Constraint, PointCloud, problems, solve
from sinefield.objective import Batch, Objective
from sinefield.problem import Problem
from sinefield.problems.deep_equation import Rising, balanced
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples
from sinefield.solvers import GaussNewton

THETA = 1.5171645990507545
"""Of Bratu's problem with λ = 1: the smaller root of θ = √2 cosh(θ/4)."""


def bratu(sign: float = 1.0, unit: float = 1.0, layers: int = 1) -> Problem:
    """Return u'' + e^u = 0 with u(0) = u(1) = 0, whose solution is −2 ln(cosh(θ(x − ½)/2) / cosh(θ/4))."""

    def exact(points: Tensor) -> Tensor:
        x = points / unit
        return -2 * torch.log(torch.cosh(THETA * (x - 0.5) / 2) / math.cosh(THETA / 4))

    line = Box([0.0], [unit])
    return problems.equation(
        [
            Constraint(line, lambda u: unit**2 * u.laplacian + sign * torch.exp(u.value), name="bratu"),
            Constraint(line.boundary, lambda u: u.value, name="ends"),
        ],
        exact=exact,
        features=10,
        hidden_layers=layers,
    )


def test_theta_is_the_root() -> None:
    assert math.sqrt(2) * math.cosh(THETA / 4) == pytest.approx(THETA, abs=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_a_nonlinear_equation_whatever_its_units(unit: float) -> None:
    solution = solve(bratu(unit=unit), passes=60 * 500 / 65_536)
    assert solution.metrics["error"] < 1e-3
    assert solution.metrics["residual"] < 1e-2


def test_the_wrong_sign_is_another_equation() -> None:
    assert solve(bratu(-1.0), passes=20 * 500 / 65_536).metrics["error"] > 0.1


def test_what_is_done_is_told() -> None:
    """The schedules are in the recipe, which is stored with a field."""
    told = solve(bratu(), passes=2 * 500 / 65_536).recipe.to_json()
    assert told["solver"] == "gaussnewton"
    assert told["share"] == 0.5


def test_rows_are_made_alike() -> None:
    problem = bratu(unit=1000.0)
    fields = problem.build(1.0)
    plain = [Constraint(each.domain, each.residual, each.name) for each in problem.constraints]
    sizes = []
    for constraints in (plain, balanced(plain, fields)):
        owner = Objective(fields, constraints)
        samples = [draw_samples(each.domain, 64, generator_of(place)) for place, each in enumerate(owner.groups)]
        rows = owner.linearise(Batch(samples, 1.0)).dense()
        sizes.append(float(rows[64:].norm() / rows[:64].norm()))
    assert sizes[1] == pytest.approx(10, rel=1e-6)
    assert sizes[0] != pytest.approx(10, rel=0.5)


def test_the_equation_counts_little_at_first() -> None:
    weights = {each.name: each for each in bratu().constraints}
    assert weights["bratu"].weight_at(0.0) == pytest.approx(0.01 * weights["bratu"].weight_at(1.0))
    assert weights["ends"].weight_at(0.0) == weights["ends"].weight_at(1.0)


def test_weights_of_a_user_still_count() -> None:
    line = Box([0.0], [1.0])
    found = []
    for weight in (1.0, 4.0, Rising(4.0, 0.5, 0.9)):
        ends = Constraint(line.boundary, lambda u: u.value, name="ends", weight=weight)
        problem = problems.equation(
            [Constraint(line, lambda u: u.laplacian, name="laplace"), ends], features=5, hidden_layers=1
        )
        torch.manual_seed(0)
        again = balanced([Constraint(line, lambda u: u.laplacian, name="laplace"), ends], {"u": _fixed(problem)})
        found.append([again[1].weight_at(fraction) for fraction in (0.0, 1.0)])
    assert found[1][1] == pytest.approx(4 * found[0][1])
    assert found[2] == pytest.approx([2 * found[0][0], 4 * found[0][1]])


def _fixed(problem: Problem) -> torch.nn.Module:
    torch.manual_seed(3)
    return problem.build(1.0)["u"]


def test_gauss_newton_takes_points_by_their_residuals() -> None:
    solver = bratu().tuning["fast"]["solver"]
    assert isinstance(solver, GaussNewton)
    assert solver.share < 1


def test_points_of_finite_domains_are_all_taken() -> None:
    begin = PointCloud(torch.zeros(1, 1, dtype=torch.float64), axes="t")
    problem = problems.equation(
        [
            Constraint(Box([0.0], [2.0], axes="t"), lambda u: u.d("t") + u.value**2, name="equation"),
            Constraint(begin, lambda u: u.value - 1, name="start"),
        ],
        exact=lambda t: 1 / (1 + t),
        features=10,
        hidden_layers=1,
    )
    assert solve(problem, passes=40 * 400 / 65_536).metrics["error"] < 1e-4
