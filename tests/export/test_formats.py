"""Tests of the table of formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sinefield.export import formats


def test_the_table_is_read_without_torch() -> None:
    script = "import sys; from sinefield.export import formats; formats.described(); print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "False", found.stderr


@pytest.mark.parametrize("ending", formats.FORMATS)
def test_every_writer_is_there(ending: str) -> None:
    form = formats.FORMATS[ending]
    assert callable(formats._imported(form.writer))
    assert not form.needs or callable(formats._imported(form.needs))


def test_endings_in_capitals_and_folders(tmp_path: Path) -> None:
    assert formats.format_of(Path("PHOTO.GLSL")) is formats.FORMATS[".glsl"]
    assert formats.format_of(Path("photo")) is formats.FORMATS[formats.FOLDER]
    (tmp_path / "photo.v2").mkdir()
    assert formats.format_of(tmp_path / "photo.v2") is formats.FORMATS[formats.FOLDER]


def test_what_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    ours, other, full = tmp_path / "ours.py", tmp_path / "other.py", tmp_path / "full"
    ours.write_text("# Written by sinefield 0.1.0")
    other.write_text("print('mine')" + "#" * 5000 + "sinefield")
    full.mkdir()
    formats.check_replaceable(ours)
    formats.check_replaceable(full)
    formats.check_replaceable(tmp_path / "new.py")
    with pytest.raises(FileExistsError, match="was not exported from a field"):
        formats.check_replaceable(other)
    (full / "file").touch()
    with pytest.raises(FileExistsError, match="a folder that is not empty"):
        formats.check_replaceable(full)
