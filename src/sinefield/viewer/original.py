"""What a field was fitted to, for the page: pictures in one sheet, or the samples of a sound.

A sheet is a WebP picture with a cell for each frame of a clip or each slice of a volume, row by row. It has at most
:data:`AREA` pixels: what is larger is there in part, which is told.
"""

from __future__ import annotations

import base64
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sinefield.io import SignalWarning
from sinefield.io import audio as recordings
from sinefield.io import image as pictures
from sinefield.io import video as clips
from sinefield.io import volume as volumes
from sinefield.io.source import Source
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal
from sinefield.viewer.picture import address_of

AREA: Final = 1 << 23
"""Pixels of a sheet of frames or slices, at most."""

NUMBERS: Final = 1 << 20
"""Samples of a sound, of all channels together, at most."""

_MOST: Final = 1024  # pixels along the longer side of a picture
_LEAST: Final = 256  # pixels along the longer side of a frame, below which frames are left out instead
_CELL: Final = 16  # pixels that WebP stores together: a cell is a multiple of them, so that it bleeds into no other


def original_of(signal: Signal, field: Path, header: Mapping[str, Any], given: str | Path | None) -> Any | None:
    """Return what a field was fitted to, as JSON for the page; None: it is not there.

    Args:
        signal: of the field.
        field: the field file, beside which the original is looked for.
        header: of the field file.
        given: the original; None: it is looked for.

    Raises:
        ValueError: the original given cannot be shown beside the field, or is of another size.
        OSError: the original given cannot be read.
    """
    source = Source.from_json(header.get("source"))
    found = given if given is not None or source is None else _beside(field, source)
    if found is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SignalWarning)  # the fit told them
            return _shown(signal, str(found), _part(source, found))
    except (ValueError, OSError):
        if given is not None:
            raise
        return None  # whatever has its name need not be it


def _beside(field: Path, source: Source) -> str | None:
    """Return where the original is: in the folder of the field file, or among the samples; None: it is not."""
    if source.name.startswith("sample:"):
        return source.name
    # A path in a field file of someone else's could name any file of this machine, which the page would carry away.
    beside = source.name and Path(source.name).name == source.name and (field.parent / source.name).is_file()
    return str(field.parent / source.name) if beside else None


def _part(source: Source | None, found: str | Path) -> Mapping[str, Any]:
    """Return which part of a file was fitted: of another file than that one, all of it."""
    known = source is not None and (source.name == str(found) or source.is_file(Path(found)))
    return source.part if source is not None and known else {}


