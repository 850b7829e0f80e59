"""A recording as a function of time, one output a channel.

With a(t) the recording over its largest absolute sample, and samples at the centres of n equal parts of [−1, 1]:

    value       Φ(t) − a(t) = 0

Sound has far higher frequencies across [−1, 1] than pictures: seven seconds at 44.1 kHz hold 150,000 periods of the
highest. ω₀ of the first layer is thousands, where the paper stretches the axis to [−100, 100] with ω₀ = 30.

Source: arXiv 2006.09661, section 4.1 and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import metrics
from sinefield.constraint import Problem
from sinefield.domains import Grid
from sinefield.io import audio as recordings
from sinefield.io.lattice import Lattice
from sinefield.io.stored import Stored
from sinefield.problems.reading import checked_count, compared, read_at
from sinefield.problems.sampled import chosen_tiles, sampled, stored_grid
from sinefield.spectrum import mean_frequency

OMEGA = 0.3
"""ω₀ of the first layer over the mean frequency of a recording."""

LONG = 1 << 21
"""From how many samples on a recording is fitted in tiles."""

TILE = 1 << 13
"""Samples of a tile: about as many as a SIREN 64 x 2 has parameters."""

TUNING: Mapping[str, Any] = {
    "learning_rate": 3e-4, "betas": (0.9, 0.99), "final_rate": 0.005, "batch": 2048, "passes": 24, "pace": 32,
}  # fmt: skip
"""What of a recipe is better otherwise for sound, whose first layer takes small steps at its high ω₀."""

_BLOCK = 1 << 18  # samples written at a time
_SPECTRAL = 1 << 17  # samples whose spectra are compared at a time


@dataclass(frozen=True)
class AudioSignal:
    """How a field of time is read back as a recording.

    Args:
        lattice: the mapping between samples and the field; values are those of full scale 1.
        rate: samples a second of the original.
        bits: of a sample of the original.
    """

    lattice: Lattice
    rate: int
    bits: int

    @property
    def kind(self) -> str:
        """``"audio"``."""
        return "audio"

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self.lattice.shape[0] / self.rate

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON."""
        return {"kind": self.kind, **self.lattice.to_json(), "rate": self.rate, "bits": self.bits}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AudioSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        lattice, rate, bits = Lattice.from_json(stored, axes=1), stored.get("rate"), stored.get("bits")
        if type(rate) is not int or not 1 <= rate <= 2**24 or bits not in (8, 16, 24, 32):
            raise ValueError(f"the stored recording is not plausible: {rate} samples a second of {bits} bits")
        return cls(lattice, rate, bits)

    def render(
        self,
        field: nn.Module,
        size: int | None = None,
        *,
        rate: float | None = None,
        start: float = 0.0,
        stop: float | None = None,
    ) -> NDArray[np.float32]:
        """Return the recording of a field, resampled by evaluating the function.

        Args:
            field: Φ, from ``(n, 1)`` to ``(n, channels)``.
            size: how many samples; None: as ``rate`` says.
            rate: samples a second; None: those of the original. Below that, what the new rate cannot hold aliases.
            start: in seconds.
            stop: in seconds; None: the end.

        Returns:
            ``(samples, channels)``, full scale 1.

        Raises:
            ValueError: an empty interval, or a rate that is not positive.
        """
        count = self._count(size, rate, start, stop)
        return np.concatenate(list(self._blocks(field, count, start, stop)))

    def write(
        self, field: nn.Module, path: Path, *, rate: float | None = None, start: float = 0.0, stop: float | None = None
    ) -> str:
        """Return in a few words what was written: the recording of a field, block by block.

        Raises:
            ValueError: as for :meth:`render`; or a rate that is no integer, or a format that cannot hold it.
        """
        recordings.check_suffix(path)
        count = self._count(None, rate, start, stop)
        written = round(rate or self.rate)
        blocks = self._blocks(field, count, start, stop)
        clipped = recordings.write(path, blocks, written, self.lattice.channels, self.bits)
        told = f"{count / written:.2f} s, {count:,} samples at {written} Hz, {self.lattice.channels} channels"
        return f"{told}; {100 * clipped:.2g} % clipped" if clipped else told

    def _count(self, size: int | None, rate: float | None, start: float, stop: float | None) -> int:
        end = self.seconds if stop is None else stop
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise ValueError(f"an interval of a recording begins before it ends, in seconds; got {start:g} to {end:g}")
        if rate is not None and not 1 <= rate <= 2**24:
            raise ValueError(f"rate must be 1 to {2**24} samples a second, got {rate:g}")
        return checked_count("the recording", size or (end - start) * (rate or self.rate))

    def _blocks(self, field: nn.Module, count: int, start: float, stop: float | None) -> Iterator[NDArray[np.float32]]:
        first = start * self.rate
        last = float(self.lattice.shape[0]) if stop is None else stop * self.rate
        part = (last - first) / count
        for begin in range(0, count, _BLOCK):
            length = min(_BLOCK, count - begin)
            times = self.lattice.centres(0, length, first + begin * part, first + (begin + length) * part)
            yield read_at(field, [times], self.lattice.channels, lambda u: self.lattice.to_signal(u.value))


