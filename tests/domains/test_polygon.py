"""Tests of polygons: uniform distributions, normals, shapely's shapes, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import shapely
import torch

from distributions import COUNT, draw
from sinefield.domains import Polygon

ELL = [(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0), (1.0, 2.0), (0.0, 2.0)]
SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
HOLE = [(1.0, 1.0), (1.0, 2.0), (3.0, 2.5)]
COMB = [(0, 0), (5, 0), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
POLYGONS = [
    Polygon(ELL),
    Polygon(SQUARE, [HOLE]),
    Polygon(COMB),
    Polygon([(0, 0), (1e-3, 3e-3), (-2e-3, 1e-3)]),
    Polygon([(5 * math.cos(each / 10), 3 * math.sin(each / 10)) for each in range(62)]),
]


def chi_square(counts: torch.Tensor, expected: torch.Tensor) -> float:
    """Return how many standard deviations Σ (n − e)²/e is above its mean, the number of cells."""
    cells = expected > 5
    statistic = float(((counts - expected).square() / expected)[cells].sum())
    return (statistic - int(cells.sum())) / math.sqrt(2 * int(cells.sum()))


@pytest.mark.parametrize("polygon", POLYGONS, ids=["ell", "hole", "comb", "small triangle", "62 edges"])
def test_polygons_are_uniform(polygon: Polygon) -> None:
    """As many points fall into each cell of a lattice as the area within it says."""
    points = draw(polygon, dtype=torch.float64)
    left, low, right, high = polygon.geometry.bounds
    n = 12
    index = torch.stack([(points[:, 0] - left) / (right - left), (points[:, 1] - low) / (high - low)], 1)
    index = (index * n).long().clamp(0, n - 1)
    counts = torch.zeros(n, n, dtype=torch.float64)
    counts.index_put_((index[:, 0], index[:, 1]), torch.ones(len(points), dtype=torch.float64), accumulate=True)
    areas = [
        [
            polygon.geometry.intersection(
                shapely.box(
                    left + (right - left) * i / n,
                    low + (high - low) * j / n,
                    left + (right - left) * (i + 1) / n,
                    low + (high - low) * (j + 1) / n,
                )
            ).area
            for j in range(n)
        ]
        for i in range(n)
    ]
    expected = COUNT * torch.tensor(areas, dtype=torch.float64) / polygon.measure
    assert float(counts[expected == 0].sum()) == 0
    assert abs(chi_square(counts, expected)) < 4


@pytest.mark.parametrize("polygon", POLYGONS, ids=["ell", "hole", "comb", "small triangle", "62 edges"])
def test_edges_are_uniform_by_arc_length(polygon: Polygon) -> None:
    drawn = polygon.boundary.draw(COUNT, torch.Generator().manual_seed(3), torch.float64)
    size = polygon.geometry.length
    apart = shapely.distance(polygon.geometry.boundary, shapely.points(drawn.points.numpy()))
    assert apart.max() < 1e-12 * size
    points = shapely.points(drawn.points.numpy())
    lines = [polygon.geometry.exterior, *polygon.geometry.interiors]
    ring = torch.stack([torch.from_numpy(shapely.distance(each, points)) for each in lines]).argmin(0)
    for number, line in enumerate(lines):
        along = torch.from_numpy(shapely.line_locate_point(line, points))[ring == number] / line.length
        counts = torch.histc(along, 50, 0, 1)
        expected = torch.full_like(counts, COUNT * line.length / size / 50)
        assert abs(chi_square(counts, expected)) < 4


def test_normals_of_the_divergence_theorem() -> None:
    """∮ x·n = 2 |Ω| and ∮ n = 0, by the midpoint of each edge, at which both are exact."""
    for polygon in POLYGONS:
        start, stop = polygon.boundary.edges.unbind(1)
        drawn = polygon.boundary.draw(500, torch.Generator().manual_seed(0), torch.float64)
        along = stop - start
        for point, normal in zip(drawn.points, drawn.targets["normal"], strict=True):
            inward = point - 1e-6 * polygon.measure**0.5 * normal
            assert bool(polygon.contains(inward[None])) or float((start - point).norm(dim=1).min()) < 1e-4
        normals = torch.stack([along[:, 1], -along[:, 0]], 1)
        assert float(normals.sum(0).abs().max()) < 1e-12
        assert float(((start + stop) / 2 * normals).sum()) == pytest.approx(2 * polygon.measure, rel=1e-12)


def test_corners_either_way_round_are_the_same_polygon() -> None:
    for ring in (ELL, ELL[::-1], [*ELL, ELL[0]]):
        polygon = Polygon(ring, axes="xy")
        assert polygon.measure == 3
        assert bool(polygon.contains(draw(polygon, 50)).all())
        edge = polygon.boundary.draw(50, torch.Generator().manual_seed(0), torch.float64)
        assert bool(polygon.contains(edge.points - 1e-6 * edge.targets["normal"]).all())
    holed = Polygon(SQUARE, [HOLE[::-1]])
    assert holed.measure == Polygon(SQUARE, [HOLE]).measure == pytest.approx(16 - shapely.Polygon(HOLE).area)


def test_shapes_of_shapely_are_polygons() -> None:
    """A square with a disc of many edges cut out, as shapely makes it, and a cloud of arrays."""
    shape = shapely.box(0, 0, 2, 2).difference(shapely.Point(1, 1).buffer(0.5))
    polygon = Polygon(shape, axes="xy")
    assert polygon.measure == pytest.approx(shape.area, rel=1e-14)
    assert polygon.boundary.measure == pytest.approx(shape.length, rel=1e-14)
    assert len(polygon.holes) == 1
    assert polygon.boundary.axes == ("x", "y")
    assert Polygon(torch.tensor(ELL).tolist()).measure == 3
    assert not bool(polygon.contains(torch.tensor([[1.0, 1.0]])))


@pytest.mark.parametrize(
    ("vertices", "holes", "message"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], [], r"may not cross .* got Self-intersection\[0.5 0.5\]"),
        ([(0, 0), (1, 0), (2, 0)], [], "may not cross or overlap"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], [], r"each once, got \(1.0, 0.0\) twice"),
        ([(0, 0), (2, 0), (2, 2), (1, 0.5), (0, 2), (1, 0.5)], [], "twice"),
        ([(0, 0), (1, 0)], [], "three or more different corners, each once, got 2 corners"),
        ([], [], "got 0 corners"),
        ([(0, 0), (1, 0), (math.nan, 1)], [], "two finite coordinates, got"),
        ([(0, 0), (1, 0), (0, 1, 2)], [], "two finite coordinates, got"),
        (SQUARE, [[(5, 5), (6, 5), (6, 6)]], "Hole lies outside shell"),
        (SQUARE, [[(3, 3), (6, 3), (6, 6)]], "Self-intersection"),
        (SQUARE, [HOLE, [(1.5, 1.2), (1.5, 3), (3, 3)]], "may not cross or overlap"),
        (SQUARE, [[(1, 1), (2, 2)]], "hole 1 of the polygon needs three or more different corners"),
        (SQUARE, [[(1, 1), (2, math.inf), (3, 3)]], "a corner of hole 1 of the polygon is two finite"),
        (shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]), [], "a MultiPolygon .* 2 parts"),
        (shapely.Polygon(), [], "one piece with an area"),
        (shapely.Point(0, 0), [], "one piece with an area, got a Point"),
    ],
)
def test_bad_polygons_are_refused_in_a_line(vertices: Any, holes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        Polygon(vertices, holes)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("corners", [ELL, ELL[::-1]])
def test_sides_are_numbered_as_corners_are(corners: list[tuple[float, float]]) -> None:
    polygon = Polygon(corners, axes="xy")
    for number, (start, stop) in enumerate(zip(corners, corners[1:] + corners[:1], strict=True)):
        side = polygon.sides(number)
        drawn = side.draw(50, torch.Generator().manual_seed(0), torch.float64)
        line = shapely.LineString([start, stop])
        assert side.measure == pytest.approx(line.length)
        assert shapely.distance(line, shapely.points(drawn.points.numpy())).max() < 1e-14
        assert bool(polygon.contains(drawn.points - 1e-6 * drawn.targets["normal"]).all())
    both = sum(math.dist(corners[each], corners[each + 1]) for each in (0, 3))
    assert polygon.sides(0, 3).measure == pytest.approx(both)
    assert polygon.sides(2).axes == ("x", "y")


def test_rings_are_the_polygon_and_its_holes() -> None:
    polygon = Polygon(SQUARE, [HOLE, [(0.2, 0.2), (0.4, 0.2), (0.2, 0.4)]])
    assert polygon.ring(0).measure == 16
    assert polygon.ring(1).measure == pytest.approx(shapely.Polygon(HOLE).length)
    points = polygon.ring(2).draw(50, torch.Generator().manual_seed(0)).points
    assert bool((points < 0.41).all())


@pytest.mark.parametrize("numbers", [(), (0, 0), (6,), (-1,)])
def test_sides_that_do_not_exist_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sides of the polygon are one or more different ones of 0 to 5, got"):
        Polygon(ELL).sides(*numbers)
    with pytest.raises(ValueError, match="1 to 0 are its holes, got 1"):
        Polygon(ELL).ring(1)
