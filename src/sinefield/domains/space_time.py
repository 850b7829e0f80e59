"""Space-time: a region of space over an interval of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains.box import Box
from sinefield.domains.domain import ContinuousDomain, Samples
from sinefield.domains.region import Region

_SPACE = "xyz"  # names of axes of space that has none


@final
@dataclass(frozen=True, eq=False)
class SpaceTime(ContinuousDomain):
    """A region of space over an interval of time [t₀, t₁]; the first coordinate is the time, ``"t"``.

    Args:
        space: a box, a ball, a polygon or a difference. Its axes keep their names; without names they are x, y, z.
        times: t₀ and t₁.

    Raises:
        ValueError: times that do not rise, an axis of space that is called ``"t"``, or four axes without names.

    >>> from sinefield.domains import Ball
    >>> disc = SpaceTime(Ball([0, 0], 1), (0, 2))
    >>> disc.axes, disc.start.draw(1, torch.Generator().manual_seed(0)).points[0, 0].item()
    (('t', 'x', 'y'), 0.0)
    """

    space: Region
    times: tuple[float, float]

    def __post_init__(self) -> None:
        """Check the times and the names of the axes.

        Raises:
            ValueError: as the class says.
        """
        if len(self.times) != 2 or not -math.inf < self.times[0] < self.times[1] < math.inf:
            raise ValueError(f"space-time needs two finite times, the first before the second, got {self.times}")
        if "t" in (self.space.axes or ()) or (self.space.axes is None and self.space.dimension > len(_SPACE)):
            raise ValueError(
                f"space-time has an axis 't' of time and others of space, got {self.space.dimension} axes "
                f"({', '.join(self.space.axes or ()) or 'no names'}) of space; give the region other names by axes="
            )

    @property
    def dimension(self) -> int:
        """The dimension of the points, 1 + d."""
        return 1 + self.space.dimension

    @property
    def axes(self) -> Sequence[str]:
        """The name ``"t"``, then those of the axes of space."""
        return ("t", *(self.space.axes or _SPACE[: self.space.dimension]))

    @property
    def start(self) -> Instant:
        """The region at the first time, where initial values are given."""
        return Instant(self, self.times[0])

    @property
    def end(self) -> Instant:
        """The region at the last time."""
        return Instant(self, self.times[1])

    @property
    def walls(self) -> Walls:
        """The boundary of space at all times."""
        return Walls(self)

    @property
    def bounding_box(self) -> Box:
        """A box around space-time."""
        box = self.space.bounding_box
        return Box([self.times[0], *box.lower], [self.times[1], *box.upper], self.axes)

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, 1 + d)`` are in the region and the interval, ``(n,)``."""
        times = points[:, 0]
        return (times >= self.times[0]) & (times <= self.times[1]) & self.space.contains(points[:, 1:])

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in space-time; see :meth:`ContinuousDomain.draw`."""
        return Samples(_at_any_time(self, self.space.draw(count, generator, dtype).points, generator))


@final
@dataclass(frozen=True, eq=False)
class Instant(ContinuousDomain):
    """A region of space at one time, with the target ``normal`` out of space-time, (∓1, 0, …), ``(n, 1 + d)``.

    Args:
        space_time: of which; see :attr:`SpaceTime.start` and :attr:`SpaceTime.end`.
        time: when.

    >>> SpaceTime(Box([0], [1]), (0, 2)).end.draw(1, torch.Generator().manual_seed(0)).targets["normal"].tolist()
    [[1.0, 0.0]]
    """

    space_time: SpaceTime
    time: float

    @property
    def dimension(self) -> int:
        """The dimension of the points, 1 + d."""
        return self.space_time.dimension

    @property
    def axes(self) -> Sequence[str]:
        """The names of the axes of space-time."""
        return self.space_time.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return the time since this instant, or until it, in durations, ``(n,)``."""
        start, stop = self.space_time.times
        return (points[:, 0] - self.time) / (stop - start if self.time == start else start - stop)

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in space; see :meth:`ContinuousDomain.draw`."""
        points = self.space_time.space.draw(count, generator, dtype).points
        points = torch.cat([torch.full_like(points[:, :1], self.time), points], 1)
        normal = torch.zeros_like(points)
        normal[:, 0] = -1.0 if self.time == self.space_time.times[0] else 1.0
        return Samples(points, {"normal": normal})


@final
@dataclass(frozen=True, eq=False)
class Walls(ContinuousDomain):
    """The boundary of space at all times, with the target ``normal``, the outward unit normal (0, n), ``(n, 1 + d)``.

    Args:
        space_time: of which; see :attr:`SpaceTime.walls`.

    >>> drawn = SpaceTime(Box([0], [1]), (0, 2)).walls.draw(9, torch.Generator().manual_seed(0))
    >>> bool((drawn.targets["normal"][:, 1] == 2 * drawn.points[:, 1] - 1).all())
    True
    """

    space_time: SpaceTime

    @property
    def dimension(self) -> int:
        """The dimension of the points, 1 + d."""
        return self.space_time.dimension

    @property
    def axes(self) -> Sequence[str]:
        """The names of the axes of space-time."""
        return self.space_time.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return the function of space that is 0 on its boundary and positive inside, ``(n,)``."""
        return self.space_time.space.boundary.vanishing(points[:, 1:])

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the walls; see :meth:`ContinuousDomain.draw`."""
        drawn = self.space_time.space.boundary.draw(count, generator, dtype)
        normal = torch.nn.functional.pad(drawn.targets["normal"], (1, 0))
        return Samples(_at_any_time(self.space_time, drawn.points, generator), {"normal": normal})


def _at_any_time(space_time: SpaceTime, points: Tensor, generator: torch.Generator) -> Tensor:
    """Return points of space with times before them, each at a time of its own."""
    start, stop = space_time.times
    times = start + (stop - start) * torch.rand(len(points), 1, generator=generator, dtype=points.dtype)
    return torch.cat([times, points], 1)
