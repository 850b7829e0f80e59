"""The frames of MP3 and other MPEG audio: which bytes of a file are sound, and how much of it there is.

A file is a row of frames, each of which tells its own length, and nothing else tells how long it is for certain: an
Info or VBRI frame may be missing, or of before a cut, and players estimate from the bit rate, pictures included. So the
frames are counted. Tags, pictures and what else is no frame are left out before anything is decoded.

Sources: ISO/IEC 11172-3, section 2.4.1.3, and 13818-3, for frames; for the fields of the Info frame, delay and padding
of the encoder among them, the description of the LAME tag, revision 1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import final

_KILOBITS = {  # of (MPEG-1, layer), by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)  # Hz, of MPEG-1; half and a quarter of it in MPEG-2 and 2.5
_DECODER = 529  # samples by which any decoder is late
_SEARCHED = 1 << 21  # bytes that may come before the first frame
_CHAIN = 3  # frames one after the other that no other bytes look like

Bytes = mmap | bytes


@final
@dataclass(frozen=True)
class _Header:
    """The header of a frame: what all frames of a file have in common, and the length of this one in bytes."""

    version: int
    layer: int
    rate: int
    channels: int
    length: int

    @property
    def samples(self) -> int:
        """How many samples of each channel a frame holds."""
        return 384 if self.layer == 1 else 576 if self.layer == 3 and self.version > 1 else 1152

    def is_like(self, other: _Header) -> bool:
        return (self.version, self.layer, self.rate, self.channels) == (
            other.version,
            other.layer,
            other.rate,
            other.channels,
        )


@final
@dataclass(frozen=True)
class Info:
    """What the first frame tells of the others, where it is an Info or VBRI frame.

    Args:
        frames: how many there are.
        size: how many bytes they have, with the Info frame.
        skip: samples at the beginning that are of the encoder and of the decoder, and not of the recording.
        padding: samples at the end that only fill the last frame.
    """

    frames: int | None = None
    size: int | None = None
    skip: int = 0
    padding: int = 0


@final
@dataclass(frozen=True)
class Frames:
    """The frames of a file.

    Args:
        pieces: where in the file they lie.
        count: how many are whole.
        samples: samples of each channel in a frame.
        info: what the Info frame tells.
        cut: bytes of the last frame that are there, where others of it are missing.
        between: bytes between frames that are none, and no tag.
        after: bytes after the last frame that are no tag.
    """

    pieces: list[range]
    count: int
    samples: int
    info: Info
    cut: int
    between: int
    after: int

    @property
    def promised(self) -> int:
        """How many frames there should be: as the Info frame tells, if it tells the truth, and else as there are."""
        told = self.info.frames
        if told is None or abs(told - self.count) == 1:  # some count the Info frame too
            return self.count + (self.cut > 0)
        return told

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there that the Info frame tells, whatever it says of the number of frames."""
        return self.info.size is not None and self.cut == 0 and sum(map(len, self.pieces)) >= 0.98 * self.info.size


