"""Clips, as one kind of signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds import options
from sinefield.kinds.kind import Kind


@final
@dataclass(frozen=True)
class VideoFit(options.Options):
    """How a clip is fitted."""

    frames: tuple[int, int | None, int] | None = options.option(
        "--frames", str, "Only the frames from A to before B.", metavar="A:B[:STEP]", parse=options.frame_range
    )
    size: tuple[int, int] | None = options.option(
        "--size", str, "First scale every frame to this.", metavar="WxH", parse=options.picture_size
    )
    crop: tuple[int, int, int, int] | None = options.option(
        "--crop", str, "First cut this part out, in pixels.", metavar="L,T,R,B", parse=options.pixel_crop
    )
    rate: float | None = options.option("--fps", float, "Frames a second. (default: as the file's time stamps are)")
    stream: int | None = options.option("--stream", int, "Which of several clips in a file, from 0 on.", least=0)
    tiles: tuple[int, ...] | None = options.tiles()
    tile_size: int | None = options.tile_size()


@final
@dataclass(frozen=True)
class VideoRender(options.Options):
    """How a clip is rendered."""

    size: tuple[int, int] | None = options.size()
    start: float | None = options.start()
    stop: float | None = options.stop()
    fps: float | None = options.option("--fps", float, "Frames a second. (default: the original's)")
    speed: float | None = options.option("--speed", float, "0.25 is slow motion, a quarter as fast. (default: 1)")
    time: float | None = options.option("--time", float, "Only this moment, in seconds, as a picture.")


KIND = Kind(
    name="video",
    title="Clips",
    about="A clip: MP4, MOV, MKV, WebM, GIF, …",
    endings=(
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi"),
        *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".ogv", ".wmv", ".asf", ".flv"),
        *(".mxf", ".dv", ".mjpeg", ".y4m", ".gif", ".apng"),
    ),
    reader="sinefield.io.video:read",
    problem="sinefield.problems.video:video",
    signal="sinefield.signals.video:VideoSignal",
    figure="sinefield.plots.clips:clip_figure",
    fit=VideoFit,
    render=VideoRender,
    examples=(
        "sinefield fit clip.mp4 --frames 0:60 --size 320x180",
        "sinefield render clip.safetensors slow.mp4 --speed 0.25",
    ),
    budget="16 passes over the samples",
)
