"""Tests of the table of marching cubes: that what it makes of any signs is closed, and a manifold."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from sinefield.geometry import marching_cubes


def triangles(case: int) -> list[list[int]]:
    return [each for each in marching_cubes.build_table()[case].tolist() if each[0] >= 0]


def directed(case: int) -> Counter[tuple[int, int]]:
    return Counter((each[k], each[(k + 1) % 3]) for each in triangles(case) for k in range(3))


def test_vertices_lie_where_signs_change() -> None:
    for case in range(256):
        changes = {
            edge
            for edge in range(12)
            if (case >> int(marching_cubes.STARTS[edge]) & 1) != (case >> int(marching_cubes.ENDS[edge]) & 1)
        }
        assert {edge for each in triangles(case) for edge in each} == changes


def test_all_but_the_segments_on_faces_are_inside() -> None:
    """Edges of triangles without an opposite lie on faces of the cube, those with one do not."""
    for case in range(256):
        found = directed(case)
        assert max(found.values(), default=1) == 1
        for a, b in found:
            corners = np.array([[marching_cubes.STARTS[e], marching_cubes.ENDS[e]] for e in (a, b)])
            offsets = marching_cubes.CORNERS[corners].reshape(4, 3)
            on_face = bool((offsets == offsets[0]).all(0).any())
            assert on_face != ((b, a) in found)


def test_neighbours_agree() -> None:
    """Whatever the signs of two cubes that share a face, they cut it alike, in opposite directions."""
    for axis in range(3):
        side = 4 >> axis
        upper, lower = ([c for c in range(8) if bool(c & side) == at] for at in (True, False))
        inside = [e for e in range(12) if marching_cubes.STARTS[e] in upper and marching_cubes.ENDS[e] in upper]
        across = {
            e: other
            for e, other in itertools.product(inside, range(12))
            if marching_cubes.STARTS[e] ^ side == marching_cubes.STARTS[other]
            and marching_cubes.ENDS[e] ^ side == marching_cubes.ENDS[other]
        }
        for signs in range(16):
            for rest in range(16):
                right_case = _case(lower, signs) | _case(upper, rest)
                left_case = _case(upper, signs) | _case(lower, rest)
                ours = {(across[a], across[b]) for a, b in directed(left_case) if a in across and b in across}
                theirs = {(b, a) for a, b in directed(right_case) if {a, b} <= set(across.values())}
                assert ours == theirs, (axis, signs, rest)


def _case(corners: list[int], signs: int) -> int:
    return sum(1 << corner for k, corner in enumerate(corners) if signs >> k & 1)
