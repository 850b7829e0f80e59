"""Tests of signed distances and orientation, against balls, rings and boxes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sinefield.geometry.normals import estimate_normals, repair_normals
from sinefield.geometry.winding import signed_distances, winding_numbers


def sphere(count: int, dimension: int, radius: float = 0.6) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    normals = np.random.default_rng(0).standard_normal((count, dimension))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals, normals


def box(
    count: int, sides: tuple[float, float, float] = (0.9, 0.5, 0.06)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on a thin box and normals."""
    random = np.random.default_rng(0)
    half = np.array([0.9, 0.5, 0.06])
    areas = half.prod() / half
    axis = random.choice(3, count, p=areas / areas.sum())
    points = random.uniform(-half, half, (count, 3))
    normals = np.zeros((count, 3))
    normals[np.arange(count), axis] = random.choice([-1.0, 1.0], count)
    points[np.arange(count), axis] = half[axis] * normals[np.arange(count), axis]
    return points, normals


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


@pytest.mark.parametrize("shape", ["ball", "ring", "thin box"])
def test_normals_are_found_and_turned_outwards(shape: str) -> None:
    points, normals = box(20_000) if shape == "thin box" else sphere(8000, 3 if shape == "ball" else 2)
    found = estimate_normals(points)
    alike = (found * normals).sum(1)
    assert (alike > 0).mean() > 0.995
    assert np.median(alike) > 0.99


def test_points_that_enclose_nothing_are_told() -> None:
    sheet = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 3)) * [1, 1, 0.001]
    with pytest.raises(ValueError, match="enclose nothing"):
        estimate_normals(sheet)


def test_normals_of_noisy_points() -> None:
    points, normals = sphere(20_000, 3)
    noisy = points + 0.02 * np.random.default_rng(2).standard_normal(points.shape)
    alike = (estimate_normals(noisy) * normals).sum(1)
    assert (alike > 0).mean() > 0.99
    assert np.median(alike) > 0.9


@pytest.mark.parametrize("count", [3000, 30_000])
@pytest.mark.parametrize("flipped", ["none", "all", "a third", "one half"])
def test_flipped_normals_are_turned(flipped: str, count: int) -> None:
    points, normals = sphere(count, 3)
    random = np.random.default_rng(3).random(count)
    wrong = {"none": random < 0, "all": random < 1, "a third": random < 1 / 3, "one half": points[:, 0] > 0}[flipped]
    found, turned = repair_normals(points, np.where(wrong, -1.0, 1.0)[:, None] * normals)
    assert turned == wrong.sum()
    assert np.array_equal(found, normals)


def test_the_normals_of_a_cavity_point_into_it() -> None:
    outer, outwards = sphere(8000, 3, 0.8)
    inner, across = sphere(4000, 3, 0.4)
    normals = np.concatenate([outwards, -across])
    found, turned = repair_normals(np.concatenate([outer, inner]), normals)
    assert turned == 0
    assert np.array_equal(found, normals)


def test_normals_of_a_sheet_are_trusted_unless_they_contradict_each_other() -> None:
    sheet = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 3)) * [1, 1, 0.001]
    normals = np.tile([0.0, 0.0, 1.0], (5000, 1))
    assert repair_normals(sheet, normals)[1] == 0
    normals[::3] *= -1
    with pytest.raises(ValueError, match="of neighbouring normals point to opposite sides, and the points enclose"):
        repair_normals(sheet, normals)
