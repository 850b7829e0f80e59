"""Points that are given one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Samples, check_axes, check_targets


@final
@dataclass(frozen=True, eq=False)
class PointCloud(FiniteDomain):
    """Points given one by one.

    Args:
        points: coordinates, ``(n, d)``.
        targets: values at the points by name, each ``(n, …)``.
        axes: name of each axis, as ``"xy"``; see :class:`sinefield.domains.FiniteDomain`.

    Raises:
        ValueError: no points, another shape, NaN, a target of another length, or names that do not fit the axes.

    >>> import torch
    >>> cloud = PointCloud(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), {"value": torch.tensor([[5.0], [6.0]])}, axes="xy")
    >>> cloud.at(torch.tensor([1])).targets["value"].tolist()
    [[6.0]]
    """

    points: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    axes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Check that points, targets and names of axes fit together.

        Raises:
            ValueError: as the class says.
        """
        if self.points.ndim != 2 or len(self.points) == 0:
            raise ValueError(f"a point cloud needs points of shape (n, d) with n ≥ 1, got {tuple(self.points.shape)}")
        check_targets({"points": self.points, **self.targets}, len(self.points), "the point cloud")
        object.__setattr__(self, "axes", check_axes(self.axes, self.dimension, "the point cloud"))

    @property
    def size(self) -> int:
        """n, the number of points."""
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
