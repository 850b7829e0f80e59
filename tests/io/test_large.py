"""Tests of pictures larger than memory, with a memory that is small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray

from sinefield.io import SignalWarning, image

HEIGHT, WIDTH = 300, 170  # more than one band, no multiple of one


@pytest.fixture(autouse=True)
def small_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take what a test can make for large."""
    for place in (
        *(f"{each}.LARGE" for each in ("pictures.raster", "pictures.decoding", "pictures.encoding", "image")),
        "allocation.IN_MEMORY",
    ):
        monkeypatch.setattr(f"sinefield.io.{place}", 1000)
    monkeypatch.setattr("sinefield.io.allocation._SLAB", 10_000)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


def pixels(channels: int, dtype: Any) -> NDArray[Any]:
    shape = (HEIGHT, WIDTH, channels)
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("suffix", "dtype"), [(".png", np.uint8), (".png", np.uint16), (".tif", np.uint16)])
def test_what_is_not_mapped_is_decoded_into_a_file(suffix: str, dtype: Any, channels: int, tmp_path: Path) -> None:
    truth = pixels(channels, dtype)
    path = tmp_path / f"a{suffix}"
    form = "uchar" if dtype == np.uint8 else "ushort"
    made = pyvips.Image.new_from_memory(truth, WIDTH, HEIGHT, channels, form)
    space = {1: "b-w", 3: "srgb", 4: "srgb"} if form == "uchar" else {1: "grey16", 3: "rgb16", 4: "rgb16"}
    made = made.copy(interpretation=space[channels])
    made.tiffsave(str(path), compression="lzw") if suffix == ".tif" else made.pngsave(str(path))
    picture = image.read(path)
    assert isinstance(picture.values, np.memmap)
    assert np.array_equal(picture.values, truth)
    assert (picture.low, picture.high) == (0, np.iinfo(dtype).max)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_ones_are_put_upright(orientation: int, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    path = tmp_path / "a.png"
    PIL.Image.fromarray(pixels(3, np.uint8)).save(path, exif=exif)
    with PIL.Image.open(path) as picture:
        from PIL import ImageOps

        truth = np.asarray(ImageOps.exif_transpose(picture))
    found = image.read(path).values
    assert np.array_equal(found, truth)
    assert found.flags.c_contiguous


def test_colours_in_ink_become_light(tmp_path: Path) -> None:
    ink = np.zeros((HEIGHT, WIDTH, 4), dtype=np.uint8)
    ink[: HEIGHT // 2, :, 3] = 255  # the upper half is black, the lower white
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(ink, mode="CMYK").save(path, quality=100)
    with pytest.warns(SignalWarning, match="its inks"):
        found = image.read(path).values
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert found[:100].mean() < 60 < 195 < found[200:].mean()


def test_a_file_that_ends_early_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(pixels(3, np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"a\.png cannot be read as a picture"):
        image.read(path)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16)])
def test_what_is_written_is_read_back(suffix: str, bits: int, channels: int, tmp_path: Path) -> None:
    truth = pixels(channels, np.uint8 if bits == 8 else np.uint16)
    path = tmp_path / f"a{suffix}"
    image.write(path, truth.astype(np.float32), 0.0, 2.0**bits - 1, bits)
    assert np.array_equal(image.read(path).values.reshape(truth.shape), truth)
    if suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            assert file.pages.first.is_tiled
    assert not list((tmp_path / "temporary").iterdir())
