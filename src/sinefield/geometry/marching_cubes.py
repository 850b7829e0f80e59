"""Marching cubes: which triangles separate the corners of a cube by their signs.

The table is derived rather than copied. On each face of the cube every run of negative corners is cut off by one
segment between the two edges where the sign changes; the segments of all six faces close to loops, and loops are cut
into triangles. The segments of a face depend on its four signs only, so that two cubes that share the face agree, and
the mesh has no holes. The triangles of the four cubes around an edge close to one fan around its vertex, so that the
mesh is a manifold. (Lorensen & Cline, 1987, left the faces with four changes of sign open.)

Corner c has the offset (c >> 2 & 1, c >> 1 & 1, c & 1); an edge is given by its axis and its lower corner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

CORNERS = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)])
"""The offset of each corner, ``(8, 3)``."""

_EDGES = [(axis, c, c | 4 >> axis) for axis in range(3) for c in range(8) if not c & 4 >> axis]
AXES, STARTS, ENDS = (np.array(each) for each in zip(*_EDGES, strict=True))
"""The axis, the lower corner and the upper corner of each edge, ``(12,)``."""

_NAMES = {pair: edge for edge, (_, start, end) in enumerate(_EDGES) for pair in ((start, end), (end, start))}


def _list_faces() -> Iterator[list[int]]:
    """Yield the corners around each face, counter-clockwise as seen from outside."""
    for axis in range(3):
        normal, u, v = 4 >> axis, 4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3
        yield [normal, normal | u, normal | u | v, normal | v]
        yield [0, v, u | v, u]


_FACES = list(_list_faces())
_EDGE_FACES = [{k for k, face in enumerate(_FACES) if start in face and end in face} for _, start, end in _EDGES]


def _trace_loops(case: int) -> Iterator[list[int]]:
    """Yield the loops of edges around the negative corners, counter-clockwise as seen from the positive side."""
    follows: dict[int, int] = {}
    for face in _FACES:
        signs = [case >> corner & 1 for corner in face]
        for k in range(4):
            if signs[k] and not signs[k - 1]:  # a run of negative corners begins at k
                end = next(j for j in range(k, k + 4) if not signs[(j + 1) % 4])
                first = _NAMES[face[k - 1], face[k]]
                last = _NAMES[face[end % 4], face[(end + 1) % 4]]
                follows[first] = last
    while follows:
        start, edge = next(iter(follows.items()))
        loop = [start]
        del follows[start]
        while edge != start:
            loop.append(edge)
            edge = follows.pop(edge)
        yield loop


def _triangulate(loop: Sequence[int]) -> list[tuple[int, int, int]] | None:
    """Return the triangles that fill a loop, or None if that needs a diagonal along a face of the cube.

    The neighbouring cube may draw the same diagonal, and four triangles would then share it.
    """

    @lru_cache(None)
    def fill(first: int, last: int) -> tuple[tuple[int, int, int], ...] | None:
        if last - first < 2:
            return ()
        for middle in range(first + 1, last):
            if allowed(first, middle) and allowed(middle, last):
                left, right = fill(first, middle), fill(middle, last)
                if left is not None and right is not None:
                    return (*left, (loop[first], loop[middle], loop[last]), *right)
        return None

    def allowed(i: int, j: int) -> bool:
        return (j - i) % len(loop) in {1, len(loop) - 1} or not _EDGE_FACES[loop[i]] & _EDGE_FACES[loop[j]]

    filled = fill(0, len(loop) - 1)
    return None if filled is None else list(filled)


@cache
def build_table() -> NDArray[np.int8]:
    """Return the three edges that the corners of each triangle lie on, for each case, ``(256, t, 3)``.

    Bit c of a case is set where corner c is negative. Cases with fewer than t triangles are filled up with −1.
    """
    cases: list[list[tuple[int, int, int]]] = []
    for case in range(256):
        filled: list[tuple[int, int, int]] = []
        for loop in _trace_loops(case):
            triangles = _triangulate(loop)
            assert triangles is not None, f"the loop {loop} of case {case} cannot be filled"
            filled += triangles
        cases.append(filled)
    found = np.full((256, max(map(len, cases)), 3), -1, np.int8)
    for case, filled in enumerate(cases):
        found[case, : len(filled)] = np.array(filled, np.int8).reshape(-1, 3)
    return found
