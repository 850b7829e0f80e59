"""Tests of sources: a file is known again by where it lies and by what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from sinefield.io.source import Source


def test_a_file_is_known_by_its_place_and_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"a picture" * 500_000)
    source = Source.of(path)
    (tmp_path / "link.png").symlink_to(path)
    os.link(path, tmp_path / "hard.png")
    (tmp_path / "copy.png").write_bytes(path.read_bytes())
    (tmp_path / "other.png").write_bytes(b"A picture" * 500_000)
    (tmp_path / "longer.png").write_bytes(path.read_bytes() + b" ")
    files = ("photo.png", "link.png", "hard.png", "copy.png", "other.png", "longer.png", "none.png", ".")
    assert [source.is_file(tmp_path / each) for each in files] == [True] * 4 + [False] * 4
    path.write_bytes(b"retouched")
    assert source.is_file(path)
    assert source.is_same(Source.of(path))
    assert source.is_same(Source.of(tmp_path / "copy.png"))
    assert not source.is_same(Source.of(tmp_path / "other.png"))


def test_what_is_stored_comes_back_and_holds_no_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    source = Source.of(tmp_path / "a.png")
    assert Source.from_json(source.to_json()) == source
    assert str(tmp_path) not in str(source.to_json())
    assert Source.of("sample:camera").is_same(Source.of("sample:camera"))
    assert not Source.of("sample:camera").is_same(Source.of("sample:astronaut"))
    assert Source.from_json(None) is None
    assert Source.from_json({"name": 3}) is None
