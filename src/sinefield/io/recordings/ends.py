"""Where files of the formats that FFmpeg decodes end by their own account.

FFmpeg decodes what is there. Which bytes there should be is told by boxes (MP4: ISO/IEC 14496-12, section 4.2), by a
segment (Matroska: RFC 8794, section 4), by a header (AVI, ASF), by blocks that tell their own length (WavPack, AC-3:
ETSI TS 102 366, sections 4.4.1 and E.1.3), by a table of such lengths (TTA) or by packets of one length (MPEG-TS).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from sinefield.io.recordings.containers import UNKNOWN, read_at

_BOXES = 10_000  # at most in a file
_AC3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)  # kbit/s
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def find_end(file: IO[bytes], start: int) -> int | None:
    """Return where a file ends by its own account; None: it does not say, or is of a format that is not known here.

    Args:
        file: open.
        start: where its first byte is, behind tags.
    """
    head = read_at(file, start, 256)
    size = file.seek(0, os.SEEK_END)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _end_of_boxes(file, start, size)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _end_of_segment(file, start)
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        return start + 8 + length if 0 < length < UNKNOWN else None
    if head[:16] == _ASF:
        beginning = read_at(file, start, 1 << 16)
        place = beginning.find(_ASF_PROPERTIES)
        length = int.from_bytes(beginning[place + 40 : place + 48], "little") if place >= 0 else 0
        return start + length if length else None
    if head[:4] == b"wvpk":
        return _end_of_blocks(file, start, size, _length_of_wavpack)
    if head[:2] == b"\x0b\x77":
        return _end_of_blocks(file, start, size, _length_of_ac3)
    if head[:4] == b"TTA1":
        return _end_of_tta(file, start, size)
    for length, place in ((188, 0), (192, 4)):
        if [head[place : place + 1], head[place + length : place + length + 1]] == [b"G", b"G"]:
            return start - (start - size) // length * length
    return None


def _end_of_boxes(file: IO[bytes], place: int, size: int) -> int | None:
    """Return where the last box of an MP4 file ends (ISO/IEC 14496-12, section 4.2)."""
    for _ in range(_BOXES):
        if place >= size:
            break
        head = read_at(file, place, 16)
        length, least = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, least = int.from_bytes(head[8:16], "big"), 16
        if length == 0 or len(head) < least:  # it goes on to the end of the file, or the header was cut
            return None if length == 0 else place + least
        if length < least:
            return None
        place += length
    return place


def _end_of_segment(file: IO[bytes], place: int) -> int | None:
    """Return where the segment of a Matroska file ends (RFC 8794, section 4)."""
    for _ in range(2):
        head = read_at(file, place, 16)
        if len(head) < 16 or head[4] == 0:
            return None
        width = 9 - head[4].bit_length()
        length = int.from_bytes(head[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        if length == (1 << 7 * width) - 1:  # a stream: its length was not known
            return None
        place += 4 + width + length
    return place


def _end_of_blocks(file: IO[bytes], place: int, size: int, length_of: Callable[[bytes], int]) -> int | None:
    """Return where the last block of a file ends, each of which tells its length in its beginning."""
    while place < size:
        length = length_of(read_at(file, place, 8))
        if length == 0:  # tags, or nothing that is known
            return None
        place += length
    return place


def _length_of_wavpack(head: bytes) -> int:
    return 8 + int.from_bytes(head[4:8], "little") if head[:4] == b"wvpk" else 0


def _length_of_ac3(head: bytes) -> int:
    """Return how many bytes a frame of AC-3 or E-AC-3 has; 0: it is none."""
    if head[:2] != b"\x0b\x77" or len(head) < 6:
        return 0
    if head[5] >> 3 > 10:  # E-AC-3
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code >> 1 >= len(_AC3):
        return 0
    kilobits = _AC3[code >> 1]
    return 2 * (2 * kilobits, 320 * kilobits // 147 + (code & 1), 3 * kilobits)[rate]


def _end_of_tta(file: IO[bytes], start: int, size: int) -> int | None:
    """Return where the last frame of a TTA file ends: the lengths of all are in a table after the header."""
    head = read_at(file, start, 22)
    rate, samples = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    if not 0 < rate < 2**24:
        return None
    count = -(-samples // (256 * rate // 245 or 1))
    if 4 * count > size:
        return None
    table = read_at(file, start + 22, 4 * count)
    return start + 26 + 4 * count + sum(int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), 4))
