"""Tests of continuation: a problem with two solutions, of which the way decides."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield import Box, Constraint, problems, solve
from sinefield.problem import Problem
from sinefield.problems.continuation import continued


def bratu(factor: float) -> Problem:
    """Return u'' + λ e^u = 0 with u(0) = u(1) = 0."""
    line = Box([0.0], [1.0])
    return problems.equation(
        [
            Constraint(line, lambda u: u.laplacian + factor * torch.exp(u.value), name="bratu"),
            Constraint(line.boundary, lambda u: u.value, name="ends"),
        ],
        features=8,
        hidden_layers=1,
    )


def lower_branch(factor: float, points: Tensor) -> Tensor:
    """Return −2 ln(cosh(θ(x − ½)/2) / cosh(θ/4)) with the smaller root of θ = √(2λ) cosh(θ/4), by iteration."""
    theta = 1.0
    for _ in range(2000):
        theta = math.sqrt(2 * factor) * math.cosh(theta / 4)
    return -2 * torch.log(torch.cosh(theta * (points - 0.5) / 2) / math.cosh(theta / 4))


def test_the_last_value_is_solved_by_way_of_the_others() -> None:
    solution = solve(continued(bratu, [1.0, 2.0, 3.0]), passes=0.15)
    x = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    with torch.no_grad():
        found = solution.field(x)
    error = (found - lower_branch(3.0, x)).norm() / lower_branch(3.0, x).norm()
    assert float(error) < 0.01
    other = (found - lower_branch(2.0, x)).norm() / lower_branch(2.0, x).norm()
    assert float(other) > 0.3


def test_each_value_goes_on_from_the_one_before() -> None:
    problem = continued(bratu, [1.0, 2.0])
    fields = problem.build(1.0)
    assert problem.parts is not None
    parts = problem.parts(fields)
    assert [each.fields["u"] is fields["u"] for each in parts] == [True, True]
    assert parts[0].problem.constraints[0] is not parts[1].problem.constraints[0]


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more values of a parameter"):
        continued(bratu, [])
