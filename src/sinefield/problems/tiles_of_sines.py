"""Tiles of sines on a lattice of frequencies: what they see of samples, and the field that their coefficients make.

A :class:`~sinefield.fields.tiled.TiledSiren` without hidden layers, whose tiles share their first layer, is in each
tile a sum of sines. Whoever finds its coefficients, as :mod:`.solved` does of values and :mod:`.solved_gradient` of
gradients, has the field by this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.domains import Grid
from sinefield.fields.tiled import TiledSiren, rising_step
from sinefield.problem import Problem
from sinefield.problems.tiles import OVERLAP, TileSamples, counts_for, first_seen
from sinefield.solvers.leave_one_out import Axis, Band, shifted

SIDES: Final = {1: 128, 2: 24, 3: 8}
"""Samples along each axis of a tile, by how many axes there are: small tiles take fewer sines at each point."""

SMALL: Final = 2**22
"""The numbers of a field that is solved for where nobody asked for it, if it takes more than two for each sample."""

TOGETHER: Final = 256
"""Tiles that are solved together."""


@final
@dataclass(frozen=True, eq=False)
class TilesOfSines:
    """The tiles of a field of samples on a lattice.

    Args:
        grid: of the samples.
        channels: c of the field.
        overlap: of neighbouring tiles, as part of a tile.
    """

    grid: Grid
    channels: int
    overlap: float = OVERLAP

    @classmethod
    def of(cls, grid: Grid, name: str, overlap: float = OVERLAP) -> TilesOfSines:
        """Return the tiles of the field that a target of samples is given for."""
        return cls(grid, grid.at(torch.zeros(1, dtype=torch.long)).targets[name].shape[1], overlap)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many there are along each axis."""
        return counts_for(self.grid.shape, (SIDES[self.grid.dimension],) * self.grid.dimension)

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(self.counts)

    @property
    def seen(self) -> tuple[int, ...]:
        """How many samples a tile sees along each axis."""
        return TileSamples(self.grid, self.counts, self.overlap, torch.arange(1)).seen

    @property
    def firsts(self) -> list[Tensor]:
        """The first sample that a tile sees along each axis, by its place along it."""
        return [
            first_seen(torch.arange(count), size, count, each, self.overlap)
            for size, count, each in zip(self.grid.shape, self.counts, self.seen, strict=True)
        ]

    def places(self, tiles: Tensor) -> list[Tensor]:
        """Return the place of tiles along each axis."""
        return list(torch.unravel_index(tiles, self.counts))

    def spread(self, most: int) -> Tensor:
        """Return the numbers of at most so many tiles, spread over all."""
        found: Tensor = torch.linspace(0, self.count - 1, min(self.count, most)).round().long().unique()
        return found

    def is_small(self, band: Band) -> bool:
        """Return whether a field of these sines is small enough to be made where nobody asked for it."""
        return self.numbers(band) <= max(SMALL, 2 * self.grid.size * self.channels)

    def numbers(self, band: Band) -> int:
        """Return how many numbers a field of these sines has, but for the layer that its tiles share."""
        return band.count(self.seen) * self.count * self.channels

    def samples(self, name: str, tiles: Tensor) -> Tensor:
        """Return a target of the samples that tiles see, ``(tiles, n_1, …, n_d, …)``, in double precision."""
        number = torch.zeros((len(tiles), *[1] * self.grid.dimension), dtype=torch.int64)
        for axis, (size, first, place) in enumerate(zip(self.grid.shape, self.firsts, self.places(tiles), strict=True)):
            along = first[place][:, None] + torch.arange(self.seen[axis])
            number = number * size + along.view(len(tiles), *[1] * axis, -1, *[1] * (self.grid.dimension - axis - 1))
        target = self.grid.targets[name][number.flatten()]
        return target.reshape(*number.shape, *target.shape[1:]).double()

    def samples_of(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target ``value`` that tiles see, ``(tiles, n_1, …, n_d, c)``, and where it is known."""
        value = self.samples("value", tiles)
        if "known" not in self.grid.targets:
            return value, torch.ones_like(value, dtype=torch.bool)
        return value, (self.samples("known", tiles) > 0).expand_as(value)

    def weights(self, tiles: Tensor) -> Tensor:
        """Return the weights of tiles at the samples that they see, ``(tiles, n_1, …, n_d)``."""
        found = torch.ones((len(tiles), *[1] * self.grid.dimension), dtype=torch.float64)
        for axis, (size, count, first, place) in enumerate(
            zip(self.grid.shape, self.counts, self.firsts, self.places(tiles), strict=True)
        ):
            place, width = place[:, None], size / count
            at = (first[place] + torch.arange(self.seen[axis]) + 0.5) / width  # in tiles
            (lower,), (upper,) = (rising_step((at - seam) / self.overlap + 0.5, 0) for seam in (place, place + 1))
            along = torch.where(place > 0, lower, 1.0) * torch.where(place < count - 1, 1 - upper, 1.0)
            found = found * along.view(len(tiles), *[1] * axis, -1, *[1] * (self.grid.dimension - axis - 1))
        return found

    def field(self, axes: Sequence[Axis], coefficients: Callable[[Tensor], Tensor], mean: Tensor) -> TiledSiren:
        """Return the field.

        Args:
            axes: the sines along each axis, in the samples that a tile sees.
            coefficients: of them in some tiles, ``(tiles, m_1, …, m_d, c)``, given the numbers of these.
            mean: what is added everywhere, ``(c,)``.
        """
        halves = [(1 + self.overlap) * size / each / 2 for size, each in zip(self.grid.shape, self.counts, strict=True)]
        waves = _half(torch.stack(torch.meshgrid(*[each.frequencies for each in axes], indexing="ij"), -1))
        waves = waves * torch.tensor(halves, dtype=torch.float64)  # in coordinates of a tile, [−1, 1]
        omega = max(1.0, float(waves.abs().max())) if len(waves) else 1.0
        extent = [size * each / 2 for size, each in zip(self.grid.shape, self.grid.spacings, strict=True)]
        field = TiledSiren(
            self.grid.dimension,
            self.channels,
            hidden_features=max(1, 2 * len(waves)),
            hidden_layers=0,
            first_omega=omega,
            tiles="x".join(map(str, self.counts)),
            extent="x".join(f"{each:.15g}" for each in extent),
            overlap=self.overlap,
            first_layer="shared",
        )
        names = list(field.tiles.weights())
        first_weight, first_bias, last_weight, last_bias = (field.tiles.stored(each) for each in names)
        with torch.no_grad():
            first_weight.zero_()
            first_bias.zero_()
            first_weight[0, : 2 * len(waves)] = waves.repeat(2, 1).float() / omega
            first_bias[0, : len(waves)] = math.pi / (2 * omega)  # cosines first, then sines
            last_weight.zero_()
            for tiles in torch.arange(self.count).split(TOGETHER):
                weight, bias = self._last_layers(axes, coefficients(tiles), tiles, mean)
                last_weight[tiles, :, : weight.shape[-1]], last_bias[tiles] = weight, bias
        return field

    def _last_layers(self, axes: Sequence[Axis], found: Tensor, tiles: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights ``(tiles, c, features)`` and biases ``(tiles, c)``, in coordinates of the tiles."""
        shifts = [each[place] for each, place in zip(self._shifts, self.places(tiles), strict=True)]
        found = shifted(found, axes, shifts).flatten(1, -2)
        middle = found.shape[1] // 2
        upper = 2 * found[:, middle + 1 :].movedim(1, -1)
        return torch.cat([upper.real, -upper.imag], -1).float(), (found[:, middle].real + mean).float()

    @property
    def _shifts(self) -> list[Tensor]:
        """How far the middle of a tile is after that of the samples it sees along each axis, by its place along it."""
        found = []
        for size, count, each, first in zip(self.grid.shape, self.counts, self.seen, self.firsts, strict=True):
            middles = (torch.arange(count, dtype=torch.float64) + 0.5) * (size / count)
            found.append(middles - 0.5 - first - (each - 1) / 2)
        return found


def solved_by(of: Problem, field: nn.Module, *, left_out: float, seconds: float) -> Problem:
    """Return a problem with the field that solves it, of which nothing is left to be searched for.

    Args:
        of: what is solved.
        field: that solves it.
        left_out: the error of samples left out, over the deviation of what is known, which becomes a metric.
        seconds: that it took.
    """
    return replace(
        of,
        unknowns={"u": lambda _omega: field},
        omega=None,
        tuning={},
        parts=None,
        solved=None,
        spent=seconds,
        measure=partial(_measure, of, left_out),
    )


def _measure(of: Problem, left_out: float, fields: Mapping[str, nn.Module], count: int | None) -> dict[str, float]:
    return of.measure(fields, count) | {"left_out": left_out}


def _half(waves: Tensor) -> Tensor:
    """Return of frequencies ``(m_1, …, m_d, d)`` those after 0, in the middle: the others are their opposites."""
    flat = waves.flatten(0, -2)
    return flat[len(flat) // 2 + 1 :]
