"""Tests of OFF: letters before the word, counts beside it, polygons, and files that were cut short."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io.shapes import off
from sinefield.io.shapes.content import Content, DamagedError

BODY = "1 0 0\n0 1 0\n0 0 1\n0 0 0\n"
FACES = "3 0 1 2\n3 1 0 3\n3 2 1 3 0.5 0.5 0.5\n3 0 2 3\n"


def volume(found: Content) -> float:
    return Mesh(found.vertices, found.triangles, found.vertices).volume


@pytest.mark.parametrize(
    "text",
    [
        f"OFF\n4 4 6\n{BODY}{FACES}",
        f"OFF 4 4 6\n{BODY}{FACES}",
        f"OFF4 4 6\n{BODY}{FACES}",  # as in ModelNet
        f"4 4 6\n{BODY}{FACES}",  # the word may be left out
        f"# créé\nOFF # a comment\n\n4 4 0\n{BODY}\n# faces\n{FACES}",
        f"OFF\r\n4 4 6\r\n{BODY}{FACES}".replace("\n", "\r\n").replace("\r\r", "\r"),
    ],
)
def test_where_the_counts_stand(text: str) -> None:
    found = off.read(text.encode("latin-1"))
    assert volume(found) == pytest.approx(1 / 6)
    assert found.told == ()


@pytest.mark.parametrize(
    ("word", "tail", "told"),
    [
        ("COFF", " 255 0 0 255", ("has colours beside places and normals; it is not used",)),
        ("NOFF", " 0 0 1", ()),
        ("CNOFF", " 0 0 1 1 0 0 1", ("has colours beside places and normals; it is not used",)),
        ("STOFF", " 0.5 0.5", ("has textures beside places and normals; it is not used",)),
    ],
)
def test_what_follows_the_places(word: str, tail: str, told: tuple[str, ...]) -> None:
    found = off.read(
        f"{word}\n4 4 6\n{BODY}{FACES}".replace("0\n", f"0{tail}\n", 2).encode()
        if not tail
        else (f"{word}\n4 4 6\n" + "".join(f"{row}{tail}\n" for row in BODY.splitlines()) + FACES).encode()
    )
    assert volume(found) == pytest.approx(1 / 6)
    assert (found.normals is not None) == ("N" in word)
    assert found.told == told


def test_agrees_with_trimesh() -> None:
    ball = trimesh.creation.icosphere(2)
    found = off.read(ball.export(file_type="off").encode())
    assert np.allclose(found.vertices, ball.vertices, atol=1e-8)
    assert np.array_equal(found.triangles, ball.faces)


def test_polygons() -> None:
    square = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n0 0 1\n1 0 1\n1 1 1\n0 1 1\n"
    sides = "4 3 2 1 0\n4 4 5 6 7\n4 0 1 5 4\n4 1 2 6 5\n4 2 3 7 6\n4 3 0 4 7\n"
    found = off.read(f"OFF\n8 6 12\n{square}{sides}".encode())
    assert volume(found) == pytest.approx(1)


def test_what_is_cut_is_told_or_refused() -> None:
    whole = f"OFF\n4 4 6\n{BODY}{FACES}".encode()
    assert off.read(whole[:-1]).told == (
        "has no line end after its last line, as a file that was cut short; what is there is used",
    )
    for missing in (3, 9, 20):
        found = off.read(whole[:-missing])
        assert len(found.triangles) < 4
        assert found.told[0].startswith(f"was cut short: it holds {len(found.triangles)} of the 4 faces")
    with pytest.raises(DamagedError, match="ends after 2 of 4 vertices, before its faces"):
        off.read(whole[: whole.index(b"0 0 1\n")])
    points = off.read(b"OFF\n20 0 0\n" + BODY.encode())
    assert points.told[0] == "was cut short: it holds 4 of the 20 vertices that it promises; these are used"
    assert off.read(whole + b"3 0 1 2\n").told == ("holds 1 lines more than it promises; they are left out",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solid", "does not begin with 'OFF'"),
        ("OFF\n", "ends after its first line"),
        ("4OFF\n4 4 6\n", "of other dimensions, or a binary one"),
        ("OFF BINARY\n4 4 6\n", "of other dimensions, or a binary one"),
        ("OFF\nfour 4 6\n", "'four 4 6' where the numbers of vertices and faces"),
        ("OFF\n-4 4 6\n1\n", "promises -4 vertices"),
        (f"OFF\n4 4 6\n{BODY.replace('1', 'l', 1)}{FACES}", "the line 'l 0 0' for vertex 1"),
        (f"OFF\n4 4 6\n{BODY}{FACES.replace('3 1 0 3', '3 1 0')}", "the line '3 1 0' for face 2"),
        (f"OFF\n4 4 6\n{BODY}{FACES.replace('3 1 0 3', '3 1 0 x')}", "corners are no whole numbers"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        off.read(text.encode())
