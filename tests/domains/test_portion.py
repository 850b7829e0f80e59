"""Tests of portions: uniform in what belongs to them, with the targets there, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from distributions import CRITICAL, distance, draw, uniform
from sinefield import Constraint, problems, solve
from sinefield.domains import Ball, Box, Portion


def upper(points: Tensor) -> Tensor:
    return points[:, 1] > 0


def test_half_a_circle_is_uniform_by_its_angle() -> None:
    half = Portion(Ball([0, 0], 2, axes="xy").boundary, upper)
    drawn = half.draw(20_000, torch.Generator().manual_seed(0), torch.float64)
    assert distance(torch.atan2(drawn.points[:, 1], drawn.points[:, 0]), uniform(0, math.pi)) < CRITICAL
    torch.testing.assert_close(drawn.targets["normal"], drawn.points / 2)
    assert half.axes == ("x", "y")
    assert half.target_names == {"normal"}
    assert half.dimension == 2


def test_portions_of_regions_have_no_targets() -> None:
    half = Portion(Box([-1, -1], [1, 1]), upper)
    assert distance(draw(half)[:, 1], uniform(0, 1)) < CRITICAL
    assert half.target_names == frozenset()


def test_conditions_differ_along_a_circle() -> None:
    """u = x² − y² from its values on the upper half of a circle and its flux, 2u, through the lower."""
    disc = Ball([0.0, 0.0], 1.0)
    above, below = Portion(disc.boundary, upper), Portion(disc.boundary, lambda points: ~upper(points))

    def exact(x: Tensor) -> Tensor:
        return x[:, :1].square() - x[:, 1:].square()

    problem = problems.equation(
        [
            Constraint(disc, lambda u: u.laplacian, name="laplace"),
            Constraint(above, lambda u: u.value - exact(u.points), name="dirichlet"),
            Constraint(
                below,
                lambda u, normal: (u.gradient * normal).sum(1, keepdim=True) - 2 * exact(u.points),
                name="neumann",
            ),
        ],
        exact=exact,
        features=80,
    )
    solution = solve(problem)
    assert solution.converged, solution.verdict
    assert solution.metrics["error"] < 1e-7


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (lambda points: points[:, 1] > 5, "needs points in it, got none of 4096 of its domain"),
        (lambda points: points[:, 1:] > 0, r"got torch.bool of shape \(4096, 1\)"),
        (lambda points: points[:, 1], "got torch.float64 of shape"),
        (lambda points: True, "got bool; give where="),
    ],
)
def test_bad_portions_are_refused_in_a_line(where: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        Portion(Ball([0, 0], 1), where)
    assert "\n" not in str(told.value)


def test_draws_end_where_next_to_nothing_belongs() -> None:
    shifted = Portion(Box([0], [1]), lambda points: (points[:, 0] < 1e-5) | (len(points) == 4096))
    with pytest.raises(ValueError, match="a portion leaves too little of its whole: 0 of 1000 points, 1 are needed"):
        shifted.draw(1, torch.Generator().manual_seed(0))
