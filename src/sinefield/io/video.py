"""Clips: files and arrays to frames of 8-bit samples, and back, frame by frame.

PyAV, the extra ``video``, reads the formats of FFmpeg. Frames are decoded one at a time and held as bytes, in memory or
in a temporary file where they are many. Samples of more than 8 bits are rounded, alpha is left out, and frames are
turned upright.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sinefield.io import SignalWarning
from sinefield.io.allocation import Spool
from sinefield.io.files import replacing
from sinefield.io.video_encoding import encode

SUFFIXES = tuple(
    f".{each}"
    for each in [
        "mp4",
        "m4v",
        "mov",
        "mkv",
        "webm",
        "avi",
        "mpg",
        "mpeg",
        "ts",
        "ogv",
        "wmv",
        "flv",
        "3gp",
        "mjpeg",
        "gif",
    ]
)
"""The endings of clips that can be read."""

WRITTEN = (".mp4", ".gif")
"""The endings of clips that can be written."""

Pixels = NDArray[np.uint8]
Frames = tuple[int, int | None, int]

_RATES = (1e-6, 1e5)  # frames per second: from clips of glaciers to clips of bullets
_MISSING = 0.02  # fraction of the promised frames that may be missing from a file without damage: trimming hides some


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip.

    Args:
        values: samples ``(frames · height · width, channels)`` of 0 to 255, in C order; 1 channel is grey, 3 are RGB.
        frames: number of frames.
        height: number of rows of pixels.
        width: number of columns of pixels.
        rate: frames per second.
        name: name of the clip in messages.
    """

    values: NDArray[Any]
    frames: int
    height: int
    width: int
    rate: float
    name: str

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return self.frames / self.rate

    def frame(self, number: int) -> NDArray[Any]:
        """Return one frame, ``(height, width, channels)``."""
        area = self.height * self.width
        return self.values[number * area : (number + 1) * area].reshape(self.height, self.width, -1)


@dataclass(frozen=True)
class _Selection:
    """The part of a clip that is read: the frames, the size of each, and the region of each."""

    start: int
    stop: int | None
    step: int
    size: tuple[int, int] | None
    crop: tuple[int, int, int, int] | None

    @classmethod
    def of(
        cls, frames: Frames | None, size: tuple[int, int] | None, crop: tuple[int, int, int, int] | None
    ) -> _Selection:
        """Return a selection by the arguments of :func:`read`.

        Raises:
            ValueError: no clip has such frames or such a size.
        """
        start, stop, step = frames or (0, None, 1)
        if start < 0 or step < 1 or (stop is not None and stop <= start):
            raise ValueError(f"frames are the first, the one after the last and the step, as 0, 100, 2; got {frames}")
        if size is not None and min(size) < 2:
            raise ValueError(f"a clip needs at least 2 pixels each way, got the size {size[0]} x {size[1]}")
        return cls(start, stop, step, size, crop)


def read(
    source: str | Path | NDArray[Any] | Tensor,
    frames: Frames | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    rate: float | None = None,
) -> Clip:
    """Return the clip in a file, or in an array ``(t, h, w)`` or ``(t, h, w, c)`` of bytes, with c = 1 or 3.

    Frames with varying times between them are counted evenly, at the average rate, with a warning. A file that was cut
    short is refused if its header tells the number of frames; the headers of MKV and TS do not, and the frames that are
    there are used.

    Args:
        source: a path, an array or a tensor.
        frames: first frame, the frame after the last (None: the end) and the step, which divides the rate.
        size: width and height that every frame is scaled to, without aliasing.
        crop: left, top, right and bottom in pixels, before scaling.
        rate: frames per second; None: the average of the file. An array needs it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no clip, is damaged, protected, constant or ends early, its frames change their size,
            it has fewer than two frames or pixels a side, the frames or the crop lie outside it, or PyAV is missing.
    """
    selection = _Selection.of(frames, size, crop)
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source, rate, selection)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a clip, such as an MP4 file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one clip in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a clip")
    _check_installed(f"reading {path}")
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no pictures in it, only {_list_streams(container)}; give a clip")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = rate or float(stream.average_rate or stream.guessed_rate or 0)
            return _gather(_decode(container, stream, path), rate, str(path), selection)
    except (av.FFmpegError, UnicodeDecodeError) as error:  # names in a damaged file may be in no encoding
        reason = getattr(error, "strerror", None) or "its names are in no known encoding"
        raise ValueError(
            f"{path} cannot be read as a clip ({' '.join(str(reason).split())}); it may be damaged, protected, or of "
            "another format"
        ) from error


