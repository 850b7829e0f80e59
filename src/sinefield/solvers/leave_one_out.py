"""Sines on a lattice of frequencies that predict samples left out: what is known in closed form of samples on a grid.

A tile sees n_i samples along axis i, at u = −(n_i − 1)/2, …, (n_i − 1)/2 in units of their distance. It is given

    Φ(u) = Σ_k c_k exp(i k · u),   k_i = 2π j / (p n_i),   |k_i| ≤ b π

whose coefficients are independent with variances s(k) = Π_i s_i(k_i), beside noise of the variance λ on each sample.
Their mean, given samples y, is c = s Eᴴ (K + λ)⁻¹ y with K = E s Eᴴ, a product of one matrix along each axis, so that
it has the eigenvectors and eigenvalues of these and no large matrix is ever made. What the other samples predict of
one of them is off by

    y_i − Φ_{without i}(u_i) = [(K + λ)⁻¹ y]_i / [(K + λ)⁻¹]_ii

which tells b, p, s and λ, and how far the field can be trusted between the samples, without another fit.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2 and 5.4.2; for p, which
frees a sum of sines from being periodic over what it is fitted to, Huybrechs, "On the Fourier extension of nonperiodic
functions", SIAM J. Numer. Anal. 47, 2010, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Band:
    """Which sines there are.

    Args:
        limit: b, the highest frequency over that of the samples, π over their distance.
        period: p, of the slowest sine over what a tile sees.
    """

    limit: float
    period: float

    def highest(self, seen: int) -> int:
        """Return the greatest j of an axis with so many samples."""
        return math.floor(self.limit * self.period * seen / 2)

    def count(self, seen: Sequence[int]) -> int:
        """Return how many frequencies there are, k and −k together being two.

        >>> Band(0.5, 1.5).count((30, 30))
        529
        """
        return math.prod(2 * self.highest(each) + 1 for each in seen)


@final
@dataclass(frozen=True)
class Expected:
    """How much of each sine is expected, s.

    Args:
        width: over b π: where a Gaussian has fallen to exp(−1/2), and a power of 1 + (k/width)² begins to fall.
        power: of 1 + (k/width)² in 1/s; infinite: a Gaussian.
    """

    width: float
    power: float = math.inf

    def of(self, frequencies: Tensor, highest: float) -> Tensor:
        """Return s of frequencies of which ``highest`` is b π, with the sum 1."""
        squares = (frequencies / (self.width * highest)).square()
        found = (-squares / 2).exp() if math.isinf(self.power) else (1 + squares) ** -self.power
        return found / found.sum()


BANDS: Final = (Band(0.25, 1.5), Band(0.5, 1.5), Band(0.75, 1.35), Band(0.5, 2.0), Band(1.0, 1.2))
"""Which sines are tried."""

SMOOTH: Final = (*(Expected(1 / part) for part in (12, 8, 6, 4, 2)), Expected(1 / 8, 2.5))
"""What is expected of them."""

NOISES: Final = tuple(10.0**power for power in range(-13, 0, 2))
"""The variances λ that are tried, over that of Φ."""

BROAD: Final = (Band(1.0, 1.2),), (Expected(1 / 2),), (1e-9,)
"""Sines, what is expected of them and λ for samples that hold all that there is up to their own limit."""

ROUGH: Final = (Band(1.75, 1.05),), (Expected(0.1, 1.0),), (1e-9,)
"""The same for samples of edges, which sines up to just their own limit would ring around."""

_ENOUGH = 2e-6  # of the deviation: what single precision leaves
_ABOUT = 1.15  # times the least error is as good, if it takes fewer sines
_ROUNDING = 1e-6  # of a coefficient: that of phases of some ten radians, to single precision
_CLEARLY = 0.8  # of the error: a tile that is not better by so much is expected to be as all are


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of what a tile sees, with the sines along it.

    Args:
        band: which.
        expected: how much of each.
        seen: n, how many samples.
        refined: r, how many times as close the samples are that are given, the outermost (r − 1) / r beyond.
    """

    band: Band
    expected: Expected
    seen: int
    refined: int = 1

    @cached_property
    def frequencies(self) -> Tensor:
        """k, ``(m,)``, in their order, 0 in the middle."""
        highest = self.band.highest(self.seen)
        orders = torch.arange(-highest, highest + 1, dtype=torch.float64)
        return 2 * math.pi / (self.band.period * self.seen) * orders

    @cached_property
    def analysis(self) -> Tensor:
        """The complex matrix s Eᴴ, ``(m, n)``."""
        last = self.refined * (self.seen + 1) - 2
        places = (torch.arange(last + 1, dtype=torch.float64) - last / 2) / self.refined
        return self.variances[:, None] * torch.exp(-1j * self.frequencies[:, None] * places)

    @cached_property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """The eigenvalues ``(n,)`` and eigenvectors ``(n, n)`` of K along this axis."""
        roots = self.analysis / self.variances.sqrt()[:, None]
        values, vectors = torch.linalg.eigh((roots.mH @ roots).real)
        return values.clamp(min=0), vectors

    @cached_property
    def variances(self) -> Tensor:
        """The variances s, ``(m,)``."""
        return self.expected.of(self.frequencies, self.band.limit * math.pi)


