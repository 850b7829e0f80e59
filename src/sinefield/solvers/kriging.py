"""What lies halfway between the samples of a picture: predicted by what predicts the samples themselves around there.

Edges lie between the pixels, and sines as smooth in all directions ring around them. Along an edge a picture is
smooth, so each of several Gaussian processes is expected to vary slower along one direction, by a ratio a:

    cov(Φ(x), Φ(y)) = M_ν(ρ / l),   ρ² = a (q · (x − y))² + (t · (x − y))² / a,   t along the direction, q across

with M_ν the Matérn covariance of exponent ν, and an unknown mean. Each predicts a point from the samples around it by
the weights w = K⁻¹ k + K⁻¹ 1 (1 − 1ᵀ K⁻¹ k) / (1ᵀ K⁻¹ 1), the same everywhere on a lattice. How far it is off is known
at the samples: e_all from what all around say, and e_far from the three lattices of twice the distance that a sample
is halfway in, as the points that are asked for lie in the samples' own. The prediction is the mean over processes k of

    p_k ∝ exp(b_k) (ε + mean of (e_all² + e_far²) / 2 around there)^(−m/2)

where m samples are around there: the likelihood of their errors, if their variance is what they show.

Source: Cressie, "Statistics for Spatial Data", 1993, section 3.2.1, for the weights; Li and Orchard, "New edge-directed
interpolation", IEEE Transactions on Image Processing 10(10), 2001, section II, for judging by the coarser lattice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import torch
from torch import Tensor

PHASES: Final = ((0.0, 0.5), (0.5, 0.0), (0.5, 0.5))
"""Where the points halfway are, from the sample before them, in distances of samples."""

_RATIOS = {1.0: 1, 2.0: 8, 5.0: 12}  # a, and in how many directions
_EXPONENTS = (0.5, 1.5)  # ν
_LENGTH = 6.0  # l, in samples
_NOISE = 1e-4  # of the variance: keeps the weights of a smooth process from cancelling
_REACH = 4  # in samples: who predicts, and who is asked how good that is
_AROUND = 2.0  # in samples: the standard deviation of the weights of those errors
_ISOTROPIC = 2.0  # b of processes without a direction, as these are few; else 0
_LEAST = 1e-3  # ε, of the variance of the samples
_HALO = 2 * (_REACH + 1)  # how far the samples that tell of a point are from it
_TOGETHER = 2**14  # samples whose neighbours are predicted together
_FEWEST = 2 * _HALO  # rows of those, as many again lie beside them


@final
@dataclass(frozen=True, eq=False)
class Doubled:
    """A picture on a lattice twice as fine.

    Args:
        values: ``(2 h − 1, 2 w − 1, c)``; those with two even indices are the samples.
        left_out: the root of the mean square of how far samples are from what the others around predict.
    """

    values: Tensor
    left_out: float


def doubled(samples: Tensor) -> Doubled:
    """Return samples with what is predicted halfway between them.

    Args:
        samples: ``(h, w, c)``.

    >>> place = torch.arange(20.0)
    >>> edge = ((place[:, None] + 0.5 * place) > 14).float()[..., None]  # straight and slanted
    >>> fine = doubled(edge).values
    >>> fine.shape, bool((fine[::2, ::2] == edge).all())
    (torch.Size([39, 39, 1]), True)
    """
    height, width, channels = samples.shape
    mean = samples.flatten(0, 1).double().mean(0)
    centred = samples.double() - mean
    deviation = float(centred.square().mean().sqrt()) or 1.0
    padded = _reflected((centred / deviation).float().movedim(-1, 0), _HALO)
    values = samples.new_empty(2 * height - 1, 2 * width - 1, channels)
    values[::2, ::2] = samples
    missed = 0.0
    for rows in torch.arange(height).split(max(_FEWEST, _TOGETHER // width)):
        first, last = int(rows[0]), int(rows[-1]) + 1
        halfway, squares = _predict(padded[:, first : last + 2 * _HALO])
        missed += squares
        for (down, right), found in zip(PHASES, halfway, strict=True):
            place = values[2 * first + (down > 0) : 2 * last : 2, right > 0 :: 2]
            place.copy_((found.movedim(0, -1).double() * deviation + mean)[: len(place), : place.shape[1]])
    return Doubled(values, deviation * math.sqrt(missed / samples.numel()))


def _predict(padded: Tensor) -> tuple[list[Tensor], float]:
    """Return what is predicted at each of the phases, and the sum of the squares of the errors at samples.

    Args:
        padded: samples ``(c, h + 2 halo, w + 2 halo)``.
    """
    processes = _processes()
    height, width = (size - 2 * _HALO for size in padded.shape[1:])
    spread = (-_REACH, height + _REACH + 1), (-_REACH, width + _REACH + 1)  # where errors tell of these samples
    own = (slice(_REACH, _REACH + height), slice(_REACH, _REACH + width))
    squares, errors = torch.zeros(()), []
    for channel in padded:
        every, *far = (
            (processes.errors @ _neighbours(channel, *spread))
            .unflatten(1, [b - a for a, b in spread])
            .unflatten(0, (4, -1))
        )
        squares = squares + (every.square() + sum(each.square() for each in far) / 3) / (2 * len(padded))
        errors.append(every[:, own[0], own[1]])
    there = torch.stack([_neighbours(channel, (0, height), (0, width)) for channel in padded])
    found = []
    for number, phase in enumerate(PHASES):
        weights = processes.weighted(_mean_around(squares, phase))
        predicted = (processes.halfway[number] @ there).unflatten(-1, (height, width))
        found.append((weights * predicted).sum(1))
    at = squares[:, own[0], own[1]]
    centre = float(_falling(0.0).max()) ** 2
    others = (_mean_around(squares, (0.0, 0.0)) - centre * at) / (1 - centre)  # a sample does not judge itself
    weights = processes.weighted(others.clamp(min=0))  # what rounding leaves of one that is far off
    return found, float(sum((weights * each).sum(0).double().square().sum() for each in errors))


@final
@dataclass(frozen=True, eq=False)
class _Processes:
    """The weights that samples around a point have.

    Args:
        errors: of what all, and the three farther lattices, predict of a sample, less the sample: ``(4 K, taps)``.
        halfway: of what is predicted at each phase, ``(3, K, taps)``.
        favour: b, ``(K, 1, 1)``.
    """

    errors: Tensor
    halfway: Tensor
    favour: Tensor

    def weighted(self, errors: Tensor) -> Tensor:
        """Return p of mean squares ``(K, h, w)``."""
        asked = 1 / float(_falling(0.0).max()) ** 2
        return torch.softmax(self.favour - asked / 2 * torch.log(errors + _LEAST), 0)


@lru_cache(1)
def _processes() -> _Processes:
    kinds = [
        (exponent, ratio, math.pi * turn / turns)
        for exponent in _EXPONENTS
        for ratio, turns in _RATIOS.items()
        for turn in range(turns)
    ]
    taps = _taps()
    odd = taps.remainder(2) == 1
    lattices = [
        taps.abs().sum(1) > 0,
        odd[:, 0] & odd[:, 1],
        odd[:, 0] & ~odd[:, 1],
        ~odd[:, 0] & odd[:, 1],
    ]
    itself = (taps == 0).all(1).double()
    errors = [_weights(kind, (0.0, 0.0), some) - itself for some in lattices for kind in kinds]
    every = torch.ones(len(taps), dtype=torch.bool)
    halfway = [torch.stack([_weights(kind, phase, every) for kind in kinds]) for phase in PHASES]
    favour = torch.tensor([_ISOTROPIC * (ratio == 1) for _, ratio, _ in kinds])
    return _Processes(torch.stack(errors).float(), torch.stack(halfway).float(), favour[:, None, None])


@lru_cache(1)
def _taps() -> Tensor:
    """Return the places of samples around another that tell of it or of a point halfway to the next, ``(taps, 2)``."""
    axis = torch.arange(-_REACH, _REACH + 2, dtype=torch.float64)
    square = torch.cartesian_prod(axis, axis)
    near = torch.stack([(square - torch.tensor(each)).norm(dim=1) <= _REACH for each in ((0.0, 0.0), *PHASES)])
    return square[near.any(0)]


def _weights(kind: tuple[float, float, float], point: tuple[float, float], some: Tensor) -> Tensor:
    """Return the weights w of the taps, 0 of those that are not asked or too far from the point."""
    exponent, ratio, angle = kind
    taps, at = _taps(), torch.tensor([point], dtype=torch.float64)
    asked = some & ((taps - at).norm(dim=1) <= _REACH)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    stretch = torch.tensor([ratio**-0.5, ratio**0.5], dtype=torch.float64) / _LENGTH
    places, at = (taps[asked] @ turn.mT) * stretch, (at @ turn.mT) * stretch
    matern = _MATERN[exponent]
    among = matern(torch.cdist(places, places)) + _NOISE * torch.eye(len(places), dtype=torch.float64)
    one = torch.ones(len(places), 1, dtype=torch.float64)
    right, ones = torch.linalg.solve(among, torch.cat([matern(torch.cdist(places, at)), one], 1)).mT
    found = torch.zeros(len(taps), dtype=torch.float64)
    found[asked] = right + ones * (1 - right.sum()) / ones.sum()
    return found


_MATERN: dict[float, Callable[[Tensor], Tensor]] = {
    0.5: lambda distance: torch.exp(-distance),
    1.5: lambda distance: (1 + math.sqrt(3) * distance) * torch.exp(-math.sqrt(3) * distance),
}


def _neighbours(padded: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Return the samples around each of some, ``(taps, samples)``."""
    (top, bottom), (left, right) = rows, columns
    return torch.stack(
        [
            padded[top + down + _HALO : bottom + down + _HALO, left + across + _HALO : right + across + _HALO].flatten()
            for down, across in _taps().int().tolist()
        ]
    )


