"""Polygons, with holes, and their edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from sinefield.domains.box import Box
from sinefield.domains.domain import ContinuousDomain, Samples, check_axes

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

    >>> edges = Polygon([(0, 0), (1, 0), (0, 1)]).boundary
    >>> normal = edges.draw(100, torch.Generator().manual_seed(0)).targets["normal"]
    >>> sorted({tuple(each) for each in normal.mul(100).round().int().tolist()})
    [(-100, 0), (0, -100), (71, 71)]
    """

    polygon: Polygon

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

    @property
    def measure(self) -> float:
        """The length of all edges."""
        return float(self.polygon.geometry.length)

    @cached_property
    def edges(self) -> Tensor:
        """The beginning and the end of each edge, ``(k, 2, 2)``, Ω to the left."""
        return torch.cat([torch.stack([ring, ring.roll(-1, 0)], 1) for ring in self.polygon.rings])

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
        twice = [each for place, each in enumerate(corners) if each in corners[:place]]
        if len(corners) < 3 or twice:
            told = f"{len(corners)} corners" if not twice else f"{twice[0]} twice"
            raise ValueError(f"{what} needs three or more different corners, each once, got {told}")
        found.append(tuple((x, y) for x, y in corners))
    return found
