"""The medium that waves travel in: its squared slowness m = 1/speed², and the pieces of another one in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from sinefield.domains import Ball, Box
from sinefield.expressions import function_of
from sinefield.fields.window import Window

_LATTICE = 201  # points a side that a medium is looked at on
_UNIFORM = 1e-9  # of the squared slowness: what differs by less is uniform


@final
@dataclass(frozen=True)
class Disc:
    """A disc of another speed.

    Args:
        centre: its middle.
        radius: its radius.
        speed: in it, beside 1 around it.
    """

    centre: tuple[float, float]
    radius: float
    speed: float

    def holds(self, points: Tensor) -> Tensor:
        """Return which points are in it, ``(n, 1)``."""
        squares: Tensor = (points - torch.tensor(self.centre, dtype=points.dtype)).square().sum(1, keepdim=True)
        return squares < self.radius**2

    @property
    def domain(self) -> Ball:
        """The disc as a domain."""
        return Ball(self.centre, self.radius, axes="xy")

    @property
    def windows(self) -> tuple[Window, Window]:
        """Weights that are 1 in it, and outside of it."""
        numbers = ",".join(f"{each:.9g}" for each in (*self.centre, self.radius))
        return Window(2, 1, "ball", numbers), Window(2, 1, "outside ball", numbers)

    @property
    def reach(self) -> float:
        """The largest distance of its points from the origin."""
        return math.hypot(*self.centre) + self.radius

    @property
    def extent(self) -> Sequence[float]:
        """Its least coordinates, then its greatest."""
        return [each + sign * self.radius for sign in (-1, 1) for each in self.centre]

    @property
    def around(self) -> tuple[tuple[float, float], float, float]:
        """Its middle, and the least and the largest distance of its boundary from there."""
        return self.centre, self.radius, self.radius

    def distance(self, x: float, y: float) -> float:
        """Return how far a point is from it, 0 in it."""
        return max(0.0, math.hypot(x - self.centre[0], y - self.centre[1]) - self.radius)


@final
@dataclass(frozen=True)
class Block:
    """A rectangle of another speed.

    Args:
        lower: its least coordinates.
        upper: its greatest coordinates.
        speed: in it, beside 1 around it.
    """

    lower: tuple[float, float]
    upper: tuple[float, float]
    speed: float

    def holds(self, points: Tensor) -> Tensor:
        """Return which points are in it, ``(n, 1)``."""
        lower, upper = torch.tensor([self.lower, self.upper], dtype=points.dtype)
        found: Tensor = ((points > lower) & (points < upper)).all(1, keepdim=True)
        return found

    @property
    def domain(self) -> Box:
        """The rectangle as a domain."""
        return Box(self.lower, self.upper, axes="xy")

    @property
    def windows(self) -> tuple[Window, Window]:
        """Weights that are 1 in it, and outside of it."""
        numbers = ",".join(f"{each:.9g}" for each in (*self._middle, *self._half))
        return Window(2, 1, "block", numbers), Window(2, 1, "outside block", numbers)

    @property
    def reach(self) -> float:
        """The largest distance of its points from the origin."""
        return max(math.hypot(*corner) for corner in self.corners)

    @property
    def corners(self) -> Sequence[tuple[float, float]]:
        """Its corners."""
        return [(x, y) for x in (self.lower[0], self.upper[0]) for y in (self.lower[1], self.upper[1])]

    @property
    def extent(self) -> Sequence[float]:
        """Its least coordinates, then its greatest."""
        return [*self.lower, *self.upper]

    @property
    def around(self) -> tuple[tuple[float, float], float, float]:
        """Its middle, and the least and the largest distance of its boundary from there."""
        (x, y), (across, along) = self._middle, self._half
        return (x, y), min(across, along), math.hypot(across, along)

    def distance(self, x: float, y: float) -> float:
        """Return how far a point is from it, 0 in it."""
        outside = [
            max(low - each, 0.0, each - high) for low, each, high in zip(self.lower, (x, y), self.upper, strict=True)
        ]
        return math.hypot(*outside)

    def near_corners(self, sign: int, fractions: Sequence[float]) -> Sequence[tuple[tuple[float, float], float]]:
        """Return points on the diagonals through its corners, each with its distance from the nearest side.

        Args:
            sign: 1: beyond the corners; −1: before them.
            fractions: of half the shorter side, how far they are from both sides of the corner.
        """
        found = []
        for x, y in self.corners:
            out = [sign * math.copysign(1, each - middle) for each, middle in zip((x, y), self._middle, strict=True)]
            for each in fractions:
                away = each * min(self._half)
                found.append(((x + out[0] * away, y + out[1] * away), away))
        return found

    @property
    def _middle(self) -> tuple[float, float]:
        return (self.lower[0] + self.upper[0]) / 2, (self.lower[1] + self.upper[1]) / 2

    @property
    def _half(self) -> tuple[float, float]:
        return (self.upper[0] - self.lower[0]) / 2, (self.upper[1] - self.lower[1]) / 2


Speed = float | str | Disc | Block | Callable[[Tensor], Tensor] | Any
"""A speed of waves: a number, a disc or a block of another speed, a function of points, or an array over a square."""


@final
@dataclass(frozen=True, eq=False)
class Medium:
    """A squared slowness on [−1, 1]².

    Args:
        squared: m, a function of points ``(n, 2)`` to ``(n, 1)``.
        around: m at the border.
        largest: of its values.
        reach: the largest distance from the origin at which it is another than at the border.
        piece: where it is another, if it jumps there; None: it does not jump.
    """

    squared: Callable[[Tensor], Tensor]
    around: float
    largest: float
    reach: float
    piece: Disc | Block | None = None

    def __call__(self, points: Tensor) -> Tensor:
        """Return m."""
        return self.squared(points)


def medium_of(speed: Speed) -> Medium:
    """Return the medium of a speed.

    Raises:
        ValueError: a speed that is not positive somewhere, a piece of no size or that reaches out of the square, or an
            array that is none over a square.

    >>> medium = medium_of(Disc((0.1, 0.0), 0.2, 0.5))
    >>> medium.largest, round(medium.reach, 3), medium(torch.zeros(1, 2)).item()
    (4.0, 0.3, 4.0)
    """
    if isinstance(speed, Disc | Block):
        if not all(-1 < low < high < 1 for low, high in zip(speed.extent[:2], speed.extent[2:], strict=True)):
            raise ValueError(f"a piece of another speed has a size and lies within [-1, 1]², got {speed}")
        _check_positive(torch.tensor([[speed.speed]]))
        inner = 1 / speed.speed**2

        def squared(points: Tensor) -> Tensor:
            return torch.where(speed.holds(points), inner, 1.0).to(points.dtype)

        return Medium(squared, 1.0, max(1.0, inner), speed.reach, speed)
    given = speed if isinstance(speed, str | int | float) or callable(speed) else _interpolated(speed)
    function = function_of(given, "xy")
    line = torch.linspace(-1, 1, _LATTICE, dtype=torch.float64)
    points = torch.cartesian_prod(line, line)
    values = function(points)
    if values.shape != (len(points), 1):
        raise ValueError(f"a speed gives values (n, 1) for points (n, 2), got {tuple(values.shape)}")
    _check_positive(values)
    found = values**-2
    edge = found[points.abs().max(1).values == 1]
    around = float(edge.median())
    other = ((found - around).abs() > _UNIFORM * around)[:, 0]
    reach = float(points[other].norm(dim=1).max()) if bool(other.any()) else 0.0
    return Medium(lambda x: function(x) ** -2, around, float(found.max()), reach)


def _check_positive(values: Tensor) -> None:
    """Refuse speeds that are none.

    Raises:
        ValueError: one is not positive and finite.
    """
    if not bool((torch.isfinite(values) & (values > 0)).all()):
        raise ValueError(f"a speed is positive and finite everywhere, got values down to {float(values.min()):g}")


def _interpolated(speed: Any) -> Callable[[Tensor], Tensor]:
    """Return the cubic interpolation of an array over [−1, 1]², its first axis along x, its ends at ±1.

    Raises:
        ValueError: it is no array of two axes of at least four values, or not positive.
    """
    from scipy.interpolate import RectBivariateSpline

    array = torch.as_tensor(speed).double()
    if array.ndim != 2 or min(array.shape) < 4:
        raise ValueError(f"a speed is an array of two axes, at least 4 along each, got shape {tuple(array.shape)}")
    _check_positive(array)
    lines = [torch.linspace(-1, 1, each, dtype=torch.float64).numpy() for each in array.shape]
    spline = RectBivariateSpline(*lines, array.numpy())

    def function(points: Tensor) -> Tensor:
        x, y = points.detach().numpy().T
        return torch.from_numpy(spline.ev(x, y))[:, None].to(points)

    return function
