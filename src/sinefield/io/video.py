"""Clips: files and arrays to frames of 8-bit samples, and back, frame by frame.

PyAV, the extra ``video``, reads the formats of FFmpeg. Frames are decoded one at a time and held as bytes, in memory or
in a temporary file where they are many. What is shown is what counts: frames are upright, in the order and at the rate
of their time stamps, without those that an edit hides, and in the colours that the file says. Samples of more than 8
bits are rounded, and what is transparent lies on white.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sinefield.io import SignalWarning
from sinefield.io.allocation import Spool, allocate
from sinefield.io.clips.animation import opened_webp
from sinefield.io.clips.arrays import frames_of
from sinefield.io.clips.colours import STANDARD, Colours, Pixels
from sinefield.io.clips.decoding import Footage, Frame, opened
from sinefield.io.clips.encoding import check_rate, check_size, encode
from sinefield.io.clips.times import find_timing
from sinefield.io.files import replacing

SUFFIXES = tuple(
    f".{each}"
    for each in [
        *[
            "mp4",
            "m4v",
            "mov",
            "qt",
            "3gp",
            "3g2",
            "f4v",
            "mkv",
            "webm",
            "avi",
            "mpg",
            "mpeg",
            "vob",
            "ts",
            "mts",
            "m2ts",
        ],
        *["ogv", "wmv", "asf", "flv", "mxf", "dv", "mjpeg", "y4m", "gif", "apng"],
    ]
)
"""The endings of clips that can be read."""

WRITTEN = (".mp4", ".gif")
"""The endings of clips that can be written."""

Frames = tuple[int, int | None, int]

_RATES = (1e-6, 1e5)  # frames per second: from clips of glaciers to clips of bullets
_SQUARE = 0.01  # by which a pixel may be wider or narrower than high without being told


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
        aspect: width of a pixel over its height.
        colours: what red, green and blue are.
    """

    values: NDArray[Any]
    frames: int
    height: int
    width: int
    rate: float
    name: str
    aspect: float = 1.0
    colours: Colours = STANDARD

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
    stream: int | None = None,
) -> Clip:
    """Return the clip in a file, or in an array.

    Whatever is left out, repaired or guessed is told with a :class:`~sinefield.io.SignalWarning`.

    Args:
        source: a path; or an array or a tensor ``(t, h, w)`` or ``(t, h, w, c)`` with c = 1 or 3, of bytes or of
            numbers from 0 to 1.
        frames: first frame, the frame after the last (None: the end) and the step, which divides the rate.
        size: width and height that every frame is scaled to, without aliasing.
        crop: left, top, right and bottom in pixels, before scaling.
        rate: frames per second; None: as the time stamps of the file are. An array needs it.
        stream: which of several clips in a file, from 0 on; None: the first.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no clip, is damaged, protected, constant or ends early, its frames change their size,
            it has fewer than two frames or pixels a side, the frames or the crop lie outside it, or PyAV is missing.
    """
    selection = _Selection.of(frames, size, crop)
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        name = f"an array of shape {source.shape}"
        if rate is None:
            raise ValueError(f"{name} does not say how many frames a second has; give rate=")
        shown = (Frame(each, None) for each in frames_of(source, name))
        return _gather(Footage(shown, Fraction(0), 0.0), rate, name, selection)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a clip, such as an MP4 file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one clip in it")
    with path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise ValueError(f"{path} is empty (0 bytes); give a clip")
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise ValueError(
            f"{path} is a TIFF, whose pages have no times; fit a stack of them with --kind volume, or give its array "
            "and a rate to sinefield.problems.video"
        )
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        with opened_webp(path) as footage:
            return _gather(footage, rate, str(path), selection)
    _check_installed(f"reading {path}")
    with opened(path, stream) as footage:
        return _gather(footage, rate, str(path), selection)


