"""Tests of conditions that hold by construction: functions that vanish on boundaries, and fields made with them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import shapely
import torch
from torch import Tensor

from sinefield import Constraint, Siren, jet
from sinefield.conditions import built_in, interpolated, mirrored, periodic, vanishing_on
from sinefield.domains import Ball, Boundary, Box, Difference, Polygon, Region, SpaceTime
from sinefield.objective import Batch, Objective


def star(points: int) -> list[tuple[float, float]]:
    corners = [(1 + k % 2, k * math.pi / points) for k in range(2 * points)]
    return [(r * math.cos(angle), r * math.sin(angle)) for r, angle in corners]


COMB = [(0, 0), (5, 0), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
BAY = [(0, 0), (6, 0), (6, 6), (3.2, 6), (3.2, 5), (4.5, 4), (4.5, 2.5), (3.5, 1.5), (2.5, 1.5), (1.5, 2.5), (1.5, 4)]
SPIRAL = [(0, 0), (7, 0), (7, 7), (1, 7), (1, 3), (5, 3), (5, 5), (3, 5), (3, 4), (4, 4), (4, 3.5), (2, 3.5), (2, 6)]
REGIONS: dict[str, Region] = {
    "segment": Box([1], [4]),
    "box of three": Box([0, -1, 2], [1, 1, 5]),
    "ball": Ball([1, 2], 3),
    "triangle": Polygon([(0, 0), (3, 0), (1, 2)]),
    "ell": Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]),
    "ell, a corner in the middle of a side": Polygon([(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]),
    "comb": Polygon(COMB),
    "star": Polygon(star(5)),
    "bay": Polygon([*BAY, (2.8, 5), (2.8, 6), (0, 6)]),
    "spiral": Polygon([*SPIRAL, (6, 6), (6, 1), (0, 1)]),
    "two holes": Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (1, 2), (3, 2.5)], [(3, 1), (3.5, 1), (3, 1.5)]]),
    "circle of 62 edges": Polygon([(5 * math.cos(each / 10), 3 * math.sin(each / 10)) for each in range(62)]),
    "hole of 64 edges": Polygon(shapely.box(0, 0, 2, 2).difference(shapely.Point(1, 1).buffer(0.5))),
    "far away and small": Polygon([(1e3, 1e3), (1e3 + 1e-2, 1e3), (1e3 + 1e-2, 1e3 + 2e-2)]),
    "annulus": Difference(Ball([1, 0], 2), Ball([1, 0], 1)),
    "ell of boxes": Difference(Box([-1, -1], [1, 1]), Box([0, -1], [1, 0])),
    "slab": Difference(Box([0, 0], [3, 1]), Box([-1, -1], [1, 2])),
    "cube with a shaft": Difference(Box([-1] * 3, [1] * 3), Box([-0.3] * 3, [0.3, 0.3, 1])),
    "triangle without others": Difference(Polygon([(0, 0), (4, 0), (0, 4)]), Ball([1, 1], 0.5), Box([2, -1], [2.2, 1])),
}


def drawn(region: Region, count: int = 2000) -> tuple[Tensor, Tensor, Tensor]:
    """Return points inside, points on the boundary and the normals there."""
    generator = torch.Generator().manual_seed(0)
    edge = region.boundary.draw(count, generator, torch.float64)
    return region.draw(count, generator, torch.float64).points, edge.points, edge.targets["normal"]


@pytest.mark.parametrize("name", REGIONS)
def test_functions_vanish_on_the_boundary_alone(name: str) -> None:
    region = REGIONS[name]
    inside, edge, normal = drawn(region)
    phi = vanishing_on(region.boundary)
    rounding = 1e-9 if "far" in name else 1e-14
    assert float(phi(edge).abs().max()) < rounding
    assert float(phi(inside).min()) > 0
    assert 0.05 < float(phi(inside).max()) < 1.5
    u = jet(phi, edge)
    slope = (u.gradient * normal).sum(1)  # it rises inwards, and along the boundary it is constant
    assert float(slope.max()) < 0
    assert float((u.gradient - slope[:, None] * normal).norm(dim=1).max()) < 1e-6 * float(slope.abs().max())


@pytest.mark.parametrize("seed", range(12))
def test_functions_vanish_on_the_boundary_of_any_union_of_boxes(seed: int) -> None:
    """Rectilinear shapes with pockets in pockets, holes, and many edges on one line."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(0, 6, (9, 2), generator=generator).tolist()
    boxes = shapely.unary_union([shapely.box(x, y, x + 3, y + 1 + seed % 3) for x, y in places])
    largest = max(getattr(boxes, "geoms", [boxes]), key=lambda each: each.area)
    polygon = Polygon(largest.buffer(0.01, join_style="mitre"))  # no two corners at one place
    inside, edge, normal = drawn(polygon)
    u = jet(vanishing_on(polygon.boundary), edge)
    assert float(u.value.abs().max()) < 1e-13
    assert float((u.gradient * normal).sum(1).max()) < 0
    assert float(vanishing_on(polygon.boundary)(inside).min()) > 0
    assert bool(torch.isfinite(jet(vanishing_on(polygon.boundary), inside).hessian).all())


