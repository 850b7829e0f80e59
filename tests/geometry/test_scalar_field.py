"""Tests of fields with one output as NumPy arrays: closed forms, numbers of points, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.domains import Box
from sinefield.geometry.scalar_field import (
    SAFETY,
    compute_mean_curvatures,
    estimate_lipschitz_bound,
    evaluate,
    evaluate_with_gradients,
    find_corners,
)
from sinefield.jet import CHUNK


class Quadric(nn.Module):
    """Φ = x² + 2y² − z, whose gradient is (2x, 4y, −1)."""

    def forward(self, points: Tensor) -> Tensor:
        return points[:, :1] ** 2 + 2 * points[:, 1:2] ** 2 - points[:, 2:]


class Cylinder(nn.Module):
    """The distance from a cylinder around the z axis, of curvatures 1/ρ and 0 at the distance ρ from it."""

    def forward(self, points: Tensor) -> Tensor:
        distance: Tensor = points[:, :2].norm(dim=1, keepdim=True) - 0.5
        return distance


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_values_and_gradients_of_any_number_of_points(count: int) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (count, 3))
    x, y, z = points.T
    values, gradients = evaluate_with_gradients(Quadric(), points)
    assert values.dtype == gradients.dtype == np.float32
    np.testing.assert_allclose(values, x**2 + 2 * y**2 - z, atol=1e-6)
    np.testing.assert_allclose(gradients, np.stack([2 * x, 4 * y, -np.ones(count)], 1), atol=1e-6)
    assert np.array_equal(evaluate(Quadric(), points), values)


def test_curvatures_of_a_cylinder() -> None:
    points = np.random.default_rng(0).uniform(0.2, 1, (100, 3))
    radius = np.hypot(points[:, 0], points[:, 1])
    np.testing.assert_allclose(compute_mean_curvatures(Cylinder(), points), 1 / (2 * radius), rtol=1e-4)


def test_curvature_is_nothing_where_the_gradient_vanishes() -> None:
    class Flat(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            square: Tensor = (points**2).sum(1, keepdim=True)
            return square

    assert compute_mean_curvatures(Flat(), np.zeros((1, 3))).tolist() == [0.0]


@pytest.mark.parametrize(("slope", "bound"), [(3.0, 3.0), (0.25, 1.0)])
def test_the_bound_is_that_of_the_slope_and_at_least_of_a_distance(slope: float, bound: float) -> None:
    plane = nn.Linear(3, 1)
    plane.weight.data = torch.tensor([[0.0, 0.6 * slope, 0.8 * slope]])
    found, count = estimate_lipschitz_bound(plane, Box([-1, -1, 0], [1, 1, 0.5]))
    assert found == pytest.approx(SAFETY * bound)
    assert count == 16 * 16 * 4


def test_the_bound_is_of_the_box() -> None:
    """‖∇Φ‖² = 4x² + 16y² + 1 is largest in the corner of the box that is farthest from the axis."""
    found, _ = estimate_lipschitz_bound(Quadric(), Box([0, 0, 0], [1, 2, 1]))
    largest = math.sqrt(4 + 64 + 1)
    assert 0.9 * SAFETY * largest < found <= SAFETY * largest


def test_corners_are_in_double_precision() -> None:
    lower, upper = find_corners(Box([0.1, 0, 0], [1, 2, 3]))
    assert lower.dtype == upper.dtype == np.float64
    assert (lower.tolist(), upper.tolist()) == ([0.1, 0.0, 0.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="a surface lies in a box of 3 axes, got one of 2"):
        find_corners(Box([0, 0], [1, 1]))


def test_fields_are_left_as_they_were() -> None:
    field = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)).train()
    first, second = (evaluate(field, np.ones((4, 3))) for _ in range(2))
    assert np.array_equal(first, second)  # dropout is off
    assert field.training
    assert torch.is_grad_enabled()


def test_what_is_no_scalar_field_is_told() -> None:
    with pytest.raises(ValueError, match=r"a field with one output; this one answers \(2, 4\), not \(n, 1\)"):
        evaluate(nn.Linear(3, 4), np.zeros((2, 3)))


@pytest.mark.parametrize("function", [evaluate, evaluate_with_gradients])
def test_the_first_point_without_a_value_is_told(function: Callable[[nn.Module, NDArray[np.float64]], object]) -> None:
    """Also beyond the first chunk, and by the coordinates that were given rather than rounded ones."""

    class Root(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            return points[:, :1].sqrt()

    points = np.ones((CHUNK + 3, 3))
    points[CHUNK + 1] = [-0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match=r"the field is nan at \[-0\.1, 0\.2, 0\.3\]; a surface needs finite values"):
        function(Root(), points)
    assert torch.is_grad_enabled()
