"""Tests of pictures with faults: a result or one line, whatever the header says, and nothing of a library's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from mutation import check_reader
from picture_files import WRITERS, smooth
from sinefield.io.pictures.colour_profiles import SRGB, make_profile

READER = "sinefield.io.image:read"
FORMATS = [each for each in WRITERS if each not in (".jfif", ".pnm", ".j2k", ".tiff")]  # one ending of each


def files(folder: Path, endings: Sequence[str]) -> list[Path]:
    found = [folder / f"a{each}" for each in endings]
    for each in found:
        WRITERS[each.suffix](each)
    return found


def rich_files(folder: Path) -> list[Path]:
    """Return files with most of what is looked into besides pixels."""
    exif = PIL.Image.Exif()
    exif[274], exif[282], exif[283] = 6, 72.0, 144.0
    profile = make_profile(SRGB, 1.8)
    for name in ("a.png", "a.jpg", "a.webp"):
        PIL.Image.fromarray(smooth()).save(folder / name, exif=exif, icc_profile=profile)
    frames = [PIL.Image.fromarray(np.roll(smooth(), k, axis=0)) for k in range(3)]
    for name, form in (("b.png", "PNG"), ("b.webp", "WEBP"), ("b.jpg", "MPO"), ("b.gif", "GIF")):
        frames[0].save(folder / name, form, save_all=True, append_images=frames[1:])
    tags = [(42113, 2, 0, "-9999", True), (33550, 12, 3, (30.0, 30.0, 0.0), True)]
    tags += [(33922, 12, 6, (0.0,) * 6, True), (34675, 7, len(profile), profile, True)]
    elevations = np.where(smooth(1)[..., 0] > 100, smooth(1)[..., 0], -9999).astype(np.int16)
    options = {"compression": "zlib", "predictor": True}
    tifffile.imwrite(folder / "a.tif", elevations, metadata=None, extratags=tags, tile=(16, 16), **options)
    with tifffile.TiffWriter(folder / "b.tif") as tiff:
        tiff.write(smooth(), photometric="rgb", metadata=None, subifds=1)
        tiff.write(smooth()[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
        tiff.write(smooth(1)[..., 0] > 99, photometric="mask", metadata=None, subfiletype=4)
    tifffile.imwrite(
        folder / "c.tif", np.moveaxis(smooth(), -1, 0).astype(np.uint16), imagej=True, metadata={"axes": "CYX"}
    )
    tifffile.imwrite(folder / "d.tif", smooth(4), photometric="separated")
    tifffile.imwrite(folder / "e.tif", smooth(), photometric="rgb", compression="jpeg")
    return sorted(
        each for each in folder.iterdir() if each.is_file() and each.name[0] in "abcde" and each.name[1] == "."
    )


@pytest.mark.parametrize("start", range(0, len(FORMATS), 8))
def test_a_mutated_picture_is_read_or_refused_in_a_line(start: int, tmp_path: Path) -> None:
    some = FORMATS[start : start + 8]
    check_reader(READER, files(tmp_path, some), 100 * len(some), tmp_path)


def test_mutated_pictures_with_metadata(tmp_path: Path) -> None:
    check_reader("sinefield.io.image:read", rich_files(tmp_path), 600, tmp_path)


@pytest.mark.long
def test_ten_thousand_mutated_pictures(tmp_path: Path) -> None:
    check_reader(READER, files(tmp_path, FORMATS), 10_000, tmp_path, seed=1)


@pytest.mark.long
def test_ten_thousand_mutated_pictures_with_metadata(tmp_path: Path) -> None:
    check_reader(READER, rich_files(tmp_path), 10_000, tmp_path, seed=2)
