"""Short recordings as fields in closed form: sines and cosines of one period, which the last layer weighs.

    Φ(t) = b + Σ_k c_k sin(ω_k t) + d_k cos(ω_k t)        ω_k = 2π k / P,  k = 1 … (M − 1)/2,  P = M h

with samples a_i at t_i = (2i + 1 − n) h/2, h = 2/n, and a period of M samples, which is longer than the recording:
between its end and its beginning the samples of either end are mirrored and faded into each other, so that the field
does not ring there. It meets all n samples, and between them it is the one without any frequency beyond the samples'
own limit π/h. Its weights are the discrete Fourier transform of the M samples, in M log M steps, and no network is
trained. Recordings of one length share the frequencies, and are one batch.

Source: Oppenheim and Schafer, "Discrete-Time Signal Processing", section 8.5 (the discrete Fourier series as the
interpolating sum of sines).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from sinefield.fields import Siren
from sinefield.fields.functional import Batched

LONGEST: Final = 1 << 14
"""Samples of the longest recording that is fitted so; longer ones are less trouble to train in tiles."""

PERIOD: Final = 1.125
"""How many times the recording the period is, at least."""


def period_of(count: int) -> int:
    """Return M, the samples of the period of so many.

    >>> period_of(4), period_of(800)
    (5, 901)
    """
    period = count + max(1, math.ceil((PERIOD - 1) * count))
    return period + 1 - period % 2


_MEASURED = 1024  # samples, spread evenly, that tell the error: all would take far longer than the fit


@final
@dataclass(frozen=True, eq=False)
class HarmonicStart:
    """The sines and cosines that the fields of recordings of one length share.

    Args:
        field: a SIREN without hidden layers; its last layer is not used.
        count: n, samples of the recordings.
        period: M, odd: a frequency of exactly π/h would be seen by no sine.
        seed: nothing is drawn: it is the one that was asked for.
    """

    field: Siren
    count: int
    period: int
    seed: int

    @classmethod
    def of(cls, count: int, channels: int, seed: int = 0) -> HarmonicStart:
        """Return the start of recordings of so many samples and channels."""
        period = period_of(count)
        half = period // 2
        omega = math.pi * count  # 2π/h
        field = Siren(1, channels, 2 * half, 0, first_omega=omega)
        first = field.chain().affines[0]
        assert first.bias is not None, "the layers of a SIREN have biases"
        weights = (torch.arange(1, half + 1, dtype=torch.float64) / period).unsqueeze(1)
        with torch.no_grad():
            first.weight.copy_(torch.cat([weights, weights]))
            first.bias.copy_(torch.cat([torch.zeros(half), torch.full((half,), math.pi / (2 * omega))]))
        return cls(field, count, period, seed)

    def fit(self, samples: Tensor) -> Batched:
        """Return the fields of recordings side by side.

        Args:
            samples: in field values, ``(K, n, channels)``.
        """
        last, constant = self.solve(samples)
        first = self.field.chain().affines[0]
        assert first.bias is not None, "the layers of a SIREN have biases"
        names = [name for name, _ in self.field.named_parameters()]
        shared = [each.detach().expand(len(samples), *each.shape) for each in (first.weight, first.bias)]
        return Batched(self.field, len(samples), dict(zip(names, [*shared, last, constant], strict=True)))

    def solve(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last layers of recordings ``(K, n, channels)``: ``(K, channels, M − 1)`` and ``(K, channels)``.

        >>> last, constant = HarmonicStart.of(4, 1).solve(torch.full((1, 4, 1), 0.5))
        >>> constant.tolist(), bool((last.abs() < 1e-6).all())
        ([[0.5]], True)
        """
        rows = samples.mT.double()
        gap = self.period - self.count
        fade = torch.cos(math.pi / 2 * (torch.arange(gap, dtype=torch.float64) + 0.5) / gap).square()
        after, before = rows[..., -gap:].flip(-1), rows[..., :gap].flip(-1)
        waves = torch.fft.rfft(torch.cat([rows, fade * after + (1 - fade) * before], dim=-1)) / self.period
        # The transform counts from the first sample, the field from the middle, (n − 1)/2 samples later.
        turns = torch.arange(waves.shape[-1], dtype=torch.float64) * (math.pi * (self.count - 1) / self.period)
        waves = waves * torch.polar(torch.ones_like(turns), turns)
        last = 2 * torch.cat([-waves.imag[..., 1:], waves.real[..., 1:]], dim=-1)
        return last.float(), waves.real[..., 0].float()

    @torch.no_grad()
    def psnr(self, fields: Batched, samples: Tensor) -> Tensor:
        """Return the PSNR ``(K,)`` in dB of fields at samples of ``(K, n, channels)``, spread evenly."""
        some = torch.linspace(0, self.count - 1, min(_MEASURED, self.count)).round().long()
        features = ((2 * some.double() + 1 - self.count) / self.count).float().unsqueeze(1)
        for link in self.field.chain().links[:-1]:
            features = link(features)
        last, constant = list(fields.weights().values())[2:]
        error = features @ last.mT + constant.unsqueeze(1) - samples[:, some]
        return -10 * torch.log10(error.square().mean((1, 2)) / 4)