@pytest.mark.parametrize("name", REGIONS)
def test_second_derivatives_are_exact_and_finite(name: str) -> None:
    region = REGIONS[name]
    inside, edge, _ = drawn(region, 300)
    phi = vanishing_on(region.boundary)
    assert bool(torch.isfinite(jet(phi, edge).hessian).all())
    size = max(high - low for low, high in zip(region.bounding_box.lower, region.bounding_box.upper, strict=True))
    deep = inside[phi(inside)[:, 0].argsort(descending=True)[:40]]  # away from corners, where they are large
    step = 1e-4 * size
    u = jet(phi, deep)
    for axis in range(region.dimension):
        moved = torch.zeros(region.dimension, dtype=torch.float64)
        moved[axis] = step
        after, before = phi(deep + moved), phi(deep - moved)
        first, second = (after - before)[:, 0] / (2 * step), (after + before - 2 * phi(deep))[:, 0] / step**2
        scale = float(u.hessian.abs().max()) + 1e-3 / size**2
        torch.testing.assert_close(u.gradient[:, axis], first, rtol=0, atol=1e-4 * scale * size)
        torch.testing.assert_close(u.hessian[:, 0, axis, axis], second, rtol=0, atol=2e-3 * scale)


@pytest.mark.parametrize("name", [each for each in REGIONS if isinstance(REGIONS[each], Polygon)])
def test_nothing_is_infinite_in_corners(name: str) -> None:
    polygon = REGIONS[name]
    assert isinstance(polygon, Polygon)
    corners = torch.cat(list(polygon.rings))
    u = jet(vanishing_on(polygon.boundary), corners)
    assert float(u.value.abs().max()) < 1e-9
    assert bool(torch.isfinite(u.gradient).all())
    assert bool(torch.isfinite(u.hessian).all())


def test_functions_vanish_on_a_part_of_the_boundary_alone() -> None:
    ell = REGIONS["ell"]
    assert isinstance(ell, Polygon)
    annulus = REGIONS["annulus"]
    assert isinstance(annulus, Difference)
    generator = torch.Generator().manual_seed(0)
    pairs: list[tuple[Boundary, Boundary]] = [
        (ell.sides(0, 2), ell.sides(1, 3, 4, 5)),
        (ell.sides(3), ell.sides(0, 1, 2, 4, 5)),
        (annulus.boundary_of(annulus.whole), annulus.boundary_of(annulus.removed[0])),
        (annulus.boundary_of(annulus.removed[0]), annulus.boundary_of(annulus.whole)),
    ]
    for part, other in pairs:
        phi = vanishing_on(part)
        here, there = (each.draw(500, generator, torch.float64).points for each in (part, other))
        assert float(phi(here).abs().max()) < 1e-14
        assert float(phi(there).min()) > 1e-5
        assert bool(torch.isfinite(jet(phi, torch.cat([here, there])).hessian).all())


