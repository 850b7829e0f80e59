"""Domains of independent problems side by side, whose points take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Samples


@final
@dataclass(frozen=True, eq=False)
class SideBySide(FiniteDomain):
    """The points of K finite domains of one size in turn: point number n is point n // K of domain n mod K.

    They are looked up once and held in memory: what are many have to be small.

    Args:
        points: of all domains, ``(m, K, d)``.
        targets: by name, ``(m, K, …)``.

    >>> from sinefield.domains import Grid
    >>> both = SideBySide.of([Grid((2,), {"value": torch.tensor([[k], [k + 1.0]])}) for k in (0.0, 5.0)])
    >>> both.at(torch.arange(4)).targets["value"].flatten().tolist()
    [0.0, 5.0, 1.0, 6.0]
    """

    points: Tensor
    targets: Mapping[str, Tensor]

    @classmethod
    def of(cls, domains: Sequence[FiniteDomain]) -> SideBySide:
        """Return domains side by side.

        Raises:
            ValueError: there are none, or they differ in size, dimension or targets.
        """
        told = {(each.size, each.dimension, each.target_names) for each in domains}
        if len(told) != 1:
            raise ValueError(
                f"domains side by side have one size, dimension and targets, got {sorted(map(str, told)) or 'none'}; "
                "solve such problems one after the other"
            )
        samples = [each.at(torch.arange(each.size)) for each in domains]
        targets = {name: torch.stack([each.targets[name] for each in samples], dim=1) for name in samples[0].targets}
        return cls(torch.stack([each.points for each in samples], dim=1), targets)

    @property
    def granule(self) -> int:
        """The number of domains, K: batches hold as many points of each."""
        return self.points.shape[1]

    @property
    def size(self) -> int:
        """How many points all domains have together."""
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
