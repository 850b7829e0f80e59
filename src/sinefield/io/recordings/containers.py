"""What the header of a recording promises: where its samples lie, how many bytes they are, which speaker each is of.

Libraries decode what is there and do not say when a file ends early, or tell it in their logs. The lengths of chunks
are few bytes of each format, read here before anything is decoded:

    WAV, RIFX, RF64, BW64   EBU Tech 3306, Microsoft's RIFF; ``data``, and ``ds64`` where 32 bits do not suffice
    W64                     Sony's Wave64: chunks are named by 16 bytes, and lengths count the header of the chunk
    AIFF, AIFC              Apple, 1989: ``SSND``
    AU                      NeXT and Sun: the offset and the length are the second and the third number
    CAF                     Apple: ``data``, of unknown length where that is −1
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, final

UNKNOWN = 0x7FFF0000
"""Bytes: headers that were written before the number was known claim at least so many."""

_CHUNKS = 10_000  # at most in a file: a damaged one may have millions of empty ones
_WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_MORE = (*_WAVES, b"FORM", b"caff", b"data", b"SSND")  # chunks of further samples, or of a further file
_EXTENSIBLE = 0xFFFE  # the format tag of WAVE files that tell the speakers
_IN_BLOCKS = (0x02, 0x11, 0x31)  # those of ADPCM of Microsoft, of IMA, and of GSM 6.10


@final
@dataclass(frozen=True)
class Samples:
    """Where the samples of a recording lie in its file.

    Args:
        container: bytes from here on are the recording; tags may come before.
        begin: where the first sample is.
        there: bytes of samples that are there.
        promised: bytes of samples by the header; None: it was written before their number was known.
        follows: bytes after the samples that belong to no chunk.
        field: where the header tells the length, how (for :mod:`struct`), and what is added to it.
        speakers: a bit for each speaker that has a channel, as WAVE files tell them; None: that is not told.
        count: samples of each channel by the header, of a codec with blocks; None: that is not told.
        block: samples of each channel in a block of such a codec.
        frames: samples of each channel by the header of an AIFF file; None: that is not told.
    """

    container: int
    begin: int
    there: int
    promised: int | None
    follows: int
    field: tuple[int, str, int]
    speakers: int | None = None
    count: int | None = None
    block: int = 1
    frames: int | None = None

    @property
    def used(self) -> int:
        """Bytes of samples that are used."""
        return self.there if self.promised is None else min(self.there, self.promised)

    @property
    def missing(self) -> int:
        """Bytes of samples that the header promises and that are not there."""
        return 0 if self.promised is None else self.promised - self.used

    def mended(self, file: IO[bytes]) -> list[bytes | range] | None:
        """Return the pieces of the file with a header that is true; None: it is true as it is."""
        magic = read_at(file, self.container, 4)
        true = self.promised == self.used and self.container == 0 and magic != b"BW64"
        # libsndfile reads the last of two chunks of samples, and of W64 all that there is.
        if true and not self.follows and (magic != b"riff" or self.there == self.used):
            return None
        at, form, more = self.field
        length = struct.pack(form, self.used + more)
        beginning: list[bytes | range] = [range(self.container, at)]
        if magic == b"BW64":  # RF64 by another name
            beginning = [b"RF64", range(self.container + 4, at)]
        return [*beginning, length, range(at + len(length), self.begin + self.used)]


def skip_tags(file: IO[bytes]) -> int:
    """Return where a file begins behind tags of ID3v2, with which some programs begin any recording."""
    place = 0
    for _ in range(8):
        head = read_at(file, place, 10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        place += 10 + size + (10 if head[5] & 0x10 else 0)
    return place


def find_samples(file: IO[bytes], start: int) -> Samples | None:
    """Return where the samples of a recording lie, which begins at ``start``; None: its format is none of these."""
    head = read_at(file, start, 40)
    size = file.seek(0, os.SEEK_END)
    if head[:4] in _WAVES and head[8:12] == b"WAVE":
        return _in_wave(file, start, size, ">" if head[:4] == b"RIFX" else "<")
    if head[:16] == _W64:
        return _in_w64(file, start, size)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _in_aiff(file, start, size)
    if head[:4] in (b".snd", b"dns."):
        order = ">" if head[:4] == b".snd" else "<"
        if len(head) < 24:
            return None
        begin, claimed = struct.unpack(f"{order}II", head[4:12])
        return _samples(file, start, start + begin, size, claimed or None, (start + 8, f"{order}I", 0))
    if head[:4] == b"caff":
        return _in_caf(file, start, size)
    return None


def read_at(file: IO[bytes], place: int, count: int) -> bytes:
    """Return bytes from a place in a file on; fewer, where it ends before."""
    file.seek(place)
    return file.read(count)


def _chunks(
    file: IO[bytes], place: int, end: int, form: str, *, named: int = 4, whole: int = 0, even: int = 2
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and length of the chunks of a file, of their contents.

    Args:
        file: open.
        place: of the first.
        end: of the file.
        form: how lengths are written, for :mod:`struct`.
        named: how many bytes a name has.
        whole: bytes that a length counts besides the contents.
        even: what the distance of two chunks is a multiple of.
    """
    width, first = struct.calcsize(form), place
    for _ in range(_CHUNKS):
        if place >= end:
            return
        head = read_at(file, place, named + width)
        if len(head) < named + width:
            return
        (length,) = struct.unpack(form, head[named:])
        yield head[:named], place + named + width, length - whole
        place += named + width + max(0, length - whole)
        place += (first - place) % even


