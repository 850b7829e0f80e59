"""A grid of samples at the centres of cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Lookup, Samples, check_targets


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
        check_targets(self.targets, self.size, f"the grid {tuple(self.shape)}")

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