@lru_cache(maxsize=4096)
def _parse(second: int, third: int, mono: bool) -> _Header | None:
    version = {0: 3, 2: 2, 3: 1}.get(second >> 3 & 3)  # 3 is MPEG-2.5
    layer, rate, kilobits = 4 - (second >> 1 & 3), third >> 2 & 3, third >> 4
    if second < 0xE0 or version is None or layer == 4 or rate == 3 or kilobits in (0, 15):
        return None
    hertz = _RATES[rate] >> (version - 1)
    bits = 1000 * _KILOBITS[version == 1, layer][kilobits]
    pad = third >> 1 & 1
    if layer == 1:
        length = 4 * (12 * bits // hertz + pad)
    else:
        length = (72 if layer == 3 and version > 1 else 144) * bits // hertz + pad
    return _Header(version, layer, hertz, 1 if mono else 2, length)


def _header_at(data: Bytes, place: int) -> _Header | None:
    if place + 4 > len(data) or data[place] != 0xFF:
        return None
    return _parse(data[place + 1], data[place + 2], data[place + 3] >> 6 == 3)


def _is_chain(data: Bytes, place: int, like: _Header | None, *, whole: bool = False) -> bool:
    """Return whether frames of one kind follow each other from a place on.

    Args:
        data: the file.
        place: of the first.
        like: what they are like; None: like the first.
        whole: whether the file may not end before there are enough of them.
    """
    seen = 0
    while seen < _CHAIN:
        header = _header_at(data, place)
        if header is None or (like is not None and not header.is_like(like)):
            return not whole and seen >= 1 and (place + 4 > len(data) or _tag_length(data, place) > 0)
        like = like or header
        place += header.length
        seen += 1
    return True


def _tag_length(data: Bytes, place: int) -> int:
    """Return how many bytes a tag at a place has: ID3v1, ID3v2, APE or Lyrics3; 0: there is none."""
    head = data[place : place + 32]
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 227 if head[:4] == b"TAG+" else 128
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        size, flags = struct.unpack_from("<I4xI", head, 12)
        return 32 + (int(size) if flags >> 29 & 1 else 0)  # a header, before its items, or a footer
    if head[:11] == b"LYRICSBEGIN":
        ends = [data.find(mark, place) + 9 for mark in (b"LYRICS200", b"LYRICSEND")]
        return max(0, min((end - place for end in ends if end > place + 9), default=0))
    return 0


def _find_stop(data: Bytes) -> int:
    """Return where tags at the end begin, whose own end tells what they are: ID3v1 and APE without a header."""
    stop = len(data)
    if stop >= 128 and data[stop - 128 : stop - 125] == b"TAG":
        stop -= 128
    if stop >= 32 and data[stop - 32 : stop - 24] == b"APETAGEX":
        size, flags = struct.unpack_from("<I4xI", data, stop - 20)
        stop -= min(stop, int(size) + (32 if flags >> 31 else 0))
    return stop


def _find_chain(data: Bytes, place: int, stop: int, like: _Header | None) -> int:
    """Return where frames go on, or begin; −1: nowhere before ``stop``."""
    while (place := data.find(b"\xff", place, stop)) >= 0:
        if _is_chain(data, place, like, whole=like is None):
            return place
        place += 1
    return -1


def find_frames(data: Bytes, start: int) -> Frames | None:
    """Return the frames of a file, from a place on; None: there are none.

    Args:
        data: the whole file.
        start: behind tags at its beginning.
    """
    while length := _tag_length(data, start):
        start += length
    first = _find_chain(data, start, min(len(data), start + _SEARCHED), None)
    if first < 0 and _is_chain(data, start, None):  # very few frames
        first = start
    like = _header_at(data, first) if first >= 0 else None
    if like is None:
        return None
    info = _info_at(data, first, like)
    place = first + (0 if info is None else like.length)
    pieces: list[range] = []
    count = between = cut = after = 0
    begin = place
    stop = max(place, _find_stop(data))
    while place < stop:
        header = _header_at(data, place)
        if header is not None and header.is_like(like):
            if place + header.length > stop:
                cut = stop - place
                break
            place += header.length
            count += 1
            continue
        pieces.append(range(begin, place))
        tag = _tag_length(data, place)
        begin = place + tag if tag else _find_chain(data, place, stop, like)
        if begin < 0:
            after = stop - place - _zeros(data, place, stop)
            begin = place
            break
        between += 0 if tag else begin - place
        place = begin
        header = _header_at(data, place)
        if header is not None and _info_at(data, place, header) is not None:  # of another file that was appended
            begin = place = place + header.length
    pieces.append(range(begin, place))
    return Frames([each for each in pieces if each], count, like.samples, info or Info(), cut, between, after)


def _zeros(data: Bytes, place: int, stop: int) -> int:
    """Return how many bytes there are to the end, if they are zeros: some programs pad files with them."""
    return stop - place if not data[place : min(stop, place + (1 << 20))].strip(b"\0") else 0


def _info_at(data: Bytes, place: int, header: _Header) -> Info | None:
    """Return what an Info or VBRI frame tells; None: the frame is none."""
    if header.layer != 3:
        return None
    frame = bytes(data[place : place + header.length])
    wide = header.channels == 2
    side = (32 if wide else 17) if header.version == 1 else (17 if wide else 9)  # bytes of side information
    for at in (4 + side, 6 + side):  # behind a checksum, where there is one
        if frame[at : at + 4] in (b"Xing", b"Info"):
            return _read_info(frame, at)
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return Info(int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[46:50], "big"))
    return None


def _read_info(frame: bytes, at: int) -> Info:
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    place, told = at + 8, {}
    for bit, width in ((1, 4), (2, 4), (4, 100), (8, 4)):
        if flags & bit:
            told[bit] = int.from_bytes(frame[place : place + width], "big")
            place += width
    both = int.from_bytes(frame[place + 21 : place + 24], "big")
    if len(frame) < place + 24 or not both or not frame[place : place + 4].strip(b"\0 "):  # no encoder gives its name
        return Info(told.get(1), told.get(2))
    delay, padding = both >> 12, both & 0xFFF
    return Info(told.get(1), told.get(2), delay + _DECODER, max(0, padding - _DECODER))
