"""The voxels of one volume in a file: found, compared with what the header promises, and read in bounded memory."""

from __future__ import annotations

import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning
from sinefield.io.allocation import IN_MEMORY, TooLargeError, allocate, release
from sinefield.io.volumes.placement import Placement

_BLOCK = 1 << 22  # bytes that are read together
_EXCESS = 1 << 30  # bytes behind the voxels that are looked at: a checksum stands at the end of what is compressed
_RATIO = 1032  # the most that deflate can shrink anything
_HUGE = 1 << 30  # bytes of voxels from which on what is nearly empty is refused
_EMPTY = 200  # times that it is larger than its file
_GZIP = b"\x1f\x8b"
_OF_GZIP = 31  # zlib's window, and that the header of gzip is expected


@final
@dataclass(frozen=True, eq=False)
class Voxels:
    """One volume as a file stores it.

    Args:
        array: ``(z, y, x)``.
        sizes: size of a voxel along z, y and x, in millimetres; None: not told.
        placement: where it lies in a body; None: not told.
        nodata: the value of voxels that are not known; None: not told.
    """

    array: NDArray[Any]
    sizes: tuple[float, float, float] | None = None
    placement: Placement | None = None
    nodata: float | None = None


@final
@dataclass(frozen=True)
class Layout:
    """Where the volumes of a file lie: one after the other, each with its first axis running fastest.

    Args:
        path: the file.
        offset: of the first, in bytes of the file, or of what it becomes when it is decompressed.
        dtype: type of the numbers.
        shape: of a volume, the axis that runs fastest first.
        count: how many volumes there are.
        packed: whether it is compressed by gzip; None: as its first bytes say.
        begins: where in the file the compressed part begins, if it is compressed.
        ends: whether nothing may follow the voxels.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    count: int = 1
    packed: bool | None = None
    begins: int = 0
    ends: bool = True

    @property
    def nbytes(self) -> int:
        """The bytes of a volume."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def quiet(*names: str) -> Iterator[list[str]]:
    """Keep what libraries log and warn of from standard error; what they log is put in a list instead.

    Args:
        names: of their loggers.

    Yields:
        The list of what was logged.
    """
    told: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    loggers = [logging.getLogger(name) for name in names]
    before = [(each.handlers, each.propagate) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [_Listener(logging.WARNING)], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield told
    finally:
        for each, (handlers, propagate) in zip(loggers, before, strict=True):
            each.handlers, each.propagate = handlers, propagate


class RefusedError(Exception):
    """Says, among the errors of libraries, why a file is refused; :func:`explaining` makes a ValueError of it."""


@contextmanager
def explaining(message: str) -> Iterator[None]:
    """Replace whatever error a library raises on a damaged file by one line of ours.

    Args:
        message: the line.

    Raises:
        MemoryError: memory ran out.
        PermissionError: the file may not be read.
        TooLargeError: the disk cannot hold what is read.
        ValueError: the block raised any other error.
    """
    try:
        yield
    except RefusedError as refusal:
        raise ValueError(str(refusal)) from None
    except (TooLargeError, MemoryError, PermissionError):
        raise
    except Exception:  # decoders raise any kind of error
        raise ValueError(message) from None


def tell(message: str) -> None:
    """Warn that a volume can be fitted, but is not what it may be taken for."""
    warnings.warn(message, SignalWarning, stacklevel=3)


def choose(name: str | Path, count: int, asked: int | None, of: str = "") -> int:
    """Return which of several volumes is read; where there are several and none was asked for, this is told.

    Args:
        name: of the file.
        count: how many volumes there are.
        asked: the number of one, from 0; None: the first.
        of: what they are, in words, such as ``" (5 times, 2 channels)"``.

    Raises:
        ValueError: there is none of that number.
    """
    if asked is None:
        if count > 1:
            tell(f"{name} holds {count} volumes{of}, the first is used; choose another with --volume N, from 0")
        return 0
    if not 0 <= asked < count:
        raise ValueError(f"{name} holds {count} volume{'s' * (count > 1)}{of}, from 0 to {count - 1}; got {asked}")
    return asked


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed by gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


class _Unpacked:
    """What a file becomes that is compressed by gzip, in blocks; and how it ended, after the last of them.

    Args:
        file: at the beginning of what is compressed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.ending = ""
        """In words, where the end is not that of a sound file."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks, each of at most a few megabytes, and check the sums of what they hold.

        Raises:
            zlib.error: the file is damaged.
        """
        decoder, waiting = zlib.decompressobj(_OF_GZIP), b""
        while True:
            waiting = waiting or self._file.read(_BLOCK)
            if decoder.eof:  # padding may follow, or another part
                waiting = waiting.lstrip(b"\0")
                more = self._file.read(_BLOCK) if len(waiting) < len(_GZIP) else b""
                if more:
                    waiting += more
                    continue
                if not waiting:
                    return
                if not waiting.startswith(_GZIP):
                    self.ending = "something that is not compressed follows, and is left out"
                    return
                decoder = zlib.decompressobj(_OF_GZIP)
            if not waiting:
                self.ending = "it ends within what is compressed"
                return
            if block := decoder.decompress(waiting, _BLOCK):
                yield block
            waiting = decoder.unused_data if decoder.eof else decoder.unconsumed_tail


def check_expansion(path: Path, needed: int) -> None:
    """Refuse a file that becomes gigabytes of next to nothing when it is decompressed.

    Args:
        path: of the file.
        needed: bytes that it becomes.

    Raises:
        TooLargeError: it does.
    """
    size = path.stat().st_size
    if needed > _HUGE and needed > _EMPTY * size:
        raise TooLargeError(
            f"{path} is too large: its {_amount(size)} become {needed / 2**30:.1f} GiB, of which next to nothing can "
            "differ; unpack it, or save a part of it"
        )


def read_start(path: Path, size: int) -> bytes:
    """Return the first bytes of a file, decompressed where it is compressed.

    Raises:
        ValueError: they are damaged.
    """
    with path.open("rb") as file:
        start = file.read(size)
        if not start.startswith(_GZIP):
            return start
        file.seek(0)
        found = b""
        with explaining(_wrong(path)):
            for block in _Unpacked(file):
                found += block
                if len(found) >= size:
                    break
        return found[:size]


def read_volume(layout: Layout, number: int) -> NDArray[Any]:
    """Return one of the volumes that a file holds, the axis that runs fastest last: a view or a mapping of the file.

    Args:
        layout: where the volumes lie.
        number: which one.

    Raises:
        TooLargeError: the disk cannot hold the volume.
        ValueError: the file ends before the end of the volume, or is damaged.
    """
    shape = layout.shape[::-1]
    start = layout.offset + number * layout.nbytes
    have = layout.path.stat().st_size
    if is_compressed(layout.path) if layout.packed is None else layout.packed:
        return _unpack(layout, number, start)
    _check_amount(layout, number, have, following=max(0, have - layout.offset - layout.count * layout.nbytes))
    mapped: NDArray[Any] = np.memmap(layout.path, layout.dtype, "r", start, shape)
    return mapped if layout.nbytes > IN_MEMORY else np.array(mapped)


def _unpack(layout: Layout, number: int, start: int) -> NDArray[Any]:
    """Return a volume of a compressed file, which is read to its end, where its checksum is.

    Raises:
        TooLargeError: the disk cannot hold the volume.
        ValueError: the file ends before the end of the volume, or is damaged.
    """
    size = layout.path.stat().st_size
    if start + layout.nbytes > _RATIO * size + _BLOCK:  # a header that promises what cannot be there
        raise ValueError(
            f"{layout.path} is damaged: its header promises {_amount(start + layout.nbytes)} and {_amount(size)} are "
            "there, which cannot hold as much even compressed; get another copy"
        )
    shape = layout.shape[::-1]
    check_expansion(layout.path, layout.nbytes)
    found = allocate(layout.path, shape, layout.dtype)
    flat = found.reshape(-1).view(np.uint8)
    have, promised = 0, layout.offset + layout.count * layout.nbytes
    with layout.path.open("rb") as file, explaining(_wrong(layout.path)):
        file.seek(layout.begins)
        unpacked = _Unpacked(file)
        for block in unpacked:
            some = np.frombuffer(block, np.uint8)[max(0, start - have) : max(0, start + layout.nbytes - have)]
            place = max(0, have - start)
            flat[place : place + len(some)] = some
            have += len(block)
            release(found)
            if have > promised + _EXCESS:
                break
    _check_amount(layout, number, have, following=max(0, have - promised), ending=unpacked.ending)
    return found


def _check_amount(layout: Layout, number: int, have: int, *, following: int, ending: str = "") -> None:
    """Compare what a header promises with what is there.

    Args:
        layout: what the header promises.
        number: of the volume that is read.
        have: bytes that are there from the beginning.
        following: bytes that follow the last volume.
        ending: what is wrong with the end of a compressed file, in words.

    Raises:
        ValueError: the volume is not there to its end.
    """
    there = max(0, have - layout.offset)
    if there < (number + 1) * layout.nbytes:
        of = "" if layout.count == 1 else f" of volume {number}"
        part = max(0, there - number * layout.nbytes)
        raise ValueError(
            f"{layout.path} ends early: its header promises {_amount(layout.nbytes)} of voxels{of} and "
            f"{_amount(part)} are there ({math.floor(100 * part / max(1, layout.nbytes))} %); get a whole copy"
        )
    whole = there // max(1, layout.nbytes)
    if whole < layout.count:
        tell(f"{layout.path} ends early: of {layout.count} volumes {whole} are whole; volume {number} is used")
    elif following and layout.ends:
        more = f"{_amount(following)} follow"
        tell(f"{layout.path} holds more than its header tells: {more} after the voxels, and are left out")
    elif ending:
        tell(f"the voxels of {layout.path} are whole, but {ending}")


def _wrong(path: Path) -> str:
    return f"{path} is damaged: what is compressed in it, or its checksum, is wrong; get another copy"


def _amount(size: int) -> str:
    return f"{size:,} bytes"