@singledispatch
def _shown(signal: Signal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - others have parts
    """Return the original of a signal as JSON for the page.

    Args:
        signal: how the field is read back.
        path: of the original.
        part: the options that it is read with.

    Raises:
        ValueError: it cannot be shown, or is of another size.
        OSError: it cannot be read.
    """
    raise ValueError(f"the original {path} cannot be shown beside a field of kind {signal.kind!r}")


@_shown.register
def _(signal: ImageSignal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:
    picture = _read(pictures.read, path, part)
    rows, columns = signal.lattice.shape
    _check_proportions(path, picture.values.shape[:2], (rows, columns))
    return _picture(picture, max(rows, columns))  # no larger than the samples that the field was fitted to


@_shown.register
def _(signal: ShapeSignal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - pictures are whole
    if signal.dimension != 2:
        raise ValueError(f"the original {path} cannot be shown beside a shape in space, whose surface is the picture")
    picture = _read(pictures.read, path, {})
    height, width, _ = picture.values.shape
    (y, x), (up, left) = signal.centre, (each * signal.scale for each in signal.extent)
    if min(y - up, x - left) < -1 or y + up > height + 1 or x + left > width + 1:
        raise ValueError(
            f"the original {path} is {width} x {height}; expected a picture with room for the outline of the field, "
            f"which reaches from {x - left:.4g}, {y - up:.4g} to {x + left:.4g}, {y + up:.4g}"
        )
    start = [signal.scale - x, signal.scale - y]  # where its corner is in the plane that the page shows
    return _picture(picture, _MOST) | {"place": [*start, start[0] + width, start[1] + height]}


@_shown.register
def _(signal: VideoSignal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:
    clip = _read(clips.read, path, part)
    count, height, width = signal.lattice.shape
    if clip.frames != count:
        raise ValueError(f"the original {path} has {clip.frames} frames; expected the {count} of the field")
    _check_proportions(path, (clip.height, clip.width), (height, width))
    longest = max(clip.height, clip.width)
    scale = max(math.sqrt(AREA / clip.values[:, 0].size), _LEAST / longest)
    return _sheet(clip.frame, (count, clip.height, clip.width), min(scale, _MOST / longest, 1.0), "frames")


@_shown.register
def _(signal: VolumeSignal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:
    scan = _read(volumes.read, path, part)
    shape, (low, high) = signal.lattice.shape, (signal.lattice.low, signal.lattice.high)
    if scan.shape != shape:
        told = (" x ".join(map(str, each)) for each in (scan.shape, shape))
        raise ValueError("the original {} has {} voxels; expected the {} of the field".format(path, *told))
    values = scan.values.reshape(scan.shape)
    known = None if scan.known is None else scan.known.reshape(scan.shape)

    def slice_of(number: int) -> NDArray[np.uint8]:
        grey = _bytes((values[number].astype(np.float64) - low) / (high - low))
        return grey[..., None] if known is None else np.stack([grey, known[number] * np.uint8(255)], axis=-1)

    scale = min((AREA / values.size) ** (1 / 3), _MOST / max(shape[1:]), 1.0)
    return _sheet(slice_of, scan.shape, scale, "slices")


@_shown.register
def _(signal: AudioSignal, path: str, part: Mapping[str, Any]) -> dict[str, Any]:
    sound = _read(recordings.read, path, part)
    count, channels = sound.values.shape
    had, has = (count, sound.rate, channels), (*signal.lattice.shape, signal.rate, signal.channels)
    if had != has:
        told = ("{:,} samples at {} Hz in {} channels".format(*each) for each in (had, has))
        raise ValueError("the original {} has {}; expected the {} of the field".format(path, *told))
    kept, full = min(count, NUMBERS // channels), signal.lattice.high
    values = sound.values[:kept].astype(np.float64) / (sound.full * full)
    stored = np.round(32767 * np.clip(values, -1, 1)).astype("<i2")
    return {
        "samples": base64.b64encode(stored.tobytes()).decode(),
        "full": full,
        "told": "" if kept == count else f"the first {kept / sound.rate:.3g} of {sound.seconds:.3g} s",
    }


def _read(reader: Callable[..., Any], path: str, part: Mapping[str, Any]) -> Any:
    try:
        return reader(path, **part)
    except (TypeError, ValueError) as error:
        if not part:
            raise
        raise ValueError(
            f"the original {path} has no such part as the field file tells, {dict(part)}: {error}"
        ) from error


def _check_proportions(path: str, had: tuple[int, int], has: tuple[int, int]) -> None:
    (height, width), (rows, columns) = had, has
    if abs(width * rows - height * columns) > max(width, height) * 2:
        raise ValueError(
            f"the original {path} is {width} x {height}; expected the proportions {columns} x {rows} of the field"
        )


def _picture(picture: pictures.Picture, longest: int) -> dict[str, Any]:
    """Return a picture as a sheet of one cell; pixels without a sample are clear."""
    height, width, _ = picture.values.shape
    bound = min(longest, _MOST)
    small = pictures.resize(picture, bound) if bound < max(height, width) else picture
    rows, columns, _ = small.values.shape
    known = np.all(small.known, axis=2) if small.known is not None and not small.has_alpha else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "original.png"
        pictures.write(path, small.values, small.low, small.high, 8, known=known)
        with Image.open(path) as stored:
            source = address_of(stored)
    told = f"{columns} x {rows} of {width} x {height} pixels" if longest > bound == max(rows, columns) else ""
    return {"source": source, "size": [columns, rows], "cell": [columns, rows], "columns": 1, "count": 1, "told": told}


def _sheet(
    frame: Callable[[int], NDArray[np.uint8]], shape: tuple[int, int, int], scale: float, name: str
) -> dict[str, Any]:
    """Return frames or slices in a sheet.

    Args:
        frame: returns the one of a number, ``(height, width, channels)``.
        shape: how many there are, their height and their width.
        scale: by which they are made smaller.
        name: what they are called.
    """
    count, height, width = shape
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    tall, wide = (-(-each // _CELL) * _CELL for each in (rows, columns))
    kept = max(1, min(count, AREA // (tall * wide)))
    across = min(kept, math.ceil(math.sqrt(kept * tall / wide)))
    sheet = np.zeros((-(-kept // across) * tall, across * wide, frame(0).shape[2]), np.uint8)
    for number in range(kept):
        pixels = frame((2 * number + 1) * count // (2 * kept))
        if (rows, columns) != (height, width):
            small = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
            pixels = np.asarray(small.resize((columns, rows), Image.Resampling.BOX)).reshape(rows, columns, -1)
        top, left = number // across * tall, number % across * wide
        padding = ((0, tall - rows), (0, wide - columns), (0, 0))
        sheet[top : top + tall, left : left + wide] = np.pad(pixels, padding, mode="edge")
    picture = Image.fromarray(sheet.squeeze(2) if sheet.shape[2] == 1 else sheet)
    told = [f"{kept} of {count} {name}"] if kept < count else []
    told += [f"{columns} x {rows} of {width} x {height} pixels"] if rows < height or columns < width else []
    return {
        "source": address_of(picture, method=2),
        "size": [columns, rows],
        "cell": [wide, tall],
        "columns": across,
        "count": kept,
        "told": ", ".join(told),
    }


def _bytes(parts: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(255 * np.clip(parts, 0, 1)).astype(np.uint8)
