"""Clips: files and arrays to frames of 8-bit samples, and back, frame by frame.

PyAV, the extra ``video``, reads what FFmpeg reads. Frames are decoded one at a time and held as bytes, in memory or in
a temporary file where they are many. More than 8 bits are rounded, alpha is left out, and frames are turned upright.
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

_RATES = (1e-6, 1e5)  # frames a second: from a glacier's to a bullet's
_MISSING = 0.02  # the part of the frames a file promises whose absence is no sign of damage, as trimming hides some


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip.

    Args:
        values: ``(frames · height · width, channels)`` of 0 to 255, in C order; 1 channel is grey, 3 RGB.
        frames: how many.
        height: in pixels.
        width: in pixels.
        rate: frames a second.
        name: what to call it.
    """

    values: NDArray[Any]
    frames: int
    height: int
    width: int
    rate: float
    name: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.rate

    def frame(self, number: int) -> NDArray[Any]:
        """Return a frame ``(height, width, channels)``."""
        area = self.height * self.width
        return self.values[number * area : (number + 1) * area].reshape(self.height, self.width, -1)


@dataclass(frozen=True)
class _Selection:
    """What of a clip is wanted: which frames, the size and the part of each."""

    start: int
    stop: int | None
    step: int
    size: tuple[int, int] | None
    crop: tuple[int, int, int, int] | None

    @classmethod
    def of(
        cls, frames: Frames | None, size: tuple[int, int] | None, crop: tuple[int, int, int, int] | None
    ) -> _Selection:
        """Return what is wanted.

        Raises:
            ValueError: it makes no sense for any clip.
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

    Where the time between frames varies they are counted evenly, at the average rate, with a warning. A file cut short
    is refused where it tells how many frames it had; of MKV and TS, which do not, what is there is used.

    Args:
        source: a path, an array or a tensor.
        frames: the first, the one after the last (None: the end) and the step; every step-th divides the rate.
        size: width and height that every frame is scaled to, without aliasing.
        crop: left, top, right, bottom in pixels, before scaling.
        rate: frames a second; None: the file's own average, which an array does not have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no clip, is damaged, protected or ends early, its frames change their size, it has fewer than
            two frames or pixels a side, every sample is the same, what is asked for lies outside it, or PyAV is
            missing.
    """
    wanted = _Selection.of(frames, size, crop)
    if isinstance(source, Tensor):
        source = source.detach().cpu().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source, rate, wanted)
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
            return _gather(_decode(container, stream, path), rate, str(path), wanted)
    except (av.FFmpegError, UnicodeDecodeError) as error:  # a damaged file may name its parts in no encoding
        reason = getattr(error, "strerror", None) or "its names are in no known encoding"
        raise ValueError(
            f"{path} cannot be read as a clip ({' '.join(str(reason).split())}); it may be damaged, protected, or of "
            "another format"
        ) from error


def _list_streams(container: Any) -> str:
    return " and ".join(sorted({str(each.type) for each in container.streams})) or "nothing"


