"""Tests of where files end by their own account: that of every format is right, and damaged ones say nothing wrong."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sinefield.io.recordings.ends import find_end
from sounds import chirps, encode, make


@pytest.mark.parametrize("ending", [".m4a", ".m4r", ".3ga", ".wma", ".mka", ".weba", ".ac3", ".eac3", ".wv", ".tta"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_end_of_a_whole_file_is_its_last_byte(ending: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    make(path, 0.5, 1 if ending == ".3ga" else channels)
    whole = path.read_bytes()
    if b"APETAGEX" in whole:  # a tag, which belongs to no block
        whole = whole[: whole.index(b"APETAGEX")]
    assert find_end(io.BytesIO(whole), 0) == len(whole)
    assert find_end(io.BytesIO(b"x" * 100 + whole[:-1]), 100) == len(whole) + 100


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_frames_of_ac3_are_as_long_as_ffmpeg_makes_them(rate: int) -> None:
    whole = encode(chirps(rate, 1.0, 2), rate, "ac3", "ac3", "fltp")
    assert find_end(io.BytesIO(whole), 0) == len(whole)
    assert find_end(io.BytesIO(whole[:-1]), 0) == len(whole)


def test_packets_of_a_transport_stream_are_counted() -> None:
    whole = encode(chirps(44_100, 0.5), 44_100, "mp2", "mpegts", "s16")
    assert find_end(io.BytesIO(whole), 0) == len(whole)
    assert find_end(io.BytesIO(whole[:-100]), 0) == len(whole)


def test_what_is_damaged_says_nothing() -> None:
    for whole in (
        b"",
        b"\0\0\0\4ftyp" + bytes(99),
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\0" + bytes(99),
        b"wvpk",
        b"TTA1" + bytes(99),
        b"TTA1" + b"\xff" * 99,
        b"\x0b\x77" + b"\xff" * 2,
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    ):
        assert find_end(io.BytesIO(whole), 0) in (None, 12, 16, 8)
