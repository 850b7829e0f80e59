"""Tests of clouds: what is invalid is left out and counted, and nothing else is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sinefield.io import SignalWarning
from sinefield.io.clouds import Cloud, clean_points, find_strays
from sinefield.io.shapes.content import Doubles

RANDOM = np.random.default_rng(0)


def ball(count: int = 1000) -> Doubles:
    across = RANDOM.standard_normal((count, 3))
    return np.asarray(across / np.linalg.norm(across, axis=1, keepdims=True))


def cleaned(points: Doubles, normals: Doubles | None = None, *, strays: bool = False) -> tuple[Cloud, list[str]]:
    """Return the cloud of a scan, and what was told of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = clean_points(points, normals, "scan", measured=True, strays=strays)
    assert all(each.category is SignalWarning for each in told)
    return found, [str(each.message) for each in told]


def test_points_that_are_no_numbers_are_left_out() -> None:
    points = ball()
    spoilt = points.copy()
    spoilt[[3, 5], 0] = np.nan
    spoilt[7] = np.inf
    found, told = cleaned(spoilt, points)
    assert np.array_equal(found.points, np.delete(points, [3, 5, 7], axis=0))
    assert found.normals is not None
    assert np.allclose(found.normals, found.points)
    assert told == ["scan: 3 of 1,000 points are NaN or infinite and left out"]


def test_points_that_were_not_measured_are_left_out() -> None:
    points = ball() + np.array([0, 0, 5])
    found, told = cleaned(np.concatenate([points, np.zeros((300, 3))]))
    assert np.array_equal(found.points, points)
    assert told == ["scan: 300 of 1,300 points are at the origin, as not measured, and left out"]


def test_one_point_at_the_origin_is_a_point_like_others() -> None:
    around = np.concatenate([ball() + np.array([1, 0, 0]), [[0, 0, 0]]])  # on the sphere
    found, told = cleaned(around)
    assert np.array_equal(found.points, around)
    assert told == []
    found, told = cleaned(around + [0, 0, 80] * (around != 0).any(axis=1, keepdims=True))  # and far from it
    assert len(found.points) == 1000
    assert told == ["scan: 1 of 1,001 points are far from all others and left out (--keep-strays keeps them)"]


@pytest.mark.parametrize("distance", [4.0, 1e3, 1e30])
@pytest.mark.parametrize("count", [100, 1000, 20_000])
def test_strays_are_left_out_or_kept(distance: float, count: int) -> None:
    points = ball(count)
    spoilt = np.concatenate([points, [[distance, 0, 0]]])
    found, told = cleaned(spoilt)
    assert np.array_equal(found.points, points)
    assert told == [f"scan: 1 of {count + 1:,} points are far from all others and left out (--keep-strays keeps them)"]
    if distance < 1e6:  # farther off, the others are in one place
        found, told = cleaned(spoilt, strays=True)
        assert np.array_equal(found.points, spoilt)
        assert told == []


def test_a_small_group_far_off_is_left_out_and_a_large_one_is_kept() -> None:
    points = ball(5000)
    assert find_strays(np.concatenate([points, 0.01 * ball(20) + np.array([9, 0, 0])])).sum() == 20
    assert find_strays(np.concatenate([points, ball(500) + np.array([9, 0, 0])])).sum() == 0


SHAPES = {
    "ten points": ball(10),
    "a ball with a handle": np.concatenate([ball(5000), np.linspace([1, 0, 0], [9, 0, 0], 60)]),
    "a needle": ball(2000) * [50, 1, 1],
    "a plate": ball(2000) * [1, 1, 0.01],
    "two balls": np.concatenate([ball(2000), ball(2000) + np.array([30, 0, 0])]),
    "denser on one side": np.concatenate([0.2 * ball(20_000), ball(1500) + np.array([0, 0, 1.1])]),
    "a terrain": np.column_stack([RANDOM.uniform(0, 1000, (3000, 2)), RANDOM.normal(0, 1, 3000)]),
    "far from the origin": ball(1000) + np.array([4.5e5, 5.4e6, 100]),
    "as a spinning scanner sees": (lambda r, a: np.column_stack([r * np.cos(a), r * np.sin(a), 0.05 * r]))(
        np.repeat(np.geomspace(2, 60, 40), 200), np.tile(np.arange(200) * np.pi / 100, 40)
    ),
    "a circle": np.column_stack([np.cos(np.arange(50)), np.sin(np.arange(50))]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_sound_shapes_have_no_strays(name: str) -> None:
    assert not find_strays(SHAPES[name]).any()


def test_normals_that_are_none() -> None:
    points = ball()
    found, told = cleaned(points, np.zeros_like(points))
    assert found.normals is None
    assert np.array_equal(found.points, points)
    assert told == ["scan: all normals are zero or NaN, which is none; normals are estimated from the points"]
    most = np.where(np.arange(1000)[:, None] < 600, np.nan, points)
    found, told = cleaned(points, most)
    assert found.normals is None
    assert told == ["scan: 600 of 1,000 normals are zero or NaN, which is none; normals are estimated from the points"]
    some = np.where(np.arange(1000)[:, None] < 10, 0, 5 * points)
    found, told = cleaned(points, some)
    assert np.array_equal(found.points, points[10:])
    assert found.normals is not None
    assert np.allclose(found.normals, points[10:])
    assert told == ["scan: 10 of 1,000 normals are zero or NaN; these points are left out"]
