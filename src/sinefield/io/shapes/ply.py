"""PLY, the Stanford triangle format: ASCII, and binary of both byte orders.

A header names elements, such as vertices and faces, with a count and properties each; a property is a number or a list.
Vertices are the columns x, y, z and nx, ny, nz; faces a list ``vertex_index`` or ``vertex_indices`` of any length, or
triangle strips as in the archive of Stanford.

Source: Turk, "The PLY polygon file format", 1994.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sinefield.io.shapes.content import (
    Content,
    DamagedError,
    Doubles,
    Integers,
    column_stack,
    tell_rounding,
    tell_short,
    tell_unused,
)
from sinefield.io.shapes.polygons import drop_missing, triangulate
from sinefield.io.shapes.text import tell_open_end

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("long", "int64", "longlong"), "i8"),
    **dict.fromkeys(("ulong", "uint64"), "u8"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER = 1 << 20  # bytes within which the header must end


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str  # of NumPy, of the items where it is a list
    counts: str | None  # the type of a list's length; None: a number


@dataclass
class _Element:
    name: str
    promised: int
    properties: list[_Property]


@dataclass(frozen=True)
class _Rows:
    """The rows of an element that are there: numbers by name, and lists by name as lengths and items."""

    count: int
    numbers: dict[str, NDArray[Any]]
    lists: dict[str, tuple[Integers, NDArray[Any]]]


def read(data: bytes) -> Content:
    """Return what a PLY file holds.

    Raises:
        DamagedError: it is no PLY file, or holds no vertices; or it ends before its faces begin.
    """
    order, elements, start = _read_header(data)
    found: dict[str, _Rows] = {}
    told: list[str] = []
    body: Any = data[start:].split() if order == "" else memoryview(data)[start:]
    at = 0
    for each in elements:
        rows, at = _read_words(body, at, each) if order == "" else _read_bytes(body, at, each, order)
        found[each.name] = rows
        if rows.count < each.promised:
            if each.name == "vertex" and any(
                other.name in ("face", "tristrips") and other.promised for other in elements
            ):
                raise DamagedError(
                    f"was cut short: it ends after {rows.count:,} of {each.promised:,} vertices, before its faces; "
                    "copy or export it again"
                )
            named = {"vertex": "vertices", "face": "faces"}.get(each.name, f"elements {each.name!r}")
            told += tell_short(rows.count, each.promised, named)
            break
    else:
        if order == "" and at < len(body):
            told.append(f"holds {len(body) - at:,} numbers more than its header promises; they are left out")
        elif order and len(rest := bytes(body[at:]).strip()):
            told.append(f"holds {len(rest):,} bytes more than its header promises; they are left out")
    if order == "":
        told += tell_open_end(data[-1:].decode("latin-1"))
    return _content(found, told)


def _read_header(data: bytes) -> tuple[str, list[_Element], int]:
    """Return the byte order (nothing: ASCII), the elements, and where the data begin.

    Raises:
        DamagedError: there is no header, or it holds something unknown.
    """
    first = re.match(rb"\s*ply[ \t]*(\r\n|\n|\r)", data)
    if first is None:
        raise DamagedError("is no PLY file: it does not begin with 'ply'")
    end = re.search(rb"(?:\r\n|\n|\r)[ \t]*end_header[ \t]*" + first[1], data[:_HEADER])
    if end is None:
        raise DamagedError("ends within its header, or has none; it was cut short, or is damaged")
    order: str | None = None
    elements: list[_Element] = []
    for line in data[first.end() : end.start()].decode("latin-1").splitlines():
        match line.split():
            case ["format", form, *_]:
                order = _ORDERS.get(form)
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count), []))
            case ["property", *words] if elements:
                elements[-1].properties.append(_property(words, line))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise DamagedError(_unknown(line))
    if order is None or any(len({one.name for one in each.properties}) < len(each.properties) for each in elements):
        raise DamagedError("names no format in its header, or two properties of one name; it is damaged")
    return order, elements, end.end()


def _property(words: Sequence[str], line: str) -> _Property:
    """Return the property that a line of the header declares.

    Raises:
        DamagedError: it is none.
    """
    match words:
        case ["list", counts, kind, name] if {counts, kind} <= set(_TYPES) and _TYPES[counts][0] != "f":
            return _Property(name, _TYPES[kind], _TYPES[counts])
        case [kind, name] if kind in _TYPES:
            return _Property(name, _TYPES[kind], None)
    raise DamagedError(_unknown(line))


def _unknown(line: str) -> str:
    return f"has a header with the line {line.strip()[:60]!r}, which is not of PLY; it is damaged"


def _read_bytes(body: memoryview, at: int, element: _Element, order: str) -> tuple[_Rows, int]:
    """Return the rows of an element in binary, and where they end."""
    if not element.properties:
        return _Rows(element.promised, {}, {}), at
    rows = _read_alike(body, at, element, order)
    return rows if rows is not None else _read_unlike(body, at, element, order)


def _read_alike(body: memoryview, at: int, element: _Element, order: str) -> tuple[_Rows, int] | None:
    """Return the rows of an element whose lists are all as long as those of its first row; None: they are not."""
    fields: list[Any] = []
    lengths: dict[str, int] = {}
    place = at
    for k, each in enumerate(element.properties):
        length = 1
        if each.counts is not None:
            size = np.dtype(each.counts).itemsize
            if place + size > len(body):
                return None
            length = int(np.frombuffer(body[place : place + size], order + each.counts)[0])
            if not 0 <= length <= len(body):
                return None
            lengths[each.name] = length
            fields.append((f"length {k}", order + each.counts))
            place += size
        fields.append((f"value {k}", order + each.kind, (length,)))
        place += length * np.dtype(each.kind).itemsize
        if place > len(body):
            return None
    kind = np.dtype(fields)
    count = min(element.promised, (len(body) - at) // kind.itemsize)
    table = np.frombuffer(body[at : at + count * kind.itemsize], kind)
    numbers, lists = {}, {}
    for k, each in enumerate(element.properties):
        if each.counts is None:
            numbers[each.name] = table[f"value {k}"][:, 0]
        elif count < element.promised or (table[f"length {k}"] != lengths[each.name]).any():
            return None
        else:
            lists[each.name] = np.full(count, lengths[each.name], np.int64), table[f"value {k}"].ravel()
    return _Rows(count, numbers, lists), at + count * kind.itemsize


def _read_unlike(body: memoryview, at: int, element: _Element, order: str) -> tuple[_Rows, int]:
    """Return the rows of an element with lists of several lengths, as many as are whole, and where they end.

    Where a row begins depends on all before it, and is found one by one; the numbers are then gathered together.
    """
    raw = np.frombuffer(body, np.uint8)
    starts: list[list[int]] = [[] for _ in element.properties]
    lengths: list[list[int]] = [[] for _ in element.properties]
    sizes = [np.dtype(each.kind).itemsize for each in element.properties]
    heads = [0 if each.counts is None else np.dtype(each.counts).itemsize for each in element.properties]
    byte_order: Literal["big", "little"] = "big" if order == ">" else "little"
    signed = [each.counts is not None and each.counts[0] == "i" for each in element.properties]
    end, count = at, 0
    for _ in range(element.promised):
        place, row = end, []
        for head, size, sign in zip(heads, sizes, signed, strict=True):
            length = int.from_bytes(body[place : place + head], byte_order, signed=sign) if head else 1
            row.append((place + head, length))
            place += head + length * size
            if length < 0 or place > len(body):
                break
        if len(row) < len(sizes) or place > len(body) or row[-1][1] < 0:
            break
        for k, (start, length) in enumerate(row):
            starts[k].append(start)
            lengths[k].append(length)
        end, count = place, count + 1
    items = [
        _gather(raw, np.array(start, np.int64), np.array(length, np.int64), np.dtype(order + each.kind))
        for each, start, length in zip(element.properties, starts, lengths, strict=True)
    ]
    return _columns(element, count, lengths, items), end


def _gather(raw: NDArray[np.uint8], starts: Integers, lengths: Integers, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return the items of lists at bytes ``starts``, one list after another."""
    first = np.concatenate([[0], np.cumsum(lengths)])
    found = np.empty(int(first[-1]), kind)
    for length in np.unique(lengths):
        some = np.flatnonzero(lengths == length)
        taken = raw[starts[some][:, None] + np.arange(length * kind.itemsize)]
        found[first[some][:, None] + np.arange(length)] = np.ascontiguousarray(taken).view(kind)
    return found