def _gather(footage: Footage, rate: float | None, name: str, selection: _Selection) -> Clip:
    """Return the clip of frames, each cropped and scaled as it comes.

    Args:
        footage: the frames.
        rate: frames per second; None: as their times are.
        name: name of the clip in messages.
        selection: the part that is read.

    Raises:
        ValueError: the frames or the rate make no clip.
    """
    if rate is not None:
        _check_rate(rate, name, "is to have")
    kept, low, high = 0, 255, 0
    shape: tuple[int, ...] = ()
    stretch = 1.0
    times: list[float | None] = []
    last = 0.0
    with ExitStack() as stack:
        for frame in _select(footage.frames, name, selection):
            part = _crop(frame.pixels, selection.crop, name)
            pixels = _resize(part, selection.size)
            if kept == 0:
                shape = pixels.shape
                stretch = (part.shape[1] / shape[1]) / (part.shape[0] / shape[0])
                if min(shape[:2]) < 2:
                    raise ValueError(f"{name} is {_describe(pixels)}; a clip needs at least 2 pixels each way")
                spool = stack.enter_context(Spool(shape[2], np.uint8))
                shown = f"{frame.pixels.shape[1]} x {frame.pixels.shape[0]}"
            low, high = min(low, int(pixels.min())), max(high, int(pixels.max()))
            spool.add(pixels)
            times.append(frame.time)
            last = frame.seconds
            kept += 1
        if kept < 2:
            raise ValueError(
                f"{name} gives {kept} frame; a clip needs at least 2, and one is fitted as a picture with --kind image"
            )
        if low == high:
            raise ValueError(f"{name} is constant: every sample is {low}; there is nothing to fit, give another clip")
        values = spool.gather()
    if abs(footage.aspect - 1) > _SQUARE:
        ratio = f"{footage.aspect.numerator}:{footage.aspect.denominator}"
        footage.told.append(
            f"its pixels are not square, but {ratio}; the {shown} samples are fitted as they are, in the proportions "
            "in which they are shown"
        )
    aspect = float(footage.aspect) * stretch
    aspect = 1.0 if abs(aspect - 1) < _SQUARE else aspect
    clip = Clip(values, kept, shape[0], shape[1], 1.0, name, aspect, footage.colours)
    clip = _time(clip, footage, times, last * selection.step, rate, selection.step)
    for each in footage.told:
        warnings.warn(f"{name}: {each}", SignalWarning, stacklevel=3)
    return clip


def _time(clip: Clip, footage: Footage, times: list[float | None], last: float, rate: float | None, step: int) -> Clip:
    """Return a clip at the rate of its times, each frame held as long as it is shown.

    Raises:
        ValueError: there is no rate, or one of no clip.
    """
    if rate is not None:
        return replace(clip, rate=rate / step)
    timing = find_timing(times, last, footage.tick, footage.nominal / step)
    if timing.rate == 0:
        raise ValueError(f"{clip.name} does not say how many frames a second are shown; give --fps")
    _check_rate(timing.rate, clip.name, "has")
    footage.told += [each for each in (footage.unsure, timing.told) if each]
    if timing.order is None:
        return replace(clip, rate=timing.rate)
    frames, area = len(timing.order), clip.height * clip.width
    held = allocate(clip.name, (frames * area, clip.values.shape[1]), np.uint8)
    for place, number in enumerate(timing.order):
        held[place * area : (place + 1) * area] = clip.values[number * area : (number + 1) * area]
    return replace(clip, values=held, frames=frames, rate=timing.rate)


def _check_rate(rate: float, name: str, has: str) -> None:
    least, most = _RATES
    if not least <= rate <= most:
        raise ValueError(f"{name} {has} {rate:g} frames a second; expected {least:g} to {most:g}; give another rate")


def _select(frames: Iterator[Frame], name: str, selection: _Selection) -> Iterator[Frame]:
    """Yield the selected frames.

    Raises:
        ValueError: there are no frames, some that are selected do not exist, or the size of frames changes.
    """
    shape: tuple[int, ...] = ()
    seen = 0
    for frame in frames:
        if seen and frame.pixels.shape != shape:
            raise ValueError(
                f"{name} changes its size at frame {seen}: from {shape[1]} x {shape[0]} pixels of {shape[2]} channels "
                f"to {_describe(frame.pixels)}; use the frames before with --frames 0:{seen}, or convert it to one size"
            )
        shape = frame.pixels.shape
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


def write(
    path: str | Path, frames: Iterator[Pixels], rate: float, aspect: float = 1.0, colours: Colours = STANDARD
) -> None:
    """Write a clip, whole or not at all, frame by frame.

    MP4 holds H.264 of constant quality (crf 16) in the matrix of BT.709, tagged so, with colours of half the
    resolution, or of the whole where a side is odd. GIF holds a palette for every frame, and times in hundredths of a
    second.

    Args:
        path: file to write; its ending chooses the format.
        frames: frames ``(height, width, channels)``, of 1 or 3 channels.
        rate: frames per second.
        aspect: width of a pixel over its height.
        colours: what red, green and blue are.

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

    form = Path(path).suffix.lower()[1:]
    try:
        told = check_rate(form, rate) + check_size(form, first.shape)
    except ValueError as error:
        raise ValueError(f"cannot write {path}: {error}") from error
    for each in told:
        warnings.warn(f"{path}: {each}", SignalWarning, stacklevel=2)
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            encode(file, form, itertools.chain([first], frames), first.shape[:2], rate, aspect, colours)
        except av.FFmpegError as error:
            raise ValueError(
                f"cannot write {path}: {first.shape[1]} x {first.shape[0]} pixels at {rate:g} frames a second are not "
                "taken by the encoder; choose another size or rate"
            ) from error
