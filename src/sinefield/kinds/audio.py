"""Recordings, as one kind of signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds import options
from sinefield.kinds.kind import Kind


@final
@dataclass(frozen=True)
class AudioFit(options.Options):
    """How a recording is fitted."""

    track: int | None = options.option("--track", int, "Which sound track, from 0. (default: the first)", least=0)
    full_scale: float | None = options.option(
        "--full-scale", float, "Stored value of full scale, of floats. (default: 1)"
    )
    tiles: tuple[int, ...] | None = options.tiles()
    tile_size: int | None = options.tile_size()


@final
@dataclass(frozen=True)
class AudioRender(options.Options):
    """How a recording is rendered."""

    rate: int | None = options.option("--rate", int, "Samples a second. (default: the original's)")
    start: float | None = options.start()
    stop: float | None = options.stop()


KIND = Kind(
    name="audio",
    title="Recordings",
    about="A recording: WAV, FLAC, OGG, MP3, M4A, AIFF, …",
    endings=(
        *(".wav", ".wave", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga"),
        *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"),
        *(".m4a", ".m4b", ".m4r", ".aac", ".wma", ".mka", ".weba", ".amr", ".3ga", ".ac3", ".eac3", ".ec3"),
        *(".wv", ".tta"),
    ),
    reader="sinefield.io.audio:read",
    problem="sinefield.problems.audio:audio",
    signal="sinefield.signals.audio:AudioSignal",
    figure="sinefield.plots.recordings:recording_figure",
    fit=AudioFit,
    render=AudioRender,
    examples=(
        "sinefield fit song.flac --passes 30",
        "sinefield render song.safetensors part.wav --rate 96000 --stop 2",
    ),
    budget="24 passes over the samples",
)
