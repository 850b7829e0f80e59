"""Tests of differences in one to three dimensions: what is left, its boundary and normals, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from distributions import CRITICAL, distance, draw
from sinefield.domains import Ball, Box, Difference, Polygon

MANY = 20_000


def edge_of(difference: Difference, count: int = MANY) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = difference.boundary.draw(count, torch.Generator().manual_seed(1), torch.float64)
    return drawn.points, drawn.targets["normal"]


ANNULUS = Difference(Ball([1, 0], 2), Ball([1, 0], 1))
ELL = Difference(Box([-1, -1], [1, 1], axes="xy"), Box([0, -1], [1, 0]))
# Whole, removed, volume and size of the boundary.
CASES: dict[str, tuple[Difference, float, float]] = {
    "two segments": (Difference(Box([0], [3]), Box([1], [2])), 2, 4),
    "annulus": (ANNULUS, 3 * math.pi, 6 * math.pi),
    "ell, faces in common": (ELL, 3, 8),
    "shell": (Difference(Ball([0, 0, 0], 2), Ball([0, 0, 0], 1)), 4 / 3 * math.pi * 7, 20 * math.pi),
    "cube without a bubble": (Difference(Box([-1] * 3, [1] * 3), Ball([0] * 3, 0.5)), 8 - math.pi / 6, 24 + math.pi),
    "bite": (Difference(Box([-1, 0], [1, 1]), Ball([0, 0], 0.5)), 2 - math.pi / 8, 5 + math.pi / 2),
    "overlapping": (Difference(Box([0, 0], [4, 4]), Box([1, 1], [3, 2]), Box([1, 1.5], [3, 3])), 12, 24),
    "side by side": (Difference(Box([0, 0], [4, 4]), Box([1, 1], [2, 3]), Box([2, 1], [3, 3])), 12, 24),
    "polygon and disc": (
        Difference(Polygon([(0, 0), (4, 0), (0, 4)]), Ball([1, 1], 0.5), Polygon([(2, 0.5), (2.5, 0.5), (2, 1)])),
        8 - math.pi / 4 - 0.125,
        8 + 4 * 2**0.5 + math.pi + 1 + 2**-0.5,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_boundaries_enclose_what_is_left(name: str) -> None:
    """Divergence theorem: ∮ x·n = d |Ω| and ∮ n = 0, the integrals as averages over the known boundary."""
    difference, volume, surface = CASES[name]
    points, normal = edge_of(difference)
    for weight, expected in [((points * normal).sum(1), difference.dimension * volume), (normal[:, 0], 0.0)]:
        error = surface * float(weight.std()) / math.sqrt(MANY)
        assert surface * float(weight.mean()) == pytest.approx(expected, abs=4 * error + 1e-9)


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_is_in_the_whole_only(name: str) -> None:
    difference, volume, _ = CASES[name]
    points = draw(difference, dtype=torch.float64)
    assert bool(difference.contains(points).all())
    assert bool(difference.whole.contains(points).all())
    for each in difference.removed:
        assert not bool(each.contains(points).any())
    inside = difference.contains(draw(difference.whole, dtype=torch.float64, seed=5)).double()
    share = volume / difference.whole.measure
    assert float(inside.mean()) == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / len(inside)))


def test_annuli_are_uniform() -> None:
    radii = (draw(ANNULUS, dtype=torch.float64) - torch.tensor([1.0, 0.0])).norm(dim=1)
    assert distance(radii, lambda r: (r.square() - 1) / 3) < CRITICAL
    points, normal = edge_of(ANNULUS)
    points = points - torch.tensor([1.0, 0.0])
    outer = points.norm(dim=1) > 1.5
    assert float(outer.double().mean()) == pytest.approx(2 / 3, abs=0.015)  # by arc length
    assert float(outer[:1000].double().mean()) == pytest.approx(2 / 3, abs=0.06)  # the first of the points too
    torch.testing.assert_close(normal[outer], points[outer] / 2)
    torch.testing.assert_close(normal[~outer], -points[~outer])


def test_coinciding_boundaries_are_drawn_once() -> None:
    """Along the left side, x = 1, two removed boxes overlap from 1.5 to 2; the side is one of length 2."""
    points, _ = edge_of(CASES["overlapping"][0])
    heights = points[(points[:, 0] - 1).abs() < 1e-9][:, 1]
    assert distance(heights, lambda y: (y - 1) / 2) < 2.5 / math.sqrt(len(heights))


def test_differences_of_differences_are_one() -> None:
    twice = Difference(Difference(Box([0, 0], [1, 1], axes="xy"), Ball([0, 0], 0.2)), Ball([1, 1], 0.2))
    assert len(twice.removed) == 2
    assert twice.axes == twice.boundary.axes == ("x", "y")
    assert twice.bounding_box is twice.whole


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ((Box([0, 0], [1, 1]),), "got 0 removed"),
        ((Box([0, 0], [1, 1]), Ball([0, 0], 9)), "needs a part that is left, got none of"),
        ((Box([0, 0], [1, 1]), Ball([5, 5], 1)), "region 1 that is removed does not meet the whole"),
        ((Box([0, 0], [1, 1]), Ball([0], 1)), r"has the 2 axes of the whole .* got 1 "),
        ((Box([0, 0], [1, 1], axes="xy"), Ball([0, 0], 0.1, axes="ab")), "'a', 'b'"),
        ((Box([0, 0], [1, 1]), Box([0, 0], [1, 1]).boundary), "got 1 removed and a BoxBoundary"),
        ((Box([0, 0], [1, 1]), Difference(Ball([0, 0], 0.5), Ball([0, 0], 0.1))), "and a Difference"),
    ],
)
def test_bad_differences_are_refused_in_a_line(regions: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        Difference(*regions)
    assert "\n" not in str(told.value)


def test_draws_end_where_next_to_nothing_is_left() -> None:
    """Of a square without nearly all of it 5 points in 4,096 are left: found, or said, but never hung."""
    thin = Difference(Box([0, 0], [1, 1]), Box([0, 0], [1, 0.998]))
    assert bool((thin.draw(64, torch.Generator().manual_seed(0)).points[:, 1] >= 0.9979).all())
    with pytest.raises(ValueError, match="leaves too little of its whole: 0 of 1000 points, 1 are needed"):
        Difference(Box([0, 0], [1, 1]), Box([0, 0], [1, 0.9995])).draw(1, torch.Generator().manual_seed(4))


def test_boundaries_have_parts() -> None:
    whole, hole = Box([0, 0], [2, 2]), Ball([0, 0], 1)
    difference = Difference(whole, hole)
    arc = difference.boundary_of(hole).draw(500, torch.Generator().manual_seed(0), torch.float64)
    torch.testing.assert_close(arc.points.norm(dim=1), torch.ones(500, dtype=torch.float64))
    torch.testing.assert_close(arc.targets["normal"], -arc.points)
    rest = difference.boundary_of(whole).draw(500, torch.Generator().manual_seed(0), torch.float64).points
    assert bool((rest.norm(dim=1) >= 1).all())
    with pytest.raises(ValueError, match="give the object that the difference was made of"):
        difference.boundary_of(Ball([0, 0], 1))
