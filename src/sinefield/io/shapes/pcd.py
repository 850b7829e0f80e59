"""PCD, the format of the Point Cloud Library: ASCII, binary, and binary that is compressed by LZF.

Source: "The PCD (Point Cloud Data) file format", pointclouds.org, version 0.7.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.shapes.content import (
    NO_TRIANGLES,
    Content,
    DamagedError,
    column_stack,
    tell_rounding,
    tell_short,
    tell_unused,
)
from sinefield.io.shapes.text import decode, tell_open_end

_KINDS = {"F": "f", "I": "i", "U": "u"}
_NORMALS = ("normal_x", "normal_y", "normal_z")
_MOST = 1 << 28  # points that a file may have, so that a damaged header cannot ask for all memory


def read(data: bytes) -> Content:
    """Return what a PCD file holds.

    Raises:
        DamagedError: it is no PCD file, or has no points with x, y and z.
    """
    header, start = _read_header(data)
    names, kind = _fields(header)
    promised = _count(header)
    told: list[str] = []
    form = header.get("DATA", [""])[0].lower()
    if form == "ascii":
        text = decode(data[start:])
        table, told = _read_ascii(text, names, kind, promised)
    elif form == "binary":
        count = min(promised, (len(data) - start) // kind.itemsize)
        table = np.frombuffer(data, kind, count, start)
        told = tell_short(count, promised, "points")
        if (rest := len(data) - start - promised * kind.itemsize) > 0 and data[-rest:].strip(b"\0\r\n "):
            told.append(f"holds {rest:,} bytes more than its header promises; they are left out")
    elif form == "binary_compressed":
        table = _read_compressed(data[start:], kind, promised)
    else:
        raise DamagedError(f"holds data of the form {form!r}; PCD has ascii, binary and binary_compressed")
    if not {"x", "y", "z"} <= set(names):
        raise DamagedError(f"has the fields {', '.join(names)[:80]}; x, y and z are needed")
    columns: dict[str, NDArray[Any]] = {name: table[f"value {k}"][:, 0] for k, name in enumerate(names)}
    points = column_stack([columns[each] for each in "xyz"])
    normals = column_stack([columns[each] for each in _NORMALS]) if set(_NORMALS) <= set(names) else None
    if columns["x"].dtype.itemsize == 4:
        told += tell_rounding(points)
    used = {"x", "y", "z", "_", *(_NORMALS if normals is not None else ())}
    told += tell_unused(name for name in names if name not in used)
    return Content(points, NO_TRIANGLES, normals, tuple(told))


def _read_header(data: bytes) -> tuple[dict[str, list[str]], int]:
    """Return the words of each line of the header, and where the data begin.

    Raises:
        DamagedError: there is no header, or it does not end.
    """
    end = re.search(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", data[: 1 << 16], re.MULTILINE)
    if end is None:
        raise DamagedError("has no header of a PCD file, which ends with a line DATA; it was cut short, or is damaged")
    lines = data[: end.end()].decode("latin-1").splitlines()
    split = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {words[0].upper(): words[1:] for words in split}, end.end()


def _fields(header: dict[str, list[str]]) -> tuple[list[str], np.dtype[Any]]:
    """Return the names of the fields, and the type of a point.

    Raises:
        DamagedError: the header does not say.
    """
    names = header.get("FIELDS", header.get("COLUMNS", []))
    try:
        sizes = [int(each) for each in header["SIZE"]]
        counts = [int(each) for each in header.get("COUNT", ["1"] * len(names))]
        kinds = [f"<{_KINDS[letter]}{size}" for letter, size in zip(header["TYPE"], sizes, strict=True)]
        fields = [(f"value {k}", kind, (n,)) for k, (kind, n) in enumerate(zip(kinds, counts, strict=True))]
        kind = np.dtype(fields)
    except (KeyError, ValueError, TypeError):
        kind, counts, fields = np.dtype([("none", "f4")]), [], []
    if not names or len(fields) != len(names) or not all(0 < each < 10_000 for each in counts):
        raise DamagedError("has a header whose FIELDS, SIZE, TYPE and COUNT do not agree; it is damaged")
    return names, kind


def _count(header: dict[str, list[str]]) -> int:
    """Return the number of points that the header promises.

    Raises:
        DamagedError: it does not say.
    """
    try:
        points = int(header["POINTS"][0]) if "POINTS" in header else None
        area = int(header["WIDTH"][0]) * int(header.get("HEIGHT", ["1"])[0]) if "WIDTH" in header else points
    except (ValueError, IndexError):
        points = area = None
    found = area if points is None else points
    if found is None or not 0 < found <= _MOST:
        raise DamagedError("promises no number of points in its header, or no plausible one; it is damaged")
    return found


def _read_ascii(text: str, names: list[str], kind: np.dtype[Any], promised: int) -> tuple[NDArray[Any], list[str]]:
    """Return the points in a text, and what is to be told.

    Raises:
        DamagedError: a row holds something else than numbers.
    """
    width = sum(kind[k].shape[0] for k in range(len(names)))
    words = text.split()
    there, rest = divmod(len(words), width)
    count = min(there, promised)
    try:
        numbers = np.array(list(map(float, words[: count * width])), np.float64).reshape(count, width)
    except ValueError:
        for k, row in enumerate(text.splitlines()):
            if not re.fullmatch(r"[\s\d.+\-einfaty]*", row.lower()):
                raise DamagedError(
                    f"has {row.strip()[:60]!r} in row {k + 1} of its points; numbers are expected"
                ) from None
        raise DamagedError("holds something else than numbers in its points; it is damaged") from None
    told = tell_short(count, promised, "points")
    if there > promised or (rest and there == promised):
        told.append(f"holds {len(words) - promised * width:,} numbers more than its header promises; they are left out")
    told += tell_open_end(text)
    found = np.zeros(count, np.dtype([(f"value {k}", "<f8", kind[k].shape) for k in range(len(names))]))
    at = 0
    for k in range(len(names)):
        many = kind[k].shape[0]
        found[f"value {k}"] = numbers[:, at : at + many]
        at += many
    return found, told


def _read_compressed(data: bytes, kind: np.dtype[Any], promised: int) -> NDArray[Any]:
    """Return the points of a compressed block, which holds the fields one after another.

    Raises:
        DamagedError: the block was cut short, or cannot be unpacked.
    """
    import imagecodecs

    packed, size = (int.from_bytes(data[k : k + 4], "little") for k in (0, 4))
    if len(data) < 8 + packed:
        raise DamagedError(
            f"was cut short: it holds {max(0, len(data) - 8):,} of {packed:,} compressed bytes; copy it again"
        )
    if size != promised * kind.itemsize:
        raise DamagedError(
            f"promises {promised:,} points and holds {size:,} bytes of {kind.itemsize} each; it is damaged"
        )
    try:
        raw = imagecodecs.lzf_decode(data[8 : 8 + packed], out=size)
    except (RuntimeError, ValueError):
        raise DamagedError("holds a compressed block that cannot be unpacked; it is damaged") from None
    if len(raw) != size:
        raise DamagedError("holds a compressed block that is shorter than it says; it is damaged")
    found = np.empty(promised, kind)
    at = 0
    for name in kind.names or ():
        length = kind[name].itemsize * promised
        found[name] = np.frombuffer(raw[at : at + length], kind[name].base).reshape(promised, -1)
        at += length
    return found
