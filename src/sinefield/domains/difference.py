"""Differences: a region without some others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import final

import torch
from torch import Tensor

from sinefield.domains.ball import Ball, Sphere
from sinefield.domains.box import Box, BoxBoundary
from sinefield.domains.domain import ContinuousDomain, Samples
from sinefield.domains.polygon import Polygon, PolygonBoundary
from sinefield.domains.rejection import first_samples
from sinefield.domains.rvachev import both

Simple = Box | Ball | Polygon
"""The regions that differences are made of."""

_TRIED = 4096  # points that tell whether regions meet, and whether anything is left
_STEP = 1e-6  # of the size of the whole: how far to each side of a boundary it is looked


@final
@dataclass(frozen=True, eq=False, init=False)
class Difference(ContinuousDomain):
    """The points of a region that are in none of some others: whole − (removed_1 ∪ removed_2 ∪ …).

    Points are drawn in the whole, those in what was removed are left out; that is given up, with an error, after
    :data:`sinefield.domains.rejection.ROUNDS` times as many points as were wanted.

    Args:
        whole: a box, a ball or a polygon, which the names of the axes are from.
        *removed: boxes, balls or polygons of the same dimension; each meets the whole.

    Raises:
        ValueError: nothing is removed, dimensions or names of axes differ, a region is of another kind, a removed one
            does not meet the whole, or nothing is left.

    >>> ring = Difference(Ball([0, 0], 2), Ball([0, 0], 1))
    >>> radii = ring.draw(100, torch.Generator().manual_seed(0)).points.norm(dim=1)
    >>> bool(((radii >= 1) & (radii <= 2)).all())
    True
    """

    whole: Simple
    removed: Sequence[Simple]

    def __init__(self, whole: Simple | Difference, *removed: Simple) -> None:
        first, before = (whole.whole, whole.removed) if isinstance(whole, Difference) else (whole, ())
        object.__setattr__(self, "whole", first)
        object.__setattr__(self, "removed", (*before, *removed))
        self._check()

    def _check(self) -> None:
        kinds = [type(each).__name__ for each in (self.whole, *self.removed) if not isinstance(each, Simple)]
        if kinds or not self.removed:
            raise ValueError(
                "a difference is of a box, ball or polygon and one or more others of these, got "
                f"{len(self.removed)} removed" + (f" and a {kinds[0]}" if kinds else "")
            )
        for number, each in enumerate(self.removed, 1):
            if each.dimension != self.dimension or each.axes not in (None, self.axes):
                raise ValueError(
                    f"what is removed has the {self.dimension} axes of the whole ({self.axes or 'no names'}), got "
                    f"{each.dimension} ({each.axes or 'no names'}) in region {number} that is removed"
                )
            points = each.draw(_TRIED, torch.Generator().manual_seed(0), torch.float64).points
            if not bool(self.whole.contains(points).any()):
                raise ValueError(f"region {number} that is removed does not meet the whole; leave it out or move it")
        points = self.whole.draw(_TRIED, torch.Generator().manual_seed(0), torch.float64).points
        if not bool(self.contains(points).any()):
            raise ValueError(
                f"a difference needs a part that is left, got none of {_TRIED} points in {type(self.whole).__name__} "
                f"without {len(self.removed)} others; make the whole larger or remove less"
            )

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        return self.whole.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the whole."""
        return self.whole.axes

    @property
    def boundary(self) -> DifferenceBoundary:
        """∂Ω, the parts of the boundaries of all regions that points are left beside."""
        return DifferenceBoundary(self)

    def boundary_of(self, region: Simple) -> DifferenceBoundary:
        """Return the part of the boundary that is that of one region, the whole or one that was removed.

        Args:
            region: that region itself. Normals point out of the difference, and so into what was removed.

        Raises:
            ValueError: the difference is not made of it.
        """
        for number, each in enumerate((self.whole, *self.removed)):
            if each is region:
                return DifferenceBoundary(self, number)
        raise ValueError(
            f"a part of the boundary is that of the whole or of one of {len(self.removed)} removed regions, got "
            f"another {type(region).__name__}; give the object that the difference was made of"
        )

    @property
    def bounding_box(self) -> Box:
        """The box around the whole."""
        return self.whole.bounding_box

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, d)`` are in the whole and in nothing that was removed, ``(n,)``."""
        found = self.whole.contains(points)
        for each in self.removed:
            found = found & ~each.contains(points)
        return found

    def level(self, points: Tensor, within: Box) -> Tensor:
        """Return a function that is positive inside and negative outside; see :class:`sinefield.domains.Region`."""
        return reduce(both, [-each.level(points, within) for each in self.removed], self.whole.level(points, within))

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in what is left; see :meth:`ContinuousDomain.draw`."""

        def left() -> Iterator[Samples]:
            while True:
                points = self.whole.draw(count, generator, torch.float64).points
                yield Samples(points[self.contains(points)])

        return first_samples(left(), count, dtype, "a difference")


