"""Ends of clips: how much of a file is missing, by the lengths of its parts.

A clip that was cut short often decodes without an error, up to where it ends. Each family of formats says in its own
way how long its parts are; only their headers are read here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675  # of Matroska: all that is stored, and a part of it
_STEPS = 1 << 22  # parts of a file that are looked at, at most


def find_missing(path: Path, form: str = "", identity: int = 0) -> str:
    """Return what is missing at the end of a file, in words; an empty string: nothing that could be found.

    Args:
        path: of the file.
        form: name of its format as FFmpeg has it; an empty string: not known.
        identity: of its stream of pictures, as MPEG-TS numbers streams.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(16)
        if form == "mpegts" or (not form and b"\x47" in (start[:1], start[4:5]) and _find_packets(file)):
            return _of_transport(file, size, identity)
        if form == "mjpeg":
            return _of_jpegs(file, size)
        if form == "dv":
            length = 144_000 if start[3] & 0x80 else 120_000  # of a frame, at 25 and 30 a second
            return _told(-size % length)
        for beginning, walk in _WALKS:
            if start.startswith(beginning) or (beginning == b"ftyp" and start[4:8] in _BOXES):
                return walk(file, size)
    return ""


def _told(missing: int) -> str:
    return f"at least {missing} byte{'s are' if missing > 1 else ' is'} missing at its end" if missing > 0 else ""


def _of_boxes(file: BinaryIO, size: int) -> str:
    """Return what is missing of MP4 and its kin: boxes of a length and a name."""
    place = 0
    for _ in range(_STEPS):
        box = read_box(file, place, size)
        if box is None or box[0] not in _BOXES:
            break
        place = box[2]
        if place >= size:
            return _told(place - size)
    return ""


def read_box(file: BinaryIO, place: int, stop: int) -> tuple[bytes, int, int] | None:
    """Return the name of a box of MP4, and where what it holds begins and ends; None: there is none.

    Args:
        file: that holds it.
        place: where it begins.
        stop: where the box around it ends, as do boxes without a length of their own.
    """
    head = _at(file, place, 16)
    length, start = int.from_bytes(head[:4], "big"), 8
    if length == 1:
        length, start = int.from_bytes(head[8:16], "big"), 16
    elif length == 0:
        length = stop - place
    return None if len(head) < 8 or length < start else (head[4:8], place + start, place + length)


def _of_matroska(file: BinaryIO, size: int) -> str:
    """Return what is missing of Matroska: elements of an identity and a length; a cluster may have no length."""
    place = 0
    for _ in range(_STEPS):
        element = read_element(file, place)
        if element is None:
            break
        name, start, stop = element
        if stop is None:  # its elements follow
            if name not in (_SEGMENT, _CLUSTER):
                break
            place = start
            continue
        place = stop
        if place >= size or name == _SEGMENT:
            return _told(place - size)
    return ""


def read_element(file: BinaryIO, place: int) -> tuple[int, int, int | None] | None:
    """Return the identity of an element of Matroska, and where what it holds begins and ends; None: there is none.

    Args:
        file: that holds it.
        place: where it begins.

    Returns:
        The end is None where the length is not known.
    """
    head = _at(file, place, 16)
    width = 9 - head[0].bit_length() if head else 9
    if width > 4 or len(head) <= width:
        return None
    measure = 9 - head[width].bit_length()
    if measure > 8:
        return None
    unknown = (1 << 7 * measure) - 1
    length = int.from_bytes(head[width : width + measure], "big") & unknown
    start = place + width + measure
    return int.from_bytes(head[:width], "big"), start, None if length == unknown else start + length


def _of_riff(file: BinaryIO, size: int) -> str:
    """Return what is missing of AVI and WebP: a list that holds all, in AVI followed by more of them."""
    place = 0
    while (head := _at(file, place, 8))[:4] == b"RIFF" and len(head) == 8:
        length = int.from_bytes(head[4:], "little")
        if length in (0, 0xFFFFFFFF):  # being written, or more than the field holds
            return ""
        place += 8 + length
        if place >= size:
            return _told(place - size)
        place += length % 2
    return ""


