"""Tests of space-time: its beginning, end and walls, the names of its axes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from distributions import CRITICAL, distance, draw, uniform
from sinefield.domains import Ball, Box, ContinuousDomain, Difference, Polygon, SpaceTime

ROD = SpaceTime(Box([0.0], [2.0]), (1.0, 4.0))
PLATE = SpaceTime(Difference(Box([0, 0], [2, 2], axes=("east", "north")), Ball([1, 1], 0.5)), (0.0, 3.0))


def test_time_is_the_first_axis() -> None:
    assert ROD.axes == ROD.start.axes == ROD.walls.axes == ("t", "x")
    assert PLATE.axes == ("t", "east", "north")
    assert SpaceTime(Ball([0, 0, 0], 1), (0, 1)).axes == ("t", "x", "y", "z")


def test_space_time_is_uniform() -> None:
    points = draw(ROD, dtype=torch.float64)
    assert distance(points[:, 0], uniform(1, 4)) < CRITICAL
    assert distance(points[:, 1], uniform(0, 2)) < CRITICAL
    assert abs(float(torch.corrcoef(points.T)[0, 1])) < 0.03
    assert bool(PLATE.contains(draw(PLATE)).all())
    assert not bool(PLATE.contains(torch.tensor([[4.0, 0.1, 0.1], [1.0, 1.0, 1.0], [1.0, 0.1, 3.0]])).any())
    assert PLATE.bounding_box.upper == [3.0, 2, 2]


@pytest.mark.parametrize(("instant", "time", "sign"), [(ROD.start, 1.0, -1.0), (ROD.end, 4.0, 1.0)])
def test_instants_are_space_at_a_time(instant: ContinuousDomain, time: float, sign: float) -> None:
    drawn = instant.draw(20_000, torch.Generator().manual_seed(0), torch.float64)
    assert bool((drawn.points[:, 0] == time).all())
    assert distance(drawn.points[:, 1], uniform(0, 2)) < CRITICAL
    assert bool((drawn.targets["normal"] == torch.tensor([sign, 0.0])).all())


def test_walls_are_the_boundary_at_all_times() -> None:
    drawn = PLATE.walls.draw(20_000, torch.Generator().manual_seed(0), torch.float64)
    assert distance(drawn.points[:, 0], uniform(0, 3)) < CRITICAL
    assert bool((drawn.targets["normal"][:, 0] == 0).all())
    inner, outer = (drawn.points + sign * 1e-5 * drawn.targets["normal"] for sign in (-1, 1))
    assert bool(PLATE.contains(inner).all())
    assert not bool(PLATE.contains(outer).any())


@pytest.mark.parametrize(
    ("space", "times", "message"),
    [
        (Box([0], [1]), (1.0, 1.0), "two finite times, the first before the second, got"),
        (Box([0], [1]), (0.0, float("nan")), "two finite times"),
        (Box([0], [1]), (0.0,), "two finite times"),
        (Box([0], [1], axes="t"), (0.0, 1.0), r"got 1 axes \(t\) of space; give the region other names"),
        (Box([0] * 4, [1] * 4), (0.0, 1.0), r"got 4 axes \(no names\) of space"),
        (Polygon([(0, 0), (1, 0), (0, 1)], axes="st"), (0.0, 1.0), "an axis 't' of time and others of space"),
    ],
)
def test_bad_space_times_are_refused_in_a_line(space: Any, times: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        SpaceTime(space, times)
    assert "\n" not in str(told.value)
