"""Tests of balls and spheres: uniform distributions, the names of axes, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from distributions import COUNT, CRITICAL, distance, draw, uniform
from sinefield.domains import Ball

BALLS = [Ball([0.5], 2.0), Ball([1.0, -2.0], 0.5), Ball([0, 1, 2], 3)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: f"{ball.dimension}d")
def test_balls_are_uniform(ball: Ball, dtype: torch.dtype) -> None:
    points = draw(ball, dtype=dtype)
    offsets = (points - torch.tensor(ball.centre, dtype=dtype)) / ball.radius
    assert points.shape == (COUNT, ball.dimension)
    assert float(offsets.norm(dim=1).max()) <= 1 + 1e-6
    # The volume within radius r grows as r^d, and no direction is preferred: a mean of 0, variances 1/(d + 2).
    assert distance(offsets.norm(dim=1), lambda r: r**ball.dimension) < CRITICAL
    spread = 1 / (ball.dimension + 2)
    assert float(offsets.mean(0).abs().max()) < 4 * math.sqrt(spread / COUNT)
    covariance = offsets.T @ offsets / COUNT
    torch.testing.assert_close(covariance, spread * torch.eye(ball.dimension, dtype=dtype), rtol=0, atol=0.012)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: f"{ball.dimension}d")
def test_spheres_are_uniform(ball: Ball, dtype: torch.dtype) -> None:
    points = draw(ball.boundary, dtype=dtype)
    offsets = (points - torch.tensor(ball.centre, dtype=dtype)) / ball.radius
    assert ball.boundary.dimension == ball.dimension
    torch.testing.assert_close(offsets.norm(dim=1), torch.ones(COUNT, dtype=dtype), rtol=0, atol=1e-5)
    for axis in range(ball.dimension):
        if ball.dimension == 1:  # two points, each half of the time
            assert float((offsets > 0).float().mean()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(COUNT))
        elif ball.dimension == 2:  # a coordinate of the circle follows the arcsine law
            assert distance(offsets[:, axis], lambda y: 0.5 + y.clamp(-1, 1).asin() / math.pi) < CRITICAL
        else:  # one of the sphere is uniform (Archimedes)
            assert distance(offsets[:, axis], uniform(-1, 1)) < CRITICAL


@pytest.mark.parametrize(("centre", "radius"), [([], 1.0), ([0.0], 0.0), ([0.0], -1.0), ([0.0], math.nan)])
def test_bad_balls_are_refused(centre: list[float], radius: float) -> None:
    with pytest.raises(ValueError, match="a centre and a positive radius"):
        Ball(centre, radius)


def test_axes_have_names() -> None:
    ball = Ball([0, 0], 1, axes="xy")
    assert ball.axes == ball.boundary.axes == ("x", "y")
    with pytest.raises(ValueError, match="the ball needs 2 different names for its axes, got 'x', 'x'"):
        Ball([0, 0], 1, axes="xx")
