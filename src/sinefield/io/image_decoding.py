"""Files of pictures to arrays, with the values that are stored.

Pillow reads PNG, JPEG, WebP and other formats, tifffile reads TIFF, and imagecodecs the 16-bit PNGs that Pillow would
cut to 8 bits. EXIF orientation is applied, palettes are expanded, CMYK becomes RGB.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from sinefield.io.allocation import IN_MEMORY, Spool, TooLargeError, allocate, check_disk, check_memory, iterate_slabs

LARGE = 2**24
"""The number of values from which on a picture keeps its stored type, and is mapped where its file allows that."""

_BAND = 128  # rows that are decoded together
_BYTES_PER_VALUE = 24  # of the stored picture, its copy in float32 and the targets, which exist at the same time

# The flips and turns that put an array of rows upright, by EXIF orientation (tag 274).
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def read_file(path: Path) -> NDArray[Any]:
    """Return the upright picture in a file, ``(height, width)`` or ``(height, width, channels)``.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: the file cannot be read.
        ValueError: the file is not a picture, is damaged, or is too large for memory.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a picture, or sample:camera for an example")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one picture in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a picture")
    try:
        with warnings.catch_warnings():  # the pixels may be whole where EXIF, say, is corrupt
            warnings.simplefilter("ignore")
            return decode(path)
    except PermissionError as error:
        raise PermissionError(f"cannot read {path}: permission denied") from error
    except TooLargeError as error:
        raise ValueError(str(error)) from error
    except (PIL.Image.DecompressionBombError, MemoryError) as error:
        raise ValueError(f"{path} is too large to be read at once; crop it or make it smaller first") from error
    except Exception as error:  # decoders raise any kind of error on damaged files
        unknown = isinstance(error, PIL.UnidentifiedImageError)
        reason = "unknown format" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a picture ({reason}); it may be damaged, or no PNG, JPEG, TIFF, WebP or NPY"
        ) from error


def decode(path: Path) -> NDArray[Any]:
    """Return the upright picture in a file, with whatever errors the decoders raise."""
    with path.open("rb") as file:
        start = file.read(26)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _read_tiff(path)
    if start[:6] == b"\x93NUMPY":
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.size >= LARGE:
            return mapped
        check_memory(path, mapped.shape, _BYTES_PER_VALUE)
        return np.array(mapped)
    return _read_raster(path, sixteen_bits=start[:4] == b"\x89PNG" and start[24:25] == b"\x10")


def _check_memory_for(path: Path, shape: tuple[int, ...]) -> None:
    """Check that memory can hold a picture: a large one twice with its stored type, others in all their forms."""
    check_memory(path, shape, _BYTES_PER_VALUE if np.prod(shape, dtype=float) < LARGE else 4)


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.photometric not in (0, 1, 2):  # neither grey (MinIsWhite, MinIsBlack) nor RGB, so Pillow converts it
            return _read_raster(path, sixteen_bits=False)
        if page.size >= LARGE and page.is_memmappable and page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
            whole = path.stat().st_size >= page.dataoffsets[0] + page.nbytes
            plain = page.bitspersample == 8 * page.dtype.itemsize
            if whole and plain and page.planarconfig != tifffile.PLANARCONFIG.SEPARATE:
                return _turn_upright(tifffile.memmap(path, mode="r"), _read_orientation(page))
        if page.nbytes > IN_MEMORY and page.photometric != tifffile.PHOTOMETRIC.MINISWHITE and _can_stream():
            if max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))) > path.stat().st_size:
                raise ValueError("it ends early")
            return _decode_in_bands(path, _read_orientation(page))
        _check_memory_for(path, page.shape)
        array: NDArray[Any] = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and array.ndim == 3:
            array = np.moveaxis(array, 0, -1)
        if array.dtype.kind == "u" and 1 < page.bitspersample < 8 * array.dtype.itemsize:  # 4 or 12 bits, say
            array = np.rint(array * (np.iinfo(array.dtype).max / (2**page.bitspersample - 1))).astype(array.dtype)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            array = array.max() - array if array.dtype.kind == "f" else np.invert(array)
        return _turn_upright(array, _read_orientation(page))


def _read_orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag else 1


def _read_raster(path: Path, *, sixteen_bits: bool) -> NDArray[Any]:
    # Pillow maps some TIFFs that are opened by name, and then confuses height and width of those that are turned.
    with path.open("rb") as file, PIL.Image.open(file) as picture:
        shape = (picture.height, picture.width, len(picture.getbands()))
        if np.prod(shape, dtype=float) > IN_MEMORY and _can_stream():
            return _decode_in_bands(path, picture.getexif().get(274, 1))
        _check_memory_for(path, shape)
        if sixteen_bits:
            import imagecodecs

            array: NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
        else:
            array = np.asarray(picture.convert(_choose_mode(picture)))
            if picture.mode == "I":  # no file holds more than 16 bits of its 32-bit integers
                array = array.astype(np.uint16)
        orientation = picture.getexif().get(274, 1)  # absent if Pillow has turned the picture itself
    return _turn_upright(array, orientation)


def _can_stream() -> bool:
    """Return whether pyvips, the extra ``vips``, is installed."""
    return importlib.util.find_spec("pyvips") is not None


def _decode_in_bands(path: Path, orientation: int) -> NDArray[Any]:
    """Return the upright picture in a file, decoded band by band into a temporary file."""
    import pyvips

    picture = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
    if picture.interpretation not in ("b-w", "grey16", "srgb", "rgb", "rgb16", "multiband"):
        picture = picture.colourspace("srgb")
    dtype = np.dtype({"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}[picture.format])
    shape = (picture.height, picture.width, picture.bands)
    check_disk(path, shape, dtype)
    region = pyvips.Region.new(picture)
    with Spool(picture.bands, dtype) as spool:
        for top in range(0, picture.height, _BAND):
            rows = min(_BAND, picture.height - top)
            spool.add(np.frombuffer(region.fetch(0, top, picture.width, rows), dtype))
        return _turn_upright(spool.gather().reshape(shape), orientation)


def _choose_mode(picture: PIL.Image.Image) -> str:
    """Return the mode of Pillow, grey or RGB with or without alpha, that a picture is converted to."""
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBa"):
        return "RGBA"
    if picture.mode == "1":
        return "L"
    return "RGB" if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX") else picture.mode


def _turn_upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return rows of pixels turned as EXIF tag 274 says, and grey with alpha as RGBA."""
    if array.ndim == 3 and array.shape[2] == 2:
        array = array[:, :, [0, 0, 0, 1]]
    turn = _UPRIGHT.get(orientation)
    if turn is None:
        return array
    turned = turn(array)
    if turned.size < LARGE:
        return turned
    copy = allocate(
        "the turned picture", turned.shape, turned.dtype
    )  # samples that are looked up in random order should be contiguous
    for some in iterate_slabs(copy):
        copy[some] = turned[some]
    return copy
