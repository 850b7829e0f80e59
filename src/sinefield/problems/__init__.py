"""Problems: one application a file, each a function that returns a :class:`~sinefield.constraint.Problem`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sinefield.io import audio as recordings
from sinefield.io import points as shapes
from sinefield.io import video as clips
from sinefield.io.volume import is_volume
from sinefield.problem import Problem
from sinefield.problems.audio import audio
from sinefield.problems.image import image
from sinefield.problems.shape import sdf
from sinefield.problems.video import video
from sinefield.problems.volume import volume
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

__all__ = [
    "KINDS",
    "AudioSignal",
    "ImageSignal",
    "ShapeSignal",
    "VideoSignal",
    "VolumeSignal",
    "audio",
    "image",
    "kind_of",
    "of",
    "sdf",
    "signal_from_json",
    "video",
    "volume",
    "written",
]

AnySignal = ImageSignal | AudioSignal | VideoSignal | VolumeSignal | ShapeSignal

_PROBLEMS: Mapping[str, Callable[..., Problem]] = {
    "image": image,
    "audio": audio,
    "video": video,
    "volume": volume,
    "sdf": sdf,
}
_SIGNALS: Mapping[str, type[AnySignal]] = {
    "image": ImageSignal,
    "audio": AudioSignal,
    "video": VideoSignal,
    "volume": VolumeSignal,
    "sdf": ShapeSignal,
}

KINDS = tuple(_PROBLEMS)
"""The kinds of signals."""


def kind_of(source: str | Path) -> str:
    """Return the kind of signal that a file holds, by its ending; what is not known otherwise is a picture.

    NPY files hold volumes where the array has three axes, of which the last is not the 1, 3 or 4 channels of a
    picture.

    >>> kind_of("song.wav"), kind_of("clip.mp4"), kind_of("scan.nii.gz"), kind_of("bunny.ply"), kind_of("sample:camera")
    ('audio', 'video', 'volume', 'sdf', 'image')
    """
    suffix = Path(source).suffix.lower()
    if suffix in recordings.SUFFIXES:
        return "audio"
    if suffix in clips.SUFFIXES:
        return "video"
    if suffix in shapes.SUFFIXES:
        return "sdf"
    return "volume" if is_volume(source) else "image"


def of(source: str | Path, kind: str | None = None, **options: Any) -> Problem:
    """Return the problem of the signal in a file.

    Args:
        source: the file.
        kind: one of :data:`KINDS`; None: by the ending of the file.
        **options: of the problem of that kind, such as :func:`image`.

    Raises:
        ValueError: an unknown kind, an option that it does not have, or what the problem itself raises.
        FileNotFoundError: there is no such file.
    """
    kind = kind or kind_of(source)
    if kind not in _PROBLEMS:
        raise ValueError(f"unknown kind of signal {kind!r}; choose one of {', '.join(KINDS)}")
    known = inspect.signature(_PROBLEMS[kind]).parameters
    for name in options:
        others = [other for other, each in _PROBLEMS.items() if name in inspect.signature(each).parameters]
        if name not in known and others:
            raise ValueError(f"{name} is an option of kind {' and '.join(others)}, and {source} is of kind {kind}")
    return _PROBLEMS[kind](source, **options)


def written(signal: AnySignal, field: nn.Module, path: Path, options: Mapping[str, Any]) -> str:
    """Return in a few words what was written: the signal of a field, to a file.

    Args:
        signal: how the field is read back.
        field: Φ.
        path: where.
        options: of the signal's own ``write``.

    Raises:
        ValueError: an option that signals of this kind do not have, or what writing itself raises.
        OSError: the place cannot be written to.
    """
    taken = inspect.signature(signal.write).parameters
    passes_on = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
    known = {*taken, *(inspect.signature(signal.render).parameters if passes_on else ())}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"{' and '.join(unknown)} is no option of a signal of kind {signal.kind!r}")
    return signal.write(field, path, **options)


def signal_from_json(stored: Mapping[str, Any]) -> AnySignal:
    """Return the signal that a field file stores.

    Args:
        stored: what the signal's ``to_json`` gave.

    Raises:
        ValueError: the kind is unknown to this version, or what is stored is not of that kind.
    """
    kind = stored.get("kind")
    if not isinstance(kind, str) or kind not in _SIGNALS:
        raise ValueError(f"this version cannot read a signal of kind {kind!r} back; it knows: {', '.join(_SIGNALS)}")
    return _SIGNALS[kind].from_json(stored)
