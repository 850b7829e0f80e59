"""Signals on a lattice whose fields are solved for, and not trained: one layer of sines in each of many small tiles.

The tiles of a :class:`~sinefield.fields.tiled.TiledSiren` without hidden layers share their first layer, whose
frequencies lie on a lattice. Which, how smooth a field is expected and how noisy the samples are is chosen by how far
samples left out are from what the others predict, see :mod:`sinefield.solvers.leave_one_out`; last layers follow in
closed form. Where samples tell their neighbours this takes a second, is right to rounding at the samples, and between
them better than any training. Photographs have edges, which lie between the pixels: they are given what
:mod:`sinefield.solvers.kriging` predicts halfway between these too, and take more sines. Recordings hold nothing
between their samples that these do not: they are always solved for, and met as they are.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, final

import torch
from torch import Tensor

from sinefield.domains import Grid
from sinefield.problem import Problem
from sinefield.problems.fewer_sines import MOST, FewerSines
from sinefield.problems.tiles_of_sines import TOGETHER, TilesOfSines, solved_by
from sinefield.solvers.alone import one_thread
from sinefield.solvers.kriging import doubled
from sinefield.solvers.leave_one_out import BROAD, ROUGH, Choice, LeaveOneOut, choose

WELL_SAMPLED: Final = 0.03
"""The error of samples left out, over the deviation of the signal, up to which samples tell what lies between them."""

WORST: Final = 0.12
"""The same of the worst tile, and of the worst sample within one: few edges on a smooth ground would be blurred."""

_ALL = 4096  # tiles that are looked at for the worst
_LOOKED_AT, _PROBED = 48, 256  # tiles that show whether samples tell their neighbours, and by which sines are chosen
_HOLED = 24  # tiles with unknown samples that are looked at: each takes a dense matrix
_BORDER = 2  # samples along the edge of a tile: their neighbours are on one side
_FIDELITY = 1e4  # of recordings: samples are met 40 dB closer than they are predicted
_HALFWAY_NOISE = 1e-7  # of what is predicted between samples: fewer sines than those and the samples have to do
_LEAST_NOISE = 1e-10  # where unknown samples take the product of axes apart: rounding must not decide


@final
@dataclass(frozen=True, eq=False)
class SolvedSamples:
    """The field of samples on a lattice that follows in closed form; see this module.

    Args:
        grid: the samples, with the target ``value`` ``(n, c)``, and ``known`` where some are not.
    """

    grid: Grid

    def _has_worse(self, than: float, probe: _Probe, choice: Choice) -> bool:
        """Return whether a tile, or a sample within one, is predicted worse by the others."""
        judged = torch.ones(self._tiles.seen, dtype=torch.bool)
        within = (slice(None), *(slice(_BORDER, -_BORDER) for _ in self._tiles.seen))
        for tiles in self._tiles.spread(_ALL).split(TOGETHER):
            value, known = self._tiles.samples_of(tiles)
            value = (value - probe.mean)[known.flatten(1).all(1)]
            if not len(value):
                continue
            usual, noise = choice.system(choice.usual)
            off = usual.residuals(value, noise)
            value = value[_exceeds(off[within], than) | (off.square().flatten(1).mean(1) > than**2)]
            if not len(value):
                continue
            errors = choice.trial.errors(value, judged)
            if float(errors.min(1).values.max()) > than**2:
                return True
            numbers = choice.of_tiles(errors)
            for number in numbers.unique().tolist():
                system, noise = choice.system(number)
                if _exceeds(system.residuals(value[numbers == number], noise)[within], than).any():
                    return True
        return False

    @property
    def _is_recording(self) -> bool:
        """Whether the samples are of a recording, which holds no more than they do, and no edges."""
        return self.grid.dimension == 1

    @property
    def _is_whole_picture(self) -> bool:
        """Whether the samples are a picture's without a gap, so that what lies halfway between them is predicted."""
        return self.grid.dimension == 2 and "known" not in self.grid.targets

    @property
    def _is_large_picture(self) -> bool:
        """Whether they are a picture's of which a field that meets edges is too large to be made unasked."""
        return self.grid.dimension == 2 and not self._tiles.is_small(ROUGH[0][0])

    def problem(self, of: Problem, *, asked: bool, psnr: float | None = None) -> Problem | None:
        """Return a problem with the field that solves it; None: training may find a better one.

        Args:
            of: the problem of the signal.
            asked: whether the field that meets the samples was asked for, however large it is.
            psnr: in dB, that is wanted of a picture; None: nobody said.

        Raises:
            ValueError: it was asked for, and no part of the signal is known everywhere, so that nothing tells how
                smooth it is.
        """
        small_with_edges = self._is_whole_picture and not self._is_large_picture
        fewer = FewerSines(self.grid) if self._is_whole_picture or self._is_large_picture else None
        if psnr is not None and fewer is not None and (psnr <= MOST or not small_with_edges):
            return fewer.problem(of, psnr)
        smooth, seconds = self._looked_at
        is_small = small_with_edges if smooth is None else self._tiles.is_small(smooth.choice.trial.band)
        if asked or is_small:
            return self._met(of, smooth, seconds)
        return None if fewer is None else fewer.problem(of, spent=seconds)

    def _met(self, of: Problem, smooth: _Chosen | None, seconds: float) -> Problem:
        """Return the problem with a field that meets the samples.

        Raises:
            ValueError: no part of the signal is known everywhere.
        """
        start = time.perf_counter()
        with one_thread():
            chosen = smooth or self._rough()
            if chosen is None:
                raise ValueError(
                    "a field is solved for where samples are known together, and this signal has none of "
                    f"{' x '.join(map(str, self._tiles.seen))} without a gap; leave --recipe solved out"
                )
            axes = chosen.choice.trial.systems[0].axes
            field = self._tiles.field(axes, partial(self._coefficients, chosen), chosen.mean)
        return solved_by(of, field, left_out=chosen.left_out, seconds=seconds + time.perf_counter() - start)

    @cached_property
    def _tiles(self) -> TilesOfSines:
        return TilesOfSines.of(self.grid, "value")

    @cached_property
    def _looked_at(self) -> tuple[_Chosen | None, float]:
        """What :meth:`_smooth` returns, and the seconds that it takes, wherever that is asked first."""
        start = time.perf_counter()
        with one_thread():
            return self._smooth(), time.perf_counter() - start

    def _smooth(self) -> _Chosen | None:
        """Return how the field of samples that tell their neighbours is solved for; None: they do not tell them."""
        judged = torch.ones(self._tiles.seen, dtype=torch.bool)
        few = None if self._is_recording else self._probe(_LOOKED_AT)
        if few is not None:
            found = choose(few.samples, judged)
            if max(found.error, few.missed(found)) > 2 * WELL_SAMPLED * few.deviation:
                return None
        probe = self._probe(_PROBED)
        if probe is None:
            return None
        found = choose(probe.samples, judged, fidelity=_FIDELITY if self._is_recording else 0.0)
        error = max(found.error, probe.missed(found))
        if self._is_recording and error > WELL_SAMPLED * probe.deviation:
            found = choose(probe.samples, judged, *BROAD)
            error = max(found.error, probe.missed(found))
        elif not self._is_recording and (
            error > WELL_SAMPLED * probe.deviation or self._has_worse(WORST * probe.deviation, probe, found)
        ):
            return None
        return _Chosen(found, error / (probe.deviation or 1.0), probe.mean)

    def _rough(self) -> _Chosen | None:
        """Return the same of samples that do not tell their neighbours; None: none of what tiles see is whole."""
        probe = self._probe(_PROBED)
        if probe is None:
            return None
        found = choose(probe.samples, torch.ones(self._tiles.seen, dtype=torch.bool), *ROUGH)
        error, finer = max(found.error, probe.missed(found)), None
        if self._is_whole_picture:
            value = self.grid.at(torch.arange(self.grid.size)).targets["value"]
            fine = doubled(value.reshape(*self.grid.shape, -1))
            error, finer = fine.left_out, fine.values
        return _Chosen(found, error / (probe.deviation or 1.0), probe.mean, finer)

    def _probe(self, count: int) -> _Probe | None:
        """Return what some tiles see, spread over the signal; None: none of them is known everywhere."""
        value, known = self._tiles.samples_of(self._tiles.spread(count))
        whole = known.flatten(1).all(1)
        if not whole.any():
            return None
        mean = (value * known).flatten(0, -2).sum(0) / known.flatten(0, -2).sum(0)
        value = torch.where(known, value - mean, 0.0)
        deviation = math.sqrt(float(value.square().sum()) / float(known.sum()))
        holed = (~whole & known.flatten(1).any(1)).nonzero()[:, 0][:_HOLED]
        return _Probe(value[whole], value[holed], known[holed], mean, deviation)

    def _coefficients(self, chosen: _Chosen, tiles: Tensor) -> Tensor:
        """Return the coefficients of tiles, ``(tiles, m_1, …, m_d, c)``."""
        if chosen.finer is not None:
            return self._of_finer(chosen, tiles)
        value, known = self._tiles.samples_of(tiles)
        value = torch.where(known, value - chosen.mean, 0.0)
        choice, judged = chosen.choice, torch.ones(self._tiles.seen, dtype=torch.bool)
        whole = known.flatten(1).all(1)
        numbers = torch.where(whole, choice.of_tiles(choice.trial.errors(value, judged)), choice.usual)
        found = torch.empty(0)
        for number in numbers.unique().tolist():
            some = (numbers == number).nonzero()[:, 0]
            system, noise = choice.system(number)
            solved = system.solve(value[some], noise)
            for place in (~whole[some]).nonzero()[:, 0].tolist():
                solved[place] = _solve_where_known(system, noise, value[some[place]], known[some[place]])
            each = system.coefficients(solved)
            found = each.new_empty(len(tiles), *each.shape[1:]) if not len(found) else found
            found[some] = each
        return found

    def _of_finer(self, chosen: _Chosen, tiles: Tensor) -> Tensor:
        """Return coefficients of fields that are near the finer samples, and meet the samples themselves."""
        assert chosen.finer is not None
        rows, columns = (
            (2 * first[place][:, None] + torch.arange(-1, 2 * seen)).clamp(0, size - 1)  # the outermost go on beyond
            for place, first, seen, size in zip(
                self._tiles.places(tiles),
                self._tiles.firsts,
                self._tiles.seen,
                chosen.finer.shape[:2],
                strict=True,
            )
        )
        finer = chosen.finer[rows[:, :, None], columns[:, None]].double() - chosen.mean
        system, noise = chosen.choice.system(chosen.choice.usual)
        among = LeaveOneOut(chosen.choice.trial.band, ROUGH[1][0], self._tiles.seen, refined=2)
        solved = among.solve(finer, _HALFWAY_NOISE)
        missed = _HALFWAY_NOISE * solved[:, 1::2, 1::2]
        return among.coefficients(solved) + system.coefficients(system.solve(missed, noise))