@final
class LeaveOneOut:
    """The sines of a band on what a tile sees.

    Args:
        band: which.
        expected: how much of each.
        seen: n_i, the samples along each axis.
        refined: as for :class:`Axis`.

    >>> place = torch.arange(40, dtype=torch.float64)
    >>> wave = torch.cos(0.7 * place + 0.2)[None, :, None]
    >>> off = LeaveOneOut(Band(0.5, 1.5), Expected(0.25), [40]).residuals(wave, 1e-13)
    >>> float(off[0, 5:-5].abs().max()) < 1e-6
    True
    """

    def __init__(self, band: Band, expected: Expected, seen: Sequence[int], refined: int = 1) -> None:
        self.axes = [Axis(band, expected, each, refined) for each in seen]
        self.values = _outer([each.spectrum[0] for each in self.axes])
        self.largest = math.prod(float(each.variances.max()) for each in self.axes)

    @cached_property
    def matrix(self) -> Tensor:
        """K, ``(n, n)`` with n = Π n_i: what is needed where some samples are not known."""
        found = torch.ones(1, 1, dtype=torch.float64)
        for axis in self.axes:
            values, vectors = axis.spectrum
            found = torch.kron(found, (vectors * values) @ vectors.mT)
        return found

    def residuals(self, samples: Tensor, noise: float) -> Tensor:
        """Return how far each sample is from what the others predict, for samples ``(tiles, n_1, …, n_d, c)``."""
        solved, diagonal = self._solved(self._rotated(samples), noise)
        return solved / diagonal

    def solve(self, samples: Tensor, noise: float) -> Tensor:
        """Return (K + λ)⁻¹ y for samples ``(tiles, n_1, …, n_d, c)``."""
        return self._back(self._rotated(samples) / (self.values + noise)[..., None])

    def errors(self, samples: Tensor, judged: Tensor, noises: Sequence[float], fidelity: float = 0.0) -> Tensor:
        """Return the mean square error of each tile, for each λ: ``(tiles, noises)``.

        It is that of the residuals, and what rounding to single precision makes of large coefficients that cancel.

        Args:
            samples: ``(tiles, n_1, …, n_d, c)``.
            judged: which are looked at, ``(n_1, …, n_d)``: those at the edge have nobody beyond to tell of them.
            noises: λ.
            fidelity: how many times as much the square of the error at the samples themselves counts.
        """
        rotated, found = self._rotated(samples), []
        power = (rotated.square().mean(-1) * self.values).flatten(1)
        for each in noises:
            solved, diagonal = self._solved(rotated, each)
            off = (solved / diagonal)[:, judged].square().mean((1, 2))
            coefficients = self.largest * (power / (self.values.flatten() + each) ** 2).sum(1)  # ≥ Σ |c|²
            misfit = fidelity * each**2 * solved[:, judged].square().mean((1, 2)) if fidelity else 0.0
            found.append(off + misfit + _ROUNDING**2 * coefficients)
        return torch.stack(found, 1)

    def coefficients(self, solved: Tensor) -> Tensor:
        """Return c as ``(tiles, m_1, …, m_d, c)``, of (K + λ)⁻¹ y, ``(tiles, n_1, …, n_d, c)``."""
        found = solved.to(torch.complex128)
        for number, axis in enumerate(self.axes):
            found = along(axis.analysis, found, number + 1)
        return found

    def _rotated(self, samples: Tensor) -> Tensor:
        for number, axis in enumerate(self.axes):
            samples = along(axis.spectrum[1].mT, samples, number + 1)
        return samples

    def _back(self, rotated: Tensor) -> Tensor:
        for number, axis in enumerate(self.axes):
            rotated = along(axis.spectrum[1], rotated, number + 1)
        return rotated

    def _solved(self, rotated: Tensor, noise: float) -> tuple[Tensor, Tensor]:
        """Return (K + λ)⁻¹ y, of what :meth:`_rotated` gave, and the diagonal of the matrix, ``(n_1, …, n_d, 1)``."""
        inverse = 1 / (self.values + noise)
        diagonal = inverse
        for number, axis in enumerate(self.axes):
            diagonal = along(axis.spectrum[1].square(), diagonal, number)
        return self._back(rotated * inverse[..., None]), diagonal[..., None]


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """What samples left out tell of the sines of a band.

    Args:
        band: which.
        ways: what is expected of them.
        noises: λ that are tried.
        seen: n_i, the samples that a tile sees along each axis.
        fidelity: as for :meth:`LeaveOneOut.errors`.
    """

    band: Band
    ways: Sequence[Expected]
    noises: Sequence[float]
    seen: Sequence[int]
    fidelity: float = 0.0

    @cached_property
    def systems(self) -> Sequence[LeaveOneOut]:
        """One of each way."""
        return [LeaveOneOut(self.band, each, self.seen) for each in self.ways]

    def errors(self, samples: Tensor, judged: Tensor) -> Tensor:
        """Return the mean squares of the residuals of each tile for each way and λ, ``(tiles, ways · noises)``."""
        return torch.cat([each.errors(samples, judged, self.noises, self.fidelity) for each in self.systems], 1)


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """A band, with what is expected where a tile tells nothing clearly better.

    Args:
        trial: of the band.
        usual: the number of the way and λ.
        error: the root of the mean square of what samples left out are off.
    """

    trial: Trial
    usual: int
    error: float

    def of_tiles(self, errors: Tensor) -> Tensor:
        """Return the number of the way and λ of each tile, ``(tiles,)``, of its errors."""
        least, number = errors.min(1)
        return torch.where(least < _CLEARLY**2 * errors[:, self.usual], number, self.usual)

    def system(self, number: int) -> tuple[LeaveOneOut, float]:
        """Return the system and λ of a number."""
        way, noise = divmod(number, len(self.trial.noises))
        return self.trial.systems[way], self.trial.noises[noise]


