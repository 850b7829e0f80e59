"""The part of frames that is shown, by the headers of MP4 and Matroska, which the decoders of FFmpeg do not read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sinefield.io.clips.ends import read_box, read_element

_CHILDREN = 4096  # parts of a header that are looked at, at most
_SEGMENT, _TRACKS, _TRACK, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_SIDES = (0x54CC, 0x54BB, 0x54DD, 0x54AA)  # left, top, right and bottom, in pixels
_NONE = (0, 0, 0, 0)
_ENTRY = 78  # bytes of the description of samples of pictures, before its boxes


def find_crop(path: Path, form: str, index: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return how many pixels are not shown at the left, top, right and bottom of frames as they are stored.

    Args:
        path: of the file.
        form: name of its format as FFmpeg has it.
        index: number of the stream.
        size: width and height of the frames.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        whole = os.fstat(file.fileno()).st_size
        if form.startswith("matroska"):
            found = _of_matroska(file, whole, index)
        elif form.startswith("mov"):
            found = _of_boxes(file, whole, index, size)
        else:
            return _NONE
    left, top, right, bottom = found
    sound = min(found) >= 0 and size[0] - left - right >= 2 and size[1] - top - bottom >= 2
    return found if sound else _NONE


def _of_matroska(file: BinaryIO, size: int, index: int) -> tuple[int, int, int, int]:
    """Return what the description of a track says: ``PixelCropLeft`` and the other three."""
    place = (0, size)
    for name, number in ((_SEGMENT, 0), (_TRACKS, 0), (_TRACK, index), (_VIDEO, 0)):
        found = [each[1:] for each in _elements(file, *place) if each[0] == name]
        if number >= len(found):
            return _NONE
        place = found[number]
    stated: dict[int, int] = {}
    for name, start, stop in _elements(file, *place):
        if name in _SIDES:
            file.seek(start)
            stated[name] = int.from_bytes(file.read(min(8, stop - start)), "big")
    left, top, right, bottom = (stated.get(each, 0) for each in _SIDES)
    return left, top, right, bottom


def _elements(file: BinaryIO, place: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield the elements in a part of a Matroska file: identity, beginning and end of what each holds."""
    for _ in range(_CHILDREN):
        found = read_element(file, place) if place < stop else None
        if found is None:
            return
        yield found[0], found[1], stop if found[2] is None else min(found[2], stop)
        if found[2] is None:
            return
        place = found[2]


def _of_boxes(file: BinaryIO, size: int, index: int, frame: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return what the box ``clap`` says: width, height and the shift of the middle, as fractions."""
    place = (0, size)
    for name, number in ((b"moov", 0), (b"trak", index), *((name, 0) for name in (b"mdia", b"minf", b"stbl", b"stsd"))):
        found = [each[1:] for each in _boxes(file, *place) if each[0] == name]
        if number >= len(found):
            return _NONE
        place = found[number]
    entry = next(_boxes(file, place[0] + 8, place[1]), None)
    boxes = _boxes(file, entry[1] + _ENTRY, entry[2]) if entry else iter(())
    clean = next((each for each in boxes if each[0] == b"clap"), None)
    if clean is None:
        return _NONE
    file.seek(clean[1])
    numbers = file.read(32)
    parts = [int.from_bytes(numbers[k : k + 4], "big", signed=True) for k in range(0, 32, 4)]
    if len(numbers) < 32 or 0 in parts[1::2]:
        return _NONE
    width, height, right, down = (top / bottom for top, bottom in zip(parts[::2], parts[1::2], strict=True))
    left, top = round((frame[0] - width) / 2 + right), round((frame[1] - height) / 2 + down)
    return left, top, frame[0] - left - round(width), frame[1] - top - round(height)


def _boxes(file: BinaryIO, place: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes in a part of an MP4 file: name, beginning and end of what each holds."""
    for _ in range(_CHILDREN):
        found = read_box(file, place, stop) if place < stop else None
        if found is None:
            return
        yield found[0], found[1], min(found[2], stop)
        place = found[2]
