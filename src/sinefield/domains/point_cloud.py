"""Points that are given one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from sinefield.domains.domain import FiniteDomain, Samples, check_targets


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
        check_targets({"points": self.points, **self.targets}, len(self.points), "the point cloud")

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
