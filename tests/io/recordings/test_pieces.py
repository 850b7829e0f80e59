"""Tests of files made of pieces: what is read is the pieces in their order, from any place."""

from __future__ import annotations

import io
import random

from sinefield.io.recordings.pieces import Pieces


def test_any_read_is_that_of_the_bytes_joined() -> None:
    generator = random.Random(0)
    source = generator.randbytes(1000)
    pieces: list[bytes | range] = [b"head", range(10, 200), range(0), b"", range(500, 1000), range(3, 4)]
    joined = b"".join(each if isinstance(each, bytes) else source[each.start : each.stop] for each in pieces)
    file, whole = Pieces(io.BytesIO(source), pieces), io.BytesIO(joined)
    assert file.read() == joined
    for _ in range(200):
        place, length = generator.randrange(len(joined) + 20), generator.randrange(300)
        assert file.seek(place) == whole.seek(place) == file.tell()
        assert file.read(length) == whole.read(length)
    assert file.seek(-3, io.SEEK_END) == len(joined) - 3
    assert file.seek(-1, io.SEEK_CUR) == len(joined) - 4
    assert file.read() == joined[-4:]


def test_no_place_is_an_error() -> None:
    file = Pieces(io.BytesIO(b"0123"), [range(4)])
    assert file.seek(-9) == 0
    assert file.seek(99) == 99
    assert file.read(4) == b""
    assert Pieces(io.BytesIO(b""), []).seek(0, io.SEEK_END) == 0


def test_a_file_that_became_shorter_ends_earlier() -> None:
    assert Pieces(io.BytesIO(b"0123"), [range(2, 9), b"ab"]).read() == b"23"
