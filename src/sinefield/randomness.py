"""Random numbers and random orders, as pure functions of a key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

ORDERED: Final = 1 << 22
"""How many points of a finite domain are put in random order at a time."""

RUN: Final = 1 << 10
"""How many neighbours stay together on the way there, where a domain has more points than that."""

_MASK: Final = (1 << 64) - 1
_FINE: Final = 1 << 32


def mixed(*words: int) -> int:
    """Return 64 bits that depend on all of some integers, every bit on every bit.

    The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) after each.

    >>> mixed(1, 2) == mixed(1, 2), mixed(1, 2) == mixed(2, 1)
    (True, False)
    """
    state = 0
    for word in words:
        state = (state + (word & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def generator_of(*key: int) -> torch.Generator:
    """Return a generator of random numbers that depends on a key alone."""
    return torch.Generator().manual_seed(mixed(*key) & (_MASK >> 1))


def order_of_window(count: int, window: int, *key: int) -> Tensor:
    """Return which of 0 … ``count`` − 1 come in a window of a random order, :data:`ORDERED` places long.

    Where there are more than one window, runs of neighbours are drawn from all over and then shuffled: memory stays
    bounded, and a file is read in pieces. What is left of the last run comes in the last window.

    >>> torch.cat([order_of_window(10, 0, 7)]).sort().values.tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if count <= ORDERED:
        return torch.randperm(count, generator=generator_of(*key))
    runs, together = count // RUN, ORDERED // RUN
    chosen = torch.randperm(runs, generator=generator_of(*key))[window * together : (window + 1) * together]
    index = (chosen[:, None] * RUN + torch.arange(RUN)).flatten()
    if (window + 1) * ORDERED >= count:
        index = torch.cat([index, torch.arange(runs * RUN, count)])
    return index[torch.randperm(len(index), generator=generator_of(*key, window))]


@final
@dataclass(frozen=True, eq=False)
class Strata:
    """Points of a lattice in as many compact cells as a step takes points: each step takes one of every cell.

    Low frequencies, whose period is long beside a cell, are then seen alike by all steps, so that the noise of small
    batches no longer drowns them.

    Source: stratified sampling, as of minibatches by P. Zhao & T. Zhang, "Accelerating minibatch stochastic gradient
    descent using stratified sampling", 2014, section 3, with cells of space for strata.

    Args:
        curve: the numbers of the points, neighbours in space following each other.
        cells: the number of the cell of each place on the curve, in order.
        rows: places on the curve, sorted by cells, in the order of the steps.
    """

    curve: Tensor
    cells: Tensor
    rows: Tensor

    @classmethod
    def of(cls, shape: Sequence[int], batch: int) -> Strata:
        """Return the strata of a lattice, whose points are numbered in C order.

        Args:
            shape: number of points along each axis.
            batch: points of a step.
        """
        count = math.prod(shape)
        batch = min(batch, count)
        cells = torch.arange(count) * batch // count
        places = (
            torch.arange(count) - (torch.arange(batch) * count + batch - 1).div(batch, rounding_mode="floor")[cells]
        )
        return cls(z_order(shape), cells, places.argsort(stable=True))

    def order(self, *key: int) -> Tensor:
        """Return the points in a random order, of which each ``batch`` in turn are of different cells.

        >>> order = Strata.of((4, 4), 4).order(7)
        >>> quarters = 2 * (order // 8) + order % 4 // 2
        >>> quarters.view(4, 4).sort().values.tolist()
        [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
        """
        draw = torch.randint(_FINE, self.cells.shape, generator=generator_of(*key))  # integers are sorted faster
        return self.curve[(self.cells * _FINE + draw).argsort()[self.rows]]


def z_order(shape: Sequence[int]) -> Tensor:
    """Return the numbers, in C order, of the points of a lattice along the curve that interleaves their bits.

    Source: G. M. Morton, "A computer oriented geodetic data base and a new technique in file sequencing", 1966.

    >>> z_order((2, 4)).tolist()
    [0, 1, 4, 5, 2, 3, 6, 7]
    """
    rest, place = torch.arange(math.prod(shape)), torch.zeros(math.prod(shape), dtype=torch.int64)
    for axis, size in enumerate(reversed(shape)):
        coordinate, rest = rest % size, rest // size
        for bit in range(max(size - 1, 1).bit_length()):
            place |= (coordinate >> bit & 1) << (bit * len(shape) + axis)
    return place.argsort()