def test_boxes_and_balls_have_polynomials() -> None:
    x = torch.tensor([[0.5, 0.25], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(
        vanishing_on(Box([0, 0], [1, 2]).boundary)(x)[:, 0],
        4 * x[:, 0] * (1 - x[:, 0]) * x[:, 1] * (2 - x[:, 1]),
    )
    torch.testing.assert_close(vanishing_on(Ball([0, 0], 2).boundary)(x)[:, 0], 1 - x.square().sum(1) / 4)
    torch.testing.assert_close(vanishing_on(Box([0, 0], [1, 2]).face(1, "upper"))(x)[:, 0], 1 - x[:, 1] / 2)


def test_initial_values_and_velocities_are_built_in() -> None:
    """For any network: u = g and u_t = v at the beginning, u = g on the walls; and not anywhere else."""
    plate = SpaceTime(Difference(Box([0, 0], [2, 2]), Ball([1, 1], 0.5)), (1.0, 3.0))

    def given(p: Tensor) -> Tensor:
        t, x, y = p.split(1, dim=1)
        values: Tensor = torch.sin(x) * y + (t - 1) * torch.cos(x * y)
        return values

    around = built_in(given, vanishing_on(plate.walls), vanishing_on(plate.start, order=2))
    fields = [around(Siren(3, 1, hidden_features=16, hidden_layers=1).double()) for _ in range(2)]
    start, wall, inside = (
        each.draw(200, torch.Generator().manual_seed(0), torch.float64).points
        for each in (plate.start, plate.walls, plate)
    )
    for field in fields:
        u = jet(field, start, axes=plate.axes)
        torch.testing.assert_close(u.value, given(start), rtol=0, atol=1e-14)
        torch.testing.assert_close(u.d("t"), torch.cos(start[:, 1:2] * start[:, 2:]), rtol=0, atol=1e-14)
        torch.testing.assert_close(field(wall), given(wall), rtol=0, atol=1e-13)
        assert float((field(inside) - given(inside)).abs().max().detach()) > 1e-3
    assert float((fields[0](inside) - fields[1](inside)).abs().max().detach()) > 1e-3
    once = built_in(given, vanishing_on(plate.start))(Siren(3, 1, hidden_features=16, hidden_layers=1).double())
    velocity = jet(once, start, axes=plate.axes).d("t")
    assert (
        float((velocity - torch.cos(start[:, 1:2] * start[:, 2:])).abs().max().detach()) > 1e-3
    )  # the square is what does it


def test_values_of_several_outputs_are_built_in() -> None:
    square = Box([0, 0], [1, 1])
    field = built_in(2.5, vanishing_on(square.boundary), outputs=2)(Siren(2, 2, hidden_features=8).double())
    edge = square.boundary.draw(50, torch.Generator().manual_seed(0), torch.float64).points
    torch.testing.assert_close(field(edge), torch.full((50, 2), 2.5, dtype=torch.float64))


def test_what_cannot_vanish_is_refused_in_a_line() -> None:
    line, square = Box([0], [1]), Box([0, 0], [1, 1])
    with pytest.raises(ValueError, match="got 0 boundaries of dimensions") as told:
        vanishing_on()
    assert "\n" not in str(told.value)
    with pytest.raises(ValueError, match=r"got 2 boundaries of dimensions \[1, 2\]"):
        vanishing_on(line.boundary, square.boundary)
    with pytest.raises(ValueError, match="and order 0"):
        vanishing_on(line.boundary, order=0)
    with pytest.raises(ValueError, match="give vanishing_on"):
        built_in(0.0)


@pytest.mark.parametrize("periods", [(), (None,), (0.0, 1.0), (-1.0,), (math.inf,), (math.nan,)])
def test_periods_that_are_none_are_refused(periods: tuple[float | None, ...]) -> None:
    with pytest.raises(ValueError, match="a period is a positive number for some of the axes"):
        periodic(*periods)
    with pytest.raises(ValueError, match="a field of 2 coordinates needs 2 periods, None where there is none, got"):
        periodic(1.0)(Siren(2, 1, hidden_features=8))


def test_mirrors_make_fields_even_and_odd() -> None:
    network = Siren(2, 2, hidden_features=16, hidden_layers=1).double()
    points = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    image = points * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 3.0])
    even, odd = mirrored(1, 1.5)(network), mirrored(1, 1.5, odd=True)(network)
    torch.testing.assert_close(even(points), even(image))
    torch.testing.assert_close(odd(points), -odd(image))
    assert float((even(points) - odd(points)).abs().max().detach()) > 1e-3
    torch.testing.assert_close(jet(even, points).laplacian, jet(even, image).laplacian)
    with pytest.raises(ValueError, match="there is no axis 2 to mirror: the field has 2, counted from 0"):
        mirrored(2, 0.0)(network)


