"""LAS, the format of airborne scans: records that begin with coordinates as integers, and a scale and offset for them.

LAZ, its compressed form, is named: what unpacks it can end the whole process where a file is damaged.

Source: LAS specification 1.4, revision 15, American Society for Photogrammetry and Remote Sensing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sinefield.io.shapes.content import NO_TRIANGLES, Content, DamagedError, tell_short, tell_unused

_HEAD, _LONG_HEAD = 227, 375  # bytes of the header, and of that of version 1.4
_SHORTEST = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # bytes of a record of each format
_COLOURED = (2, 3, 5, 7, 8, 10)
_NOISE = (7, 18)  # classes of low and high noise


def read(data: bytes) -> Content:
    """Return what a LAS file holds.

    Raises:
        DamagedError: it is no LAS file, is compressed, was cut short, or holds no points.
    """
    if not data.startswith(b"LASF"):
        raise DamagedError("is no LAS file: it does not begin with 'LASF'")
    if len(data) < _HEAD:
        raise DamagedError(f"ends within its header of {_HEAD} bytes; it was cut short")
    offset, form, size = (int.from_bytes(data[a:b], "little") for a, b in ((96, 100), (104, 105), (105, 107)))
    if form & 0xC0:
        raise DamagedError("is compressed as LAZ, which is not read; convert it to LAS, as CloudCompare and laszip do")
    if form >= len(_SHORTEST) or size < _SHORTEST[form] or offset < _HEAD:
        raise DamagedError(f"holds records of format {form} and {size} bytes from byte {offset}; it is damaged")
    promised = int.from_bytes(data[107:111], "little")
    if data[25] >= 4 and len(data) >= _LONG_HEAD:
        promised = int.from_bytes(data[247:255], "little") or promised
    count = min(promised, max(0, len(data) - offset) // size)
    if count == 0:
        raise DamagedError(f"holds none of the {promised:,} points that it promises; it was cut short, or is damaged")
    scale, moved = np.frombuffer(data, "<f8", 6, 131).reshape(2, 3)
    records = np.frombuffer(data, np.uint8, count * size, offset).reshape(count, size)
    points = np.ascontiguousarray(records[:, :12]).view("<i4") * scale + moved
    told = tell_short(count, promised, "points")
    left_out = _withheld(records, form)
    if left_out.any() and not left_out.all():
        told.append(f"marks {int(left_out.sum()):,} of {count:,} points as noise or withheld; they are left out")
        points = points[~left_out]
    told += tell_unused(["intensities", "classes", *(["colours"] if form in _COLOURED else [])], "places")
    return Content(points, NO_TRIANGLES, None, tuple(told))


def _withheld(records: NDArray[np.uint8], form: int) -> NDArray[np.bool_]:
    """Return which points the file itself marks as not to be used."""
    if form < 6:  # class and flags share a byte
        return np.asarray(np.isin(records[:, 15] & 0x1F, _NOISE) | (records[:, 15] & 0x80 != 0))
    return np.asarray(np.isin(records[:, 16], _NOISE) | (records[:, 15] & 0x04 != 0))
