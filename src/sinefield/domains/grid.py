"""A grid of samples at the centres of cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Lookup, Samples, check_axes, check_targets


@final
@dataclass(frozen=True, eq=False)
class Grid(FiniteDomain):
    """Samples of a signal at the centres of cells, axis i spanning [−extent[i], extent[i]].

    Cell k of axis i has its centre at (2k + 1 − shape[i]) · extent[i] / shape[i]. Axis i of the points is axis i of
    the array, and points are numbered in C order.

    Args:
        shape: number of samples along each axis.
        targets: arrays ``(prod(shape), …)`` in C order, or lookups of such rows, by name.
        extent: half the length of each axis; None: cells are square, and the longest axis spans [−1, 1].
        dtype: precision of the points; single precision tells some ten million samples along an axis apart.
        axes: name of each axis, as ``"tyx"``; see :class:`sinefield.domains.FiniteDomain`.

    Raises:
        ValueError: an empty axis, an extent that is not positive, a target of another length or with NaN, or names
            that do not fit the axes.

    >>> Grid((2, 4)).at(torch.tensor([0, 7])).points.tolist()
    [[-0.25, -0.75], [0.25, 0.75]]
    """

    shape: Sequence[int]
    targets: Mapping[str, Tensor | Lookup] = field(default_factory=dict)
    extent: Sequence[float] | None = None
    dtype: torch.dtype = torch.float32
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check the shape, the extent, the targets and the names of the axes.

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
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, f"the grid {tuple(self.shape)}"))

    @property
    def size(self) -> int:
        """n, the number of samples."""
        return math.prod(self.shape)

    @property
    def dimension(self) -> int:
        """d, the number of axes."""
        return len(self.shape)

    @property
    def lattice(self) -> Sequence[int]:
        """The number of samples along each axis."""
        return self.shape

    @property
    def spacings(self) -> tuple[float, ...]:
        """The distance of neighbouring samples along each axis."""
        return tuple(2 / each for each in self._resolution)

    @property
    def _resolution(self) -> tuple[float, ...]:
        """The number of samples in half an axis for each unit of length."""
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