def _of_flash(file: BinaryIO, size: int) -> str:
    """Return what is missing of FLV: tags, each followed by its length."""
    place = int.from_bytes(_at(file, 5, 4), "big") + 4
    for _ in range(_STEPS):
        head = _at(file, place, 4)
        if not head or head[0] & 0x1F not in (8, 9, 18):
            return _told(1) if 0 < len(head) < 4 else ""
        place += 11 + int.from_bytes(head[1:4].ljust(3, b"\0"), "big") + 4
        if place >= size:
            return _told(place - size)
    return ""


def _of_windows(file: BinaryIO, size: int) -> str:
    """Return what is missing of ASF: objects of an identity of 16 bytes and a length of 64 bits."""
    place = 0
    for _ in range(_STEPS):
        head = _at(file, place, 24)
        length = int.from_bytes(head[16:], "little")
        if len(head) < 24 or length < 24 or length > 1 << 60:
            break
        place += length
        if place >= size:
            return _told(place - size)
    return ""


def _of_ogg(file: BinaryIO, size: int) -> str:
    """Return what is missing of Ogg: pages, of which the last of each stream says so."""
    place, open_streams = 0, set[bytes]()
    for _ in range(_STEPS):
        head = _at(file, place, 27 + 255)
        if len(head) < 27 or head[:4] != b"OggS":
            break
        if head[5] & 4:
            open_streams.discard(head[14:18])
        else:
            open_streams.add(head[14:18])
        lengths = head[27 : 27 + head[26]]
        place += 27 + head[26] + sum(lengths)
        if place > size or len(lengths) < head[26]:
            return _told(max(1, place - size))
    if 0 < size - place < 27 and _at(file, place, 4).startswith(b"OggS"[: size - place]):
        return _told(1)
    return "its end is missing" if open_streams else ""


def _of_gif(file: BinaryIO, size: int) -> str:
    """Return what is missing of GIF: blocks, the last of which is a byte of its own."""
    head = _at(file, 0, 13)
    place = 13 + (3 << (head[10] & 7) + 1 if len(head) == 13 and head[10] & 0x80 else 0)
    for _ in range(_STEPS):
        head = _at(file, place, 10)
        if not head:
            return _told(1)
        if head[0] == 0x3B:
            return ""
        if head[0] == 0x2C:
            place += 11 + (3 << (head[9] & 7) + 1 if len(head) == 10 and head[9] & 0x80 else 0)
        elif head[0] == 0x21:
            place += 2
        else:
            return ""
        while length := int.from_bytes(_at(file, place, 1), "big"):
            place += 1 + length
        place += 1
        if place > size:
            return _told(1 + place - size)
    return ""


def _of_png(file: BinaryIO, size: int) -> str:
    """Return what is missing of PNG: chunks, the last of which is named IEND."""
    place = 8
    for _ in range(_STEPS):
        head = _at(file, place, 8)
        place += 12 + int.from_bytes(head[:4], "big")
        if place > size or len(head) < 8:
            return _told(max(1, place - size))
        if head[4:] == b"IEND":
            return ""
    return ""


def _of_program(file: BinaryIO, size: int) -> str:
    """Return what is missing of MPEG program streams: packs and packets, each after a start code."""
    place = 0
    for _ in range(_STEPS):
        head = _at(file, place, 14)
        if len(head) < 6 or head[:3] != b"\0\0\1" or head[3] < 0xB9:
            return _told(1) if 0 < len(head) < 6 and b"\0\0\1".startswith(head[:3]) else ""
        if head[3] == 0xB9:
            place += 4
        elif head[3] == 0xBA:
            place += (14 + (head[-1] & 7)) if head[4] >> 6 == 1 else 12
        else:
            place += 6 + int.from_bytes(head[4:6], "big")
        if place >= size:
            return _told(place - size)
    return ""


