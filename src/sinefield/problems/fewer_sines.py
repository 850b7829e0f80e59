"""Pictures whose fields are solved for with fewer sines than pixels: large pictures, and small fields of others.

As in :mod:`.solved` each of many small tiles is a layer of sines whose last layer follows in closed form, here that of
the least squares, with the fewest sines that reach a PSNR. How many these are is asked of some of the tiles, each of
which takes a few products of small matrices. Unknown pixels are filled in with the nearest known ones, and then with
what the sines have there, again and again: these are then those of the least squares of the known pixels.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import torch
from torch import Tensor

from sinefield.domains import Grid
from sinefield.fields.tiled import TiledSiren
from sinefield.io.known import fill_unknown
from sinefield.problem import Problem
from sinefield.problems.tiles_of_sines import SMALL, TilesOfSines, solved_by
from sinefield.solvers.alone import one_thread
from sinefield.solvers.leave_one_out import Band, Expected, LeaveOneOut

ENOUGH: Final = 45.0
"""The PSNR in dB where nobody says how well a picture has to be met: at 42, coasts of maps have ripples one can see."""

MOST: Final = 70.0
"""The PSNR in dB that such fields reach of any picture."""

_OVERLAP = 1 / 16  # of neighbouring tiles: errors of so few sines are large at the very edge only
_BANDS = tuple(Band(part / 14, period) for part in range(2, 15) for period in (1.05, 1.2))
# Rough pictures are met best by sines that are nearly periodic over a tile, smooth ones by those that are not.
_EXPECTED = Expected(0.35)
_NOISES = (40.0, 4e-3)  # λ, over the mean square error that is wanted
# The first holds sines near the limit back, which makes ripples beside edges smaller for next to nothing; noise is met
# by the second.
_TRIES = 4  # that are made where all tiles tell that there have to be more sines than some of them told
_PROBED, _SEARCHED = 256, 4096  # tiles that are asked, and among which they are looked for where some are unknown
_INSIDE = 0.5  # of the weight of a tile
_TIMES = 12  # that what is not known is filled in


@final
@dataclass(frozen=True, eq=False)
class FewerSines:
    """The field of a picture of as few sines as reach a PSNR; see this module.

    Args:
        grid: the pixels, with the target ``value`` ``(n, c)``, and ``known`` where some are not.
    """

    grid: Grid

    def problem(self, of: Problem, psnr: float | None = None, *, spent: float = 0.0) -> Problem:
        """Return a problem with the field that solves it.

        Args:
            of: the problem of the picture.
            psnr: in dB, that is wanted; None: :data:`ENOUGH`, of no more numbers than values, if these are many.
            spent: the seconds until now.
        """
        start = time.perf_counter()
        with one_thread():
            probe, wanted = self._probe, 4 * 10 ** (-(ENOUGH if psnr is None else psnr) / 10)
            aim, last = wanted, None
            for _ in range(_TRIES):
                system, noise = self._chosen(probe, aim, limited=psnr is None)
                if psnr is None and system.axes[0].band == last:  # there may be no more of them
                    break
                field, error = self._solved(system, noise, probe.mean)
                left_out = probe.left_out(system, noise)
                if error <= wanted:
                    break
                aim, last = aim * wanted / error, system.axes[0].band
        return solved_by(of, field, left_out=left_out, seconds=spent + time.perf_counter() - start)

    def _solved(self, system: LeaveOneOut, noise: float, mean: Tensor) -> tuple[TiledSiren, float]:
        """Return the field of some sines, and the mean square error of its tiles."""
        squares = pixels = 0.0

        def coefficients(tiles: Tensor) -> Tensor:
            nonlocal squares, pixels
            value, known = self._tiles.samples_of(tiles)
            value = _filled(torch.where(known, value - mean, 0.0), known, system, noise)
            solved = system.solve(value, noise)
            weights = self._weights(tiles, known)
            squares += float((weights * (noise * solved).square()).sum())
            pixels += float(weights.sum())
            return system.coefficients(solved)

        field = self._tiles.field(system.axes, coefficients, mean)
        return field, squares / max(pixels, 1.0)

    @cached_property
    def _tiles(self) -> TilesOfSines:
        return TilesOfSines.of(self.grid, "value", _OVERLAP)

    @property
    def _probe(self) -> _Probe:
        """What some tiles see that have known pixels."""
        tiles = self._tiles.spread(_SEARCHED if "known" in self.grid.targets else _PROBED)
        value, known = self._tiles.samples_of(tiles)
        some = known.flatten(1).any(1).nonzero()[:, 0]
        some = some[:: max(1, len(some) // _PROBED)]
        tiles, value, known = tiles[some], value[some], known[some]
        mean = torch.where(known, value, 0.0).flatten(0, -2).sum(0) / known.flatten(0, -2).sum(0).clamp(min=1)
        return _Probe(torch.where(known, value - mean, 0.0), known, self._weights(tiles, known), mean)

    def _weights(self, tiles: Tensor, known: Tensor) -> Tensor:
        """Return how much the errors of tiles weigh at the pixels they see; 0 where these are not known.

        Φ is a mean of tiles with these weights, so that its square errors are at most the mean of theirs.
        """
        return self._tiles.weights(tiles)[..., None] * known

    def _chosen(self, probe: _Probe, enough: float, *, limited: bool) -> tuple[LeaveOneOut, float]:
        """Return the fewest sines whose mean square error is small enough, else the best of all there may be, and λ.

        Args:
            probe: by which it is estimated.
            enough: the error.
            limited: whether there may be no more numbers than values, where these are many.
        """
        most = max(SMALL, self.grid.size * self._tiles.channels) if limited else math.inf
        sizes = {each: self._tiles.numbers(each) for each in _BANDS}
        allowed = sorted((each for each in _BANDS if sizes[each] <= most), key=sizes.__getitem__) or [_BANDS[0]]
        if not probe.weights.any():  # nothing tells how many there have to be
            allowed = allowed[-1:]
        found: list[tuple[float, LeaveOneOut, float]] = []
        for noise in [enough * each for each in (_NOISES[:1] if limited else _NOISES)]:
            for _, bands in itertools.groupby(allowed, key=sizes.__getitem__):
                systems = [LeaveOneOut(each, _EXPECTED, self._tiles.seen) for each in bands]
                found += [(probe.error(each, noise), each, noise) for each in systems]
                error, system, _ = min(found, key=lambda each: each[0])
                if error <= enough:
                    return system, noise
        _, system, noise = min(found, key=lambda each: each[0])
        return system, noise


@final
@dataclass(frozen=True, eq=False)
class _Probe:
    """What some tiles see.

    Args:
        values: less their mean, 0 where they are not known, ``(tiles, n_1, n_2, c)``.
        known: which are.
        weights: of the errors of these pixels.
        mean: ``(c,)``.
    """

    values: Tensor
    known: Tensor
    weights: Tensor
    mean: Tensor

    def error(self, system: LeaveOneOut, noise: float) -> float:
        """Return the mean square error of sines, with λ."""
        missed = noise * system.solve(_filled(self.values, self.known, system, noise), noise)
        return self._mean(missed.square(), self.weights)

    def left_out(self, system: LeaveOneOut, noise: float) -> float:
        """Return how far pixels are from what the others predict, over the deviation of all."""
        off = system.residuals(_filled(self.values, self.known, system, noise), noise)
        inside = (self.weights > _INSIDE).double()  # others know more of those at the edge
        deviation = math.sqrt(self._mean(self.values.square(), self.weights)) or 1.0
        return math.sqrt(self._mean(off.square(), inside)) / deviation

    def _mean(self, values: Tensor, weights: Tensor) -> float:
        return float((weights * values).sum()) / (float(weights.sum()) or 1.0)


def _filled(values: Tensor, known: Tensor, system: LeaveOneOut, noise: float) -> Tensor:
    """Return the values of tiles with some that ask nothing more of the sines where they are not known."""
    holed = (~known).flatten(1).any(1) & known.flatten(1).any(1)
    if not holed.any():
        return values
    some, there = values[holed], known[holed]
    filled = torch.stack([_nearest(*each) for each in zip(some, there, strict=True)])
    for _ in range(_TIMES):
        filled = torch.where(there, some, filled - noise * system.solve(filled, noise))
    return values.index_copy(0, holed.nonzero()[:, 0], filled)


def _nearest(values: Tensor, known: Tensor) -> Tensor:
    """Return the values of a tile with the nearest known ones in place of unknown ones; 0 where a channel has none."""
    usable = known | ~known.flatten(0, -2).any(0)
    return torch.from_numpy(fill_unknown(values.numpy(), usable.numpy()))
