"""Sets of pictures of one size: folders of files, arrays, and idx files as MNIST and its successors have them."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import image
from sinefield.io.allocation import check_memory
from sinefield.io.sets.signal_set import SignalSet, files_in

SUFFIXES: Final = image.SUFFIXES
"""The endings of pictures in a folder."""

_IDX_TYPES: Final = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LONGEST: Final = 1 << 31


def read(source: str | Path | NDArray[Any], *, longest: int | None = None, limit: int | None = None) -> SignalSet:
    """Return the pictures in a folder, an array file or an idx file.

    Args:
        source: a folder of picture files, which are read in the order of their names, those of folders in it too; a
            ``.npy`` or ``.npz`` file or an array ``(count, height, width)`` or ``(count, height, width, channels)``; or
            an idx file, plain or gzip.
        longest: scale pictures of files to this many pixels along their longest side.
        limit: the most pictures that are taken, the first; None: all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no pictures, or such of several sizes or numbers of channels, or is damaged.
    """
    if isinstance(source, np.ndarray):
        return _checked(source, f"an array of shape {source.shape}", limit)
    path = Path(source)
    if path.is_dir():
        return _read_folder(path, longest, limit)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file or folder {path}; give a folder of pictures, an .npy or an idx file")
    if longest is not None:
        raise ValueError(f"{path} holds an array, whose pictures are not scaled; --resize is for folders of pictures")
    if path.suffix.lower() in (".npy", ".npz"):
        return _checked(_read_array(path), str(path), limit)
    return _checked(_read_idx(path), str(path), limit)


def _read_folder(folder: Path, longest: int | None, limit: int | None) -> SignalSet:
    files = files_in(folder, SUFFIXES)
    if not files:
        raise ValueError(f"the folder {folder} holds no picture; give one of .png, .jpg, … files")
    found: list[NDArray[Any]] = []
    first = files[0]
    low, high = math.inf, -math.inf
    for path in files[:limit]:
        picture = image.read(path)
        picture = picture if longest is None else image.resize(picture, longest)
        if found and picture.values.shape != found[0].shape:
            had, has = (_told(each.shape) for each in (found[0], picture.values))
            raise ValueError(
                f"the folder {folder} is mixed: {first.name} is {had}, and {path.name} is {has}; keep pictures of one "
                "size and number of channels in it"
            )
        found.append(picture.values)
        low, high = min(low, picture.low), max(high, picture.high)
    return SignalSet(np.stack(found), low, high, str(folder))


def _told(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} with {shape[2]} channel{'s' if shape[2] != 1 else ''}"


def _read_array(path: Path) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as stored:  # an .npz
            names = list(stored.files)
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in names}
        several = [each for each in arrays.values() if each.ndim in (3, 4)]
        if len(several) != 1:
            raise ValueError(f"{path} holds {len(several)} arrays of pictures ({', '.join(names)}); give one of one")
        return several[0]
    except (AttributeError, TypeError):  # an .npy, which is no context manager
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    except (OSError, EOFError, zlib.error, KeyError) as error:
        raise ValueError(f"{path} is no array file, or is damaged ({error})") from error


def _read_idx(path: Path) -> NDArray[Any]:
    """Return the array in an idx file: two zeros, a type, the number of axes, their lengths in 4 bytes each, values.

    Raises:
        ValueError: it is none, or is damaged.

    Source: Y. LeCun, "The MNIST database", the section on file formats.
    """
    with path.open("rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else path.open("rb") as file:
            start = file.read(4)
            if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_TYPES or not 1 <= start[3] <= 4:
                raise ValueError(f"{path} is no set of pictures: neither a folder, an .npy or .npz, nor an idx file")
            lengths = file.read(4 * start[3])
            if len(lengths) < 4 * start[3]:
                raise ValueError(f"{path} is damaged or cut short: its header ends early; get another copy")
            shape = tuple(int(each) for each in np.frombuffer(lengths, ">u4"))
            kind = np.dtype(_IDX_TYPES[start[2]])
            if math.prod(shape) > _LONGEST:
                raise ValueError(f"{path} is damaged: its header tells of an array of shape {shape}")
            check_memory(path, shape, kind.itemsize)
            content = file.read(math.prod(shape) * kind.itemsize + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); get another copy") from error
    if len(content) != math.prod(shape) * kind.itemsize:
        raise ValueError(
            f"{path} is damaged or cut short: it holds {len(content)} bytes of an array of shape {shape}; get another "
            "copy"
        )
    return np.frombuffer(content, kind).reshape(shape).astype(kind.newbyteorder("="))


def _checked(array: NDArray[Any], name: str, limit: int | None) -> SignalSet:
    if array.ndim not in (3, 4) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise ValueError(
            f"{name} holds no pictures: an array of shape {array.shape} of {array.dtype}, in place of (count, height, "
            "width) or (count, height, width, channels)"
        )
    values = (array if array.ndim == 4 else array[..., None])[:limit]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity, which no pixel of a prior may be")
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2:
        limits = np.iinfo(values.dtype)
        low, high = (0.0 if values.dtype.kind == "u" else float(limits.min)), float(limits.max)
    else:
        low, high = float(values.min()), float(values.max())
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    if not low < high:
        raise ValueError(f"{name} holds pictures of one value, {low:g}; there is nothing to learn")
    return SignalSet(values, low, high, name)
