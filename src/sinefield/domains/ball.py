"""Balls and their spheres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains.box import Box
from sinefield.domains.domain import ContinuousDomain, Samples, check_axes


@final
@dataclass(frozen=True, eq=False)
class Ball(ContinuousDomain):
    """The ball ‖x − centre‖ ≤ radius.

    Args:
        centre: coordinates of its middle, d of them.
        radius: its radius, in units of the coordinates.
        axes: name of each axis, as ``"xy"``; see :class:`sinefield.domains.ContinuousDomain`.

    Raises:
        ValueError: no centre, a radius that is not positive, or names that do not fit the axes.

    >>> points = Ball([0, 0, 0], 2, axes="xyz").draw(100, torch.Generator().manual_seed(0)).points
    >>> bool((points.norm(dim=1) <= 2).all())
    True
    """

    centre: Sequence[float]
    radius: float
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the centre, the radius and the names of the axes.

        Raises:
            ValueError: as the class says.
        """
        if len(self.centre) == 0 or not all(map(math.isfinite, self.centre)) or not 0 < self.radius < math.inf:
            raise ValueError(f"a ball needs a centre and a positive radius, got {self.centre} and {self.radius}")
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, "the ball"))

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        return len(self.centre)

    @property
    def boundary(self) -> Sphere:
        """∂Ω, the sphere around the ball."""
        return Sphere(self)

    @property
    def measure(self) -> float:
        """The volume π^(d/2) r^d / Γ(d/2 + 1): a length, an area, a volume."""
        half = self.dimension / 2
        return float(math.pi**half / math.gamma(half + 1) * self.radius**self.dimension)

    @property
    def bounding_box(self) -> Box:
        """The smallest box around the ball."""
        return Box(
            [each - self.radius for each in self.centre], [each + self.radius for each in self.centre], self.axes
        )

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, d)`` are in the ball, ``(n,)``."""
        return (points - points.new_tensor(self.centre)).square().sum(1).sqrt() <= self.radius

    def level(self, points: Tensor, within: Box) -> Tensor:  # noqa: ARG002 - it has no parts to leave out
        """Return (r² − ‖x − c‖²)/(r² + ‖x − c‖²), positive inside; see :class:`sinefield.domains.Region`."""
        squares = (points - points.new_tensor(self.centre)).square().sum(1)
        return (self.radius**2 - squares) / (self.radius**2 + squares)

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in the ball; see :meth:`ContinuousDomain.draw`."""
        centre = torch.tensor(self.centre, dtype=dtype)
        offsets = self.boundary.draw(count, generator, dtype).points - centre
        # The volume within radius r grows as r^d, so r = U^(1/d) is uniform in volume.
        shrink = torch.rand(count, 1, generator=generator, dtype=dtype) ** (1 / self.dimension)
        return Samples(centre + offsets * shrink)


@final
@dataclass(frozen=True, eq=False)
class Sphere(ContinuousDomain):
    """The sphere ‖x − centre‖ = radius around a ball, with the target ``normal``, the outward unit normal ``(n, d)``.

    Args:
        ball: the ball; see :attr:`Ball.boundary`.

    >>> points = Ball([0, 0], 2).boundary.draw(100, torch.Generator().manual_seed(0)).points
    >>> bool(((points.norm(dim=1) - 2).abs() < 1e-6).all())
    True
    """

    ball: Ball

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the sphere lies in."""
        return self.ball.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the ball."""
        return self.ball.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return 1 − ‖x − c‖²/r², ``(n,)``, which is 0 on the sphere and 1 in the middle."""
        return 1 - (points - points.new_tensor(self.ball.centre)).square().sum(1) / self.ball.radius**2

    @property
    def measure(self) -> float:
        """The surface d |ball| / r: the number 2 of ends, a length, an area."""
        return self.dimension * self.ball.measure / self.ball.radius

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the sphere; see :meth:`ContinuousDomain.draw`."""
        normal = torch.randn(count, self.dimension, generator=generator, dtype=dtype)
        directions = normal / normal.norm(dim=1, keepdim=True)
        points = torch.tensor(self.ball.centre, dtype=dtype) + self.ball.radius * directions
        return Samples(points, {"normal": directions})
