"""Allocation of arrays: in memory, or mapped from a temporary file where they are large."""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

IN_MEMORY = 256 << 20
"""The largest number of bytes of an array in memory; larger ones are mapped from a temporary file."""

_NEGLIGIBLE = 2**25  # bytes: a tenth of the memory that PyTorch takes, too little to ask the system about
_SLAB = 1 << 24  # bytes of a slab


class TooLargeError(ValueError):
    """Raised for an array that neither memory nor the disk can hold."""


def check_memory(what: str | Path, shape: tuple[int, ...], bytes_per_value: int) -> None:
    """Check that memory can hold an array that is about to be made.

    Args:
        what: name of the array, or its file, in the error.
        shape: shape of the array.
        bytes_per_value: bytes of memory that each value takes until it has been used.

    Raises:
        TooLargeError: less memory than that is free.
    """
    needed = float(np.prod(shape, dtype=float)) * bytes_per_value
    if needed < _NEGLIGIBLE:
        return
    import psutil

    _check(what, shape, needed, psutil.virtual_memory().available, "of memory")


def _check(what: str | Path, shape: tuple[int, ...], needed: float, available: float, where: str) -> None:
    if needed > available:
        raise TooLargeError(
            f"{what} is too large: {' x '.join(map(str, shape))} values need about {needed / 2**30:.1f} GiB and "
            f"{available / 2**30:.1f} GiB {where} are free; crop it or make it smaller first"
        )


def check_disk(what: str | Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Check that a temporary file can hold an array that is about to be made.

    Args:
        what: name of the array, or its file, in the error.
        shape: shape of the array.
        dtype: type of its values.

    Raises:
        TooLargeError: less of the disk than that is free.
    """
    needed = float(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize
    _check(what, shape, needed, shutil.disk_usage(tempfile.gettempdir()).free, "on the disk for temporary files")


def allocate(what: str | Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of undefined values; where a temporary file holds it, this is deleted with its last view.

    Args:
        what: purpose of the array, as the error names it.
        shape: shape of the array.
        dtype: type of its values.

    Raises:
        TooLargeError: the disk cannot hold it.
    """
    needed = float(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize
    if needed <= IN_MEMORY:
        return np.empty(shape, dtype)
    check_disk(what, shape, dtype)  # where a mapped file is filled, a full disk would end the process
    with tempfile.TemporaryFile(prefix="sinefield-") as file:
        file.truncate(int(needed))
        return np.memmap(file, dtype, "r+", shape=shape)


def release(array: NDArray[Any]) -> None:
    """Free the memory of the pages of a mapped array, after saving to the disk what was written to them."""
    mapped = getattr(array, "_mmap", None)
    if mapped is None or not hasattr(mapped, "madvise"):
        return
    if array.flags.writeable:
        mapped.flush()
    mapped.madvise(mmap.MADV_DONTNEED)


def iterate_slabs(array: NDArray[Any]) -> Iterator[slice]:
    """Yield slices of an array along its first axis, each of a few megabytes, and release the pages of mapped ones."""
    rows = max(1, _SLAB // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)
        release(array)


def find_extremes(array: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value of an array; both are NaN if a value is.

    >>> find_extremes(np.arange(6.0).reshape(2, 3))
    (0.0, 5.0)
    """
    lows, highs = np.array([(float(array[some].min()), float(array[some].max())) for some in iterate_slabs(array)]).T
    return float(lows.min()), float(highs.max())


class Spool:
    """A temporary file that blocks of samples ``(n, c)`` are appended to, and become one array of; used as a context.

    Args:
        channels: number of channels, c.
        dtype: type of the samples.
    """

    def __init__(self, channels: int, dtype: Any) -> None:
        self._channels, self._dtype = channels, np.dtype(dtype)
        # The file has no name, so that it is deleted when the process ends, however that happens.
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="sinefield-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, block: NDArray[Any]) -> None:
        """Append a block.

        Raises:
            OSError: the disk is full.
        """
        self._file.write(np.ascontiguousarray(block, dtype=self._dtype).tobytes())

    def gather(self) -> NDArray[Any]:
        """Return all samples ``(n, c)``, mapped where they are many; nothing can be added afterwards."""
        file = self._file
        size = file.tell()
        file.seek(0)
        if size <= IN_MEMORY:
            return np.frombuffer(file.read(), dtype=self._dtype).reshape(-1, self._channels)
        file.flush()
        return np.memmap(file, dtype=self._dtype, mode="r").reshape(-1, self._channels)
