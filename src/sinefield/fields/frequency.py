"""What the spectrum of a sampled signal says about the frequencies that a network should start from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLED = 1 << 20
"""How many samples at most the spectrum is taken of; of larger signals, those in the middle."""


def mean_frequency(values: Tensor, spacing: float | Sequence[float]) -> float:
    """Return the mean angular frequency of what stands out of the noise of a signal, weighted by its amplitude.

    With â the discrete Fourier transform of a(x) less its mean, summed over channels in the square, P(‖k‖) the mean of
    |â|² over all k of that length, and N the power of the noise,

        ω̄ = Σ_k ‖k‖ g_k |â_k| / Σ_k g_k |â_k|,     g_k = max(0, 1 − N / P(‖k‖))

    Weighted by amplitude, and not by power, as nearly all of the power of natural signals lies in a few low
    frequencies, while the detail that has to be fitted is spread over the many high ones. N is read in the corners of
    the spectrum, at more than half a cycle a sample, where pictures have next to nothing else; of signals of one axis,
    which have no corners, it is 0. g is what Wiener's filter keeps.

    Args:
        values: samples on a grid, ``(n_1, …, n_d, channels)``.
        spacing: between neighbours, in units of the coordinates; along each axis where it differs.

    Returns:
        ω̄ in radians per unit of the coordinates; 0 for a constant.

    A sine of angular frequency 2π · 5 has that mean:

    >>> x = torch.arange(64)[:, None] / 64
    >>> round(mean_frequency(torch.sin(2 * math.pi * 5 * x), spacing=1 / 64) / (2 * math.pi), 3)
    5.0
    """
    power, frequencies = _spectrum(values, spacing)
    if power is None:
        return 0.0
    kept = power.sqrt() * _kept_by_wiener(power)
    return 2 * math.pi * float((kept * frequencies).sum() / kept.sum())


def edge_frequency(values: Tensor, spacing: float | Sequence[float], part: float = 0.99) -> float:
    """Return the spectral edge: the angular frequency below which lies a ``part`` of the amplitude of a signal.

    With â as for :func:`mean_frequency`, the least κ for which Σ_{‖k‖ ≤ κ} |â_k| ≥ part · Σ_k |â_k|. A spectrum that
    falls steeply, as that of music, has its edge at many times its mean; one that is flat up to a band, at twice.

    Args:
        values: samples on a grid, ``(n_1, …, n_d, channels)``.
        spacing: between neighbours, in units of the coordinates; along each axis where it differs.
        part: of the amplitude, in (0, 1].

    Returns:
        κ in radians per unit of the coordinates; 0 for a constant.

    Of two sines of the same amplitude the faster one is the edge:

    >>> x = 2 * math.pi * torch.arange(64)[:, None] / 64
    >>> round(edge_frequency(torch.sin(3 * x) + torch.sin(9 * x), spacing=1 / 64) / (2 * math.pi), 3)
    9.0
    """
    power, frequencies = _spectrum(values, spacing)
    if power is None:
        return 0.0
    ordered, order = frequencies.flatten().sort()
    below = power.sqrt().flatten()[order].cumsum(0)
    return 2 * math.pi * float(ordered[torch.searchsorted(below, part * below[-1]).clamp(max=len(below) - 1)])


def _spectrum(values: Tensor, spacing: float | Sequence[float]) -> tuple[Tensor | None, Tensor]:
    """Return |â|² and ‖k‖ in cycles per unit; None for |â|² of a constant, which has rounding errors for a spectrum."""
    values = _middle(values).double()
    axes = tuple(range(values.ndim - 1))
    spacings = [spacing] * len(axes) if isinstance(spacing, float | int) else spacing
    deviation = values - values.mean(axes, keepdim=True)
    power = torch.fft.fftn(deviation, dim=axes).abs().square().sum(-1)
    constant = float(power.sqrt().sum()) <= 1e-9 * float(values.abs().sum())
    return None if constant else power, _lengths(power.shape, spacings)


def _kept_by_wiener(power: Tensor) -> Tensor:
    """Return what part of each frequency is no noise, as the power of those of its length tells."""
    lengths = _lengths(power.shape, [1.0] * power.ndim)
    corners = power[lengths > 0.5]
    if len(corners) == 0:
        return torch.ones_like(power)
    noise = float(corners.median()) / math.log(
        2
    )  # a few lines of a pattern do not move a median; that of Exp(1) is ln 2
    rings = (lengths * max(power.shape)).round().long()
    sums, counts = torch.zeros(2, int(rings.max()) + 1, dtype=power.dtype)
    sums.index_add_(0, rings.flatten(), power.flatten())
    counts.index_add_(0, rings.flatten(), torch.ones_like(power.flatten()))
    kept = (1 - noise / (sums / counts)[rings].clamp(min=1e-300)).clamp(min=0)
    return kept if bool(kept.any()) else torch.ones_like(power)


def _lengths(shape: Sequence[int], spacings: Sequence[float]) -> Tensor:
    """Return the length of each frequency, in cycles per unit."""
    squares = torch.zeros(tuple(shape), dtype=torch.float64)
    for axis, (count, spacing) in enumerate(zip(shape, spacings, strict=True)):
        along = [1] * len(shape)
        along[axis] = -1
        squares = squares + torch.fft.fftfreq(count, d=spacing, dtype=torch.float64).square().view(along)
    return squares.sqrt()


def _middle(values: Tensor) -> Tensor:
    """Return the middle of a signal, no more than ``SAMPLED`` samples, of its proportions."""
    dimension = values.ndim - 1
    factor = min(1.0, (SAMPLED / math.prod(values.shape[:-1])) ** (1 / dimension))
    for axis, extent in enumerate(values.shape[:-1]):
        kept = max(1, int(extent * factor))
        values = values.narrow(axis, (extent - kept) // 2, kept)
    return values
