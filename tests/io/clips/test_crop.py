"""Tests of frames of which a part is shown: the box `clap` of MP4, and the elements of Matroska."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from films import encode, waves
from sinefield.io import video
from sinefield.io.clips.crop import find_crop


def with_clean_aperture(path: Path, width: int, height: int, right: tuple[int, int], down: tuple[int, int]) -> Path:
    """Put a box into the description of samples of an MP4 whose index is last, and make all around it longer."""
    content = bytearray(path.read_bytes())
    box = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, *right, *down)
    entry = content.index(b"avc1", content.index(b"stsd")) - 4
    end = entry + int.from_bytes(content[entry : entry + 4], "big")
    content[end:end] = box
    places = [
        entry,
        *(content.rindex(name, 0, entry) - 4 for name in (b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov")),
    ]
    for place in places:
        content[place : place + 4] = (int.from_bytes(content[place : place + 4], "big") + 40).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def with_crop(path: Path, left: int, top: int, right: int, bottom: int) -> Path:
    """Put four elements into the description of pictures of a Matroska file of unknown length, and lengthen it."""
    content = bytearray(path.read_bytes())
    sides = {b"\x54\xcc": left, b"\x54\xbb": top, b"\x54\xdd": right, b"\x54\xaa": bottom}
    added = b"".join(identity + b"\x81" + bytes([value]) for identity, value in sides.items())

    def find(identity: bytes, place: int) -> tuple[int, int]:
        """Return where the length of an element is among those from a place on, and where what it holds begins."""
        while True:
            start = place + 9 - content[place].bit_length()
            begin = start + 9 - content[start].bit_length()
            if content[place:start] == identity:
                return start, begin
            place = begin + length(start, begin)

    def length(start: int, begin: int) -> int:
        return int.from_bytes(content[start:begin], "big") - (1 << 7 * (begin - start))

    place, parents = content.rindex(b"\x16\x54\xae\x6b"), []  # not where the index of elements names it
    for identity in (b"\x16\x54\xae\x6b", b"\xae", b"\xe0"):
        parents.append(find(identity, place))
        place = parents[-1][1]
    content[place:place] = added
    grown = len(added)
    for start, begin in reversed(parents):  # from the inside out, with lengths of eight bytes
        longer = length(start, begin) + grown
        content[start:begin] = ((1 << 56) + longer).to_bytes(8, "big")
        grown += 8 - (begin - start)
    path.write_bytes(content)
    return path


def test_the_clean_aperture_of_mp4_is_what_is_shown(tmp_path: Path) -> None:
    frames = waves(4, 32, 48)
    path = encode(tmp_path / "a.mp4", frames, form="yuv444p", options={"qp": "0"})
    with_clean_aperture(path, 40, 24, (2, 1), (-4, 1))
    assert find_crop(path, "mov", 0, (48, 32)) == (6, 0, 2, 8)
    found = video.read(path)
    assert (found.width, found.height) == (40, 24)
    assert np.abs(found.values.reshape(4, 24, 40, 3).astype(int) - frames[:, :24, 6:46]).max() <= 3


def test_it_is_cropped_before_it_is_turned(tmp_path: Path) -> None:
    frames = waves(4, 32, 48)
    path = encode(tmp_path / "a.mp4", frames, form="yuv444p", options={"qp": "0"}, turn=(90, False, False))
    found = video.read(with_clean_aperture(path, 40, 24, (2, 1), (-4, 1)))
    expected = np.rot90(frames[:, :24, 6:46], 1, (1, 2))
    assert np.abs(found.values.reshape(expected.shape).astype(int) - expected).max() <= 3


@pytest.mark.parametrize(
    ("width", "height", "right"), [(0, 24, (0, 1)), (40, 24, (30, 1)), (40, 24, (1, 0)), (60, 40, (0, 1))]
)
def test_apertures_that_cannot_be_are_left_out(width: int, height: int, right: tuple[int, int], tmp_path: Path) -> None:
    path = with_clean_aperture(encode(tmp_path / "a.mp4", waves(4, 32, 48)), width, height, right, (0, 1))
    assert find_crop(path, "mov", 0, (48, 32)) == (0, 0, 0, 0)
    found = video.read(path)
    assert (found.width, found.height) == (48, 32)


def test_the_crop_of_matroska_is_not_shown(tmp_path: Path) -> None:
    frames = waves(4, 32, 48)
    path = encode(tmp_path / "a.mkv", frames, "ffv1", "bgr0", container_options={"live": "1"})
    found = video.read(with_crop(path, 4, 2, 6, 8))
    assert (found.width, found.height) == (38, 22)
    assert np.array_equal(found.values.reshape(4, 22, 38, 3), frames[:, 2:24, 4:42])
