"""Domains Ω: where the points of a constraint come from, and the targets a(x) they carry.

A finite domain (a grid, a cloud of points) holds n points that are visited without replacement; a
continuous one (a box, a ball and their boundaries) draws fresh points from the uniform distribution.

The axes of a domain may have names, by which residuals differentiate: with ``Box([0, 0], [1, 1], axes="tx")``
``u.d("tt")`` is ∂²Φ/∂t².
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Points of a domain and the targets there.

    Args:
        points: coordinates, ``(n, d)``.
        targets: values a(x) by name, each ``(n, …)``.
    """

    points: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, start: int, stop: int) -> Samples:
        """Return the points from number ``start`` to before ``stop``, with their targets."""
        return Samples(self.points[start:stop], {name: each[start:stop] for name, each in self.targets.items()})


@dataclass(frozen=True, eq=False)
class FiniteDomain(ABC):
    """A domain of finitely many points, numbered from 0."""

    @property
    @abstractmethod
    def size(self) -> int:
        """n, the number of points."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the dimension of the points."""

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes, a tuple of d strings; None where they have none."""
        return None

    @property
    @abstractmethod
    def target_names(self) -> frozenset[str]:
        """The names of the targets a(x) that samples carry."""

    @abstractmethod
    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index`` (``(n,)`` integers) and their targets, on the device of ``index``."""

    @property
    def granule(self) -> int:
        """The number of points that every batch is a multiple of."""
        return 1

    @property
    def lattice(self) -> Sequence[int] | None:
        """The number of granules along each axis, where they lie on a lattice and are numbered in C order."""
        return None

    @property
    def problems(self) -> int:
        """The number of independent problems that this is the domain of, each of which takes batches of its own."""
        return 1


@dataclass(frozen=True, eq=False)
class ContinuousDomain(ABC):
    """A domain of infinitely many points, drawn from the uniform distribution.

    Its a(x) is a formula of the points, not a target; but what belongs to the domain is one, as the outward unit normal
    of a boundary, ``(n, d)``, which residuals bind by the name ``normal``.
    """

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the dimension of the points."""

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes, a tuple of d strings; None where they have none."""
        return None

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets a(x) that samples carry: none, or ``normal`` of a boundary."""
        return frozenset()

    @property
    def granule(self) -> int:
        """The number of points that every batch is a multiple of: 1, as any number can be drawn."""
        return 1

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return ``count`` points from the uniform distribution, ``(count, d)``.

        Args:
            count: number of points.
            generator: source of randomness on the CPU; equal generators give equal points.
            dtype: precision that the points are drawn and returned in.
        """


Domain = FiniteDomain | ContinuousDomain


class Lookup(Protocol):
    """Targets that are read when they are needed, as from a file larger than memory: ``lookup[index]``, ``(n, …)``."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Return the rows numbered ``index``, ``(n,)`` integers."""
        ...


def check_axes(axes: Sequence[str] | None, dimension: int, what: str) -> tuple[str, ...] | None:
    """Return the names of the axes of a domain as a tuple.

    Args:
        axes: one name for each axis, in order; a text gives one letter to each. None: no names.
        dimension: number of axes, d.
        what: name of the domain in errors.

    Raises:
        ValueError: the number of names is not ``dimension``, one is empty, or two are the same.

    >>> check_axes("tx", 2, "the box")
    ('t', 'x')
    """
    if axes is None:
        return None
    names = tuple(axes)
    if len(names) != dimension or len(set(names)) < len(names) or "" in names:
        raise ValueError(
            f"{what} needs {dimension} different names for its axes, got {', '.join(map(repr, names)) or 'none'}; "
            "give one letter for each axis, as axes='tx', or words in a tuple, as axes=('time',)"
        )
    return names


def check_targets(targets: Mapping[str, Tensor | Lookup], size: int, what: str) -> None:
    """Check that targets have one row of finite values for each point.

    Args:
        targets: values or lookups by name.
        size: number of points, n.
        what: name of the domain in errors.

    Raises:
        ValueError: a target has another number of rows, has no axis for channels, or holds NaN or infinity.
    """
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