def _read_words(words: Sequence[bytes], at: int, element: _Element) -> tuple[_Rows, int]:
    """Return the rows of an element in ASCII, as many as are whole, and where they end.

    Raises:
        DamagedError: something stands where a number should.
    """
    properties = element.properties
    if not properties:
        return _Rows(element.promised, {}, {}), at
    if all(each.counts is None for each in properties):
        count = min(element.promised, (len(words) - at) // len(properties))
        end = at + count * len(properties)
        table = _floats(words[at:end], element.name).reshape(count, len(properties))
        return _Rows(count, {each.name: table[:, k] for k, each in enumerate(properties)}, {}), end
    taken: list[list[bytes]] = [[] for _ in properties]
    lengths: list[list[int]] = [[] for _ in properties]
    count = 0
    while count < element.promised and (row := _row(words, at, element)) is not None:
        for k, (start, length) in enumerate(row):
            taken[k] += words[start : start + length]
            lengths[k].append(length)
        at, count = sum(row[-1]), count + 1
    items = [_floats(each, element.name) for each in taken]
    return _columns(element, count, lengths, items), at


def _row(words: Sequence[bytes], at: int, element: _Element) -> list[tuple[int, int]] | None:
    """Return where the items of each property of a row begin, and how many they are; None: the row is not whole.

    Raises:
        DamagedError: something stands where the length of a list should.
    """
    row = []
    for each in element.properties:
        length = 1
        if each.counts is not None and at < len(words):
            if not words[at].isdigit():
                raise DamagedError(f"has {_shown(words[at])} where the length of a list in {element.name!r} should be")
            length = int(words[at][:18])
            at += 1
        row.append((at, length))
        at += length
    return row if at <= len(words) else None


def _columns(element: _Element, count: int, lengths: Sequence[Sequence[int]], items: Sequence[NDArray[Any]]) -> _Rows:
    """Return the rows of an element from the lengths and the items of each property."""
    numbers, lists = {}, {}
    for each, length, values in zip(element.properties, lengths, items, strict=True):
        if each.counts is None:
            numbers[each.name] = values
        else:
            lists[each.name] = np.array(length, np.int64), values
    return _Rows(count, numbers, lists)


def _floats(words: Sequence[bytes], element: str) -> Doubles:
    try:
        return np.array(list(map(float, words)), np.float64)
    except ValueError:
        wrong = next(each for each in words if not _is_number(each))
        raise DamagedError(f"has {_shown(wrong)} where a number in {element!r} should be; it is damaged") from None


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _shown(word: bytes) -> str:
    return repr(word[:20].decode("latin-1"))


def _content(found: dict[str, _Rows], told: list[str]) -> Content:
    vertices = found.get("vertex")
    if vertices is None or not {"x", "y", "z"} <= set(vertices.numbers):
        raise DamagedError("has no vertices with x, y and z; give a file of points or of a mesh")
    points = column_stack([vertices.numbers[each] for each in "xyz"])
    across = [vertices.numbers.get(each) for each in ("nx", "ny", "nz")]
    normals = (
        None if any(each is None for each in across) else column_stack([each for each in across if each is not None])
    )
    if {vertices.numbers[each].dtype.itemsize for each in "xyz"} == {4}:
        told = told + tell_rounding(points)
    counts, corners = _faces(found)
    counts, corners, missing = drop_missing(len(points), counts, corners)
    told = told + missing
    triangles = triangulate(points, counts, corners)
    if not len(triangles) and "edge" in found and found["edge"].count:
        told = [*told, f"holds {found['edge'].count:,} edges and no faces; its vertices are used as points"]
    used = {"x", "y", "z", *(("nx", "ny", "nz") if normals is not None else ())}
    told = told + tell_unused(name for name in (*vertices.numbers, *vertices.lists) if name not in used)
    return Content(points, triangles, normals, tuple(told))


def _faces(found: dict[str, _Rows]) -> tuple[Integers, Integers]:
    """Return the numbers of corners of the faces, and the corners one after another."""
    parts: list[tuple[Integers, Integers]] = []
    if "face" in found:
        lists = found["face"].lists
        named: list[str] = [name for name in ("vertex_indices", "vertex_index") if name in lists]
        named = named or [name for name, (_, items) in lists.items() if items.dtype.kind in "iu" or len(lists) == 1]
        if named:
            counts, items = lists[named[0]]
            parts.append((counts, _indices(items)))
    if "tristrips" in found:
        for counts, items in found["tristrips"].lists.values():
            parts.extend(_unroll(strip) for strip in np.split(_indices(items), np.cumsum(counts)[:-1]))
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts])


def _indices(items: NDArray[Any]) -> Integers:
    """Return items of lists as integers; what is none becomes −1, which is no vertex."""
    if items.dtype.kind == "f":
        items = np.where(np.isfinite(items) & (np.abs(items) < 2**53), items, -1)
    return items.astype(np.int64)


def _unroll(strip: Integers) -> tuple[Integers, Integers]:
    """Return the triangles of strips, which end at each −1; every other triangle of a strip turns the other way."""
    ends = np.flatnonzero(np.append(strip, -1) == -1)
    places = np.arange(len(strip))
    begins = np.concatenate([[0], ends + 1])
    within = places - begins[np.searchsorted(ends, places)]  # how far from the start of its strip
    third = np.flatnonzero((within >= 2) & (strip != -1))
    odd = within[third] % 2 == 1
    a, b = strip[third - 2], strip[third - 1]
    triangles = np.stack([np.where(odd, b, a), np.where(odd, a, b), strip[third]], axis=1)
    return np.full(len(triangles), 3, np.int64), triangles.ravel()
