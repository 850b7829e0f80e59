"""Domains Ω: where the points of a constraint come from, and the targets a(x) they carry.

A finite domain (:class:`Grid`, :class:`PointCloud`) holds n points that are visited without replacement; a
continuous one (:class:`Box`, :class:`Ball` and their boundaries) draws fresh points from the uniform law.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

import torch
from torch import Tensor

ORDERED = 1 << 22
"""How many points of a finite domain are put in random order at a time."""

RUN = 1 << 10
"""How many neighbours stay together on the way there, where a domain has more points than that."""


@dataclass(frozen=True)
class Samples:
    """Points of a domain ``(n, d)`` and, by name, the targets there, each ``(n, …)``."""

    points: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FiniteDomain(ABC):
    """A domain of finitely many points, numbered from 0."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many points there are."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the dimension of the points."""

    @property
    @abstractmethod
    def target_names(self) -> frozenset[str]:
        """The names of the targets a(x) that samples carry."""

    @abstractmethod
    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index`` (``(n,)`` integers) and their targets, on the device of ``index``."""

    @property
    def granule(self) -> int:
        """Of how many points batches are multiples."""
        return 1

    def visits(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Return the numbers of all points, each once, in random order, as :func:`random_order` yields them."""
        return random_order(self.size, generator)


def random_order(count: int, generator: torch.Generator, window: int = ORDERED) -> Iterator[Tensor]:
    """Yield the numbers from 0 to before ``count``, each once, in random order, at most ``window`` at a time.

    Of more than these, runs of neighbours are drawn from all over until there are so many, and these are then shuffled:
    memory stays bounded, and a file is read in pieces.
    """
    if count <= window:
        yield torch.randperm(count, generator=generator)
        return
    for some in torch.randperm(math.ceil(count / RUN), generator=generator).split(max(1, window // RUN)):
        index = (some[:, None] * RUN + torch.arange(RUN)).flatten()
        index = index[index < count]
        yield index[torch.randperm(len(index), generator=generator)]


@dataclass(frozen=True, eq=False)
class ContinuousDomain(ABC):
    """A domain of infinitely many points, drawn from the uniform law. It carries no targets: a(x) is a formula."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the dimension of the points."""

    @property
    def granule(self) -> int:
        """Of how many points batches are multiples: any number."""
        return 1

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Return ``count`` points drawn uniformly."""


Domain = FiniteDomain | ContinuousDomain


class Lookup(Protocol):
    """Targets that are looked up, as those of a file larger than memory: ``lookup[index]`` is ``(n, …)``."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return those numbered ``index``, ``(n,)`` integers."""
        ...


def _checked_targets(targets: Mapping[str, Tensor | Lookup], size: int, what: str) -> None:
    for name, values in targets.items():
        if not isinstance(values, Tensor):
            if len(values) != size:
                raise ValueError(f"target {name!r} of {what} must have one row for each of {size}, got {len(values)}")
            continue
        if values.ndim < 2 or len(values) != size:
            raise ValueError(
                f"target {name!r} of {what} must have shape ({size}, …) with one row a point, got "
                f"{tuple(values.shape)}; reshape it, keeping a last axis for the channels"
            )
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise ValueError(f"target {name!r} of {what} holds NaN or infinity; replace or leave out those points")


@final
@dataclass(frozen=True, eq=False)
class Grid(FiniteDomain):
    """Samples of a signal at the centres of cells, axis i spanning [−extent[i], extent[i]].

    Cell k of axis i has its centre at (2k + 1 − shape[i]) · extent[i] / shape[i]. Axis i of the points is axis i of
    the array, and points are numbered in C order.

    Args:
        shape: how many samples there are along each axis.
        targets: by name, arrays ``(prod(shape), …)`` in C order, or what looks them up.
        extent: half the length of each axis; None: cells are square, and the longest axis spans [−1, 1].
        dtype: of the points; single precision tells some ten million samples along an axis apart.

    Raises:
        ValueError: an empty axis, an extent that is not positive, or a target of another length or with NaN.

    >>> Grid((2, 4)).at(torch.tensor([0, 7])).points.tolist()
    [[-0.25, -0.75], [0.25, 0.75]]
    """

    shape: Sequence[int]
    targets: Mapping[str, Tensor | Lookup] = field(default_factory=dict)
    extent: Sequence[float] | None = None
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        """Refuse an empty grid and targets that do not fit it.

        Raises:
            ValueError: as the class says.
        """
        if len(self.shape) == 0 or min(self.shape) < 1:
            raise ValueError(f"a grid needs at least one sample along each axis, got shape {tuple(self.shape)}")
        if self.extent is not None and (
            len(self.extent) != len(self.shape) or not all(0 < each < math.inf for each in self.extent)
        ):
            raise ValueError(
                f"the extent of a grid is a positive number for each of {len(self.shape)} axes, got {self.extent}"
            )
        _checked_targets(self.targets, self.size, f"the grid {tuple(self.shape)}")

    @property
    def size(self) -> int:
        """How many samples there are."""
        return math.prod(self.shape)

    @property
    def dimension(self) -> int:
        """d, the number of axes."""
        return len(self.shape)

    @property
    def spacings(self) -> tuple[float, ...]:
        """The distance of neighbouring samples along each axis."""
        return tuple(2 / each for each in self._resolution)

    @property
    def _resolution(self) -> tuple[float, ...]:
        """How many samples half an axis has for each unit of it."""
        if self.extent is None:
            return (float(max(self.shape)),) * len(self.shape)
        return tuple(count / each for count, each in zip(self.shape, self.extent, strict=True))

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets."""
        return frozenset(self.targets)

    def at(self, index: Tensor) -> Samples:
        """Return the samples numbered ``index``; see :class:`FiniteDomain`."""
        columns, rest = [], index
        for count, resolution in zip(reversed(self.shape), reversed(self._resolution), strict=True):
            columns.append((2 * (rest % count) + (1 - count)).to(self.dtype) / resolution)
            rest = rest // count
        points = torch.stack(columns[::-1], dim=-1)
        return Samples(points, {name: values[index] for name, values in self.targets.items()})


@final
@dataclass(frozen=True, eq=False)
class PointCloud(FiniteDomain):
    """Points given one by one ``(n, d)``, with targets ``(n, …)`` by name.

    Raises:
        ValueError: no points, another shape, NaN, or a target of another length.
    """

    points: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse points and targets that do not fit together.

        Raises:
            ValueError: as the class says.
        """
        if self.points.ndim != 2 or len(self.points) == 0:
            raise ValueError(f"a point cloud needs points of shape (n, d) with n ≥ 1, got {tuple(self.points.shape)}")
        _checked_targets({"points": self.points, **self.targets}, len(self.points), "the point cloud")

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self.points)

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        return int(self.points.shape[1])

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets."""
        return frozenset(self.targets)

    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index``; see :class:`FiniteDomain`."""
        return Samples(self.points[index], {name: values[index] for name, values in self.targets.items()})


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
