"""STL, binary and ASCII: a soup of triangles, each with three vertices of its own.

A binary file has 80 bytes of any text, which may begin with "solid" too, the number of triangles, and 50 bytes for
each. The length of the file says more than this number, which some programs never fill in. ASCII says no number, and
ends with "endsolid".
"""

from __future__ import annotations

import re

import numpy as np

from sinefield.io.shapes.content import Content, DamagedError, Doubles, tell_rounding, tell_short
from sinefield.io.shapes.text import decode

_HEAD, _FACET = 84, 50
_KIND = np.dtype([("normal", "<f4", (3,)), ("corners", "<f4", (9,)), ("attribute", "<u2")])
_VERTEX = re.compile(r"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def read(data: bytes) -> Content:
    """Return what an STL file holds.

    Raises:
        DamagedError: it is no STL file, or has no triangles.
    """
    if len(data) >= _HEAD:
        promised = int.from_bytes(data[80:84], "little")
        if len(data) != _HEAD + _FACET * promised and _looks_like_text(data):
            return _read_ascii(decode(data))
        return _read_binary(data, promised)
    if _looks_like_text(data):
        return _read_ascii(decode(data))
    raise DamagedError(f"is no STL file, or was cut short: it has {len(data)} bytes, and the header alone {_HEAD}")


def _looks_like_text(data: bytes) -> bool:
    start = data[:4096].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    return start.startswith(b"solid") and (b"facet" in start or b"\0" not in data[:4096])


def _read_binary(data: bytes, promised: int) -> Content:
    there, rest = divmod(len(data) - _HEAD, _FACET)
    told: list[str] = []
    count = there
    if there >= promised > 0 and rest:  # something else follows the triangles
        count = promised
        told = [
            f"holds {len(data) - _HEAD - _FACET * promised:,} bytes more than its header promises; they are left out"
        ]
    elif there != promised:
        told = tell_short(there, promised, "triangles")
    if count == 0:
        raise DamagedError("holds no triangles; it was cut short, or is no STL file")
    corners = np.frombuffer(data, _KIND, count, _HEAD)["corners"].astype(np.float64).reshape(-1, 3)
    return _content(corners, told)


def _read_ascii(text: str) -> Content:
    """Return the triangles in a text.

    Raises:
        DamagedError: there are none, or one has another number of corners than three, or something else than numbers.
    """
    words = [each for found in _VERTEX.finditer(text) for each in found.groups()]
    try:
        corners = np.array(list(map(float, words)), np.float64).reshape(-1, 3)
    except ValueError:
        found = next(each for each in _VERTEX.finditer(text) if not _are_numbers(each.groups()))
        line = text.count("\n", 0, found.start()) + 1
        raise DamagedError(f"has {found[0].strip()[:60]!r} in line {line}; a vertex is three numbers") from None
    facets = len(re.findall(r"^[ \t]*endfacet", text, re.IGNORECASE | re.MULTILINE))
    if facets == 0:
        raise DamagedError("holds no whole triangle; it was cut short, or is no STL file")
    told = []
    if not re.search(r"^[ \t]*endsolid", text, re.IGNORECASE | re.MULTILINE):
        told = [f"was cut short: it ends without 'endsolid'; its {facets:,} whole triangles are used"]
        corners = corners[: 3 * facets]
    if len(corners) != 3 * facets:
        raise DamagedError(f"holds {len(corners):,} vertices in {facets:,} triangles; each has three, so it is damaged")
    solids = len(re.findall(r"^[ \t]*endsolid", text, re.IGNORECASE | re.MULTILINE))
    if solids > 1:
        told.append(f"holds {solids} solids; they are joined to one shape")
    return _content(corners, told, exact=True)


def _are_numbers(words: tuple[str, ...]) -> bool:
    try:
        list(map(float, words))
    except ValueError:
        return False
    return True


def _content(corners: Doubles, told: list[str], *, exact: bool = False) -> Content:
    told = told if exact else told + tell_rounding(corners)
    return Content(corners, np.arange(len(corners)).reshape(-1, 3), None, tuple(told))
