"""Tests of winding numbers and signed distances of points, against balls and rings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sinefield.geometry.winding import signed_distances, winding_numbers
from surfaces import sphere


def places(dimension: int, count: int = 2000) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(-1, 1, (count, dimension))


@pytest.mark.parametrize("dimension", [2, 3])
def test_distances_to_a_ball(dimension: int) -> None:
    points, normals = sphere(20_000 if dimension == 3 else 2000, dimension)
    found = signed_distances(points, normals, places(dimension))
    truth = np.linalg.norm(places(dimension), axis=1) - 0.6
    assert abs(found - truth).mean() < 5e-4
    assert abs(found - truth).max() < 1e-2
    assert ((found < 0) == (truth < 0))[abs(truth) > 1e-3].all()


@pytest.mark.parametrize("dimension", [2, 3])
def test_winding_numbers_are_one_inside_and_nothing_outside(dimension: int) -> None:
    points, normals = sphere(8000, dimension)
    radius = np.linalg.norm(places(dimension), axis=1)
    found = winding_numbers(points, normals, places(dimension))
    assert found[radius < 0.5] == pytest.approx(np.ones(int((radius < 0.5).sum())), abs=0.1)
    assert found[radius > 0.7] == pytest.approx(np.zeros(int((radius > 0.7).sum())), abs=0.1)


def test_the_sign_holds_beyond_a_hole() -> None:
    points, normals = sphere(20_000, 3)
    kept = points[:, 2] < 0.45  # a cap is missing, an eighth of the area
    found = signed_distances(points[kept], normals[kept], places(3))
    truth = np.linalg.norm(places(3), axis=1) - 0.6
    assert ((found < 0) == (truth < 0))[abs(truth) > 0.05].mean() > 0.99