def choose(
    samples: Tensor,
    judged: Tensor,
    bands: Sequence[Band] = BANDS,
    ways: Sequence[Expected] = SMOOTH,
    noises: Sequence[float] = NOISES,
    fidelity: float = 0.0,
) -> Choice:
    """Return the smallest band that is about as good as the best.

    Args:
        samples: of tiles, ``(tiles, n_1, …, n_d, c)``, with the mean 0.
        judged: as for :meth:`LeaveOneOut.errors`.
        bands: among which.
        ways: what is expected of their sines.
        noises: λ.
        fidelity: as for :meth:`LeaveOneOut.errors`.
    """
    found = []
    for band in bands:
        trial = Trial(band, ways, noises, samples.shape[1:-1], fidelity)
        errors = trial.errors(samples, judged)
        usual = Choice(trial, int(errors.mean(0).argmin()), 0.0)
        reached = errors.gather(1, usual.of_tiles(errors)[:, None])
        found.append(Choice(trial, usual.usual, math.sqrt(float(reached.mean()))))
    enough = max(_ABOUT * min(each.error for each in found), _ENOUGH * float(samples.square().mean().sqrt()))
    return min(
        (each for each in found if each.error <= enough), key=lambda each: each.trial.band.count(each.trial.seen)
    )


def shifted(coefficients: Tensor, axes: Sequence[Axis], shifts: Sequence[Tensor]) -> Tensor:
    """Return c of the same fields in coordinates that are 0 elsewhere.

    Args:
        coefficients: c, ``(tiles, m_1, …, m_d, c)``.
        axes: of the tiles.
        shifts: u of the new origins, ``(tiles,)`` along each axis.
    """
    for number, (axis, shift) in enumerate(zip(axes, shifts, strict=True)):
        shape = [1] * coefficients.dim()
        shape[0], shape[number + 1] = len(shift), len(axis.frequencies)
        coefficients = coefficients * torch.exp(1j * shift[:, None] * axis.frequencies).reshape(shape)
    return coefficients


def along(matrix: Tensor, values: Tensor, axis: int) -> Tensor:
    """Return a matrix applied along an axis."""
    found: Tensor = torch.tensordot(matrix, values, ([1], [axis]))
    return found.movedim(0, axis)


def _outer(values: Sequence[Tensor]) -> Tensor:
    found = values[0]
    for each in values[1:]:
        found = found[..., None] * each
    return found
