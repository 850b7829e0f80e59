"""Polygons, with holes, and their edges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from sinefield.domains.box import Box
from sinefield.domains.domain import ContinuousDomain, Samples, check_axes
from sinefield.domains.rvachev import ConvexWithPockets, both, region_within, some_edges

if TYPE_CHECKING:
    import shapely

Corners = Sequence[Sequence[float]]
"""Coordinates of the corners of a ring one after the other, ``(n, 2)``."""


@final
@dataclass(frozen=True, eq=False)
class Polygon(ContinuousDomain):
    """A polygon of the plane, with or without holes.

    Args:
        vertices: its corners one after the other, ``(n, 2)``, either way round; or a ``shapely.Polygon`` with its
            holes.
        holes: the corners of each hole.
        axes: name of each axis, as ``"xy"``; see :class:`sinefield.domains.ContinuousDomain`.

    Raises:
        ValueError: less than three corners, a corner twice, NaN, edges that cross, holes outside of the polygon or of
            each other's inside, or names that do not fit the axes.

    >>> ell = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], axes="xy")
    >>> ell.measure, ell.boundary.measure
    (3.0, 8.0)
    >>> Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], holes=[[(1, 1), (2, 1), (2, 2), (1, 2)]]).measure
    8.0
    """

    vertices: Corners | shapely.Polygon
    holes: Sequence[Corners] = ()
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the corners, their order, the holes and the names of the axes.

        Raises:
            ValueError: as the class says.
        """
        rings = _rings_of(self.vertices, self.holes)
        object.__setattr__(self, "vertices", rings[0])
        object.__setattr__(self, "holes", tuple(rings[1:]))
        _ = self.geometry  # which checks that edges do not cross
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, "the polygon"))

    @property
    def dimension(self) -> int:
        """The dimension of the points, 2."""
        return 2

    @property
    def boundary(self) -> PolygonBoundary:
        """∂Ω, the edges of the polygon and of its holes."""
        return PolygonBoundary(self)

    def sides(self, *numbers: int) -> PolygonBoundary:
        """Return some of the edges: edge k from corner k to the next, counted on from the polygon to its holes.

        Args:
            *numbers: which, from 0.

        Raises:
            ValueError: none is named, one is twice, or there is no such edge.
        """
        count = sum(map(len, self.rings))
        if not numbers or len(set(numbers)) < len(numbers) or not all(0 <= each < count for each in numbers):
            raise ValueError(
                f"sides of the polygon are one or more different ones of 0 to {count - 1}, got {numbers or 'none'}"
            )
        return PolygonBoundary(self, numbers)

    def ring(self, number: int) -> PolygonBoundary:
        """Return the edges around the polygon, for 0, or those of one of its holes, counted from 1.

        Raises:
            ValueError: there is no such hole.
        """
        if not 0 <= number <= len(self.holes):
            raise ValueError(f"ring 0 is around the polygon, 1 to {len(self.holes)} are its holes, got {number}")
        before = sum(map(len, self.rings[:number]))
        return self.sides(*range(before, before + len(self.rings[number])))

    @property
    def measure(self) -> float:
        """The area."""
        return float(self.geometry.area)

    @cached_property
    def rings(self) -> Sequence[Tensor]:
        """The corners ``(n, 2)`` of the polygon, anticlockwise, and of each hole, clockwise: Ω is to the left."""
        found = [torch.tensor(each, dtype=torch.float64) for each in (self.vertices, *self.holes)]
        return [
            ring if (_signed_area(ring) > 0) == (number == 0) else ring.flip(0) for number, ring in enumerate(found)
        ]

    @cached_property
    def geometry(self) -> shapely.Polygon:
        """The polygon as shapely has it.

        Raises:
            ValueError: edges cross or touch, or a hole is not inside.
        """
        import shapely

        found = shapely.Polygon(self.vertices, self.holes)
        if not found.is_valid:
            raise ValueError(
                f"the edges of a polygon and its holes may not cross or overlap, and holes are inside, got "
                f"{shapely.is_valid_reason(found)}; give the corners in order, each once, and each hole apart"
            )
        return found

    @property
    def bounding_box(self) -> Box:
        """The smallest box around the polygon."""
        left, low, right, high = self.geometry.bounds
        return Box([left, low], [right, high], self.axes)

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, 2)`` are in the polygon, ``(n,)``."""
        import shapely

        shapely.prepare(self.geometry)
        x, y = points.detach().cpu().double().unbind(1)
        return torch.from_numpy(shapely.intersects_xy(self.geometry, x.numpy(), y.numpy())).to(points.device)

    @cached_property
    def _regions(self) -> Sequence[ConvexWithPockets]:
        """The regions within the polygon's own ring and within each hole, of points as :meth:`_unit` has them."""
        outer, *holes = (self._unit(each) for each in self.rings)
        return [region_within(outer), *(region_within(each.flip(0)) for each in holes)]

    def _unit(self, points: Tensor) -> Tensor:
        """Return points in coordinates in which the polygon has a size of 1."""
        left, low, right, high = self.geometry.bounds
        unit: Tensor = (points - points.new_tensor([left, low])) / max(right - left, high - low)
        return unit

    def level(self, points: Tensor, within: Box) -> Tensor:  # noqa: ARG002 - it has no parts to leave out
        """Return a function that is positive inside and negative outside; see :class:`sinefield.domains.Region`."""
        outer, *holes = (each.level(self._unit(points)) for each in self._regions)
        return reduce(both, [-each for each in holes], outer)

    def vanishing_on(self, edges: Tensor | None, points: Tensor) -> Tensor:
        """Return a function that is positive inside and 0 on some edges, ``(n,)``; see :class:`PolygonBoundary`.

        Args:
            edges: which, ``(k, 2, 2)``; None: all.
            points: where, ``(n, 2)``.
        """
        unit = self._unit(points)
        if edges is None:
            return self._product(unit) / self._largest
        return some_edges(unit, self._unit(edges), self._unit(torch.cat(list(self.rings))))

    def _product(self, unit: Tensor) -> Tensor:
        outer, *holes = self._regions
        return torch.stack([*outer.factors(unit), *(each.outside(unit) for each in holes)]).prod(0)

    @cached_property
    def _largest(self) -> float:
        """About the largest value of the product, which makes it a function of order 1."""
        weights = torch.tensor([[2, 2, 2], [3, 2, 1], [1, 3, 2], [2, 1, 3], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / 6
        points = (weights.double() @ self._triangles).flatten(0, 1)
        return float(self._product(self._unit(points)).max())

    @cached_property
    def _triangles(self) -> Tensor:
        """The polygon as triangles, ``(k, 3, 2)``: Delaunay's, of the corners alone, with the edges kept."""
        import shapely

        found = shapely.constrained_delaunay_triangles(self.geometry).geoms
        return torch.tensor([each.exterior.coords[:3] for each in found], dtype=torch.float64)

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in the polygon; see :meth:`ContinuousDomain.draw`."""
        origin, first, second = self._triangles.unbind(1)
        sides = torch.stack([first - origin, second - origin], 1)  # (k, 2, 2)
        chosen = torch.multinomial(torch.linalg.det(sides).abs(), count, replacement=True, generator=generator)
        along = torch.rand(count, 2, generator=generator, dtype=torch.float64)
        # The square is folded along its diagonal into the triangle, which keeps areas.
        along = torch.where(along.sum(1, keepdim=True) > 1, 1 - along, along)
        return Samples((origin[chosen] + (along[:, None] @ sides[chosen])[:, 0]).to(dtype))


@final
@dataclass(frozen=True, eq=False)
class PolygonBoundary(ContinuousDomain):
    """The edges of a polygon and of its holes, each with a share of the points in proportion to its length.

    Samples carry the target ``normal``, the outward unit normal ``(n, 2)``.

    Args:
        polygon: the polygon; see :attr:`Polygon.boundary`.
        chosen: the edges that belong to it; None: all. See :meth:`Polygon.sides` and :meth:`Polygon.ring`.

    >>> edges = Polygon([(0, 0), (1, 0), (0, 1)]).boundary
    >>> normal = edges.draw(100, torch.Generator().manual_seed(0)).targets["normal"]
    >>> sorted({tuple(each) for each in normal.mul(100).round().int().tolist()})
    [(-100, 0), (0, -100), (71, 71)]
    """

    polygon: Polygon
    chosen: Sequence[int] | None = None

    @property
    def dimension(self) -> int:
        """The dimension of the space the edges lie in, 2."""
        return 2

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the polygon."""
        return self.polygon.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return a function that is 0 on the edges and positive inside, ``(n,)``.

        It is the product of one factor for each side of the convex hull, for each pocket between hull and polygon and
        for each hole: analytic inside and on the edges, in corners of less than half a turn too. In those of more, a
        function that is 0 on both edges alone cannot be: there its second derivatives grow as 1/r.
        """
        return self.polygon.vanishing_on(None if self.chosen is None else self.edges, points)

    @property
    def measure(self) -> float:
        """The length of the edges."""
        return float((self.edges[:, 1] - self.edges[:, 0]).norm(dim=1).sum())

    @cached_property
    def edges(self) -> Tensor:
        """The beginning and the end of each edge, ``(k, 2, 2)``, Ω to the left, in the order of the corners."""
        parts = []
        for given, ring in zip((self.polygon.vertices, *self.polygon.holes), self.polygon.rings, strict=True):
            first = torch.tensor(given, dtype=torch.float64)
            turned = not torch.equal(first, ring)
            edges = torch.stack([first, first.roll(-1, 0)], 1)
            parts.append(edges.flip(1) if turned else edges)
        every = torch.cat(parts)
        return every if self.chosen is None else every[list(self.chosen)]

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the edges; see :meth:`ContinuousDomain.draw`."""
        start, stop = self.edges.unbind(1)
        along = stop - start
        lengths = along.norm(dim=1, keepdim=True)
        normals = torch.stack([along[:, 1], -along[:, 0]], 1) / lengths  # to the right: outward
        chosen = torch.multinomial(lengths[:, 0], count, replacement=True, generator=generator)
        part = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        return Samples((start[chosen] + part * along[chosen]).to(dtype), {"normal": normals[chosen].to(dtype)})


def _signed_area(ring: Tensor) -> float:
    """Return the area within corners ``(n, 2)``, negative where they are clockwise."""
    from_first = ring - ring[0]  # which keeps digits far from the origin
    x, y = from_first.unbind(1)
    return 0.5 * float((x * y.roll(-1) - y * x.roll(-1)).sum())


def _rings_of(vertices: Any, holes: Sequence[Corners]) -> list[tuple[tuple[float, float], ...]]:
    """Return the corners of a polygon and its holes as plain numbers.

    Raises:
        ValueError: there are less than three, one is twice, or one is no pair of finite numbers.
    """
    if hasattr(vertices, "geom_type"):
        if vertices.geom_type != "Polygon" or vertices.is_empty:
            raise ValueError(
                f"a polygon is one piece with an area, got a {vertices.geom_type} of shapely "
                f"with {len(getattr(vertices, 'geoms', ()))} parts; solve on one of its parts"
            )
        holes = [*(each.coords for each in vertices.interiors), *holes]
        vertices = vertices.exterior.coords
    found: list[tuple[tuple[float, float], ...]] = []
    for number, ring in enumerate((vertices, *holes)):
        what = "the polygon" if number == 0 else f"hole {number} of the polygon"
        corners = [tuple(map(float, each)) for each in ring]
        bad = [each for each in corners if len(each) != 2 or not all(map(math.isfinite, each))]
        if bad:
            raise ValueError(f"a corner of {what} is two finite coordinates, got {bad[0]}")
        if len(corners) > 1 and corners[0] == corners[-1]:
            corners.pop()  # closed, as shapely and GeoJSON have rings
        twice = [each for each, times in Counter(corners).items() if times > 1]
        if len(corners) < 3 or twice:
            told = f"{len(corners)} corners" if not twice else f"{twice[0]} twice"
            raise ValueError(f"{what} needs three or more different corners, each once, got {told}")
        found.append(tuple((x, y) for x, y in corners))
    return found