def _list_streams(container: Any) -> str:
    """Return the kinds of streams in a file, for messages."""
    return " and ".join(sorted({str(each.type) for each in container.streams})) or "nothing"


def _decode(container: Any, stream: Any, path: Path) -> Iterator[Pixels]:
    """Yield the frames of a stream, upright, ``(height, width, channels)``.

    Raises:
        av.FFmpegError: no frame can be decoded.
        ValueError: the file is damaged or ends early.
    """
    import av

    seen, cut = 0, False
    times: list[float] = []
    remedy = "get another copy, or use the frames before with --frames 0:"
    try:
        for packet in container.demux(stream):
            cut = cut or packet.is_corrupt  # its frame may come packets later
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise ValueError(f"{path} is damaged at frame {seen}; {remedy}{seen}")
                grey = frame.format.name.startswith("gray")
                pixels = frame.to_ndarray(format="gray" if grey else "rgb24")
                upright = np.rot90(pixels, round(frame.rotation / 90) % 4)
                yield upright[:, :, None] if grey else upright
                if frame.time is not None:
                    times.append(frame.time)
                seen += 1
    except av.FFmpegError as error:
        if seen == 0:
            raise
        raise ValueError(
            f"{path} cannot be decoded after frame {seen - 1} ({error.strerror}); {remedy}{seen}"
        ) from error
    if cut or seen < (1 - _MISSING) * stream.frames - 1:
        raise ValueError(
            f"{path} ends early: {seen} of {stream.frames or 'more'} frames are there; {remedy}{max(0, seen - cut)}"
        )
    _warn_of_gaps(times, path)


def _warn_of_gaps(times: Sequence[float], path: Path) -> None:
    """Warn if the time between frames varies by more than rounding."""
    gaps = np.diff(np.sort(times))
    if len(gaps) and gaps.max() > 1.5 * np.median(gaps) + 2e-3:
        warnings.warn(
            f"{path}: the time between frames varies, from {1000 * gaps.min():.0f} to {1000 * gaps.max():.0f} ms; they "
            "are counted evenly",
            SignalWarning,
            stacklevel=2,
        )


def _from_array(array: NDArray[Any], rate: float | None, selection: _Selection) -> Clip:
    name = f"an array of shape {array.shape}"
    if rate is None:
        raise ValueError(f"{name} does not say how many frames a second has; give rate=")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype != np.uint8 or array.shape[3] not in (1, 3):
        raise ValueError(
            f"{name} of {array.dtype} is no clip; expected (t, h, w) or (t, h, w, c) of bytes, with 1 or 3 channels"
        )
    return _gather(iter(array), rate, name, selection)


def _gather(frames: Iterator[Pixels], rate: float, name: str, selection: _Selection) -> Clip:
    """Return the clip of a sequence of frames, each cropped and scaled as it comes.

    Raises:
        ValueError: the frames or the rate make no clip.
    """
    least, most = _RATES
    if not least <= rate <= most:
        raise ValueError(f"{name} claims {rate:g} frames a second; expected {least:g} to {most:g}; give another rate")
    kept, low, high = 0, 255, 0
    shape: tuple[int, ...] = ()
    with ExitStack() as stack:
        for frame in _select(frames, name, selection):
            pixels = _resize(_crop(frame, selection.crop, name), selection.size)
            if kept == 0:
                shape = pixels.shape
                if min(shape[:2]) < 2:
                    raise ValueError(f"{name} is {_describe(pixels)}; a clip needs at least 2 pixels each way")
                spool = stack.enter_context(Spool(shape[2], np.uint8))
            low, high = min(low, int(pixels.min())), max(high, int(pixels.max()))
            spool.add(pixels)
            kept += 1
        if kept < 2:
            raise ValueError(f"{name} gives {kept} frame; a clip needs at least 2, and one is of kind image")
        if low == high:
            raise ValueError(f"{name} is constant: every sample is {low}; there is nothing to fit, give another clip")
        return Clip(spool.gather(), kept, shape[0], shape[1], rate / selection.step, name)


