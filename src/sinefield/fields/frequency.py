"""What the spectrum of a sampled signal says about the frequencies that a network should start from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLED = 1 << 20
"""How many samples at most the spectrum is taken of; of larger signals, those in the middle."""


def mean_frequency(values: Tensor, spacing: float | Sequence[float]) -> float:
    """Return the mean angular frequency of a signal, each frequency weighted by its amplitude.

    With â the discrete Fourier transform of a(x) less its mean, summed over channels in the square,

        ω̄ = Σ_k ‖k‖ |â_k| / Σ_k |â_k|

    Weighted by amplitude, and not by power, as nearly all of the power of natural signals lies in a few low
    frequencies, while the detail that has to be fitted is spread over the many high ones.

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
    values = _middle(values).double()
    axes = tuple(range(values.ndim - 1))
    spacings = [spacing] * len(axes) if isinstance(spacing, float | int) else spacing
    deviation = values - values.mean(axes, keepdim=True)
    amplitude = torch.fft.fftn(deviation, dim=axes).abs().square().sum(-1).sqrt()
    squares = torch.zeros_like(amplitude)
    for axis in axes:
        shape = [1] * len(axes)
        shape[axis] = -1
        frequency = torch.fft.fftfreq(values.shape[axis], d=spacings[axis], dtype=torch.float64)
        squares = squares + frequency.square().view(shape)
    total = float(amplitude.sum())
    # A constant has rounding errors for a spectrum.
    if total <= 1e-9 * float(values.abs().sum()):
        return 0.0
    return 2 * math.pi * float((amplitude * squares.sqrt()).sum()) / total


def _middle(values: Tensor) -> Tensor:
    """Return the middle of a signal, no more than ``SAMPLED`` samples, of its proportions."""
    dimension = values.ndim - 1
    factor = min(1.0, (SAMPLED / math.prod(values.shape[:-1])) ** (1 / dimension))
    for axis, extent in enumerate(values.shape[:-1]):
        kept = max(1, int(extent * factor))
        values = values.narrow(axis, (extent - kept) // 2, kept)
    return values
