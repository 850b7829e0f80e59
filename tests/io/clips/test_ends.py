"""Tests of clips that were cut short: refused, or the frames that are there are used and what is missing is told."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from PIL import Image

from films import CODECS, encode, small, waves
from sinefield.io import SignalWarning, video
from sinefield.io.clips.ends import find_missing

VARIANTS = {
    "index first.mp4": {"movflags": "faststart"},
    "fragments.mp4": {"movflags": "frag_keyframe+empty_moov"},
    "live.mkv": {"live": "1"},
}


def make(name: str, folder: Path) -> Path:
    if name in VARIANTS:
        return encode(folder / name, waves(20, 32, 48), options={"g": "5"}, container_options=VARIANTS[name])
    if name == ".webp":
        pictures = [Image.fromarray(each) for each in waves(8)]
        pictures[0].save(folder / "a.webp", save_all=True, append_images=pictures[1:], duration=40, lossless=True)
        return folder / "a.webp"
    return small(name, folder)


def read(path: Path) -> tuple[int, float, str]:
    """Return the frames and the rate of a clip, and what was told of it but for the rate that some do not tell."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = video.read(path)
    return found.frames, found.rate, "; ".join(text for each in told if "do not say" not in (text := str(each.message)))


@pytest.mark.parametrize("name", [*CODECS, *VARIANTS, ".webp"])
def test_what_was_cut_off_is_told(name: str, tmp_path: Path) -> None:
    path = make(name, tmp_path)
    content = path.read_bytes()
    if name != ".dv":  # which is interlaced, of pixels that are not square
        frames, rate, told = read(path)
        assert (frames, rate, told) == (20 if name in VARIANTS else 8, 25, "")
    for left in (3 * len(content) // 10, 6 * len(content) // 10, 9 * len(content) // 10, -200, -1):
        path.write_bytes(content[:left])
        try:
            found, _, told = read(path)
        except ValueError as error:
            told, found = str(error), 0
            assert "\n" not in told
        assert "ends early" in told or "cannot be decoded after frame" in told or "is damaged at frame" in told, left
        assert found <= 20


def test_frames_that_a_cut_leaves_are_those_of_the_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", waves(20), "mjpeg", "yuvj420p")
    whole = video.read(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 8 // 10])
    with pytest.warns(
        SignalWarning, match=r"ends early, at least \d+ bytes are missing at its end: 16 frames, 0.64 of"
    ):
        found = video.read(path)
    assert 2 <= found.frames < whole.frames
    assert (found.values == whole.values[: len(found.values)]).all()


def test_an_index_that_is_missing_at_the_end_costs_no_frame(tmp_path: Path) -> None:
    path = make(".mkv", tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(
        SignalWarning, match="at least 1 byte is missing at its end: 8 frames, 0.32 of 0.32 s, are there"
    ):
        assert video.read(path).frames == 8


def test_frames_before_a_cut_can_be_asked_for(tmp_path: Path) -> None:
    path = make("index first.mp4", tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: 8 * len(content) // 10])
    with pytest.raises(
        ValueError, match=r"use the frames before with --frames 0:\d+.*ends early|ends early.* 0:\d+"
    ) as told:
        video.read(path)
    left = int(str(told.value).partition("--frames 0:")[2].partition(";")[0])
    assert video.read(path, (0, left, 1)).frames == left >= 2


def test_a_header_that_claims_a_little_too_much_is_told(tmp_path: Path) -> None:
    """An AVI of 30 frames whose header promises 31."""
    path = encode(tmp_path / "a.avi", waves(30))
    content = bytearray(path.read_bytes())
    place = content.index(b"strh") + 8 + 32  # the length of the stream
    assert content[place : place + 4] == (30).to_bytes(4, "little")
    content[place : place + 4] = (31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.warns(SignalWarning, match=r"1\.24 s are promised and 1\.20 s are there, which are used"):
        assert video.read(path).frames == 30


@pytest.mark.parametrize("padding", [b"", b"\0" * 100, b"more of something else"])
def test_what_follows_the_end_is_nothing_missing(padding: bytes, tmp_path: Path) -> None:
    for suffix in (".mp4", ".gif", ".apng", ".mkv"):
        path = small(suffix, tmp_path)
        path.write_bytes(path.read_bytes() + padding)
        assert find_missing(path) == ""
        assert read(path) == (8, 25, "")
