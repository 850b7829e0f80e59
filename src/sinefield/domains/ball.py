"""Balls and their spheres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from sinefield.domains.domain import ContinuousDomain, Samples


@final
@dataclass(frozen=True, eq=False)
class Ball(ContinuousDomain):
    """The ball ‖x − centre‖ ≤ radius.

    Raises:
        ValueError: no centre, or a radius that is not positive.
    """

    centre: Sequence[float]
    radius: float

    def __post_init__(self) -> None:
        """Refuse what is not a ball.

        Raises:
            ValueError: as the class says.
        """
        if len(self.centre) == 0 or not all(map(math.isfinite, self.centre)) or not 0 < self.radius < math.inf:
            raise ValueError(f"a ball needs a centre and a positive radius, got {self.centre} and {self.radius}")

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        return len(self.centre)

    @property
    def boundary(self) -> Sphere:
        """∂Ω, the sphere around the ball."""
        return Sphere(self)

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Return ``count`` points, uniform in the ball."""
        directions = self.boundary.draw(count, generator).points - torch.tensor(self.centre, dtype=torch.float32)
        # The volume within radius r grows as r^d, so r = U^(1/d) is uniform in volume.
        shrink = torch.rand(count, 1, generator=generator) ** (1 / self.dimension)
        return Samples(torch.tensor(self.centre, dtype=torch.float32) + directions * shrink)


@final
@dataclass(frozen=True, eq=False)
class Sphere(ContinuousDomain):
    """The sphere around a ball."""

    ball: Ball

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the sphere lies in."""
        return self.ball.dimension

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Return ``count`` points, uniform on the sphere."""
        normal = torch.randn(count, self.dimension, generator=generator)
        directions = normal / normal.norm(dim=1, keepdim=True)
        return Samples(torch.tensor(self.ball.centre, dtype=torch.float32) + self.ball.radius * directions)
