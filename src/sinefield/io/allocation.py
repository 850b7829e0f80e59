"""Room for arrays: in memory, or mapped from a temporary file where they are large."""

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
"""Up to how many bytes an array is held in memory; more are mapped from a temporary file."""

_NEGLIGIBLE = 2**25  # bytes: less than a tenth of what PyTorch has taken by then, so that nobody need ask
_SLAB = 1 << 24  # bytes looked at together


class TooLargeError(ValueError):
    """What neither memory nor the disk can hold."""


def check_memory(what: str | Path, shape: tuple[int, ...], bytes_per_value: int) -> None:
    """Check that memory can hold what is about to be made.

    Raises:
        TooLargeError: it cannot.
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
    """Check that a temporary file can hold what is about to be made.

    Raises:
        TooLargeError: it cannot.
    """
    needed = float(np.prod(shape, dtype=float)) * np.dtype(dtype).itemsize
    _check(what, shape, needed, shutil.disk_usage(tempfile.gettempdir()).free, "on the disk for temporary files")


def allocate(what: str | Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array to fill, its values undefined; the temporary file is gone with the last view of it.

    Args:
        what: it is for, as errors name it.
        shape: of the array.
        dtype: of its values.

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
    """Give back the memory that pages of a mapped array take; what was written into it is on the disk then."""
    mapped = getattr(array, "_mmap", None)
    if mapped is None or not hasattr(mapped, "madvise"):
        return
    if array.flags.writeable:
        mapped.flush()
    mapped.madvise(mmap.MADV_DONTNEED)


def iterate_slabs(array: NDArray[Any]) -> Iterator[slice]:
    """Yield the slabs of an array along its first axis, each of a few megabytes; mapped ones are released behind."""
    rows = max(1, _SLAB // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)
        release(array)


def find_extremes(array: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value of an array; NaN where there is one.

    >>> find_extremes(np.arange(6.0).reshape(2, 3))
    (0.0, 5.0)
    """
    lows, highs = np.array([(float(array[some].min()), float(array[some].max())) for some in iterate_slabs(array)]).T
    return float(lows.min()), float(highs.max())


class Spool:
    """Gathers blocks of samples ``(n, c)``: in memory, or in a temporary file where they are many. Used as a context.

    Args:
        channels: c.
        dtype: of the samples.
    """

    def __init__(self, channels: int, dtype: Any) -> None:
        self._channels, self._dtype = channels, np.dtype(dtype)
        # The file has no name by the time it is mapped: whatever happens, it is gone with the process.
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
        """Return all samples ``(n, c)``; nothing can be added afterwards."""
        file = self._file
        size = file.tell()
        file.seek(0)
        if size <= IN_MEMORY:
            return np.frombuffer(file.read(), dtype=self._dtype).reshape(-1, self._channels)
        file.flush()
        return np.memmap(file, dtype=self._dtype, mode="r").reshape(-1, self._channels)
