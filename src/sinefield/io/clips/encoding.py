"""Encoding of frames by FFmpeg: MP4 with H.264, and GIF with a palette for every frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

import numpy as np

from sinefield.io.clips.colours import BT709, STANDARD, Colours, Pixels

_HUNDREDTHS = 100  # of a second, in which GIF holds times
_LONGEST = 65535  # of those, that it holds for a frame
_BROWSERS = 50  # frames per second: what browsers show no faster, but as 10 a second


def encode(
    file: IO[bytes],
    form: str,
    frames: Iterator[Pixels],
    shape: tuple[int, ...],
    rate: float | Fraction,
    aspect: float = 1.0,
    colours: Colours = STANDARD,
) -> None:
    """Write frames to a file.

    Args:
        file: to write to; its name is not looked at, as FFmpeg takes some names for addresses.
        form: ``"gif"`` or ``"mp4"``.
        frames: frames ``(height, width, channels)``, of 1 or 3 channels.
        shape: height and width of the frames.
        rate: frames per second.
        aspect: width of a pixel over its height; GIF has square ones.
        colours: what red, green and blue are, as MP4 says.

    Raises:
        av.FFmpegError: the encoder does not take such frames, or the file cannot be written.
    """
    import av

    gif = form == "gif"
    exact = find_fraction(rate)
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream(
            "gif" if gif else "libx264", rate=exact, options={} if gif else {"crf": "16"}
        )
        stream.height, stream.width = shape
        if gif:
            stream.pix_fmt = "pal8"
            graph = _build_palette_filter(stream, exact)
        else:
            _tag(stream, aspect, colours)
        for number, each in enumerate(frames):
            pixels = np.ascontiguousarray(np.repeat(each, 3, axis=2) if each.shape[2] == 1 else each)
            frame: Any = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, 1 / exact
            if gif:
                graph.push(frame)
                frame = graph.pull()
            else:
                frame = _to_luma(frame, stream.pix_fmt, colours)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def find_fraction(rate: float | Fraction) -> Fraction:
    """Return the simple fraction that a rate is: 30000/1001 of 29.97002997, 1/60 of 0.01666667.

    >>> find_fraction(29.97002997), find_fraction(1 / 60)
    (Fraction(30000, 1001), Fraction(1, 60))
    """
    return Fraction(rate).limit_denominator(1001) if rate >= 1 else 1 / Fraction(1 / rate).limit_denominator(1001)


def check_rate(form: str, rate: float) -> list[str]:
    """Return what is told of a rate that a format does not quite hold.

    Raises:
        ValueError: it does not hold it at all.
    """
    if form != "gif":
        return []
    time = _HUNDREDTHS / rate
    if not 1 <= time <= _LONGEST:
        raise ValueError(
            f"GIF holds {_HUNDREDTHS / _LONGEST:.3g} to {_HUNDREDTHS} frames a second, and the rate is "
            f"{rate:g}; give another one with --fps, or write MP4"
        )
    if rate > _BROWSERS + 1e-6:
        return [f"browsers show a GIF of more than {_BROWSERS} frames a second as one of 10; --fps gives another rate"]
    if abs(time - round(time)) < 1e-3:
        return []
    told = (
        f"GIF holds times in hundredths of a second, so frames are shown for {10 * math.floor(time)} or "
        f"{10 * math.ceil(time)} ms, {rate:g} a second on average"
    )
    return [told]


def check_size(form: str, shape: tuple[int, ...]) -> list[str]:
    """Return what is told of frames ``(height, width, …)`` that a format holds in an unusual way."""
    if form == "gif" or not (shape[0] % 2 or shape[1] % 2):
        return []
    told = (
        f"{shape[1]} x {shape[0]} has an odd side, so colours are stored at the whole resolution (4:4:4), which some "
        "players do not show; --size with even numbers is shown by all"
    )
    return [told]


def _tag(stream: Any, aspect: float, colours: Colours) -> None:
    """Set what H.264 says of its samples: colours at half the resolution, limited range, the matrix of BT.709."""
    odd = stream.height % 2 or stream.width % 2
    stream.pix_fmt = "yuv444p" if odd else "yuv420p"
    context = stream.codec_context
    context.sample_aspect_ratio = Fraction(aspect).limit_denominator(1000)
    context.colorspace, context.color_range = BT709, 1
    context.color_primaries, context.color_trc = colours.primaries, colours.transfer


def _to_luma(frame: Any, form: str, colours: Colours) -> Any:
    """Return a frame of RGB as luma and differences of colour, tagged as the stream is."""
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    found = frame.reformat(
        format=form,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC | exact,
    )
    found.colorspace, found.color_range = BT709, 1
    found.color_primaries, found.color_trc = colours.primaries, colours.transfer
    found.pts, found.time_base = frame.pts, frame.time_base
    return found


def _build_palette_filter(stream: Any, rate: Fraction) -> Any:
    """Return the filter of FFmpeg that makes a palette for every frame."""
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(width=stream.width, height=stream.height, format="rgb24", time_base=1 / rate)
    split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use, sink = graph.add("paletteuse", "new=1"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
