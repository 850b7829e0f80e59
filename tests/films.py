"""Small clips of many formats, written with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

CODECS = {
    ".mp4": ("libx264", "yuv420p"),
    ".m4v": ("mpeg4", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".qt": ("mpeg4", "yuv420p"),
    ".3gp": ("mpeg4", "yuv420p"),
    ".3g2": ("mpeg4", "yuv420p"),
    ".f4v": ("libx264", "yuv420p"),
    ".mkv": ("libx264", "yuv420p"),
    ".webm": ("libvpx-vp9", "yuv420p"),
    ".avi": ("mpeg4", "yuv420p"),
    ".mpg": ("mpeg2video", "yuv420p"),
    ".mpeg": ("mpeg1video", "yuv420p"),
    ".vob": ("mpeg2video", "yuv420p"),
    ".ts": ("libx264", "yuv420p"),
    ".mts": ("libx264", "yuv420p"),
    ".m2ts": ("libx264", "yuv420p"),
    ".ogv": ("libvpx", "yuv420p"),
    ".wmv": ("wmv2", "yuv420p"),
    ".asf": ("wmv2", "yuv420p"),
    ".flv": ("libx264", "yuv420p"),
    ".mxf": ("mpeg2video", "yuv422p"),
    ".mjpeg": ("mjpeg", "yuvj420p"),
    ".y4m": ("rawvideo", "yuv420p"),
    ".gif": ("gif", "rgb8"),
    ".apng": ("apng", "rgb24"),
    ".dv": ("dvvideo", "yuv420p"),
}
"""A codec and a format of samples for each ending of a clip that PyAV writes."""

_FORMATS = {".mts": "mpegts", ".qt": "mov", ".f4v": "mp4", ".y4m": "yuv4mpegpipe"}


def waves(frames: int = 6, height: int = 24, width: int = 32, channels: int = 3) -> NDArray[np.uint8]:
    """Return frames ``(t, h, w, c)`` of slowly moving waves, which every codec keeps well."""
    t, y, x = np.mgrid[0:frames, 0:height, 0:width]
    parts = [128 + 60 * np.sin(x / 6 + t / 3 + k) + 50 * np.cos(y / 5 - t / 4) for k in range(channels)]
    return np.stack(parts, axis=-1).astype(np.uint8)


def shades(levels: Sequence[int], height: int = 32, width: int = 48) -> NDArray[np.uint8]:
    """Return flat grey frames ``(t, h, w, 3)`` of given levels, which tell which frame is which."""
    found = np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), height, width, 3))
    return np.ascontiguousarray(found)


def encode(
    path: Path,
    frames: NDArray[np.uint8],
    codec: str = "",
    form: str = "",
    rate: int | Fraction = 25,
    *,
    times: Sequence[int] | None = None,
    base: Fraction | None = None,
    aspect: Fraction | None = None,
    turn: tuple[float, bool, bool] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write frames ``(t, h, w)`` or ``(t, h, w, 3)``, and return where.

    Args:
        path: its ending chooses the container, and the codec and format where none is given.
        frames: to write.
        codec: of FFmpeg.
        form: of the samples, as FFmpeg names them.
        rate: frames per second.
        times: of the frames, in the time base; None: one after the other.
        base: of the times; None: the time of a frame.
        aspect: of a pixel.
        turn: of the display, in degrees against the clock, and flips from left to right and up to down after it.
        options: of the codec.
        container_options: of the container.
    """
    usual = CODECS.get(path.suffix, ("", ""))
    step = base or 1 / Fraction(rate)
    with av.open(
        str(path), "w", format=_FORMATS.get(path.suffix), options={"fflags": "bitexact"} | (container_options or {})
    ) as container:
        stream: Any = container.add_stream(codec or usual[0], rate=rate, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = form or usual[1]
        if base is not None:
            stream.codec_context.time_base = base
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for number, each in enumerate(frames):
            frame: Any = av.VideoFrame.from_ndarray(each, format="gray" if each.ndim == 2 else "rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number if times is None else times[number], step
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def small(suffix: str, folder: Path) -> Path:
    """Write eight frames of waves, at 25 a second, of the format of an ending, and return where."""
    if suffix == ".dv":
        return encode(folder / f"small{suffix}", waves(8, 576, 720))
    if suffix == ".mxf":
        return encode(folder / f"small{suffix}", waves(8, 64, 64))
    return encode(folder / f"small{suffix}", waves(8, 32, 48))
