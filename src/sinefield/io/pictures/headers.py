"""What PNG and JPEG files tell before their pixels, which decoders pass over: gamma, densities, further pictures.

Source: PNG, third edition, 5.3 and 11.3; JPEG, ITU-T T.81 B.1; CIPA DC-007 for several pictures in one JPEG; EXIF 2.32.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import PIL.Image

from sinefield.io.pictures.colour_profiles import (
    ADOBE_GAMMA,
    ADOBE_RGB,
    SRGB,
    Primaries,
    make_profile,
    profile_of_numbers,
)

_INCH = 0.0254  # metres
_LONGEST = 1 << 16  # bytes of a chunk that is looked into


def png_chunks(path: Path) -> dict[bytes, bytes]:
    """Return the chunks of a PNG before its pixels by name, the first of each; of long ones the beginning."""
    found: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(start := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", start)
            if name in (b"IDAT", b"IEND"):
                break
            content = file.read(min(length, _LONGEST))
            found.setdefault(name, content)
            file.seek(length - len(content) + 4, 1)  # and its checksum
    return found


def frames_of_png(chunks: Mapping[bytes, bytes]) -> int:
    """Return how many frames a PNG has: more than one if it is animated."""
    control = chunks.get(b"acTL", b"")
    return max(1, int.from_bytes(control[:4], "big")) if len(control) == 8 else 1


def resolution_of_png(chunks: Mapping[bytes, bytes]) -> tuple[float, float] | None:
    """Return pixels per inch along x and y; where only their ratio is told, 72 along the finer axis."""
    density = chunks.get(b"pHYs", b"")
    if len(density) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", density)
    if not x or not y or (unit == 0 and x == y):
        return None
    factor = _INCH if unit == 1 else 72 / max(x, y)
    return x * factor, y * factor


def colours_of_png(chunks: Mapping[bytes, bytes], *, grey: bool) -> tuple[bytes, str]:
    """Return the profile that cICP, or gAMA and cHRM tell, empty for sRGB; and what is to be told, or nothing."""
    numbers = chunks.get(b"cICP", b"")
    if len(numbers) == 4:
        return profile_of_numbers(numbers[0], numbers[1], grey=grey)
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return b"", ""
    gamma = int.from_bytes(chunks[b"gAMA"], "big") / 100_000
    primaries: Primaries = SRGB
    if len(told := chunks.get(b"cHRM", b"")) == 32:
        primaries = tuple(each / 100_000 for each in struct.unpack(">8I", told))
    plain = all(abs(a - b) < 0.002 for a, b in zip(primaries, SRGB, strict=True))
    if abs(gamma - 1 / 2.2) < 0.01 and plain:  # as files of sRGB have it for programs that know no other
        return b"", ""
    if not 0.02 < gamma < 10:
        return b"", f"its gamma of {gamma:g} is not plausible and left out"
    try:
        return make_profile(primaries, 1 / gamma, grey=grey), ""
    except ValueError:
        return b"", "its chromaticities are those of no colours and left out"


@final
@dataclass(frozen=True)
class JpegHeader:
    """What the segments of a JPEG before its pixels tell.

    Args:
        density: pixels per inch along x and y of its JFIF segment; None: it has none.
        pictures: where each picture in the file begins, and its length, the first included.
        gain_map: whether one of them tells how much brighter a bright screen shows the first.
    """

    density: tuple[float, float] | None
    pictures: tuple[tuple[int, int], ...]
    gain_map: bool


def jpeg_header(path: Path) -> JpegHeader:
    """Return what the segments of a JPEG tell."""
    density, pictures, gain_map = None, [(0, 0)], False
    with path.open("rb") as file:
        file.seek(2)
        while len(start := file.read(4)) == 4 and start[0] == 0xFF:
            if start[1] == 0xFF:  # a fill byte
                file.seek(-3, 1)
                continue
            if start[1] in (0xDA, 0xD9):
                break
            place = file.tell()
            content = file.read(max(0, struct.unpack(">H", start[2:])[0] - 2))
            if start[1] == 0xE0 and content[:5] == b"JFIF\0" and len(content) >= 12:
                unit, x, y = struct.unpack(">BHH", content[7:12])
                factor = {1: 1.0, 2: 2.54}.get(unit, 72 / max(x, y, 1))
                density = (x * factor, y * factor) if x and y and (unit in (1, 2) or x != y) else None
            elif start[1] == 0xE1 and content[:4] == b"http":
                gain_map |= b"hdrgm" in content or b"hdrgainmap" in content.lower()
            elif start[1] == 0xE2 and content[:4] == b"MPF\0":
                pictures = _pictures_of(content[4:], place + 4) or pictures
    return JpegHeader(density, tuple(pictures), gain_map)


def _pictures_of(index: bytes, place: int) -> list[tuple[int, int]]:
    """Return offset and length of each picture in an index of several, which begins at ``place`` in the file."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(index[:4])
    if order is None or len(index) < 10:
        return []
    (first,) = struct.unpack_from(order + "I", index, 4)
    if first + 2 > len(index):
        return []
    (count,) = struct.unpack_from(order + "H", index, first)
    for number in range(count):
        at = first + 2 + 12 * number
        if at + 12 > len(index):
            return []
        tag, _, size, offset = struct.unpack_from(order + "HHII", index, at)
        if tag == 0xB002 and size % 16 == 0 and offset + size <= len(index):
            entries = [struct.unpack_from(order + "III", index, offset + start) for start in range(0, size, 16)]
            return [(place + start if start else 0, length) for _, length, start in entries]
    return []


def sides_of_avif(path: Path) -> list[int]:
    """Return the widths and heights that an AVIF promises, of its pictures and of their parts."""
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    found: list[int] = []
    place = start.find(b"ispe")
    while place >= 0 and place + 16 <= len(start):
        found += struct.unpack_from(">II", start, place + 8)  # after a version
        place = start.find(b"ispe", place + 16)
    return found


def read_exif(exif: bytes | None) -> tuple[int, tuple[float, float] | None, bool]:
    """Return orientation (1 to 8), pixels per inch or None, and whether the colours are Adobe RGB, as EXIF tells.

    What is damaged is passed over: the pixels may be whole.
    """
    if not exif:
        return 1, None, False
    found = PIL.Image.Exif()
    try:
        found.load(exif if exif.startswith(b"Exif\0\0") else b"Exif\0\0" + exif)
        orientation, x, y, unit = (found.get(tag) for tag in (274, 282, 283, 296))
        interoperability = found.get_ifd(40965).get(1)
        space = found.get_ifd(34665).get(40961)
    except Exception:  # of any kind, on bytes that are damaged
        return 1, None, False
    factor = 2.54 if unit == 3 else 1.0
    densities = [_positive(each) * factor for each in (x, y)]
    resolution = (densities[0], densities[1]) if all(densities) else None
    adobe = space in (2, 0xFFFF) and str(interoperability).rstrip("\0") == "R03"
    return (orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1), resolution, adobe


def _positive(number: Any) -> float:
    """Return a plausible density, or 0."""
    try:
        found = float(number)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return found if 0 < found < 1e6 else 0.0


def adobe_profile() -> bytes:
    """Return the profile of Adobe RGB (1998)."""
    return make_profile(ADOBE_RGB, ADOBE_GAMMA)