def _select(frames: Iterator[Pixels], name: str, selection: _Selection) -> Iterator[Pixels]:
    """Yield the selected frames.

    Raises:
        ValueError: there are no frames, some that are selected do not exist, or the size of frames changes.
    """
    shape: tuple[int, ...] = ()
    seen = 0
    for frame in frames:
        if seen and frame.shape != shape:
            raise ValueError(
                f"{name} changes its size at frame {seen}: from {shape[1]} x {shape[0]} pixels of {shape[2]} channels "
                f"to {_describe(frame)}; use the frames before with --frames 0:{seen}, or convert it to one size"
            )
        shape = frame.shape
        if seen >= selection.start and (seen - selection.start) % selection.step == 0:
            yield frame
        seen += 1
        if seen == selection.stop:
            return
    if seen == 0:
        raise ValueError(f"{name} has no frames; give another clip")
    if seen <= selection.start or selection.stop is not None:
        asked = f"{selection.start}:{'' if selection.stop is None else selection.stop}"
        raise ValueError(f"{name} has {seen} frames, and {asked} is outside; they are 0:{seen}")


def _describe(frame: Pixels) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]} pixels of {frame.shape[2]} channels"


def _crop(frame: Pixels, crop: tuple[int, int, int, int] | None, name: str) -> Pixels:
    if crop is None:
        return frame
    left, top, right, bottom = crop
    if not (0 <= left < right <= frame.shape[1] and 0 <= top < bottom <= frame.shape[0]):
        raise ValueError(
            f"crop is left, top, right, bottom in pixels within {frame.shape[1]} x {frame.shape[0]} of {name}, got "
            f"{','.join(map(str, crop))}"
        )
    return frame[top:bottom, left:right]


def _resize(frame: Pixels, size: tuple[int, int] | None) -> Pixels:
    if size is None or size == (frame.shape[1], frame.shape[0]):
        return frame
    picture = Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC)).reshape(size[1], size[0], -1)


def _check_installed(what: str) -> None:
    if importlib.util.find_spec("av") is None:
        raise ValueError(f"{what} needs PyAV; install it with: pip install 'sinefield[video]'")


def check_suffix(path: str | Path) -> None:
    """Check that a clip can be written to a file of this name.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, or PyAV is missing.
    """
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(
            f"cannot write {path}: a clip's ending must be one of {', '.join(WRITTEN)}; pictures are of one time"
        )
    _check_installed(f"writing {path}")


def write(path: str | Path, frames: Iterator[Pixels], rate: float) -> None:
    """Write a clip, whole or not at all, frame by frame.

    MP4 holds H.264 of constant quality (crf 16), whose colours have half the resolution: the last row or column of an
    odd size is repeated. GIF holds a palette for every frame, and times in hundredths of a second.

    Args:
        path: file to write; its ending chooses the format.
        frames: frames ``(height, width, channels)``, of 1 or 3 channels.
        rate: frames per second.

    Raises:
        ValueError: the format is not known or cannot hold such a clip, or there is no frame.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    least, most = _RATES
    if not (math.isfinite(rate) and least <= rate <= most):
        raise ValueError(f"cannot write {path}: {rate:g} frames a second; expected {least:g} to {most:g}")
    first = next(frames, None)
    if first is None:
        raise ValueError(f"cannot write {path}: there are no frames")
    import av

    with replacing(path) as temporary:
        try:
            encode(temporary, itertools.chain([first], frames), first.shape[:2], Fraction(rate).limit_denominator(1001))
        except av.FFmpegError as error:
            raise ValueError(
                f"cannot write {path}: {first.shape[1]} x {first.shape[0]} pixels at {rate:g} frames a second are not "
                f"taken ({error.strerror})"
            ) from error