def _decode(container: Any, stream: Any, path: Path) -> Iterator[Pixels]:
    """Yield the frames of a stream, upright, ``(height, width, channels)``.

    Raises:
        av.FFmpegError: nothing can be decoded.
        ValueError: it is damaged or ends early.
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
    """Tell where the time between frames varies by more than rounding."""
    gaps = np.diff(np.sort(times))
    if len(gaps) and gaps.max() > 1.5 * np.median(gaps) + 2e-3:
        warnings.warn(
            f"{path}: the time between frames varies, from {1000 * gaps.min():.0f} to {1000 * gaps.max():.0f} ms; they "
            "are counted evenly",
            SignalWarning,
            stacklevel=2,
        )


def _from_array(array: NDArray[Any], rate: float | None, wanted: _Selection) -> Clip:
    name = f"an array of shape {array.shape}"
    if rate is None:
        raise ValueError(f"{name} does not say how many frames a second has; give rate=")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype != np.uint8 or array.shape[3] not in (1, 3):
        raise ValueError(
            f"{name} of {array.dtype} is no clip; expected (t, h, w) or (t, h, w, c) of bytes, with 1 or 3 channels"
        )
    return _gather(iter(array), rate, name, wanted)


def _gather(frames: Iterator[Pixels], rate: float, name: str, wanted: _Selection) -> Clip:
    """Return the clip of some frames, each cropped and scaled as it comes.

    Raises:
        ValueError: they make no clip.
    """
    least, most = _RATES
    if not least <= rate <= most:
        raise ValueError(f"{name} claims {rate:g} frames a second; expected {least:g} to {most:g}; give another rate")
    kept, low, high = 0, 255, 0
    shape: tuple[int, ...] = ()
    with ExitStack() as stack:
        for frame in _select(frames, name, wanted):
            pixels = _resize(_crop(frame, wanted.crop, name), wanted.size)
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
        return Clip(spool.gather(), kept, shape[0], shape[1], rate / wanted.step, name)


def _select(frames: Iterator[Pixels], name: str, wanted: _Selection) -> Iterator[Pixels]:
    """Yield the frames that are wanted, all of one size.

    Raises:
        ValueError: there are none, some are outside, or their size changes.
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
        if seen >= wanted.start and (seen - wanted.start) % wanted.step == 0:
            yield frame
        seen += 1
        if seen == wanted.stop:
            return
    if seen == 0:
        raise ValueError(f"{name} has no frames; give another clip")
    if seen <= wanted.start or wanted.stop is not None:
        asked = f"{wanted.start}:{'' if wanted.stop is None else wanted.stop}"
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
    """Check the ending of a clip to write.

    Raises:
        ValueError: :func:`write` knows no such format, or PyAV is missing.
    """
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(
            f"cannot write {path}: a clip's ending must be one of {', '.join(WRITTEN)}; pictures are of one time"
        )
    _check_installed(f"writing {path}")


def write(path: str | Path, frames: Iterator[Pixels], rate: float) -> None:
    """Write a clip, whole or not at all, frame by frame.

    MP4 holds H.264 of constant quality (crf 16); odd sizes get their last row or column twice, as its colours have half
    the resolution. GIF gets a palette for every frame, and times in hundredths of a second.

    Args:
        path: where; the ending chooses the format.
        frames: each ``(height, width, channels)``, 1 or 3 channels.
        rate: frames a second.

    Raises:
        ValueError: the format is not known or cannot hold such a clip, or there is no frame.
        OSError: the place cannot be written to.
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
            _encode(
                temporary, itertools.chain([first], frames), first.shape[:2], Fraction(rate).limit_denominator(1001)
            )
        except av.FFmpegError as error:
            raise ValueError(
                f"cannot write {path}: {first.shape[1]} x {first.shape[0]} pixels at {rate:g} frames a second are not "
                f"taken ({error.strerror})"
            ) from error


def _encode(path: Path, frames: Iterator[Pixels], shape: tuple[int, ...], rate: Fraction) -> None:
    import av

    gif = path.suffix.lower() == ".gif"
    pad = [(0, 0) if gif else (0, side % 2) for side in shape]
    rate = rate or Fraction(1, 1001)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif" if gif else "libx264", rate=rate, options={} if gif else {"crf": "16"})
        stream.height, stream.width = (side + after for side, (_, after) in zip(shape, pad, strict=True))
        stream.pix_fmt = "pal8" if gif else "yuv420p"
        graph = _build_palette_filter(stream, rate) if gif else None
        for number, each in enumerate(frames):
            colours = np.repeat(each, 3, axis=2) if each.shape[2] == 1 else each
            padded = np.pad(colours, (*pad, (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            if graph is not None:
                graph.push(frame)
                frame = graph.pull()
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _build_palette_filter(stream: Any, rate: Fraction) -> Any:
    """Return the filter that makes a palette for every frame."""
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(width=stream.width, height=stream.height, format="rgb24", time_base=1 / rate)
    split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use, sink = graph.add("paletteuse", "new=1"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
