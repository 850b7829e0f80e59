"""OBJ, the format of Wavefront: vertices ``v``, normals ``vn`` and polygons ``f``, which count vertices from 1.

Negative numbers count back from the last vertex before. Materials and textures are of no use for a shape and not looked
for. OBJ says no counts: of a file that was cut short only half a line, missing vertices or an edge of the surface tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np

from sinefield.io.shapes.content import Content, DamagedError, Doubles, Integers, tell_unused
from sinefield.io.shapes.polygons import drop_missing, triangulate
from sinefield.io.shapes.text import decode, tell_open_end

_FREE_FORM = ("curv", "curv2", "surf", "vp")
_TEXTURE = re.compile(r"/\S*")


def read(data: bytes) -> Content:
    """Return what an OBJ file holds.

    Raises:
        DamagedError: it holds no vertices, or something else than numbers.
    """
    text = decode(data)
    lines = re.sub(r"\\[ \t]*\n", " ", text).splitlines()
    words = [line.split(None, 1) for line in lines]
    kinds = [each[0] if each else "" for each in words]
    places = [k for k, kind in enumerate(kinds) if kind == "v" and len(words[k]) > 1]
    if not places:
        raise DamagedError(
            "holds no vertices, as OBJ files have in lines 'v x y z'; it is damaged, or of another format"
        )
    told: list[str] = []
    vertices, columns = _numbers(lines, places, 3)
    faces = [k for k, kind in enumerate(kinds) if kind in ("f", "fo") and len(words[k]) > 1]
    counts, corners, broken = _corners([words[k][1] for k in faces], np.searchsorted(places, faces))
    if broken:
        told.append(f"has {broken:,} faces that are no whole numbers; they are left out")
    counts, corners, missing = drop_missing(len(vertices), counts, corners)
    told += missing
    triangles = triangulate(vertices, counts, corners)
    normals = None
    across = [k for k, kind in enumerate(kinds) if kind == "vn" and len(words[k]) > 1]
    if not faces and len(across) == len(places):  # those of points, as some scanners write them
        normals, _ = _numbers(lines, across, 3)
    told += _tell(kinds, columns, len(faces), len(vertices), triangles)
    told += tell_open_end(text)
    if len(triangles) and (edge := _count_open_edges(vertices, triangles)):
        told.append(
            f"has an open surface, with {edge:,} sides of triangles along its edge; OBJ does not say how many faces "
            "there should be, and a file that was cut short looks like this"
        )
    return Content(vertices, triangles, normals, tuple(told), up="y")


def _numbers(lines: Sequence[str], some: Sequence[int], count: int) -> tuple[Doubles, int]:
    """Return the first numbers after the word of some lines, and how many numbers the first of them holds.

    Raises:
        DamagedError: a line has fewer, or something else.
    """
    rows = [lines[k].replace(",", " ").split()[1:] for k in some]
    try:
        if min(map(len, rows)) >= count:
            flat = list(map(float, chain.from_iterable(row[:count] for row in rows)))
            return np.array(flat, np.float64).reshape(-1, count), len(rows[0])
    except ValueError:
        pass
    for k, row in zip(some, rows, strict=True):
        try:
            good = len(list(map(float, row[:count]))) == count
        except ValueError:
            good = False
        if not good:
            cut = ", its last one: it was cut short" if k >= len(lines) - 1 else ""
            raise DamagedError(
                f"has {lines[k].strip()[:60]!r} in line {k + 1}{cut}; {count} numbers are expected there"
            )
    raise DamagedError("holds something else than numbers; it is damaged")


def _corners(rows: Sequence[str], before: Integers) -> tuple[Integers, Integers, int]:
    """Return the numbers of corners of faces, the corners from 0 one after another, and how many faces are no numbers.

    Args:
        rows: what follows the word of each face: ``1 2 3``, ``1/1 2/2 3/3``, ``1//1 …`` or ``1/1/1 …``.
        before: the number of vertices before each face, from which negative numbers count back.
    """
    lists = [_TEXTURE.sub("", row.split("#", 1)[0]).split() for row in rows]
    lengths = np.array([len(each) for each in lists], np.int64)
    broken = 0
    try:
        flat = list(map(int, chain.from_iterable(lists)))
    except ValueError:
        good = [all(re.fullmatch(r"[+-]?\d+", word) for word in each) for each in lists]
        broken = len(lists) - sum(good)
        lists = [each for each, right in zip(lists, good, strict=True) if right]
        lengths, before = lengths[good], before[good]
        flat = list(map(int, chain.from_iterable(lists)))
    within = np.iinfo(np.int32).max
    found = np.array([each if -within < each < within else 0 for each in flat], np.int64)
    found = np.where(found < 0, found + np.repeat(before, lengths), found - 1)  # 0 becomes −1, which is no vertex
    return lengths, found, broken


def _tell(kinds: Sequence[str], columns: int, faces: int, vertices: int, triangles: Integers) -> list[str]:
    told = []
    unused = [f"{word} ({name})" for word, name in (("vt", "textures"),) if word in kinds]
    if columns >= 6:
        unused.append("colours")
    told += tell_unused(unused, "places and faces")
    objects = kinds.count("o")
    if objects > 1:
        told.append(f"holds {objects} objects; they are joined to one shape")
    lines = kinds.count("l")
    if lines:
        told.append(f"holds {lines:,} lines, which are left out")
    free = sum(kinds.count(each) for each in _FREE_FORM)
    if free:
        told.append(f"holds {free:,} parts of free-form curves or surfaces, which are left out; export it as a mesh")
    if faces and not len(triangles):
        raise DamagedError(f"has {faces:,} faces, and none of vertices that are there; it is damaged")
    if not faces:
        told.append(f"holds no faces; its {vertices:,} vertices are used as points")
    return told


def _count_open_edges(vertices: Doubles, triangles: Integers) -> int:
    """Return the number of edges that are of one triangle only, vertices of one place being the same."""
    _, same = np.unique(vertices, axis=0, return_inverse=True)
    corners = same.ravel()[triangles]
    ends = np.sort(np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    ends = ends[ends[:, 0] != ends[:, 1]]
    _, times = np.unique(ends[:, 0] * np.int64(len(vertices)) + ends[:, 1], return_counts=True)
    return int((times == 1).sum())