def _samples(
    file: IO[bytes],
    container: int,
    begin: int,
    size: int,
    promised: int | None,
    field: tuple[int, str, int],
) -> Samples | None:
    if begin > size:
        return None
    there = size - begin
    if promised is not None and promised > there and promised >= UNKNOWN:
        promised = None
    if promised == 0 and there and not _begins_chunk(file, begin, size):
        promised = None
    follows = 0
    if promised is not None and promised < there:
        follows = _count_following(file, begin + promised, size, field[1])
    return Samples(container, begin, there, promised, follows, field)


def _is_chunk(name: bytes, begin: int, length: int, size: int) -> bool:
    """Return whether a chunk has a name, is of no further samples, and lies in the file."""
    printable = name.isascii() and name.decode().isprintable()
    return printable and name not in _MORE and 0 <= length <= size + 1 - begin


def _begins_chunk(file: IO[bytes], place: int, size: int) -> bool:
    """Return whether a chunk, of any format, begins at a place."""
    head = read_at(file, place, 8)
    lengths = [int.from_bytes(head[4:8], "little"), int.from_bytes(head[4:8], "big")]
    return len(head) == 8 and _is_chunk(head[:4], place + 8, min(lengths), size)


def _count_following(file: IO[bytes], place: int, size: int, form: str) -> int:
    """Return how many bytes after the samples belong to no chunk; to the end, from the first that does not."""
    place += place % 2 if place % 2 and not _begins_chunk(file, place, size) else 0  # some programs do not pad
    if not form.endswith("I"):
        return 0 if place >= size or _begins_chunk(file, place, size) else size - place
    for name, begin, length in _chunks(file, place, size, form):
        if not _is_chunk(name, begin, length, size):
            return size - begin + 8
        place = begin + length + length % 2
    return max(0, size - place)


def _in_wave(file: IO[bytes], start: int, size: int, order: str) -> Samples | None:
    wide = 0, 0  # where 64 bits tell the length, and what they tell
    codec, speakers, block, count = 1, None, 1, None
    for name, place, length in _chunks(file, start + 12, size, f"{order}I"):
        if name == b"ds64":
            wide = place + 8, int.from_bytes(read_at(file, place + 8, 8), "little")
        elif name == b"fmt ":
            codec, speakers, block = _read_format(read_at(file, place, 40), order)
        elif name == b"fact":
            count = int.from_bytes(read_at(file, place, 4), "big" if order == ">" else "little")
        elif name == b"data":
            field, promised = (place - 4, f"{order}I", 0), length
            if wide[0] and length == 0xFFFFFFFF:
                field, promised = (wide[0], "<Q", 0), wide[1]
            found = _samples(file, start, place, size, promised, field)
            count = count if codec in _IN_BLOCKS else None
            return None if found is None else replace(found, speakers=speakers, count=count, block=block)
    return None


def _read_format(body: bytes, order: str) -> tuple[int, int | None, int]:
    """Return the number of the codec, the speakers that have a channel, and the samples in a block."""
    if len(body) < 26:
        return 1, None, 1
    codec, block, speakers, real = struct.unpack_from(f"{order}H16xHIH", body)
    return (real, speakers or None, 1) if codec == _EXTENSIBLE else (codec, None, block)


def _in_w64(file: IO[bytes], start: int, size: int) -> Samples | None:
    for name, place, length in _chunks(file, start + 40, size, "<q", named=16, whole=24, even=8):
        if name[:4] == b"data":
            return _samples(file, start, place, size, length if length > 0 else None, (place - 8, "<q", 24))
        if length < 0:
            return None
    return None


def _in_aiff(file: IO[bytes], start: int, size: int) -> Samples | None:
    frames = None
    for name, place, length in _chunks(file, start + 12, size, ">I"):
        if name == b"COMM":
            told = int.from_bytes(read_at(file, place + 2, 4), "big")
            frames = told if 0 < told < UNKNOWN else None
        if name == b"SSND":
            body = read_at(file, place, 8)
            offset = int.from_bytes(body[:4], "big")
            promised = length - 8 - offset if length >= 8 + offset else None
            found = _samples(file, start, place + 8 + offset, size, promised, (place - 4, ">I", 8 + offset))
            return None if found is None else replace(found, frames=frames)
    return None


def _in_caf(file: IO[bytes], start: int, size: int) -> Samples | None:
    for name, place, length in _chunks(file, start + 8, size, ">q", even=1):
        if name == b"data":  # a count of edits comes before the samples
            return _samples(file, start, place + 4, size, length - 4 if length >= 4 else None, (place - 8, ">q", 4))
        if length < 0:
            return None
    return None