@final
@dataclass(frozen=True, eq=False)
class DifferenceBoundary(ContinuousDomain):
    """The boundary of a difference, with the target ``normal``, the outward unit normal ``(n, d)``.

    Points are drawn on the boundaries of all regions, in proportion to their size; those are kept that have the
    difference on one side only. Where several boundaries coincide, the first of the regions gives the points.

    Args:
        difference: the difference; see :attr:`Difference.boundary`.
        only: which region the points are on the boundary of, 0 for the whole; None: all. See
            :meth:`Difference.boundary_of`.

    >>> edge = Difference(Ball([0, 0], 2), Ball([0, 0], 1)).boundary
    >>> drawn = edge.draw(100, torch.Generator().manual_seed(0))
    >>> sorted({round(float(each)) for each in (drawn.points * drawn.targets["normal"]).sum(1)})
    [-1, 2]
    """

    difference: Difference
    only: int | None = None

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the boundary lies in."""
        return self.difference.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the difference."""
        return self.difference.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return a function that is 0 on the boundary and positive inside, ``(n,)``.

        It is the product of that of the whole and of one for each removed region, positive outside of it.
        """
        box = self.difference.bounding_box
        factors = [
            self.difference.whole.boundary.vanishing(points) if number == 0 else -each.level(points, box)
            for number, each in enumerate((self.difference.whole, *self.difference.removed))
            if self.only in (None, number)
        ]
        return torch.stack(factors).prod(0)

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the boundary; see :meth:`ContinuousDomain.draw`."""
        regions = (self.difference.whole, *self.difference.removed)
        boundaries: list[BoxBoundary | Sphere | PolygonBoundary] = [each.boundary for each in regions]
        sizes = torch.tensor([each.measure for each in boundaries], dtype=torch.float64)
        if self.only is not None:
            sizes[[number != self.only for number in range(len(sizes))]] = 0.0

        def left() -> Iterator[Samples]:
            while True:
                chosen = torch.multinomial(sizes, count, replacement=True, generator=generator)
                parts = [
                    self._kept(number, each.draw(some, generator, torch.float64))
                    for number, each in enumerate(boundaries)
                    if (some := int((chosen == number).sum()))
                ]
                points = torch.cat([each.points for each in parts])
                normal = torch.cat([each.targets["normal"] for each in parts])
                mixed = torch.randperm(len(points), generator=generator)  # so that any first points are from all parts
                yield Samples(points[mixed], {"normal": normal[mixed]})

        return first_samples(left(), count, dtype, "a difference")

    def _kept(self, number: int, drawn: Samples) -> Samples:
        """Return those of the points on the boundary of one region that have the difference on one side only."""
        points, normal = drawn.points, drawn.targets["normal"] * (1 if number == 0 else -1)
        box = self.difference.bounding_box
        step = _STEP * max(high - low for low, high in zip(box.lower, box.upper, strict=True))
        inner, outer = points - step * normal, points + step * normal
        kept = self.difference.contains(inner) & ~self.difference.contains(outer)
        for each in (self.difference.whole, *self.difference.removed)[:number]:
            kept &= each.contains(inner) == each.contains(outer)  # else its own boundary is here, and gave the point
        return Samples(points[kept], {"normal": normal[kept]})
