"""Boxes and their faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, final

import torch
from torch import Tensor

from sinefield.domains.domain import ContinuousDomain, Samples, check_axes
from sinefield.domains.rvachev import both


@final
@dataclass(frozen=True, eq=False)
class Box(ContinuousDomain):
    """The box [l_1, u_1] × … × [l_d, u_d]; space-time is a box with a time axis.

    Args:
        lower: least coordinate along each axis, l.
        upper: greatest coordinate along each axis, u.
        axes: name of each axis, as ``"tx"``; see :class:`sinefield.domains.ContinuousDomain`.

    Raises:
        ValueError: bounds of different lengths, a side that is not positive, or names that do not fit the axes.

    >>> Box([0, -1], [2, 1], axes="tx").boundary.axes
    ('t', 'x')
    """

    lower: Sequence[float]
    upper: Sequence[float]
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the bounds and the names of the axes.

        Raises:
            ValueError: as the class says.
        """
        if len(self.lower) != len(self.upper) or len(self.lower) == 0:
            raise ValueError(f"a box needs as many lower as upper bounds, got {self.lower} and {self.upper}")
        if not all(-math.inf < low < high < math.inf for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(
                f"each lower bound of a box must be below the upper one, got {self.lower} and {self.upper}"
            )
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, "the box"))

    @property
    def dimension(self) -> int:
        """d, the number of axes."""
        return len(self.lower)

    @property
    def boundary(self) -> BoxBoundary:
        """∂Ω, the faces of the box."""
        return BoxBoundary(self)

    def face(self, axis: int | str, side: Literal["lower", "upper"]) -> BoxFace:
        """Return one of the faces of the box, as ``box.face("t", "lower")`` for the beginning of a space-time.

        Args:
            axis: the axis that the face is perpendicular to, by its name or its place.
            side: which of the two faces.

        Raises:
            ValueError: there is no such axis or side.
        """
        place = tuple(self.axes or ()).index(axis) if axis in (self.axes or ()) else axis
        if not isinstance(place, int) or not 0 <= place < self.dimension or side not in ("lower", "upper"):
            names = ", ".join(self.axes or ()) or "no names"
            raise ValueError(
                f"a face of the box is at the 'lower' or 'upper' end of one of its {self.dimension} axes ({names}), "
                f"got axis {axis!r} and side {side!r}"
            )
        return BoxFace(self, place, side)

    @property
    def measure(self) -> float:
        """The product of the sides: a length, an area, a volume."""
        return math.prod(float(high - low) for low, high in zip(self.lower, self.upper, strict=True))

    @property
    def bounding_box(self) -> Box:
        """The box itself."""
        return self

    def contains(self, points: Tensor) -> Tensor:
        """Return which of the points ``(n, d)`` are in the box, ``(n,)``."""
        return ((points >= points.new_tensor(self.lower)) & (points <= points.new_tensor(self.upper))).all(1)

    def level(self, points: Tensor, within: Box) -> Tensor:
        """Return a function that is positive inside and negative outside; see :class:`sinefield.domains.Region`."""
        size = max(high - low for low, high in zip(within.lower, within.upper, strict=True))
        faces = [
            (points[:, axis] - at) * (sign / size)
            for sign, own, others in ((1, self.lower, within.lower), (-1, self.upper, within.upper))
            for axis, (at, other) in enumerate(zip(own, others, strict=True))
            if sign * (at - other) > 1e-12 * size
        ]
        return reduce(both, faces) if faces else torch.ones_like(points[:, 0])

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in the box; see :meth:`ContinuousDomain.draw`."""
        lower, upper = torch.tensor([self.lower, self.upper], dtype=dtype)
        return Samples(lower + (upper - lower) * torch.rand(count, self.dimension, generator=generator, dtype=dtype))


@final
@dataclass(frozen=True, eq=False)
class BoxBoundary(ContinuousDomain):
    """The faces of a box, each with a share of the points in proportion to its area.

    Samples carry the target ``normal``, the outward unit normal ``(n, d)``.

    Args:
        box: the box; see :attr:`Box.boundary`.

    >>> faces = Box([0, 0], [1, 2], axes="tx").boundary
    >>> points = faces.draw(100, torch.Generator().manual_seed(0)).points
    >>> bool(((points == 0) | (points == torch.tensor([1, 2]))).any(1).all())
    True
    """

    box: Box

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the faces lie in."""
        return self.box.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the box."""
        return self.box.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    def vanishing(self, points: Tensor) -> Tensor:
        """Return Π 4 (x_i − l_i)(u_i − x_i)/(u_i − l_i)², ``(n,)``, which is 0 on the faces and 1 in the middle."""
        lower, upper = points.new_tensor(self.box.lower), points.new_tensor(self.box.upper)
        return (4 * (points - lower) * (upper - points) / (upper - lower).square()).prod(1)

    @property
    def measure(self) -> float:
        """The area of all faces: the number 2 of ends, a length, an area."""
        return sum(
            2 * self.box.measure / (high - low) for low, high in zip(self.box.lower, self.box.upper, strict=True)
        )

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the faces; see :meth:`ContinuousDomain.draw`."""
        bounds = torch.tensor([self.box.lower, self.box.upper], dtype=dtype)
        sides = bounds[1] - bounds[0]
        areas = sides.prod() / sides  # the area of a face perpendicular to each axis
        axis = torch.multinomial(areas, count, replacement=True, generator=generator)
        face = torch.randint(0, 2, (count,), generator=generator)
        points = self.box.draw(count, generator, dtype).points
        points[torch.arange(count), axis] = bounds[face, axis]
        normal = torch.zeros_like(points)
        normal[torch.arange(count), axis] = 2.0 * face.to(dtype) - 1
        return Samples(points, {"normal": normal})


@final
@dataclass(frozen=True, eq=False)
class BoxFace(ContinuousDomain):
    """One face of a box, with the target ``normal``, the outward unit normal ``(n, d)``.

    Args:
        box: the box; see :meth:`Box.face`.
        axis: place of the axis that the face is perpendicular to.
        side: which of the two.

    >>> start = Box([0, 0], [1, 2], axes="tx").face("t", "lower")
    >>> start.draw(2, torch.Generator().manual_seed(0)).targets["normal"].tolist()
    [[-1.0, 0.0], [-1.0, 0.0]]
    """

    box: Box
    axis: int
    side: Literal["lower", "upper"]

    @property
    def dimension(self) -> int:
        """d, the dimension of the space the face lies in."""
        return self.box.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the box."""
        return self.box.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The target ``normal``."""
        return frozenset({"normal"})

    @property
    def at(self) -> float:
        """The coordinate along the axis that all points of the face have."""
        return (self.box.lower if self.side == "lower" else self.box.upper)[self.axis]

    def vanishing(self, points: Tensor) -> Tensor:
        """Return the distance from the face in lengths of the box, ``(n,)``."""
        length = self.box.upper[self.axis] - self.box.lower[self.axis]
        return (points[:, self.axis] - self.at) / (length if self.side == "lower" else -length)

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution on the face; see :meth:`ContinuousDomain.draw`."""
        points = self.box.draw(count, generator, dtype).points
        points[:, self.axis] = self.at
        normal = torch.zeros_like(points)
        normal[:, self.axis] = -1.0 if self.side == "lower" else 1.0
        return Samples(points, {"normal": normal})
