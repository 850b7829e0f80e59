"""A file made of pieces of another one, with some bytes replaced, which libraries read as if it lay on the disk."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, Any, final


@final
class Pieces(io.RawIOBase):
    """A read-only file of pieces, one after the other: bytes, or ranges of the bytes of a file.

    Nothing is copied: a header is mended, or what is no sound is left out, without another file.

    Args:
        file: open for reading bytes; it stays open.
        pieces: bytes as they are, or a range of places in the file.

    >>> Pieces(io.BytesIO(b"0123456789"), [b"ab", range(3, 5), range(8, 10)]).read()
    b'ab3489'
    """

    def __init__(self, file: IO[bytes], pieces: Sequence[bytes | range]) -> None:
        super().__init__()
        self._file, self._pieces = file, [each for each in pieces if len(each)]
        self._ends = list(accumulate(len(each) for each in self._pieces))
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, none of which is before the beginning.

        Args:
            offset: from where ``whence`` says.
            whence: the beginning, the place now or the end.

        Returns:
            The place.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer.

        Args:
            buffer: to be filled.

        Returns:
            How many bytes there were.
        """
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view):
            number = bisect_right(self._ends, self._place)
            if number == len(self._pieces):
                break
            piece, end = self._pieces[number], self._ends[number]
            start = self._place - (end - len(piece))
            part = piece[start : start + len(view) - filled]
            if isinstance(part, range):
                self._file.seek(part.start)
                found = self._file.read(len(part))
            else:
                found = part
            if not found:  # the file became shorter
                break
            view[filled : filled + len(found)] = found
            filled += len(found)
            self._place += len(found)
        return filled
