"""Tests of TIFF stacks: pages by any writer are slices, sizes are those told, parts are told, damage is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile
from numpy.typing import NDArray

from sinefield.io import SignalWarning, volume


def ball(dtype: Any = np.uint16, depth: int = 6) -> NDArray[Any]:
    z, y, x = np.mgrid[-1 : 1 : depth * 1j, -1:1:14j, -1:1:17j]
    values: NDArray[Any] = np.rint(250 * np.exp(-3 * (x**2 + y**2 + z**2) - x - y)).astype(dtype)
    return values


def quietly(path: Path, **options: Any) -> tuple[volume.Volume, list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = volume.read(path, **options)
    assert all(each.category is SignalWarning for each in told)
    return found, [str(each.message) for each in told]


def values(found: volume.Volume) -> NDArray[Any]:
    return found.values.reshape(found.shape)


def separate(path: Path, pages: Any, **options: Any) -> None:
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False)) as tiff:
        for page in pages:
            tiff.write(page, metadata=None, contiguous=False, **options)


def by_pillow(path: Path) -> None:
    pages = [PIL.Image.fromarray(each) for each in ball()]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def with_thumbnails(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in ball():
            tiff.write(page, metadata=None, contiguous=False)
            tiff.write(page[::2, ::2], metadata=None, contiguous=False, subfiletype=1)


def with_pyramids(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in ball():
            tiff.write(page, metadata=None, contiguous=False, subifds=1)
            tiff.write(page[::2, ::2], metadata=None, subfiletype=1)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "pages": lambda path: separate(path, ball()),
    "bigtiff": lambda path: separate(path, ball(), bigtiff=True),
    "zlib": lambda path: separate(path, ball(), compression="zlib", predictor=True),
    "lzw": lambda path: separate(path, ball(), compression="lzw"),
    "tiles": lambda path: separate(path, ball(), tile=(16, 16)),
    "pillow": by_pillow,
    "thumbnails": with_thumbnails,
    "pyramids": with_pyramids,
    "tifffile": lambda path: tifffile.imwrite(path, ball(), photometric="minisblack"),
    "imagej": lambda path: tifffile.imwrite(path, ball(), imagej=True, metadata={"axes": "ZYX"}),
    "ome": lambda path: tifffile.imwrite(path, ball(), ome=True, metadata={"axes": "ZYX"}),
    "big endian": lambda path: tifffile.imwrite(path, ball(), byteorder=">", photometric="minisblack"),
    "white is zero": lambda path: separate(path, np.invert(ball()), photometric="miniswhite"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_pages_by_any_writer_are_slices(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "a.tif")
    found, told = quietly(tmp_path / "a.tif")
    assert np.array_equal(values(found), ball())
    assert (found.sizes, found.unit, told) == ((1, 1, 1), "voxel", [])


TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda page: page,
    2: np.fliplr,
    3: lambda page: np.rot90(page, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda page: np.rot90(page, 1),
    7: lambda page: np.rot90(page.T, 2),
    8: lambda page: np.rot90(page, -1),
}  # what was done to a page that is stored so; 6 is shown turned clockwise


@pytest.mark.parametrize("turn", TURNS)
def test_pages_that_are_turned_or_mirrored_are_shown_upright(turn: int, tmp_path: Path) -> None:
    pages = [np.ascontiguousarray(TURNS[turn](page)) for page in ball(np.uint8)]
    separate(tmp_path / "a.tif", pages, extratags=[(274, "H", 1, turn, True)])
    assert np.array_equal(values(volume.read(tmp_path / "a.tif")), ball(np.uint8))
    # Pillow maps some files that are opened by name, and then confuses rows and columns of those that are turned.
    with (tmp_path / "a.tif").open("rb") as file, PIL.Image.open(file) as page:
        page.load()
        assert np.array_equal(np.asarray(PIL.ImageOps.exif_transpose(page)), ball(np.uint8)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.uint32])
def test_numbers_keep_their_type(dtype: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ball(dtype), photometric="minisblack")
    assert values(volume.read(tmp_path / "a.tif")).dtype == dtype


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e-3), ("micron", 1e-3), ("mm", 1.0), ("nm", 1e-6), ("cm", 10.0)])
def test_imagej_tells_sizes(unit: str, factor: float, tmp_path: Path) -> None:
    told = {"axes": "ZYX", "unit": unit, "spacing": 2.5}
    tifffile.imwrite(tmp_path / "a.tif", ball(), imagej=True, resolution=(4.0, 2.0), metadata=told)
    found = volume.read(tmp_path / "a.tif")
    assert found.unit == "mm"
    assert found.sizes == pytest.approx((2.5 * factor, 0.5 * factor, 0.25 * factor))


@pytest.mark.parametrize(("unit", "factor"), [(None, 1e-3), ("µm", 1e-3), ("mm", 1.0), ("nm", 1e-6)])
def test_ome_tells_sizes(unit: str | None, factor: float, tmp_path: Path) -> None:
    sizes = {"PhysicalSizeZ": 2.5, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    units = {} if unit is None else {f"PhysicalSize{axis}Unit": unit for axis in "ZYX"}
    tifffile.imwrite(tmp_path / "a.tif", ball(), ome=True, metadata={"axes": "ZYX", **sizes, **units})
    assert volume.read(tmp_path / "a.tif").sizes == pytest.approx((2.5 * factor, 0.5 * factor, 0.25 * factor))


def test_sizes_that_are_none_are_told(tmp_path: Path) -> None:
    told = {"axes": "ZYX", "unit": "um", "spacing": 0.0}
    tifffile.imwrite(tmp_path / "a.tif", ball(), imagej=True, resolution=(4.0, 2.0), metadata=told)
    found, words = quietly(tmp_path / "a.tif")
    assert found.unit == "voxel"
    assert "are not plausible, they are taken for cubes; give --voxel Z,Y,X" in words[0]
    assert quietly(tmp_path / "a.tif", sizes=(2.0, 1.0, 1.0))[0].sizes == (2, 1, 1)


def test_tifffile_tells_sizes_without_imagej_too(tmp_path: Path) -> None:
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": {"axes": "ZYX", "spacing": 2.0, "unit": "um"}}
    tifffile.imwrite(tmp_path / "a.tif", ball(), resolution=(1e4, 5e3), resolutionunit="CENTIMETER", **options)
    assert volume.read(tmp_path / "a.tif").sizes == pytest.approx((2e-3, 2e-3, 1e-3))


def test_numbers_of_a_palette_are_told(tmp_path: Path) -> None:
    separate(tmp_path / "a.tif", ball(np.uint8), photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    found, told = quietly(tmp_path / "a.tif")
    assert np.array_equal(values(found), ball(np.uint8))
    assert "of a palette, of which the numbers are used" in told[0]


def test_pixels_that_are_not_square_are_told(tmp_path: Path) -> None:
    separate(tmp_path / "a.tif", ball(), resolution=(100, 50), resolutionunit="CENTIMETER")
    found, told = quietly(tmp_path / "a.tif")
    assert found.unit == "voxel"
    assert "its pixels are not square (0.01 x 0.02); tell sizes by --voxel Z,Y,X" in told[0]


@pytest.mark.parametrize(("axes", "style"), [("TZCYX", "ome"), ("TZCYX", "imagej"), ("TCZYX", "ome")])
def test_times_and_channels_count_volumes(axes: str, style: str, tmp_path: Path) -> None:
    stack = np.stack([np.stack([ball() + 10 * t + c for c in range(3)]) for t in range(2)])  # t, c, z, y, x
    ordered = stack if axes == "TCZYX" else stack.swapaxes(1, 2)
    tifffile.imwrite(tmp_path / "a.tif", ordered, photometric="minisblack", metadata={"axes": axes}, **{style: True})
    found, told = quietly(tmp_path / "a.tif")
    assert np.array_equal(values(found), ball())
    assert "holds 6 volumes (2 times, 3 channels), the first is used; choose another with --volume N" in told[0]
    found, told = quietly(tmp_path / "a.tif", volume=4)
    assert np.array_equal(values(found), ball() + 11)
    assert told == []


def test_pages_that_are_told_to_be_something_else_are_slices_and_told(tmp_path: Path) -> None:
    for axes, name in (("CYX", "channels"), ("TYX", "times")):
        tifffile.imwrite(tmp_path / "a.tif", ball(), photometric="minisblack", ome=True, metadata={"axes": axes})
        found, told = quietly(tmp_path / "a.tif")
        assert np.array_equal(values(found), ball())
        assert f"its pages are {name}, and are taken for slices" in told[0]
    colours = np.stack([ball(np.uint8), ball(np.uint8) // 2, ball(np.uint8) // 3], axis=-1)
    separate(tmp_path / "b.tif", colours, photometric="rgb")
    found, told = quietly(tmp_path / "b.tif", volume=None)
    assert np.array_equal(values(found), colours[..., 0])
    assert "holds 3 volumes (3 colours), the first is used" in told[0]


def test_what_is_no_stack_is_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", ball()[3])
    with pytest.raises(ValueError, match="has one page, and a volume has several; --kind image reads it as a picture"):
        volume.read(tmp_path / "one.tif")
    separate(tmp_path / "sizes.tif", [*ball(), ball()[0, :5, :7]])
    with pytest.raises(ValueError, match=r"pages of different sizes \(6 of 17 x 14, 1 of 7 x 5\)"):
        volume.read(tmp_path / "sizes.tif")
    separate(tmp_path / "types.tif", [*ball(), ball()[0].astype(np.float32)])
    with pytest.raises(ValueError, match="pages of different types of number"):
        volume.read(tmp_path / "types.tif")


def test_nodata_that_gdal_tells_is_not_known(tmp_path: Path) -> None:
    stack = ball(np.int16)
    stack[2, 3:5, 4] = -9999
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in stack:
            tiff.write(page, metadata=None, contiguous=False, extratags=[(42113, "s", 0, "-9999", True)])
    found, told = quietly(tmp_path / "a.tif")
    assert found.low >= 0
    assert found.known is not None
    assert np.argwhere(~found.known.reshape(found.shape)).tolist() == [[2, 3, 4], [2, 4, 4]]
    assert "2 of 1,428 voxels (0.14 %) are of the value -9999, nodata" in told[0]
    assert quietly(tmp_path / "a.tif", nodata=-1.0)[0].low == -9999


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("amount", [0.3, 0.6, 0.9, -1, -200])
def test_a_stack_that_is_cut_short_is_refused_or_told(name: str, amount: float, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(amount * len(content)) if amount > 0 else int(amount)])
    try:
        found, told = quietly(tmp_path / "a.tif")
    except ValueError as error:
        message = str(error)
    else:  # what was cut off is behind the pages
        assert np.array_equal(values(found), ball())
        assert told or amount == -1
        return
    assert "\n" not in message
    assert "damaged" in message


@pytest.mark.parametrize("sizes", [None, (2.0, 0.5, 0.25), (5e-4, 1e-4, 2e-4)])
def test_what_is_written_is_read_back(sizes: Any, tmp_path: Path) -> None:
    volume.write(tmp_path / "a.tif", ball(np.float32), sizes=sizes)
    found, told = quietly(tmp_path / "a.tif")
    assert np.array_equal(values(found), ball(np.float32))
    assert found.sizes == pytest.approx(sizes or (1, 1, 1))
    assert (found.unit, told) == ("voxel" if sizes is None else "mm", [])
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_imagej
        assert len(tiff.pages) == 6
