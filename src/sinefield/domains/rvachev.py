"""Rvachev's functions: functions that vanish on boundaries, put together as the regions are.

With f > 0 in one region and g > 0 in another, f ∨ g = f + g + √(f² + g²) is positive in either and f ∧ g = f + g −
√(f² + g²) in both; where one of them is zero and decides, so is the result, with the same slope. They are analytic but
where both are zero, in corners.

Source: Shapiro, "Semi-analytic geometry with R-functions", Acta Numerica 16, 2007, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import final

import torch
from torch import Tensor

_FEW = 6  # edges that are put together by half-planes; more, as of circles, by their integrals
_CORNER = 1e-24  # squares of distances below which a point is a corner, where no slope is infinite


def either(first: Tensor, second: Tensor) -> Tensor:
    """Return f ∨ g = f + g + √(f² + g²), positive where one of them is.

    >>> either(torch.tensor([-1.0, 3.0]), torch.tensor([0.0, 4.0])).tolist()
    [0.0, 12.0]
    """
    squares = first.square() + second.square()
    corner = squares < _CORNER
    root = torch.where(corner, 1.0, squares).sqrt()  # so that no slope is infinite where the root is not used
    return first + second + torch.where(corner, 0.0, root)


def both(first: Tensor, second: Tensor) -> Tensor:
    """Return f ∧ g = f + g − √(f² + g²), positive where both are.

    >>> both(torch.tensor([-5.0, 3.0]), torch.tensor([12.0, 4.0])).tolist()
    [-6.0, 2.0]
    """
    return -either(-first, -second)


def bounded(values: Tensor, size: float) -> Tensor:
    """Return f/√(f² + s²): of the same sign and zeros, and 1 where f is far above s, so that many can be multiplied."""
    return values / (values.square() + size**2).sqrt()


@final
@dataclass(frozen=True)
class HalfPlane:
    """The points to the left of a line, l(x) = n·x + d > 0.

    Args:
        normal: n, of length 1.
        offset: d.
        length: of the edge on the line.
    """

    normal: tuple[float, float]
    offset: float
    length: float

    def level(self, points: Tensor) -> Tensor:
        """Return l at points ``(n, 2)``, ``(n,)``: the distance from the line, negative to the right."""
        return points[:, 0] * self.normal[0] + points[:, 1] * self.normal[1] + self.offset


@final
@dataclass(frozen=True)
class ConvexWithPockets:
    """The half-planes of a polygon's hull, without the pockets between hull and polygon, which are such regions again.

    Each edge of the polygon is in one half-plane, once. Where the hull has an edge that the polygon has not, the lid of
    a pocket, there is no half-plane: the pocket is open there, which is beyond the hull.

    Args:
        parts: half-planes and pockets, in the order of the edges.
        edges: the beginning and end of all edges, ``(k, 2, 2)``, the region to the left.

    Source: Dobkin, Guibas, Hershberger, Snoeyink, "An efficient algorithm for finding the CSG representation of a
    simple polygon", 1993, section 2, on formulas in which each edge stands once.
    """

    parts: Sequence[HalfPlane | ConvexWithPockets]
    edges: Tensor

    @property
    def length(self) -> float:
        """The length of all its edges."""
        return sum(each.length for each in self.parts)

    def level(self, points: Tensor) -> Tensor:
        """Return a function that is positive inside, negative outside and 0 on the edges, ``(n,)``.

        Half-planes are put together one after the other along the edges, as long as these turn by less than half a
        turn: lines that are no neighbours then meet where the result is decided by others, and it stays smooth.
        """
        runs: list[Tensor] = []
        turned = math.inf
        before: HalfPlane | None = None
        for part in self.parts:
            value = part.level(points) if isinstance(part, HalfPlane) else -part.level(points)
            if isinstance(part, HalfPlane):
                turned += 0.0 if before is None else _turn(before, part)
                before = part
            if not runs or turned > math.pi - 1e-9:
                runs.append(value)
                turned = 0.0
            else:
                runs[-1] = both(runs[-1], value)
        return reduce(both, runs)

    def factors(self, points: Tensor) -> list[Tensor]:
        """Return functions, ``(n,)`` each, that are positive inside and of which one is 0 on each edge."""
        return [
            bounded(part.level(points), part.length) if isinstance(part, HalfPlane) else part.outside(points)
            for part in self.parts
        ]

    def outside(self, points: Tensor) -> Tensor:
        """Return a function that is positive outside and 0 on the edges, ``(n,)``; of any sign inside."""
        few = len(self.edges) <= _FEW
        return bounded(-self.level(points) if few else distance_like(points, self.edges.flip(1)), self.length)


def distance_like(points: Tensor, edges: Tensor) -> Tensor:
    """Return π/Σ_i ∫ ds/r² over edges, ``(n,)``: like the distance beside an edge, and smooth but in corners.

    With the angle α that an edge of length L is seen under, and c = 2 · (area of the triangle of point and edge), the
    integral is L α/c. Of many edges one after the other this is smoother than f ∨ g ∨ …, which is bent beside each.

    Args:
        points: where, ``(n, 2)``.
        edges: their beginning and end, ``(k, 2, 2)``, the points to the left where they are on an edge.

    Source: Belyaev, Fayolle, Pasko, "Signed Lp-distance fields", Computer-Aided Design 45, 2013, section 3.
    """
    start, stop = (each.to(points)[:, None] - points for each in edges.unbind(1))  # (k, n, 2)
    along = edges[:, 1] - edges[:, 0]
    lengths = along.norm(dim=1).to(points)[:, None]
    twice_area = start[..., 0] * stop[..., 1] - start[..., 1] * stop[..., 0]
    dot = (start * stop).sum(-1)
    corner = twice_area.square() + dot.square() < _CORNER * lengths**4
    dot = torch.where(corner, 1.0, dot)
    angle = torch.atan2(twice_area, dot)
    # Rounding puts points of an edge behind it, where the angle jumps.
    behind = (angle < 0) & (twice_area > -1e-12 * lengths) & (dot < 0)
    angle = torch.where(behind, angle + math.tau, angle)
    flat = twice_area.abs() < 1e-3 * dot  # seen from its end: α/c by its series
    slope = torch.where(flat, twice_area, 0.0) / torch.where(flat, dot, 1.0)
    series = torch.where(flat, dot, 1.0) / (1 - slope.square() / 3 + slope.pow(4) / 5 - slope.pow(6) / 7)
    found = torch.where(flat, series, twice_area / torch.where(flat, 1.0, angle)) * math.pi / lengths
    found = torch.where(corner, 0.0, found)
    while len(found) > 1:  # 1/(1/f + 1/g) = f g/(f + g), of which one may be 0
        first, second = found[: len(found) // 2], found[len(found) // 2 : len(found) // 2 * 2]
        total = first + second
        joined = first * second / torch.where(total.abs() < _CORNER, 1.0, total)
        found = torch.cat([joined, found[len(found) // 2 * 2 :]])
    return found[0]


def some_edges(points: Tensor, edges: Tensor, corners: Tensor) -> Tensor:
    """Return a function that is 0 on some edges of a polygon and positive elsewhere in it, ``(n,)``.

    Args:
        points: where, ``(n, 2)``.
        edges: the beginning and end of the edges, ``(k, 2, 2)``, the polygon to the left.
        corners: all corners of the polygon, ``(m, 2)``.
    """
    planes = [_half_plane(start, stop) for start, stop in edges]
    on_hull = [float(each.level(corners).min()) > -1e-12 for each in planes]
    parts: list[HalfPlane | ConvexWithPockets] = []
    for plane, straight in zip(planes, on_hull, strict=True):
        if straight:
            _add(parts, plane)
    factors = [bounded(each.level(points), each.length) for each in parts]
    if not all(on_hull):
        rest = edges[[not each for each in on_hull]]
        factors.append(bounded(distance_like(points, rest), float((rest[:, 1] - rest[:, 0]).norm(dim=1).sum())))
    return torch.stack(factors).prod(0)


def _turn(first: HalfPlane, second: HalfPlane) -> float:
    (a, b), (c, d) = first.normal, second.normal
    return max(0.0, math.atan2(a * d - b * c, a * c + b * d))


def region_within(ring: Tensor, *, open_at_end: bool = False) -> ConvexWithPockets:
    """Return the region within corners ``(n, 2)``, anticlockwise.

    Args:
        ring: the corners.
        open_at_end: whether the edge from the last corner to the first is none, but the lid of a pocket.
    """
    count = len(ring)
    hull = _hull_places(ring)
    parts: list[HalfPlane | ConvexWithPockets] = []
    edges = torch.stack([ring, ring.roll(-1, 0)], 1)[: count - open_at_end]
    for place, start in enumerate(hull):
        stop = hull[(place + 1) % len(hull)]
        if (stop - start) % count == 1:
            if not (open_at_end and stop == 0):
                _add(parts, _half_plane(ring[start], ring[stop]))
        else:  # a pocket to the right of the edges from start to stop, so that it is to the left of them backwards
            chain = [each % count for each in range(start, start + (stop - start) % count + 1)]
            parts.append(region_within(ring[chain[::-1]], open_at_end=True))
    return ConvexWithPockets(parts, edges)


def _add(parts: list[HalfPlane | ConvexWithPockets], one: HalfPlane) -> None:
    """Add a half-plane, unless there is one of that line."""
    for place, each in enumerate(parts):
        if isinstance(each, HalfPlane) and math.dist((*each.normal, each.offset), (*one.normal, one.offset)) < 1e-12 * (
            1 + abs(one.offset)
        ):
            parts[place] = HalfPlane(each.normal, each.offset, each.length + one.length)
            return
    parts.append(one)


def _half_plane(start: Tensor, stop: Tensor) -> HalfPlane:
    along = stop - start
    length = float(along.norm())
    normal = (-float(along[1]) / length, float(along[0]) / length)
    return HalfPlane(normal, -float(start[0]) * normal[0] - float(start[1]) * normal[1], length)


def _hull_places(ring: Tensor) -> list[int]:
    """Return which corners of a ring, anticlockwise, are on its convex hull, those along its sides too; in order.

    Andrew's monotone chains.
    """
    places = sorted(range(len(ring)), key=lambda each: tuple(ring[each].tolist()))
    size = float((ring.amax(0) - ring.amin(0)).max())

    def chain(order: Sequence[int]) -> list[int]:
        found: list[int] = []
        for each in order:
            while len(found) > 1 and _cross(ring[found[-2]], ring[found[-1]], ring[each]) < -1e-12 * size**2:
                found.pop()
            found.append(each)
        return found

    return sorted({*chain(places), *chain(places[::-1])})


def _cross(a: Tensor, b: Tensor, c: Tensor) -> float:
    return float((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]))
