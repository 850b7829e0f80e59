"""Tests of Ogg files: where each recording in one begins, and whether the last of them ends."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sinefield.io import audio
from sinefield.io.recordings.pages import find_links
from sounds import chirps, content

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (40_000, 1))
WHOLE = content(NOISE, 8000, "OGG", "VORBIS")


def test_the_last_page_is_whole_and_marked() -> None:
    assert find_links(io.BytesIO(WHOLE), 0).closed
    assert find_links(io.BytesIO(WHOLE + b"TAG" + bytes(125)), 0).closed
    assert find_links(io.BytesIO(b"x" * 99 + WHOLE), 99).ranges == [range(99, 99 + len(WHOLE))]
    for cut in (1, 200, len(WHOLE) // 2, len(WHOLE) - 10):
        assert not find_links(io.BytesIO(WHOLE[:-cut]), 0).closed


def test_bytes_between_pages_are_passed_over() -> None:
    second = WHOLE.index(b"OggS", 4)
    assert find_links(io.BytesIO(WHOLE[:second] + bytes(100_000) + WHOLE[second:]), 0).closed


def test_recordings_one_after_the_other_are_all_read(tmp_path: Path) -> None:
    other = chirps(8000, 1.0)
    whole = WHOLE + content(other, 8000, "OGG", "VORBIS")
    assert [len(each) for each in find_links(io.BytesIO(whole), 0).ranges] == [len(WHOLE), len(whole) - len(WHOLE)]
    (tmp_path / "a.ogg").write_bytes(whole)
    found = audio.read(tmp_path / "a.ogg")
    assert len(found.values) == len(NOISE) + len(other)
    assert np.abs(found.values[len(NOISE) + 1000 : -1000] - other[1000:-1000]).max() < 0.05


def test_recordings_of_different_rates_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(WHOLE + content(chirps(8000, 1.0, 2), 8000, "OGG", "VORBIS"))
    with pytest.raises(
        ValueError, match=r"a\.ogg changes from 1 channels at 8000 Hz to 2 at 8000 Hz after 5\.00 s; conve"
    ):
        audio.read(tmp_path / "a.ogg")
