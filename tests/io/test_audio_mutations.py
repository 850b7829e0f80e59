"""Tests of recordings with faults: a result or one line, whatever the header says, and nothing of a library's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mutation import check_reader
from sounds import ENDINGS, make

READER = "sinefield.io.audio:read"
FORMATS = [each for each in ENDINGS if each not in (".oga", ".m4b", ".3ga", ".ec3", ".mpga")]  # one ending of each


def files(folder: Path, endings: Sequence[str]) -> list[Path]:
    found = [folder / f"a{each}" for each in endings]
    for each in found:
        make(each, 0.3)
    return found


@pytest.mark.parametrize("start", range(0, len(FORMATS), 9))
def test_a_mutated_recording_is_read_or_refused_in_a_line(start: int, tmp_path: Path) -> None:
    some = FORMATS[start : start + 9]
    check_reader(READER, files(tmp_path, some), 100 * len(some), tmp_path)


@pytest.mark.long
def test_ten_thousand_mutated_recordings(tmp_path: Path) -> None:
    check_reader(READER, files(tmp_path, FORMATS), 10_000, tmp_path, seed=1)
