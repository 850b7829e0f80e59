"""Files of pictures to arrays, with the values that are stored, by what their first bytes tell of their format.

One path serves pictures of any size: libvips decodes PNG, JPEG, WebP, GIF and AVIF, tifffile TIFF, a band or a segment
at a time; NPY is mapped where it is large.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from sinefield.io.allocation import TooLargeError
from sinefield.io.pictures.raster import LARGE, check_room, choose_page, read_raster
from sinefield.io.pictures.stored import DamagedError, Details, RefusedError, StoredPicture
from sinefield.io.pictures.tiff import read_tiff

__all__ = ["LARGE", "decode", "read_file"]

_BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "NPY": (b"\x93NUMPY",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "ICO": (b"\0\0\1\0",),
    "PSD": (b"8BPS",),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "PNM": tuple(f"P{digit}".encode() for digit in range(1, 7)),
}
_EARLY = (
    "trunc",
    "premature",
    "unexpected end",
    "read error",
    "unable to parse",
    "bad seek",
    "broken data",
    "mmap",
    "eof",
)
_KNOWN = "PNG, JPEG, TIFF, WebP, AVIF, GIF, BMP, TGA, ICO, PSD, JPEG 2000, PNM or NPY"


def read_file(path: Path, page: int | None = None, *, planes: bool = False) -> StoredPicture:
    """Return the upright picture in a file.

    Args:
        path: of the file.
        page: which of several pictures; None: the first.
        planes: whether all pages of a TIFF file are the channels of one picture.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: the file cannot be read.
        ValueError: the file is not a picture, is damaged, has no such page, or is too large for memory.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a picture, or sample:camera for an example")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one picture in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a picture")
    try:
        with warnings.catch_warnings():  # of the decoders; what is to be told is in the notes
            warnings.simplefilter("ignore")
            return decode(path, page, planes=planes)
    except PermissionError as error:
        raise PermissionError(f"cannot read {path}: permission denied") from error
    except (TooLargeError, RefusedError) as error:
        raise ValueError(str(error)) from error
    except (PIL.Image.DecompressionBombError, MemoryError) as error:
        raise ValueError(f"{path} is too large to be read at once; crop it or make it smaller first") from error
    except Exception as error:  # decoders raise any kind of error on damaged files
        raise ValueError(
            f"{path} cannot be read as a picture ({_reason(error)}); it may be damaged, or no {_KNOWN}"
        ) from error


def _reason(error: Exception) -> str:
    """Return why a file could not be decoded, in our words: those of decoders are for who programs with them."""
    if isinstance(error, DamagedError):
        return str(error)
    text = str(error).lower()
    if isinstance(error, PIL.UnidentifiedImageError):
        return "unknown format"
    return "it ends early, or is damaged" if any(word in text for word in _EARLY) else "damaged"


def decode(path: Path, page: int | None = None, *, planes: bool = False) -> StoredPicture:
    """Return the upright picture in a file, with whatever errors the decoders raise."""
    form = format_of(path)
    if form == "TIFF":
        return read_tiff(path, page, planes=planes, large=LARGE)
    if form == "NPY":
        return _read_npy(path, page)
    return read_raster(path, form, page)


def format_of(path: Path) -> str:
    """Return the format of a picture by its first bytes, whatever its ending; only TGA has none that would tell.

    Raises:
        DamagedError: it is none that is known.
    """
    with path.open("rb") as file:
        start = file.read(32)
    for form, beginnings in _BEGINNINGS.items():
        if start.startswith(beginnings):
            return form
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[4:8] == b"ftyp" and (start[8:12] in (b"avif", b"avis") or b"avif" in start[16:]):
        return "AVIF"
    if path.suffix.lower() == ".tga":
        return "TGA"
    raise DamagedError("unknown format")


def _read_npy(path: Path, page: int | None) -> StoredPicture:
    choose_page(path, page, 1, "pages")
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error) or "objects" in str(error).lower():
            raise DamagedError("it holds objects of Python, which are not loaded") from error
        raise
    if mapped.size < LARGE:
        check_room(path, mapped.shape)
        mapped = np.array(mapped)
    return StoredPicture(mapped, Details())
