"""Tests of sets of pictures: folders, arrays and idx files, and what is refused of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sinefield.io import image_sets

PICTURES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: NDArray[Any], kind: int = 8) -> bytes:
    """Return an array as an idx file."""
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("form", ["npy", "npz", "idx", "idx.gz", "folder"])
def test_every_form_holds_the_same_pictures(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.{form}"
    match form:
        case "npy":
            np.save(path, PICTURES)
        case "npz":
            np.savez(path, images=PICTURES, labels=np.arange(2))
        case "idx":
            path.write_bytes(idx(PICTURES))
        case "idx.gz":
            path.write_bytes(gzip.compress(idx(PICTURES)))
        case _:
            path.mkdir()
            for number, each in enumerate(PICTURES):
                Image.fromarray(each).save(path / f"{number}.png")
    found = image_sets.read(path)
    assert found.values.tolist() == PICTURES[..., None].tolist()
    assert (found.low, found.high) == (0, 255)
    np.testing.assert_allclose(found.scaled(), PICTURES[..., None] / 127.5 - 1, atol=1e-6)


def test_wide_numbers_of_idx_files_are_read_in_their_byte_order(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(idx((PICTURES / 100).astype(">f4"), 13))
    assert image_sets.read(tmp_path / "set").values[1, 0, 0, 0] == pytest.approx(0.12)


def test_only_the_first_are_taken_where_there_is_a_limit() -> None:
    assert len(image_sets.read(PICTURES, limit=1).values) == 1


def refused(path: Path) -> str:
    """Return the line that a set is refused with."""
    with pytest.raises((ValueError, OSError)) as told:
        image_sets.read(path)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "holds no picture" in refused(tmp_path)


def test_a_mixed_folder_is_told_with_the_two_that_differ(tmp_path: Path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    Image.fromarray(PICTURES[0].T).save(tmp_path / "b.png")
    assert "a.png is 4 x 3 with 1 channel, and b.png is 3 x 4 with 1 channel" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (idx(PICTURES)[:-1], "cut short: it holds 23 bytes"),
        (idx(PICTURES) + b"x", "it holds 25 bytes"),
        (gzip.compress(idx(PICTURES), mtime=0)[:-12], "damaged or cut short"),
        (b"\x89PNG", "is no set of pictures"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "header tells of an array"),
        (idx(PICTURES)[:7], "cut short: its header ends early"),
        (idx(PICTURES[0, 0]), "holds no pictures: an array of shape"),
        (idx(np.zeros((2, 3, 4), ">f4"), 13), ""),
    ],
    ids=["short", "long", "gzip cut", "another kind", "header", "header cut", "one axis", "zeros"],
)
def test_damaged_idx_files_are_told(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(content)
    if told:
        assert told in refused(tmp_path / "set")
    else:  # float pictures within [0, 1] have its ends for black and white
        assert image_sets.read(tmp_path / "set").high == 1


def test_numbers_that_are_none_are_told() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        image_sets.read(np.full((2, 3, 4), np.nan))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "there is no file or folder" in refused(tmp_path / "none")
