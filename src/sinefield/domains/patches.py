"""Squares of neighbouring samples, so that residuals may be differences of neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Samples, check_targets


@final
@dataclass(frozen=True, eq=False)
class Patches(FiniteDomain):
    """The samples of a grid in the plane, in squares that every batch takes whole.

    The points of a patch follow one another, row by row: residuals see ``(k · width², …)`` and may take differences
    within ``unflatten(0, (-1, width, width))``. Patches lie ``side`` samples apart and are ``width`` = ``side`` +
    ``before`` + ``after`` samples wide, so that each sample is in the middle of just one, with as many neighbours.

    Args:
        shape: number of samples along y and x; see :class:`sinefield.domains.Grid` for their coordinates.
        targets: arrays ``(height · width, …)`` in C order by name; they are 0 at points that lie outside.
        side: samples along the middle of a patch.
        before: samples before it, along both axes.
        after: samples after it.

    Raises:
        ValueError: a shape that is not that of a plane, no samples, or a target of another length or with NaN.

    >>> pairs = Patches((2, 3), {"value": torch.arange(1.0, 7.0)[:, None]}, side=2, after=1)
    >>> pairs.at(torch.arange(pairs.size)).targets["value"].flatten().reshape(2, 3, 3)[0].tolist()
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 0.0, 0.0]]
    """

    shape: Sequence[int]
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    side: int = 8
    before: int = 0
    after: int = 1

    def __post_init__(self) -> None:
        """Check the shape, the sizes and the targets.

        Raises:
            ValueError: as the class says.
        """
        if len(self.shape) != 2 or min(*self.shape, self.side) < 1 or min(self.before, self.after) < 0:
            raise ValueError(
                f"patches are squares of samples of a plane, got shape {tuple(self.shape)}, side {self.side} with "
                f"{self.before} before and {self.after} after it"
            )
        check_targets(self.targets, math.prod(self.shape), f"the patches of {tuple(self.shape)}")

    @property
    def width(self) -> int:
        """Samples along a side of a patch, with its neighbours."""
        return self.before + self.side + self.after

    @property
    def granule(self) -> int:
        """The number of points of a patch."""
        return self.width**2

    @property
    def counts(self) -> tuple[int, int]:
        """How many patches there are along y and x."""
        return -(-self.shape[0] // self.side), -(-self.shape[1] // self.side)

    @property
    def size(self) -> int:
        """n, the number of points of all patches."""
        return math.prod(self.counts) * self.granule

    @property
    def dimension(self) -> int:
        """d, 2."""
        return 2

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets."""
        return frozenset(self.targets)

    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index``; see :class:`FiniteDomain`."""
        patch, place = index // self.granule, index % self.granule
        y = patch // self.counts[1] * self.side + place // self.width - self.before
        x = patch % self.counts[1] * self.side + place % self.width - self.before
        height, width = self.shape
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        points = torch.stack([2 * y + (1 - height), 2 * x + (1 - width)], dim=-1).float() / max(self.shape)
        rows = torch.where(inside, y * width + x, height * width)
        return Samples(points, {name: values[rows] for name, values in self._with_outside.items()})

    @cached_property
    def _with_outside(self) -> dict[str, Tensor]:
        """The targets, with a row of zeros at the end."""
        return {name: torch.cat([each, torch.zeros_like(each[:1])]) for name, each in self.targets.items()}
