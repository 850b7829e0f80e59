"""Which points a step sees: batch k of pass p on rank r, as a pure function of (seed, p, k, r).

The order of a finite domain in pass p is a permutation drawn with a key that depends on the seed and on p alone; of a
lattice, one in which the points of each step are spread evenly. Nothing has to be remembered to go on from any step,
nor shared between ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, final

import torch
from torch import Tensor

from sinefield.domains import Domain, FiniteDomain, Samples
from sinefield.randomness import ORDERED, Strata, generator_of, order_of_window

CONTINUOUS_PASS: Final = 65_536
"""How many points of a continuous domain count as one pass over it."""

STOCK: Final = 65_536
"""How many points of a finite domain are looked up at a time."""


@final
@dataclass
class Sampler:
    """The batches of one domain; of a finite one each pass visits every point once.

    Args:
        domain: Ω.
        batch: points of a step on each rank, made a multiple of the domain's granule.
        seed: of the order of points, or of the points.
        stream: tells domains of one problem apart.
        rank: of ranks that share each step.
        ranks: how many there are.
        dtype: of the points of continuous domains.
    """

    domain: Domain
    batch: int
    seed: int
    stream: int = 0
    rank: int = 0
    ranks: int = 1
    dtype: torch.dtype = torch.float32
    _strata: Strata | None = field(default=None, repr=False)
    _order: tuple[tuple[int, int], Tensor] | None = field(default=None, repr=False)  # of a window of a pass
    _stock: tuple[tuple[int, int], Samples] | None = field(default=None, repr=False)  # from a place of a pass on

    def __post_init__(self) -> None:
        """Make the batch a multiple of the granule."""
        self.batch = max(self.domain.granule, self.batch // self.domain.granule * self.domain.granule)

    @property
    def size(self) -> int:
        """How many points make a pass."""
        return pass_size(self.domain)

    @property
    def steps_per_pass(self) -> int:
        """How many steps make a pass."""
        return math.ceil(self.size / (self.batch * self.ranks))

    @property
    def points_per_step(self) -> int:
        """How many points a step takes on a rank, at most."""
        return min(self.batch, self.size)

    def take(self, step: int) -> Samples:
        """Return the batch of step number ``step``, counted from the beginning of the first pass."""
        if not isinstance(self.domain, FiniteDomain):
            key = (self.seed, self.stream, step, self.rank, self.ranks)
            return self.domain.draw(self.batch, generator_of(*key), self.dtype)
        if self.batch * self.ranks >= self.size:
            units = torch.arange(self.size // self.domain.granule)[self.rank :: self.ranks]
            return self.domain.at(self._points_of(units))
        number, place = divmod(step, self.steps_per_pass)
        start = (place * self.ranks + self.rank) * self.batch
        return self._from_stock(self.domain, number, start)

    def _from_stock(self, domain: FiniteDomain, number: int, start: int) -> Samples:
        """Return a batch, looked up with those that follow: one by one takes far more time."""
        length = max(STOCK // self.batch, 1) * self.batch if self.ranks == 1 else self.batch
        first = start // length * length
        if self._stock is None or self._stock[0] != (number, first):
            granule = domain.granule
            chosen = self._ordered(number, first // granule, min(first + length, domain.size) // granule)
            self._stock = ((number, first), domain.at(self._points_of(chosen)))
        offset = start - first
        return self._stock[1].rows(offset, offset + self.batch)

    def _points_of(self, units: Tensor) -> Tensor:
        """Return the numbers of the points in units, a granule of points each."""
        granule = self.domain.granule
        return units if granule == 1 else (units[:, None] * granule + torch.arange(granule)).flatten()

    def _ordered(self, number: int, start: int, stop: int) -> Tensor:
        """Return which units of the domain, a granule each, come from one place of a pass to another."""
        parts = [torch.arange(0)]  # the last step of a pass may have nothing left for a rank
        while start < stop:
            window = start // ORDERED
            if self._order is None or self._order[0] != (number, window):
                self._order = ((number, window), self._draw_order(number, window))
            end = min(stop, (window + 1) * ORDERED)
            parts.append(self._order[1][start - window * ORDERED : end - window * ORDERED])
            start = end
        return torch.cat(parts)

    def _draw_order(self, number: int, window: int) -> Tensor:
        """Return the order of the units in a window of a pass."""
        count, key = self.size // self.domain.granule, (self.seed, self.stream, number)
        shape = self.domain.lattice if isinstance(self.domain, FiniteDomain) else None
        if shape is None or count > ORDERED:
            return order_of_window(count, window, *key)
        if self._strata is None:
            self._strata = Strata.of(shape, self.batch * self.ranks // self.domain.granule)
        return self._strata.order(*key)


def pass_size(domain: Domain) -> int:
    """Return how many points make a pass over a domain."""
    return domain.size if isinstance(domain, FiniteDomain) else CONTINUOUS_PASS
