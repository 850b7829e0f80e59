"""Tests of the smoothing of noisy points, against the ball that they scatter around."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sinefield.geometry.smoothing import roughness, smooth


def ball(count: int, dimension: int, noise: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(0)
    normals = random.standard_normal((count, dimension))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 0.7 * normals + noise * random.standard_normal(normals.shape), normals


@pytest.mark.parametrize(("count", "dimension"), [(2000, 3), (20_000, 3), (2000, 2)])
def test_points_on_a_surface_stay(count: int, dimension: int) -> None:
    points, normals = ball(count, dimension, 0.0)
    found, across = smooth(points, normals)
    assert np.array_equal(found, points)
    assert np.array_equal(across, normals)


@pytest.mark.parametrize(("count", "dimension", "factor"), [(2000, 3, 0.7), (20_000, 3, 0.45), (20_000, 2, 0.45)])
def test_noisy_points_come_nearer_to_their_surface(count: int, dimension: int, factor: float) -> None:
    points, normals = ball(count, dimension, 0.02)
    found, across = smooth(points, normals)
    before, after = (abs(np.linalg.norm(each, axis=1) - 0.7).mean() for each in (points, found))
    assert after < factor * before
    directions = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert np.einsum("nd,nd->n", across, directions).mean() > 0.99


def test_the_sides_of_a_thin_sheet_stay_apart() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(-0.8, 0.8, (20_000, 3))
    side = np.where(np.arange(20_000) % 2, 1.0, -1.0)
    points[:, 2] = 0.02 * side + 0.01 * random.standard_normal(20_000)
    normals = side[:, None] * [0.0, 0.0, 1.0]
    found, across = smooth(points, normals)
    assert np.array_equal(across, normals)
    assert (found[:, 2] * side).mean() == pytest.approx(0.02, abs=1e-3)
    assert (found[:, 2] * side).std() < 0.005


def test_roughness_of_a_plane_and_of_a_cloud() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 3))
    up = np.tile([0.0, 0.0, 1.0], (5000, 1))
    assert roughness(points * [1, 1, 0], up, cKDTree(points * [1, 1, 0])) == 0
    assert roughness(points, up, cKDTree(points)) == pytest.approx(0.5, abs=0.03)