@final
@dataclass(frozen=True, eq=False)
class _Probe:
    """What some tiles see.

    Args:
        samples: of tiles that are known everywhere, without their mean, ``(tiles, n_1, …, n_d, c)``.
        holed: the same of some that are not, 0 where they are not known.
        known: where those are.
        mean: ``(c,)``.
        deviation: of the samples.
    """

    samples: Tensor
    holed: Tensor
    known: Tensor
    mean: Tensor
    deviation: float

    def missed(self, choice: Choice) -> float:
        """Return how far the field is from what is known of tiles with holes, by which nothing was chosen."""
        if not len(self.holed):
            return 0.0
        system, noise = choice.system(choice.usual)
        squares = 0.0
        for value, known in zip(self.holed, self.known, strict=True):
            solved = _solve_where_known(system, noise, value, known)
            squares += float((max(noise, _LEAST_NOISE) * solved).square().sum())
        return math.sqrt(squares / float(self.known.sum()))


@final
@dataclass(frozen=True, eq=False)
class _Chosen:
    """How the field is solved for.

    Args:
        choice: its sines, and how much of each is expected.
        left_out: the error of samples left out, over the deviation of the signal.
        mean: of the samples, ``(c,)``.
        finer: a picture with what is predicted halfway between its samples; None: the samples are enough.
    """

    choice: Choice
    left_out: float
    mean: Tensor
    finer: Tensor | None = None


def _exceeds(residuals: Tensor, than: float) -> Tensor:
    """Return which tiles have a residual that is larger."""
    return (residuals.abs() > than).flatten(1).any(1)


def _solve_where_known(system: LeaveOneOut, noise: float, value: Tensor, known: Tensor) -> Tensor:
    """Return (K + λ)⁻¹ y of the samples ``(n_1, …, n_d, c)`` of a tile that are known, and 0 of the others."""
    solved = torch.zeros_like(value)
    matrix = system.matrix
    noise = max(noise, _LEAST_NOISE)
    for channel in range(value.shape[-1]):
        there = known[..., channel].flatten()
        if not there.any():
            continue
        some = matrix[there][:, there]
        some.diagonal().add_(noise)
        right = value[..., channel].flatten()[there]
        found = torch.linalg.solve(some, right)
        flat = torch.zeros(there.shape, dtype=value.dtype)
        flat[there] = found
        solved[..., channel] = flat.view(known.shape[:-1])
    return solved
