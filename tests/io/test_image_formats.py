"""Tests of the table of pictures' formats: each row is read, cut short and written back as it says."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from documented import endings, rows
from picture_files import WRITERS
from pictures import quietly, rendered
from sinefield.io import SignalWarning, image
from sinefield.io.pictures.encoding import check_suffix
from sinefield.kinds import KINDS, kind_of
from sinefield.signals.image import ImageSignal

ROWS = rows("Pictures")
LOSSY = {".jpg": 12, ".jpeg": 12, ".jfif": 12, ".avif": 16}
OTHERS = [".gif", ".npy"]  # which are of other kinds too


def test_every_ending_is_in_one_row() -> None:
    listed = [each for row in ROWS for each in endings(row)]
    assert sorted(listed) == sorted([*image.SUFFIXES, *OTHERS])
    assert sorted(listed) == sorted([*KINDS["image"].endings, *OTHERS])
    assert sorted(listed) == sorted(WRITERS)  # of which a file can be made here


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_of_each_ending_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    pixels = WRITERS[ending](path)
    if ending != ".gif":
        assert kind_of(path) == "image"
    picture = image.read(path)
    assert picture.values.shape == pixels.shape
    assert np.abs(picture.values - pixels).max() <= LOSSY.get(ending, 0)
    assert (picture.low, picture.high, picture.bits) == (0, 255, 8)


@pytest.mark.parametrize("ending", [each for each in WRITERS if each != ".tga"])  # which nothing but its ending tells
def test_the_ending_does_not_matter(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = WRITERS[ending](tmp_path / f"a{ending}")
    (tmp_path / f"a{ending}").rename(path)
    assert np.abs(image.read(path).values - pixels).max() <= LOSSY.get(ending, 0)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, -200, -1])
@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_that_was_cut_is_refused_or_whole(ending: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    pixels = WRITERS[ending](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept > 0 else int(kept)])
    try:
        found, message = image.read(path).values, None
    except ValueError as error:
        found, message = None, str(error)
    if found is None:
        assert message is not None
        assert str(path) in message
        assert "\n" not in message
        assert "early" in message or "damaged" in message
        return
    # What was cut is a mark of the end, a checksum of nothing, or a table that no picture needs.
    assert kept == -1 or ending == ".tga"
    assert np.abs(found - pixels).max() <= LOSSY.get(ending, 0)


@pytest.mark.parametrize("ending", WRITERS)
def test_what_follows_the_picture_does_no_harm(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    pixels = WRITERS[ending](path)
    with path.open("ab") as file:
        file.write(b"some other program's bytes\xff\xd9" * 40)
    assert np.abs(image.read(path).values - pixels).max() <= LOSSY.get(ending, 0)


@pytest.mark.parametrize("ending", WRITERS)
def test_it_is_written_back_as_the_table_says(ending: str, tmp_path: Path) -> None:
    """The last column of a row begins with the ending that is written, or says no."""
    row = next(row for row in ROWS if ending in endings(row))
    written = row["Written back"].startswith("`")
    path = tmp_path / f"b{ending}"
    pixels = WRITERS[ending](tmp_path / f"a{ending}")
    picture = image.read(tmp_path / f"a{ending}")
    if not written or ending == ".jfif":
        with pytest.raises(ValueError, match=r"its ending must be one of \.png"):
            check_suffix(path)
        path = tmp_path / "b.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error", SignalWarning)
        again = image.read(rendered(picture, path))
    assert again.values.shape == picture.values.shape == pixels.shape
    assert np.abs(again.values - picture.values).max() <= LOSSY.get(path.suffix, 1e-4)
    assert again.details.profile == picture.details.profile
    double = quietly(rendered(picture, tmp_path / f"c{path.suffix}", scale=2))
    assert double.values.shape[:2] == (2 * pixels.shape[0], 2 * pixels.shape[1])
    assert ImageSignal.of(again).lattice.extent == ImageSignal.of(picture).lattice.extent
