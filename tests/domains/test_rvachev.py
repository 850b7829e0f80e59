"""Tests of the functions that regions are put together with: signs, zeros and slopes."""

from __future__ import annotations

import math

import pytest
import shapely
import torch
from torch import Tensor

from sinefield.domains.rvachev import both, bounded, distance_like, either, region_within

SQUARE = torch.tensor([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], dtype=torch.float64)
TOOTHED = torch.tensor(
    [(0, 0), (6, 0), (6, 4), (5, 4), (4.5, 1), (3.5, 3), (3.2, 2), (2.5, 3), (2, 1), (1, 4), (0, 4)],
    dtype=torch.float64,
)


def grid(count: int) -> Tensor:
    values = torch.linspace(-2, 2, count, dtype=torch.float64)
    return torch.cartesian_prod(values, values)


def test_signs_are_those_of_logic() -> None:
    first, second = grid(21).unbind(1)
    positive = torch.maximum(first, second) > 1e-12
    assert bool(((either(first, second) > 1e-12) == positive).all())
    positive = torch.minimum(first, second) > 1e-12
    assert bool(((both(first, second) > 1e-12) == positive).all())


@pytest.mark.parametrize(("function", "other"), [(either, -0.7), (both, 0.7)])
def test_slopes_where_one_of_them_decides_are_its_own(function: object, other: float) -> None:
    assert callable(function)
    first = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    second = torch.full((1,), other, dtype=torch.float64, requires_grad=True)
    value = function(first, second)
    slopes = torch.autograd.grad(value.sum(), (first, second))
    assert value.item() == 0
    assert [each.item() for each in slopes] == [1.0, 0.0]


def test_corners_have_finite_slopes() -> None:
    x = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    value = either(x[:, 0], x[:, 1])
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x, allow_unused=True, materialize_grads=True)
    assert bool(torch.isfinite(torch.cat([slope, second])).all())


def test_values_far_above_the_size_are_one() -> None:
    found = bounded(torch.tensor([-1e6, 0.0, 1.0, 1e6], dtype=torch.float64), 1.0)
    torch.testing.assert_close(found, torch.tensor([-1.0, 0.0, 0.5**0.5, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("ring", [SQUARE, TOOTHED], ids=["square", "pockets in a row"])
def test_levels_are_positive_within_the_corners(ring: Tensor) -> None:
    """As shapely has it, in the hull of the corners; the lids of pockets are open beyond."""
    region = region_within(ring)
    shape = shapely.Polygon(ring.tolist())
    points = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * ring.amax(0)
    x, y = points.unbind(1)
    inside = torch.from_numpy(shapely.contains_xy(shape, x.numpy(), y.numpy()))
    within_hull = torch.from_numpy(shapely.contains_xy(shape.convex_hull, x.numpy(), y.numpy()))
    assert bool(((region.level(points) > 0) == inside)[within_hull].all())
    assert 0.2 < float(inside.double().mean()) <= 1.0


def test_each_edge_stands_once() -> None:
    assert region_within(TOOTHED).length == pytest.approx(shapely.Polygon(TOOTHED.tolist()).length)


def test_integrals_over_edges() -> None:
    """∫ ds/r² over an edge by the midpoint rule, at the side of it, beyond its end and on its line."""
    edges = torch.tensor([[[0.0, 0.0], [2.0, 1.0]]], dtype=torch.float64)
    points = torch.tensor([[0.0, 1.0], [3.0, 0.0], [4.0, 2.0], [4.0, 2.0 + 1e-5], [-2.0, 3.0]], dtype=torch.float64)
    along = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    places = edges[0, 0] + along[:, None] * (edges[0, 1] - edges[0, 0])
    expected = [math.pi / (math.sqrt(5) * float((1 / (places - each).square().sum(1)).mean())) for each in points]
    found = distance_like(points, edges)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


def test_beside_an_edge_it_is_the_distance() -> None:
    ring = SQUARE.flip(0)  # a hole: what is outside is to the left
    edges = torch.stack([ring, ring.roll(-1, 0)], 1)
    near = torch.tensor([[0.5, -1e-6], [1 + 1e-6, 0.3]], dtype=torch.float64)
    torch.testing.assert_close(
        distance_like(near, edges), torch.full((2,), 1e-6, dtype=torch.float64), rtol=1e-4, atol=0
    )
