"""Domains of independent problems side by side, whose points take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Samples, check_axes


@final
@dataclass(frozen=True, eq=False)
class SideBySide(FiniteDomain):
    """The points of K finite domains of one size in turn: point number n is point n // K of domain n mod K.

    The points are looked up once and held in memory, so that many domains have to be small ones.

    Args:
        points: points of all domains, ``(m, K, d)``.
        targets: targets of all domains by name, ``(m, K, …)``.
        axes: name of each axis, as ``"xy"``; see :class:`sinefield.domains.FiniteDomain`.

    Raises:
        ValueError: names that do not fit the axes.

    >>> from sinefield.domains import Grid
    >>> two = [Grid((2,), {"value": torch.tensor([[k], [k + 1.0]])}, axes="x") for k in (0.0, 5.0)]
    >>> both = SideBySide.of(two)
    >>> both.at(torch.arange(4)).targets["value"].flatten().tolist(), both.axes
    ([0.0, 5.0, 1.0, 6.0], ('x',))
    """

    points: Tensor
    targets: Mapping[str, Tensor]
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the names of the axes.

        Raises:
            ValueError: as the class says.
        """
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, "domains side by side"))

    @classmethod
    def of(cls, domains: Sequence[FiniteDomain]) -> SideBySide:
        """Return domains side by side.

        Raises:
            ValueError: there are none, or they differ in size, dimension, targets or names of axes.
        """
        told = {(each.size, each.dimension, each.target_names, each.axes and tuple(each.axes)) for each in domains}
        if len(told) != 1:
            raise ValueError(
                "domains side by side have one size, dimension and targets, and the same axes, got "
                f"{sorted(map(str, told)) or 'none'}; solve such problems one after the other"
            )
        samples = [each.at(torch.arange(each.size)) for each in domains]
        targets = {name: torch.stack([each.targets[name] for each in samples], dim=1) for name in samples[0].targets}
        return cls(torch.stack([each.points for each in samples], dim=1), targets, domains[0].axes)

    @property
    def granule(self) -> int:
        """The number of domains, K: batches hold as many points of each."""
        return self.points.shape[1]

    @property
    def problems(self) -> int:
        """The number of domains, K: batches hold as many points of each as it would have alone."""
        return self.granule

    @property
    def size(self) -> int:
        """The number of points of all domains together, n = m K."""
        return self.points.shape[0] * self.points.shape[1]

    @property
    def dimension(self) -> int:
        """The dimension of the points, d."""
        return self.points.shape[2]

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets."""
        return frozenset(self.targets)

    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index``; see :class:`FiniteDomain`."""
        return Samples(
            self.points.flatten(0, 1)[index], {name: each.flatten(0, 1)[index] for name, each in self.targets.items()}
        )
