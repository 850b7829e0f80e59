"""Tests of STL: binary and ASCII, whichever the file begins like, and counts that are wrong."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sinefield.io.shapes import stl
from sinefield.io.shapes.content import Content, DamagedError

BALL = trimesh.creation.icosphere(1)
BINARY: bytes = BALL.export(file_type="stl")
ASCII: bytes = BALL.export(file_type="stl_ascii").encode()


def is_the_ball(found: Content, rows: int | None = None) -> bool:
    """Return whether the triangles are the first of the ball's."""
    corners = found.vertices[found.triangles]
    expected = BALL.triangles[:rows]
    return corners.shape == expected.shape and bool(np.allclose(corners, expected, atol=1e-6))


@pytest.mark.parametrize(
    "data",
    [
        BINARY,
        ASCII,
        b"solid a part of SolidWorks".ljust(80) + BINARY[80:],
        b"solid facet normal vertex".ljust(80) + BINARY[80:],
        ASCII.replace(b"\n", b"\r\n"),
        ASCII.upper(),
        b"\xef\xbb\xbf" + ASCII,
        "solid pièce créée".encode("latin-1") + b"\n" + ASCII.split(b"\n", 1)[1],
        "solid деталь\n".encode() + ASCII.split(b"\n", 1)[1],
        ASCII.decode().encode("utf-16"),
    ],
)
def test_both_forms_whatever_they_begin_like(data: bytes) -> None:
    found = stl.read(data)
    assert is_the_ball(found)
    assert found.told == ()


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "promises 0 triangles and holds 80; all are used"),
        (79, "promises 79 triangles and holds 80; all are used"),
        (81, "was cut short: it holds 80 of the 81 triangles that it promises; these are used"),
        (0xFFFFFFFF, "was cut short: it holds 80 of the 4,294,967,295 triangles that it promises; these are used"),
    ],
)
def test_a_count_that_is_wrong_is_told(count: int, told: str) -> None:
    found = stl.read(BINARY[:80] + count.to_bytes(4, "little") + BINARY[84:])
    assert is_the_ball(found)
    assert found.told == (told,)


def test_what_follows_the_triangles_is_left_out() -> None:
    found = stl.read(BINARY + b"written by a program")
    assert is_the_ball(found)
    assert found.told == ("holds 20 bytes more than its header promises; they are left out",)


@pytest.mark.parametrize("missing", [1, 200, 2000])
def test_what_is_cut_is_told(missing: int) -> None:
    found = stl.read(BINARY[:-missing])
    rows = (len(BINARY) - missing - 84) // 50
    assert is_the_ball(found, rows)
    assert found.told[0].startswith(f"was cut short: it holds {rows} of the 80 triangles")
    found = stl.read(ASCII[: -missing - 1])
    assert is_the_ball(found, len(found.triangles))
    assert found.told[0].startswith("was cut short: it ends without 'endsolid'; its ")


def test_several_solids_are_joined() -> None:
    found = stl.read(ASCII + ASCII)
    assert len(found.triangles) == 160
    assert found.told == ("holds 2 solids; they are joined to one shape",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"solid nothing\nendsolid\n", "no whole triangle"),
        (BINARY[:90], "no triangles"),
        (b"short", "has 5 bytes, and the header alone 84"),
        (ASCII.replace(b"vertex", b"vertex x", 1), "no whole triangle|holds 239 vertices in 80 triangles"),
        (ASCII.replace(b"vertex 0", b"vertex O", 1), r"'vertex O.*' in line \d+; a vertex is three numbers"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        stl.read(data)
