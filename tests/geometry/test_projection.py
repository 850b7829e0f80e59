"""Tests of points moved onto level sets, against balls and an ellipsoid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sinefield.domains import Box
from sinefield.geometry import extract, project
from sinefield.geometry.projection import move_to_level


class Ball(nn.Module):
    """The distance from a ball of radius ½."""

    def forward(self, points: Tensor) -> Tensor:
        distance: Tensor = points.norm(dim=1, keepdim=True) - 0.5
        return distance


class Quartic(nn.Module):
    """Steep far out, flat in the middle: Newton's first steps overshoot."""

    def forward(self, points: Tensor) -> Tensor:
        return torch.atan(8 * (points.norm(dim=1, keepdim=True) - 0.5))


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_nearest_points_of_a_ball(dimension: int) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (300, dimension))
    points = points[np.linalg.norm(points, axis=1) > 0.05]
    found, normals = project(Ball(), points)
    nearest = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.allclose(found, nearest / 2, atol=1e-5)
    assert np.allclose(normals, nearest, atol=1e-5)


def test_shorter_steps_where_whole_ones_overshoot() -> None:
    points = np.array([[0.9, 0.0, 0.0], [0.0, 0.2, 0.0]])
    found, values, _ = move_to_level(Quartic(), points, steps=40, reach=2.0, tolerance=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 0.5, atol=1e-5)
    assert np.abs(values).max() < 1e-5


def test_no_point_goes_farther_than_it_may() -> None:
    points = np.array([[0.9, 0.0, 0.0]])
    found, values, _ = move_to_level(Ball(), points, steps=5, reach=0.1, tolerance=0.0)
    assert found[0, 0] == pytest.approx(0.8)
    assert values[0] == pytest.approx(0.3)


@pytest.mark.parametrize("level", [-0.2, 0.0, 0.25])
def test_offset_surfaces_of_a_ball_are_balls(level: float) -> None:
    mesh = extract(Ball(), Box([-1] * 3, [1] * 3), 48, level=level).mesh
    assert np.allclose(np.linalg.norm(mesh.vertices, axis=1), 0.5 + level, atol=1e-4)
    assert mesh.report()["watertight"]


def test_a_level_that_is_nowhere_is_told() -> None:
    with pytest.raises(ValueError, match=r"no level -0\.6 in .*go from -0\.\d+ to 1\."):
        extract(Ball(), Box([-1] * 3, [1] * 3), 16, level=-0.6)