def audio(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    rate: int | None = None,
    network: str = "siren",
    tiles: Sequence[int] | None = None,
    tile_size: int | None = None,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a recording as a function of time.

    Args:
        source: a file, or an array; see :func:`sinefield.io.audio.read`.
        rate: samples a second, of an array.
        network: which network, of :data:`sinefield.networks.NETWORKS`.
        tiles: how many tiles a tiled field has, as ``(40,)``, see :mod:`.tiles`; ``(1,)`` for one network; None: as
            many as a recording of :data:`LONG` samples needs, else one.
        tile_size: samples of a tile, in place of ``tiles``.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the recording cannot be used, or the network or a setting is unknown.
        FileNotFoundError: there is no such file.
    """
    recording = recordings.read(source, rate)
    count, channels = recording.values.shape
    counts = chosen_tiles((count,), tiles, tile_size, network, usual=(TILE,), large=count >= LONG)
    full = recording.peak * recording.full
    grid = stored_grid(Stored(recording.values, -full, full), (count,), (1.0,), in_tiles=counts is not None)
    lattice = Lattice((count,), (1.0,), channels, -recording.peak, recording.peak)
    return sampled(
        AudioSignal(lattice, recording.rate, recording.bits), grid, channels, _omega, settings,
        network=network, tiles=counts, measure=_measure, reference=recording, tuning={"fast": TUNING},
    )  # fmt: skip


def _omega(values: Tensor, spacings: Sequence[float]) -> float:
    return OMEGA * mean_frequency(values, spacings)


def _measure(grid: Grid, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the metrics of a field, from ``count`` points spread over the recording or from all, spectra included."""
    error = power = spectral = 0.0
    seen = 0
    waiting: list[tuple[Tensor, Tensor]] = []
    for value, target in compared(field, grid, count):
        error += float((value - target).double().square().sum())
        power += float(target.double().square().sum())
        seen += len(target)
        waiting.append((value, target))
        length = sum(len(each) for _, each in waiting)
        if length >= _SPECTRAL or seen == grid.size:
            found, truth = (torch.cat(parts) for parts in zip(*waiting, strict=True))
            spectral += length * metrics.spectral_distance(found, truth)
            waiting = []
    numbers = seen * int(grid.at(torch.arange(1)).targets["value"].shape[1])
    reached = {
        "snr": 10 * math.log10(power / error) if error > 0 < power else math.inf,
        "psnr": 10 * math.log10(4 * numbers / error) if error > 0 else math.inf,
        "mse": error / numbers,
    }
    return reached | ({"spectral_distance": spectral / seen} if seen == grid.size else {})