def _falling(phase: float) -> Tensor:
    """Return Gaussian weights of the samples around a point along an axis, with the sum 1."""
    places = torch.arange(-_REACH, _REACH + 2) - phase
    found = torch.exp(-(places / _AROUND).square() / 2) * (places.abs() <= _REACH)
    return found / found.sum()


def _mean_around(squares: Tensor, phase: tuple[float, float]) -> Tensor:
    """Return weighted means ``(K, h, w)`` around points of a phase, of squares known by a reach beyond the samples."""
    for axis, each in enumerate(phase, 1):
        size = squares.shape[axis] - 2 * _REACH - 1
        found = torch.zeros_like(squares.narrow(axis, 0, size))
        for place, weight in enumerate(_falling(each).tolist()):
            found.add_(squares.narrow(axis, place, size), alpha=weight)  # a convolution of one channel takes far longer
        squares = found
    return squares


def _reflected(values: Tensor, margin: int) -> Tensor:
    """Return ``(c, h, w)`` continued by its own reflections, however small it is."""
    for axis in (1, 2):
        last = values.shape[axis] - 1
        places = torch.arange(-margin, last + 1 + margin).remainder(2 * last or 1)
        values = values.index_select(axis, torch.minimum(places, 2 * last - places).abs())
    return values.contiguous()
