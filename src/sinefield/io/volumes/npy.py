"""Arrays in NPY and NPZ files, with the shape that the header tells compared with what is there."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sinefield.io.allocation import allocate
from sinefield.io.volumes.voxels import RefusedError, Voxels, check_expansion, choose, explaining, tell

MAGIC = b"\x93NUMPY"

_BLOCK = 1 << 22  # bytes that are read together
_HEADER = 1 << 16  # bytes: the longest header
_LONGEST = 2**48  # samples along an axis
_CHANNELS = (2, 3, 4)  # lengths of an axis that may be one of channels


def read(path: Path, volume: int | None = None) -> Voxels:
    """Return the volume in an NPY file, mapped rather than loaded, or in the only array of an NPZ file.

    Args:
        path: of the file.
        volume: the number of one of several, from 0; None: the first, which is told where there are more.

    Raises:
        TooLargeError: the disk cannot hold the array.
        ValueError: the file is damaged, cut short, holds other things than numbers, several arrays, or no volume.
    """
    array = _unpacked(path) if zipfile.is_zipfile(path) else _mapped(path)
    found = select_volume(array, path, volume)
    channels = {0: "first", 2: "last"}.get(int(np.argmin(found.shape)), "")
    if (
        array.ndim == 3
        and channels
        and min(found.shape) in _CHANNELS
        and sorted(found.shape)[1] >= 4 * min(found.shape)
    ):
        tell(
            f"{path} is taken for a volume of {found.shape[0]} slices, of shape {found.shape}; --kind image --channels "
            f"{channels} takes it for a picture"
        )
    return Voxels(found)


def select_volume(array: NDArray[Any], name: str | Path, volume: int | None = None) -> NDArray[Any]:
    """Return a volume ``(z, y, x)`` of an array that may have further axes.

    Axes of length 1 in front or behind are left out. Of the rest, the first counts volumes, or the last where it has
    the length of a few channels and the first has not.

    Args:
        array: with any number of axes.
        name: of the array in messages.
        volume: the number of one, from 0; None: the first, which is told where there are more.

    Raises:
        ValueError: the array has no volume of that number, or other than three axes.
    """
    whole = array.shape
    while array.ndim > 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim == 4:
        last = array.shape[-1] in _CHANNELS and array.shape[0] not in _CHANNELS
        along = f" along its {'last' if last else 'first'} axis, of shape {whole}"
        array = np.moveaxis(array, -1 if last else 0, 0)
        array = array[choose(name, len(array), volume, along)] if len(array) else array[:, :, :, 0]
    elif array.ndim == 3:
        choose(name, 1, volume)
    if array.ndim == 2:
        raise ValueError(f"{name} is no volume: it has 2 axes, of shape {whole}; --kind image reads it as a picture")
    if array.ndim != 3:
        raise ValueError(f"{name} is no volume: expected (z, y, x), got {len(whole)} axes of shape {whole}")
    return array


def _header(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the first axis runs fastest, and type of an array; the file is left at its values.

    Raises:
        RefusedError: the header tells of no array of numbers.
        ValueError: it is damaged.
    """
    with explaining(f"{path} cannot be read as a volume: the header of {name} is damaged; get another copy"):
        beginning = file.tell()
        start = io.BytesIO(file.read(_HEADER))  # a header may claim to have gigabytes
        version = npy.read_magic(start)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(start)
        file.seek(beginning + start.tell())
        shape = tuple(map(int, shape))
        if not all(0 <= each < _LONGEST for each in shape):
            raise RefusedError(f"{path} is damaged: the header of {name} tells a shape of {shape}")
        if dtype.names is not None:
            raise RefusedError(
                f"{path} holds records with the fields {', '.join(dtype.names)}; save one of them as an array"
            )
        if dtype.hasobject:
            raise RefusedError(f"{path} holds Python objects; save them as numbers, such as array.astype(float)")
        if dtype.kind not in "buifc":
            raise RefusedError(f"{path} holds {dtype}; expected integers, booleans or floats")
    return shape, fortran, dtype


def _mapped(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        shape, fortran, dtype = _header(path, "the array", file)
        start = file.tell()
    needed, have = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    _check_amount(path, needed, have)
    if needed == 0:
        return np.empty(shape, dtype)
    mapped: NDArray[Any] = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
    return mapped


def _check_amount(path: Path, needed: int, have: int) -> None:
    """Compare the bytes that a header promises with those that are there.

    Raises:
        ValueError: there are fewer.
    """
    if have < needed:
        raise ValueError(
            f"{path} ends early: its header promises {needed:,} bytes of values and {max(0, have):,} are there; get a "
            "whole copy"
        )
    if have > needed:
        tell(f"{path} holds more than its header tells: {have - needed:,} bytes follow the array, and are left out")


def _unpacked(path: Path) -> NDArray[Any]:
    """Return the only array of an NPZ file.

    Raises:
        RefusedError: there are several, or none.
        TooLargeError: the disk cannot hold it.
        ValueError: the file is damaged.
    """
    damaged = f"{path} cannot be read as a volume: it is damaged, or no archive of NumPy"
    with explaining(damaged), zipfile.ZipFile(path) as archive:
        names = [each.filename for each in archive.infolist() if each.filename.endswith(".npy")]
        if len(names) != 1:
            listed = ", ".join(each.removesuffix(".npy") for each in names[:8]) or "none"
            raise RefusedError(f"{path} holds {len(names)} arrays ({listed}), and one is read; save one as NPY")
        with archive.open(names[0]) as file:
            try:
                shape, fortran, dtype = _header(path, names[0], file)
                have = archive.getinfo(names[0]).file_size - file.tell()
                _check_amount(path, math.prod(shape) * dtype.itemsize, have)
            except ValueError as error:
                raise RefusedError(str(error)) from None
            check_expansion(path, math.prod(shape) * dtype.itemsize)
            found = allocate(path, shape[::-1] if fortran else shape, dtype)
            _fill(found, file)
    return found.transpose() if fortran else found


def _fill(found: NDArray[Any], file: IO[bytes]) -> None:
    """Fill an array with what follows in a file, which is read to its end, where its checksum is.

    Raises:
        EOFError: it ends early.
    """
    flat = found.reshape(-1).view(np.uint8)
    have = 0
    while have < len(flat):
        block = file.read(min(_BLOCK, len(flat) - have))
        if not block:
            raise EOFError
        flat[have : have + len(block)] = np.frombuffer(block, np.uint8)
        have += len(block)
    while file.read(_BLOCK):
        pass
