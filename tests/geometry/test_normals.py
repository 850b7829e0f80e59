"""Tests of normals estimated from points and turned outwards, against balls, rings and boxes."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.geometry.normals import estimate_normals, repair_normals
from surfaces import box, sphere


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
