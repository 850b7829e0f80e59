"""How a field is read back as a clip."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.io import image as pictures
from sinefield.io import video as clips
from sinefield.io.allocation import check_memory
from sinefield.io.clips.colours import STANDARD, Colours
from sinefield.io.files import replacing
from sinefield.jet import CHUNK
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import check_count, sample_grid
from sinefield.signals.signal import Axis, Signal


@final
@dataclass(frozen=True)
class VideoSignal(Signal):
    """How a field of time and place is read back as a clip.

    Args:
        lattice: the mapping between samples and the field, along t, y and x; values are 0 to 255.
        rate: frames a second of the original.
        colours: what red, green and blue are.
    """

    lattice: Lattice
    rate: float
    colours: Colours = STANDARD
    kind: ClassVar[str] = "video"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Time t in seconds, rows y and columns x in pixels."""
        frames, height, width = self.lattice.shape
        return Axis("t", "s", frames), Axis("y", "pixel", height), Axis("x", "pixel", width)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return self.lattice.channels

    @property
    def seconds(self) -> float:
        """How long the clip is."""
        return self.lattice.shape[0] / self.rate

    @property
    def aspect(self) -> float:
        """The width of a pixel over its height."""
        return self._stretch(*reversed(self.lattice.shape[1:]))

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON; colours that are those of BT.709 are left out."""
        colours = {} if self.colours == STANDARD else dataclasses.asdict(self.colours)
        return {"kind": self.kind, **self.lattice.to_json(), "rate": self.rate, **colours}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> VideoSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        lattice, rate = Lattice.from_json(stored, axes=3), stored.get("rate")
        if not isinstance(rate, int | float) or not 1e-9 <= rate <= 1e6 or lattice.channels not in (1, 3):
            raise ValueError(f"the stored clip is not plausible: {rate} frames a second of {lattice.channels} channels")
        colours = Colours(**{name: stored[name] for name in ("primaries", "transfer") if name in stored})
        if not all(type(each) is int and 0 < each < 256 for each in dataclasses.astuple(colours)):
            raise ValueError(f"the stored clip is not plausible: its colours are {dataclasses.astuple(colours)}")
        return cls(lattice, float(rate), colours)

    def sample(
        self,
        field: nn.Module,
        size: tuple[int, int] | None = None,
        *,
        time: float | None = None,
        start: float = 0.0,
        stop: float | None = None,
        fps: float | None = None,
    ) -> NDArray[np.float32]:
        """Return the clip of a field, or one moment of it, at any size and frame rate.

        Args:
            field: Φ, from ``(n, 3)`` to ``(n, channels)``.
            size: width and height in samples; None: those of the original.
            time: only this moment, in seconds.
            start: in seconds.
            stop: in seconds; None: the end.
            fps: frames for each second of the original; None: as many as it has. What lies between its frames is an
                evaluation of the function.

        Returns:
            ``(frames, height, width, channels)``, or ``(height, width, channels)`` of a moment; 0 to 255.

        Raises:
            ValueError: an empty interval, a size or rate that is not positive, a clip that memory cannot hold, or a
                moment with an interval or a rate.
        """
        count, first, last = self._interval(time, start, stop, fps)
        width, height = self._size(size)
        check_memory("the clip to render", (count, height, width, self.lattice.channels), 8)
        found = np.concatenate(list(self._blocks(field, count, first, last, height, width)))
        return found if time is None else found[0]

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, int] | None = None,
        *,
        time: float | None = None,
        start: float = 0.0,
        stop: float | None = None,
        fps: float | None = None,
        speed: float = 1.0,
    ) -> str:
        """Return in a few words what was written: the clip of a field frame by frame, or the picture of a moment.

        NPY keeps numbers. MP4 says how wide pixels are that are not square; of pictures and GIF they are square. The
        other arguments are those of :meth:`sample`.

        Args:
            field: Φ.
            path: where; the ending chooses the format.
            size: width and height in samples.
            time: only this moment, in seconds, as a picture.
            start: in seconds.
            stop: in seconds.
            fps: frames a second that the file is shown at; None: those of the original.
            speed: how fast the clip runs in it: 0.25 is slow motion of a quarter of the speed, and each second of the
                original gives four times as many frames.

        Raises:
            ValueError: as for :meth:`sample`; a speed that is not positive, or an ending of no known format.
        """
        if not 1e-4 <= speed <= 1e4:
            raise ValueError(f"speed must be a positive number, 1 is that of the original; got {speed:g}")
        if time is not None and speed != 1:
            raise ValueError("a moment has no speed; leave speed or time out")
        if time is not None:
            pictures.check_suffix(path)
            values = self.sample(field, size or self._square(), time=time, start=start, stop=stop, fps=fps)
            pictures.write(path, values, self.lattice.low, self.lattice.high, 8)
            return f"{values.shape[1]} x {values.shape[0]}, the moment {time:g} s"
        whole = path.suffix.lower() == ".npy"
        if not whole:
            clips.check_suffix(path)
        shown = fps or self.rate
        count, first, last = self._interval(time, start, stop, fps if fps == 0 else shown / speed)
        gif = path.suffix.lower() == ".gif"
        width, height = self._size(size or (self._square() if gif else None))
        aspect = 1.0 if gif else self._stretch(width, height)
        if whole:
            values = self.sample(field, size, start=start, stop=stop, fps=shown / speed)
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, values, allow_pickle=False)
        else:
            blocks = self._blocks(field, count, first, last, height, width)
            clips.write(path, (_bytes(each) for block in blocks for each in block), shown, aspect, self.colours)
        seen = "" if aspect == 1 or whole else f" (shown as {round(width * aspect)} x {height})"
        return f"{width} x {height}{seen}, {count} frames at {shown:.6g} a second, {count / shown:.2f} s"

    def _size(self, size: tuple[int, int] | None) -> tuple[int, int]:
        _, height, width = self.lattice.shape
        found = size or (width, height)
        if len(found) != 2 or min(found) < 1:
            raise ValueError(f"the size of a clip is width and height, both must be at least 1; got {found}")
        return found

    def _square(self) -> tuple[int, int]:
        """Return the size of pictures whose pixels are square, and of which nothing is lost; it is even."""
        _, height, width = self.lattice.shape
        if self.aspect == 1:
            return width, height
        wide, high = max(1.0, self.aspect), max(1.0, 1 / self.aspect)
        return (2 * round(width * wide / 2), height) if wide > 1 else (width, 2 * round(height * high / 2))

    def _stretch(self, width: int, height: int) -> float:
        """Return the width of a pixel over its height in frames of a size; 1 where the difference is not seen."""
        _, high, wide = self.lattice.extent
        found = (wide / width) / (high / height)
        return 1.0 if abs(found - 1) < 0.01 else found

    def _interval(
        self, time: float | None, start: float, stop: float | None, fps: float | None
    ) -> tuple[int, float, float]:
        """Return how many frames an interval has, and its ends in frames of the original.

        Raises:
            ValueError: it is empty, or a moment with an interval or a rate.
        """
        if time is not None:
            if (start, stop, fps) != (0.0, None, None):
                raise ValueError("a moment is one picture; leave start, stop and fps out, or time")
            if not 0 <= time <= self.seconds:
                raise ValueError(f"the moment {time:g} s is outside the clip, which is {self.seconds:.6g} s long")
            return 1, time * self.rate, time * self.rate
        end = self.seconds if stop is None else stop
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise ValueError(f"an interval of a clip begins before it ends, in seconds; got {start:g} to {end:g}")
        if fps is not None and not 0 < fps <= 1e9:
            raise ValueError(f"fps must be a positive number of frames a second, got {fps:g}")
        count = check_count("the clip", (end - start) * (fps or self.rate))
        return count, start * self.rate, float(self.lattice.shape[0]) if stop is None else stop * self.rate

    def _blocks(
        self, field: nn.Module, count: int, first: float, last: float, height: int, width: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield frames, as many together as are evaluated together."""
        ys, xs = self.lattice.centres(1, height), self.lattice.centres(2, width)
        part = (last - first) / count
        together = max(1, CHUNK // (height * width))
        for begin in range(0, count, together):
            length = min(together, count - begin)
            times = self.lattice.centres(0, length, first + begin * part, first + (begin + length) * part)
            yield sample_grid(field, [times, ys, xs], self.lattice.channels, lambda u: self.lattice.to_signal(u.value))


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