def _of_material(file: BinaryIO, size: int) -> str:
    """Return what is missing of MXF: a key of 16 bytes, a length and what it is of; a footer or an index is last."""
    place, closed = 0, False
    for _ in range(_STEPS):
        head = _at(file, place, 25)
        if len(head) < 17 or head[:4] != b"\x06\x0e\x2b\x34":
            return _told(1) if 0 < len(head) < 17 else ""
        closed = closed or (head[8:13] == b"\x0d\x01\x02\x01\x01" and head[13] in (0x04, 0x11))
        extra = head[16] & 0x7F if head[16] & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + extra], "big") if extra else head[16]
        place += 17 + extra + length
        if place >= size:
            return _told(place - size) or ("" if closed else "its end is missing")
    return ""


def _of_raw(file: BinaryIO, size: int) -> str:
    """Return what is missing of YUV4MPEG2: frames of one length, each after a line; the first tells it."""
    head = _at(file, 0, 512).partition(b"\n")[0]
    sides = {each[:1]: int(each[1:]) for each in head.split(b" ") if each[:1] in (b"W", b"H") and each[1:].isdigit()}
    form = next((each[1:] for each in head.split(b" ")[1:] if each[:1] == b"C"), b"420")
    width, height = sides.get(b"W", 0), sides.get(b"H", 0)
    chroma = (-(-width // 2)) * (-(-height // 2))
    areas = {b"420": 2 * chroma, b"422": 2 * (-(-width // 2)) * height, b"444": 2 * width * height, b"mono": 0}
    known = next(
        (area for name, area in areas.items() if form.removesuffix(b"jpeg").removesuffix(b"mpeg2") == name), None
    )
    if known is None or not width * height:
        return ""
    frame = len(b"FRAME\n") + width * height + known
    over = (size - len(head) - 1) % frame
    return _told(frame - over if over else 0)


def _of_transport(file: BinaryIO, size: int, identity: int) -> str:
    """Return what is missing of MPEG-TS: packets of one size.

    The last packet of a frame has filling before the rest of it, but for one in 184 that it happens to fill.
    """
    length = _find_packets(file) or 188
    if over := size % length:
        return _told(length - over)
    for number in range(1, min(size // length, 1 << 14) + 1 if identity else 0):
        head = _at(file, size - number * length + 4 * (length == 192), 6)
        if int.from_bytes(head[1:3], "big") & 0x1FFF == identity:
            return "" if head[3] & 0x20 and head[4] > 0 else "the end of its last frame seems to be missing"
    return ""


def _find_packets(file: BinaryIO) -> int:
    """Return how many bytes there are from one packet of MPEG-TS to the next; 0: there are none."""
    return next((each for each in (188, 192, 204) if _at(file, each + 4 * (each == 192), 1) == b"\x47"), 0)


def _of_jpegs(file: BinaryIO, size: int) -> str:
    """Return what is missing of JPEG files one after the other; each ends with a mark."""
    return "" if _at(file, max(0, size - 64), 64).rstrip(b"\0\n\r").endswith(b"\xff\xd9") else "its end is missing"


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


_BOXES = (
    *(b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"udta", b"meta"),
    *(b"styp", b"sidx", b"ssix", b"moof", b"mfra", b"prft", b"emsg", b"pdin"),
)
_WALKS: tuple[tuple[bytes, Callable[[BinaryIO, int], str]], ...] = (
    (b"ftyp", _of_boxes),
    (b"\x1a\x45\xdf\xa3", _of_matroska),
    (b"RIFF", _of_riff),
    (b"FLV", _of_flash),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), _of_windows),
    (b"OggS", _of_ogg),
    (b"GIF8", _of_gif),
    (b"\x89PNG", _of_png),
    (b"\x00\x00\x01\xba", _of_program),
    (b"\x06\x0e\x2b\x34", _of_material),
    (b"YUV4MPEG2", _of_raw),
)
