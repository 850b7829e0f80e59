"""Tests of files whose ending says nothing or something wrong, and of formats that are not read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import soundfile
from PIL import Image

from command import run
from sinefield import kinds
from sinefield.kinds.recognition import NOT_READ, other_kind, recognise


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, form)
    return buffer.getvalue()


def sound(form: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(2000) / 7) / 2, 8000, format=form)
    return buffer.getvalue()


def scan() -> bytes:
    content: bytes = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_bytes()
    return content


MADE: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG": (lambda: picture("png"), "image"),
    "JPEG": (lambda: picture("jpeg"), "image"),
    "TIFF": (lambda: picture("tiff"), "image"),
    "WebP": (lambda: picture("webp"), "image"),
    "GIF": (lambda: picture("gif"), "video"),
    "WAV": (lambda: sound("wav"), "audio"),
    "FLAC": (lambda: sound("flac"), "audio"),
    "Ogg": (lambda: sound("ogg"), "audio"),
    "AIFF": (lambda: sound("aiff"), "audio"),
    "AU": (lambda: sound("au"), "audio"),
    "CAF": (lambda: sound("caf"), "audio"),
    "W64": (lambda: sound("w64"), "audio"),
    "NIfTI": (scan, "volume"),
    "PLY": (lambda: b"ply\nformat ascii 1.0\n", "shape"),
    "STL": (lambda: b"solid ball\n", "shape"),
    "GLB": (lambda: b"glTF\2\0\0\0", "shape"),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("file_name", ["unnamed", "IMG.0001"])
def test_a_file_without_an_ending_is_recognised(name: str, file_name: str, tmp_path: Path) -> None:
    made, kind = MADE[name]
    (tmp_path / file_name).write_bytes(made())
    found = recognise(tmp_path / file_name)
    assert found is not None
    assert (found.name, found.kinds[0]) == (name, kind)
    assert kinds.kind_of(tmp_path / file_name) == kind


def test_a_packed_file_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "scan.gz").write_bytes(gzip.compress(scan()))
    assert kinds.kind_of(tmp_path / "scan.gz") == "volume"
    (tmp_path / "cut.gz").write_bytes(gzip.compress(scan())[:12])
    assert kinds.kind_of(tmp_path / "cut.gz") == "image"


def test_another_kind_is_named_only_where_the_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(sound("wav"))
    assert other_kind(tmp_path / "a.png", "image") == "its first bytes are those of WAV; try --kind audio"
    assert other_kind(tmp_path / "a.png", "audio") == ""
    assert other_kind(tmp_path / "none.png", "audio") == ""
    done = run(tmp_path, "fit", "a.png")
    assert done.returncode == 2
    assert "its first bytes are those of WAV; try --kind audio" in done.stderr


def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    read = {ending for kind in kinds.KINDS.values() for ending in kind.endings}
    for ending in NOT_READ:
        path = tmp_path / f"a{ending.upper()}"
        path.write_bytes(b"something")
        if ending not in read:
            with pytest.raises(ValueError, match=rf"is .* \({ending}\), which is not read; .+") as caught:
                kinds.kind_of(path)
            assert "\n" not in str(caught.value)
    assert kinds.kind_of("none.heic") == "image"  # whose reader tells that it is not there


def test_a_field_is_no_signal(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\0" * 16)
    with pytest.raises(ValueError, match=r"is a field file .*; sinefield render evaluates it"):
        kinds.kind_of(tmp_path / "a.safetensors")
