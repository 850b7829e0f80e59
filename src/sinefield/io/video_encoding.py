"""Encoding of frames by FFmpeg: MP4 with H.264, and GIF with a palette for every frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def encode(path: Path, frames: Iterator[Pixels], shape: tuple[int, ...], rate: Fraction) -> None:
    """Write frames to a file, GIF by its ending and else MP4.

    Args:
        path: file to write.
        frames: frames ``(height, width, channels)``, of 1 or 3 channels.
        shape: height and width of the frames.
        rate: frames per second; 0, a tiny rate rounded down, becomes 1/1001.

    Raises:
        av.FFmpegError: the encoder does not take such frames, or the file cannot be written.
    """
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
    """Return the filter of FFmpeg that makes a palette for every frame."""
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
