"""How a field is read back as a recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.io import audio as recordings
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import check_count, sample_grid
from sinefield.signals.signal import Axis, Signal

_BLOCK = 1 << 18  # samples written at a time
_FLOATS = (32, 64)  # bits of samples that are floating-point numbers, unless it is stored that they are not


@final
@dataclass(frozen=True)
class AudioSignal(Signal):
    """How a field of time is read back as a recording.

    Args:
        lattice: the mapping between samples and the field; values are those of full scale 1.
        rate: samples a second of the original.
        bits: of a sample of the original: 8, 16, 24, 32 or 64.
        floats: whether these were floating-point numbers.
        speakers: a bit for each speaker that has a channel, as WAVE files tell them; None: that is not known.
    """

    lattice: Lattice
    rate: int
    bits: int
    floats: bool = False
    speakers: int | None = None
    kind: ClassVar[str] = "audio"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Time t, in seconds."""
        return (Axis("t", "s", self.lattice.shape[0]),)

    @property
    def channels(self) -> int:
        """How many are recorded side by side."""
        return self.lattice.channels

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return self.lattice.shape[0] / self.rate

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON; what is left out is as :meth:`from_json` assumes."""
        told: dict[str, Any] = {"rate": self.rate, "bits": self.bits}
        if self.floats != (self.bits in _FLOATS):
            told["floats"] = self.floats
        if self.speakers is not None:
            told["speakers"] = self.speakers
        return {"kind": self.kind, **self.lattice.to_json(), **told}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AudioSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        lattice, rate, bits = Lattice.from_json(stored, axes=1), stored.get("rate"), stored.get("bits")
        floats, speakers = stored.get("floats", bits in _FLOATS), stored.get("speakers")
        if type(rate) is not int or not 1 <= rate <= 2**24 or bits not in (8, 16, 24, 32, 64):
            raise ValueError(f"the stored recording is not plausible: {rate} samples a second of {bits} bits")
        if type(floats) is not bool:
            raise ValueError(f"the stored recording is not plausible: whether its samples are floats is {floats!r}")
        if speakers is not None and (type(speakers) is not int or not 0 < speakers < 2**32):
            raise ValueError(f"the stored recording is not plausible: its channels are of the speakers {speakers!r}")
        return cls(lattice, rate, bits, floats, speakers)

    def sample(
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
            ValueError: as for :meth:`sample`; or a rate that is no integer, or a format that cannot hold it.
        """
        recordings.check_suffix(path)
        count = self._count(None, rate, start, stop)
        written = round(rate or self.rate)
        blocks = self._blocks(field, count, start, stop)
        clipped = recordings.write(
            path,
            blocks,
            written,
            self.lattice.channels,
            self.bits,
            floats=self.floats,
            speakers=self.speakers,
            count=count,
        )
        told = f"{count / written:.2f} s, {count:,} samples at {written} Hz, {self.lattice.channels} channels"
        return f"{told}; {100 * clipped:.2g} % clipped" if clipped else told

    def _count(self, size: int | None, rate: float | None, start: float, stop: float | None) -> int:
        end = self.seconds if stop is None else stop
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise ValueError(f"an interval of a recording begins before it ends, in seconds; got {start:g} to {end:g}")
        if rate is not None and not 1 <= rate <= 2**24:
            raise ValueError(f"rate must be 1 to {2**24} samples a second, got {rate:g}")
        return check_count("the recording", size or (end - start) * (rate or self.rate))

    def _blocks(self, field: nn.Module, count: int, start: float, stop: float | None) -> Iterator[NDArray[np.float32]]:
        first = start * self.rate
        last = float(self.lattice.shape[0]) if stop is None else stop * self.rate
        part = (last - first) / count
        for begin in range(0, count, _BLOCK):
            length = min(_BLOCK, count - begin)
            times = self.lattice.centres(0, length, first + begin * part, first + (begin + length) * part)
            yield sample_grid(field, [times], self.lattice.channels, lambda u: self.lattice.to_signal(u.value))
