"""The pages of Ogg files: which recordings follow each other in one, and whether the last of them ends (RFC 3533)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, final

from sinefield.io.recordings.containers import read_at

_FIRST, _LAST = 2, 4  # flags of the first and of the last page of a stream
_SEARCHED = 1 << 16  # bytes that are read at a time where no page is


@final
@dataclass(frozen=True)
class Links:
    """The recordings in an Ogg file: radio stations and recorders write one after the other into a file.

    Args:
        ranges: where each lies.
        closed: whether the last ends with a page that is whole and marked as the last.
    """

    ranges: list[range]
    closed: bool


def find_links(file: IO[bytes], start: int) -> Links:
    """Return the recordings in an Ogg file that begins at a place."""
    size = file.seek(0, os.SEEK_END)
    begins, end, flags = [start], start, _FIRST
    whole = True
    while (place := _find_page(file, end, size)) >= 0:
        head = read_at(file, place, 27 + 255)
        if head[5] & _FIRST and not flags & _FIRST:
            begins.append(place)
        flags = head[5]
        count = head[26]
        end = place + 27 + count + sum(head[27 : 27 + count])
        whole = end <= size and len(head) >= 27 + count
    ranges = [range(begin, stop) for begin, stop in zip(begins, [*begins[1:], size], strict=True)]
    return Links(ranges, whole and bool(flags & _LAST))


def _find_page(file: IO[bytes], place: int, size: int) -> int:
    """Return where the next page is, at a place or behind it; −1: there is none."""
    while place + 27 <= size:
        if read_at(file, place, 4) == b"OggS":
            return place
        some = read_at(file, place, _SEARCHED)
        found = some.find(b"OggS")
        place += found if found > 0 else max(1, len(some) - 3)
    return -1
