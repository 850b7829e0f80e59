"""Tests of boxes and their faces: uniform distributions, the names of axes, and what is refused."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch

from distributions import COUNT, CRITICAL, distance, draw, uniform
from sinefield.domains import Box

BOXES = [Box([-1.0], [2.0]), Box([-1.0, 0.0], [1.0, 0.5]), Box([0, -3, 1], [1, 3, 2])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("box", BOXES, ids=lambda box: f"{box.dimension}d")
def test_boxes_are_uniform(box: Box, dtype: torch.dtype) -> None:
    points = draw(box, dtype=dtype)
    assert points.shape == (COUNT, box.dimension)
    assert points.dtype == dtype
    for axis, (low, high) in enumerate(zip(box.lower, box.upper, strict=True)):
        assert distance(points[:, axis], uniform(low, high)) < CRITICAL
    if box.dimension > 1:  # axes are independent: correlations vanish as 1/√n
        off = torch.corrcoef(points.T) - torch.eye(box.dimension, dtype=dtype)
        assert float(off.abs().max()) < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("box", BOXES, ids=lambda box: f"{box.dimension}d")
def test_box_boundaries_are_uniform(box: Box, dtype: torch.dtype) -> None:
    points = draw(box.boundary, dtype=dtype)
    assert box.boundary.dimension == box.dimension
    assert points.dtype == dtype
    lower, upper = (torch.tensor(each, dtype=dtype) for each in (box.lower, box.upper))
    on_face = torch.stack([points == lower, points == upper], dim=-1)  # (n, d, 2)
    assert bool(on_face.any(-1).any(-1).all())
    assert bool(((points >= lower) & (points <= upper)).all())
    sides = upper - lower
    areas = (sides.prod() / sides)[:, None].expand(-1, 2)
    expected = areas / areas.sum()
    shares = on_face.to(dtype).mean(0)
    # A share p of n draws is known to √(p(1 − p)/n); four of these errors are allowed.
    assert bool(((shares - expected).abs() <= 4 * (expected * (1 - expected) / COUNT).sqrt()).all())
    for axis in range(box.dimension):  # along a face the law is uniform
        elsewhere = points[~on_face[:, axis].any(-1)]
        if len(elsewhere):
            law = uniform(float(lower[axis]), float(upper[axis]))
            assert distance(elsewhere[:, axis], law) < 2.5 / math.sqrt(len(elsewhere))


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([0.0], [1.0, 2.0], "as many lower as upper bounds"),
        ([], [], "as many lower as upper bounds"),
        ([0.0, 1.0], [1.0, 1.0], "below the upper one"),
        ([2.0], [1.0], "below the upper one"),
        ([0.0], [math.nan], "below the upper one"),
    ],
)
def test_bad_boxes_are_refused(lower: list[float], upper: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Box(lower, upper)


@pytest.mark.parametrize("axes", ["tx", ("t", "x"), ["t", "x"]], ids=str)
def test_axes_have_names(axes: str | list[str] | tuple[str, ...]) -> None:
    box = Box([0, 0], [1, 2], axes=axes)
    assert box.axes == box.boundary.axes == ("t", "x")
    assert Box([0], [1], axes=("time",)).axes == ("time",)
    assert Box([0], [1]).axes is None


@pytest.mark.parametrize(("axes", "told"), [("t", "'t'"), ("txy", "'t', 'x', 'y'"), ("tt", "'t', 't'"), ("", "none")])
def test_names_that_do_not_fit_are_refused(axes: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"the box needs 2 different names for its axes, got {told}; give one letter"):
        Box([0, 0], [1, 2], axes=axes)


@pytest.mark.parametrize(("axis", "side", "at"), [("t", "lower", 0.1), (0, "upper", 1.0), ("x", "upper", 2.3)])
def test_faces_are_exact_in_double_precision(axis: int | str, side: Literal["lower", "upper"], at: float) -> None:
    box = Box([0.1, -3.0], [1.0, 2.3], axes="tx")
    drawn = box.face(axis, side).draw(COUNT, torch.Generator().manual_seed(0), torch.float64)
    place = 0 if axis in (0, "t") else 1
    assert bool((drawn.points[:, place] == at).all())  # 0.1 and not its neighbour in single precision
    other = 1 - place
    assert distance(drawn.points[:, other], uniform(box.lower[other], box.upper[other])) < CRITICAL
    expected = torch.zeros(2, dtype=torch.float64)
    expected[place] = -1.0 if side == "lower" else 1.0
    assert bool((drawn.targets["normal"] == expected).all())


@pytest.mark.parametrize(("axis", "side"), [("y", "lower"), (2, "lower"), (-1, "lower"), ("x", "left")])
def test_faces_that_do_not_exist_are_refused(axis: int | str, side: Any) -> None:
    with pytest.raises(ValueError, match="one of its 2 axes") as told:
        Box([0, 0], [1, 1], axes="tx").face(axis, side)
    assert "\n" not in str(told.value)
