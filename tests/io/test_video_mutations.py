"""Tests of clips with faults: a result or one line, whatever the bytes are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from films import CODECS, encode, small, waves
from mutation import check_reader

FORMATS = [each for each in CODECS if each not in (".dv", ".qt", ".3g2", ".f4v", ".mts", ".asf")]
"""One ending of each container; the others are the same container under another name."""


def make(folder: Path) -> list[Path]:
    """Write a small clip of every format, MP4 with its index first and in fragments too."""
    files = [small(suffix, folder) for suffix in FORMATS]
    files.append(encode(folder / "first.mp4", waves(), container_options={"movflags": "faststart"}))
    files.append(encode(folder / "parts.mp4", waves(), container_options={"movflags": "frag_keyframe+empty_moov"}))
    pictures = [Image.fromarray(each) for each in waves()]
    pictures[0].save(folder / "a.webp", save_all=True, append_images=pictures[1:], duration=40)
    return [*files, folder / "a.webp"]


def test_a_hundred_mutations_of_each_format(tmp_path: Path) -> None:
    files = make(tmp_path)
    (tmp_path / "mutants").mkdir()
    check_reader("sinefield.io.video:read", files, 100 * len(files), tmp_path / "mutants")


@pytest.mark.long
def test_ten_thousand_mutations(tmp_path: Path) -> None:
    files = make(tmp_path)
    (tmp_path / "mutants").mkdir()
    check_reader("sinefield.io.video:read", files, 10_000, tmp_path / "mutants", seed=1)
