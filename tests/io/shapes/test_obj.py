"""Tests of OBJ: ways of naming vertices, what is left out, and signs that a file was cut short."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io.shapes import obj
from sinefield.io.shapes.content import Content, DamagedError

CUBE = "".join(f"v {x} {y} {z}\n" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))
SIDES = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]


def sides(form: str) -> str:
    return "".join(f"f {' '.join(form.format(k) for k in each)}\n" for each in SIDES)


def volume(found: Content) -> float:
    return Mesh(found.vertices, found.triangles, found.vertices).volume


@pytest.mark.parametrize("form", ["{0}", "{0}/{0}", "{0}//{0}", "{0}/{0}/{0}", "{0}/", "{0}/1/ "])
def test_ways_of_naming_vertices(form: str) -> None:
    found = obj.read(f"mtllib missing.mtl\nusemtl red\ng a f three words\ns 1\n{CUBE}vn 0 0 1\n{sides(form)}".encode())
    assert volume(found) == 8
    assert found.told == ()
    assert found.up == "y"


def test_negative_numbers_count_back_from_the_last_vertex() -> None:
    turned = sides("{0}")
    for k in range(1, 9):
        turned = turned.replace(f" {k}", f" {k - 9}")
    again = CUBE.replace("v -1", "v 4").replace("v 1", "v 6")  # another cube of the same size, 5 to the right
    found = obj.read(f"{CUBE}{turned}{again}{turned}".encode())
    assert len(found.triangles) == 24
    assert volume(found) == 16


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CUBE.replace("\n", " 0.5 0.5 0.5\n") + sides("{0}"), "has colours beside places and faces; it is not used"),
        (f"{CUBE}vt 0 0\n{sides('{0}/1')}", "has vt (textures) beside places and faces; it is not used"),
        (f"o one\n{CUBE}{sides('{0}')}o two\n", "holds 2 objects; they are joined to one shape"),
        (f"{CUBE}{sides('{0}')}l 1 2\n", "holds 1 lines, which are left out"),
        (
            f"{CUBE}{sides('{0}')}curv 0 1 1 2 3\n",
            "holds 1 parts of free-form curves or surfaces, which are left out; export it as a mesh",
        ),
        (f"{CUBE}{sides('{0}')}f 1 2 99\n", "has 1 of 7 faces with vertices that are not there; they are left out"),
        (f"{CUBE}{sides('{0}')}f 0 1 2\n", "has 1 of 7 faces with vertices that are not there; they are left out"),
        (f"{CUBE}{sides('{0}')}f 1 2 x\n", "has 1 faces that are no whole numbers; they are left out"),
    ],
)
def test_what_is_left_out_is_told(text: str, told: str) -> None:
    found = obj.read(text.encode())
    assert volume(found) == 8
    assert found.told == (told,)


@pytest.mark.parametrize(
    "data",
    [
        (f"# créé\n{CUBE}{sides('{0}')}").encode("latin-1"),
        (f"# créé\n{CUBE}{sides('{0}')}").encode("utf-16"),
        (f"o деталь\n{CUBE}{sides('{0}')}").encode("utf-8-sig"),
        f"{CUBE}{sides('{0}')}".replace("\n", "\r\n").encode(),
        f"{CUBE}{sides('{0}')}".replace("v -1 -1 -1\n", "v -1 \\\n -1 -1\n").encode(),
        f"{CUBE}{sides('{0}')}".replace("v -1 -1 -1\n", "v  -1,-1,-1\n").encode(),
        f"{CUBE}{sides('{0}')}".replace("v ", "\tv\t").encode(),
    ],
)
def test_encodings_and_spaces(data: bytes) -> None:
    found = obj.read(data)
    assert volume(found) == 8
    assert found.told == ()


def test_points_with_normals() -> None:
    found = obj.read(f"{CUBE}{CUBE.replace('v', 'vn')}".encode())
    assert found.normals is not None
    assert np.array_equal(found.vertices, found.normals)
    assert found.told == ("holds no faces; its 8 vertices are used as points",)


def test_agrees_with_trimesh() -> None:
    torus = trimesh.creation.torus(1.0, 0.4)
    found = obj.read(torus.export(file_type="obj").encode())
    assert np.allclose(found.vertices, torus.vertices, atol=1e-7)
    assert np.array_equal(found.triangles, torus.faces)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, -1, -200])
def test_a_file_that_was_cut_is_told_or_refused(part: float) -> None:
    whole = trimesh.creation.icosphere(3).export(file_type="obj").strip().encode() + b"\n"
    cut = whole[: int(len(whole) * part) if part > 0 else int(part)]
    try:
        found = obj.read(cut)
    except DamagedError as error:
        assert "cut short" in str(error)  # noqa: PT017
    else:
        assert any("cut short" in each or "no faces" in each for each in found.told)


def test_an_open_surface_is_told() -> None:
    (told,) = obj.read(f"{CUBE}{sides('{0}')[:-10]}".encode()).told
    assert told.startswith("has an open surface, with 4 sides of triangles along its edge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "holds no vertices"),
        ("v 1 2\n", "'v 1 2' in line 1, its last one: it was cut short; 3 numbers are expected"),
        ("v 1 2 three\nv 1 2 3\n", "'v 1 2 three' in line 1; 3 numbers are expected"),
        (f"{CUBE}f 11 12 13\n", "has 1 faces, and none of vertices that are there"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        obj.read(text.encode())
