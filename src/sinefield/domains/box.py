"""Boxes and their faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from sinefield.domains.domain import ContinuousDomain, Samples


@final
@dataclass(frozen=True, eq=False)
class Box(ContinuousDomain):
    """The box [l_1, u_1] × … × [l_d, u_d]; space-time is a box whose last axis is time.

    Raises:
        ValueError: bounds of different lengths, or a side that is not positive.
    """

    lower: Sequence[float]
    upper: Sequence[float]

    def __post_init__(self) -> None:
        """Refuse bounds that do not make a box.

        Raises:
            ValueError: as the class says.
        """
        if len(self.lower) != len(self.upper) or len(self.lower) == 0:
            raise ValueError(f"a box needs as many lower as upper bounds, got {self.lower} and {self.upper}")
        if not all(-math.inf < low < high < math.inf for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(
                f"each lower bound of a box must be below the upper one, got {self.lower} and {self.upper}"
            )

    @property
    def dimension(self) -> int:
        """d, the number of axes."""
        return len(self.lower)

    @property
    def boundary(self) -> BoxBoundary:
        """∂Ω, the faces of the box."""
        return BoxBoundary(self)

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Return ``count`` points, uniform in the box."""
        lower, upper = torch.tensor([self.lower, self.upper], dtype=torch.float32)
        return Samples(lower + (upper - lower) * torch.rand(count, self.dimension, generator=generator))


@final
@dataclass(frozen=True, eq=False)
class BoxBoundary(ContinuousDomain):
    """The faces of a box, each drawn in proportion to its area."""

    box: Box

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the faces lie in."""
        return self.box.dimension

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Return ``count`` points, uniform on the faces."""
        ends = torch.tensor([self.box.lower, self.box.upper], dtype=torch.float32)
        sides = ends[1] - ends[0]
        areas = sides.prod() / sides  # of a face perpendicular to each axis
        axis = torch.multinomial(areas, count, replacement=True, generator=generator)
        face = torch.randint(0, 2, (count,), generator=generator)
        points = self.box.draw(count, generator).points
        points[torch.arange(count), axis] = ends[face, axis]
        return Samples(points)
