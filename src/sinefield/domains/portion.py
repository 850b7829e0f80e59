"""Portions: the points of a domain at which something holds, such as half of a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains.domain import ContinuousDomain, Samples
from sinefield.domains.rejection import first_samples

_TRIED = 4096  # points that tell whether there are any


@final
@dataclass(frozen=True, eq=False)
class Portion(ContinuousDomain):
    """The points of a continuous domain at which something holds, with the targets that they have there.

    Conditions that differ along a boundary are constraints on portions of it. Points are drawn in the whole domain and
    left out where it does not hold, up to a bound that is then said.

    Args:
        domain: the whole.
        where: which of some points ``(n, d)`` belong to the portion, ``(n,)`` of bool.

    Raises:
        ValueError: ``where`` gives something else, or none of 4,096 points belongs to the portion.

    >>> from sinefield.domains import Ball
    >>> upper = Portion(Ball([0, 0], 1).boundary, lambda points: points[:, 1] > 0)
    >>> bool((upper.draw(100, torch.Generator().manual_seed(0)).targets["normal"][:, 1] > 0).all())
    True
    """

    domain: ContinuousDomain
    where: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        """Check that some points belong to the portion.

        Raises:
            ValueError: as the class says.
        """
        points = self.domain.draw(_TRIED, torch.Generator().manual_seed(0), torch.float64).points
        kept = self.where(points)
        if not isinstance(kept, Tensor) or kept.dtype != torch.bool or kept.shape != (_TRIED,):
            told = f"{kept.dtype} of shape {tuple(kept.shape)}" if isinstance(kept, Tensor) else type(kept).__name__
            raise ValueError(
                f"a portion needs one truth value for each point, shape ({_TRIED},) here, got {told}; give where= as "
                "lambda points: points[:, 1] > 0"
            )
        if not bool(kept.any()):
            raise ValueError(f"a portion needs points in it, got none of {_TRIED} of its domain; see its where=")

    @property
    def dimension(self) -> int:
        """d, the dimension of the points."""
        return self.domain.dimension

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes of the domain."""
        return self.domain.axes

    @property
    def target_names(self) -> frozenset[str]:
        """The targets of the domain."""
        return self.domain.target_names

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution in the portion; see :meth:`ContinuousDomain.draw`."""

        def kept() -> Iterator[Samples]:
            while True:
                drawn = self.domain.draw(count, generator, torch.float64)
                chosen = self.where(drawn.points)
                yield Samples(drawn.points[chosen], {name: each[chosen] for name, each in drawn.targets.items()})

        return first_samples(kept(), count, dtype, "a portion")
