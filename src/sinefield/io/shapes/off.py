"""OFF, the format of Geomview: a word, the numbers of vertices, faces and edges, then a line for each.

Letters before OFF say what follows the places of the vertices: N normals, C colours, ST places in a texture. Colours
may also follow the corners of a face.
"""

from __future__ import annotations

import re
from itertools import chain

import numpy as np

from sinefield.io.shapes.content import Content, DamagedError, Doubles, Integers, tell_short, tell_unused
from sinefield.io.shapes.polygons import drop_missing, triangulate
from sinefield.io.shapes.text import decode, tell_open_end

_WORD = re.compile(r"((?:ST|C|N|4)*)OFF(?=[\s\d]|$)[ \t]*(BINARY\b)?|(?=\d)")


def read(data: bytes) -> Content:
    """Return what an OFF file holds.

    Raises:
        DamagedError: it is no OFF file, one of another dimension or a binary one, or ends before its faces.
    """
    text = decode(data)
    letters, lines = _begin(text)
    counts, *rows = lines
    try:
        vertices, faces = (int(each) for each in counts.split()[:2])
    except ValueError:
        raise DamagedError(f"has {counts.strip()[:40]!r} where the numbers of vertices and faces should be") from None
    if min(vertices, faces) < 0:
        raise DamagedError(f"promises {vertices} vertices and {faces} faces; it is damaged")
    if len(rows) < vertices and (faces or not rows):
        raise DamagedError(
            f"was cut short: it ends after {len(rows):,} of {vertices:,} vertices, before its faces; copy or export it "
            "again"
        )
    table = _numbers(rows[:vertices], 6 if "N" in letters else 3)
    sizes, corners, told = _faces(rows[vertices : vertices + faces], faces)
    if not faces:
        told = tell_short(len(table), vertices, "vertices")
    if (more := len(rows) - vertices - faces) > 0:
        told.append(f"holds {more:,} lines more than it promises; they are left out")
    told += tell_open_end(text)
    told += tell_unused(name for name, letter in (("colours", "C"), ("textures", "ST")) if letter in letters)
    sizes, corners, missing = drop_missing(len(table), sizes, corners)
    triangles = triangulate(table[:, :3], sizes, corners)
    return Content(table[:, :3], triangles, table[:, 3:] if "N" in letters else None, (*told, *missing))


def _begin(text: str) -> tuple[str, list[str]]:
    """Return the letters before OFF, and the lines after it that hold something.

    Raises:
        DamagedError: the file is no OFF file, or one that is not read.
    """
    stripped = re.sub(r"#[^\n\r]*", "", text).lstrip()
    word = _WORD.match(stripped)
    if word is None:
        raise DamagedError("is no OFF file: it does not begin with 'OFF'")
    letters = word[1] or ""
    if "4" in letters or word[2]:
        raise DamagedError(
            "is an OFF file of other dimensions, or a binary one; convert it to PLY, for example with MeshLab"
        )
    lines = [line for line in stripped[word.end() :].splitlines() if line.strip()]
    if not lines:
        raise DamagedError("ends after its first line; it was cut short")
    return letters, lines


def _faces(lines: list[str], promised: int) -> tuple[Integers, Integers, list[str]]:
    """Return the numbers of corners of the faces, the corners one after another, and what is to be told.

    Raises:
        DamagedError: a line is no face.
    """
    rows = [line.split() for line in lines]
    if rows and len(rows[-1]) <= _length(rows[-1]):  # the last line was cut
        rows.pop()
    lengths = [_length(each) for each in rows]
    for k, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        if len(row) <= length or length < 0:
            shown = repr(" ".join(row)[:60])
            raise DamagedError(f"has the line {shown} for face {k + 1}; a face is a number of corners, and these")
    flat = chain.from_iterable(row[1 : length + 1] for row, length in zip(rows, lengths, strict=True))
    try:
        corners = np.array(list(map(int, flat)), np.int64)
    except (ValueError, OverflowError):
        raise DamagedError("has a face whose corners are no whole numbers; it is damaged") from None
    return np.array(lengths, np.int64), corners, tell_short(len(rows), promised, "faces")


def _length(row: list[str]) -> int:
    """Return the number of corners that a face begins with; −1: something else is there."""
    return int(row[0]) if row and row[0].isdecimal() and len(row[0]) < 10 else -1


def _numbers(rows: list[str], count: int) -> Doubles:
    """Return the first numbers of each row.

    Raises:
        DamagedError: a row has fewer, or something else.
    """
    found = np.empty((len(rows), count))
    for k, row in enumerate(rows):
        words = row.split()[:count]
        try:
            found[k] = list(map(float, words))
        except ValueError:
            raise DamagedError(
                f"has the line {row.strip()[:60]!r} for vertex {k + 1}; it needs {count} numbers"
            ) from None
    return found
