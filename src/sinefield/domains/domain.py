"""Domains Ω: where the points of a constraint come from, and the targets a(x) they carry.

A finite domain (a grid, a cloud of points) holds n points that are visited without replacement; a
continuous one (a box, a ball and their boundaries) draws fresh points from the uniform law.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Points of a domain ``(n, d)`` and, by name, the targets there, each ``(n, …)``."""

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


def check_targets(targets: Mapping[str, Tensor | Lookup], size: int, what: str) -> None:
    """Check that targets have a finite row for each point.

    Raises:
        ValueError: they do not.
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