def test_values_on_parts_of_a_boundary_are_interpolated() -> None:
    """PINNacle's square with round holes: 1 on the square, sin x at two circles, for any network."""
    whole, first, second = Box([-1, -1], [1, 1]), Ball([0.4, 0.4], 0.2), Ball([-0.3, -0.3], 0.3)
    region = Difference(whole, first, second)
    outer, inner, other = (region.boundary_of(each) for each in (whole, first, second))

    def sine(points: Tensor) -> Tensor:
        return torch.sin(points[:, :1])

    g = interpolated((outer, 1.0), (inner, sine), (other, sine))
    field = built_in(g, vanishing_on(region.boundary))(Siren(2, 1, hidden_features=8).double())
    generator = torch.Generator().manual_seed(0)
    for part in (outer, inner, other):
        points = part.draw(100, generator, torch.float64).points
        expected = torch.ones_like(points[:, :1]) if part is outer else sine(points)
        torch.testing.assert_close(field(points), expected, rtol=0, atol=1e-12)
        assert bool(torch.isfinite(jet(field, points).laplacian).all())
    with pytest.raises(ValueError, match="from one part of a boundary or more, got none"):
        interpolated()


def test_values_that_meet_in_a_corner_are_finite_there() -> None:
    square = Box([0, 0], [1, 1])
    g = interpolated((square.face(0, "lower"), 70.0), (square.face(1, "lower"), 60.0))
    corner = torch.zeros(1, 2, dtype=torch.float64)
    assert g(corner).item() == 65
    assert g(torch.tensor([[0.0, 0.5], [0.5, 0.0]])).flatten().tolist() == [70.0, 60.0]


@pytest.mark.parametrize("name", ["box of three", "ell", "bay", "hole of 64 edges", "annulus", "ell of boxes"])
def test_solvers_by_jacobians_take_built_in_conditions(name: str) -> None:
    """Within transforms of functions too, where nothing may be drawn: J v is the slope of the residuals along v."""
    region: Any = REGIONS[name]
    field = built_in(0.0, vanishing_on(region.boundary))(
        Siren(region.dimension, 1, hidden_features=6, hidden_layers=1).double()
    )
    objective = Objective({"u": field}, [Constraint(region, lambda u: u.laplacian + u.value**2 - 1, name="equation")])
    batch = Batch([region.draw(20, torch.Generator().manual_seed(0), torch.float64)])
    jacobian, start = objective.linearise(batch).dense(), objective.vector()
    along = torch.randn(len(start), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    residuals = []
    for step in (1e-6, -1e-6):
        objective.assign(start + step * along)
        residuals.append(objective.residuals(batch).detach())
    torch.testing.assert_close((residuals[0] - residuals[1]) / 2e-6, jacobian @ along, rtol=1e-5, atol=1e-6)
