"""Tests of PLY: polygons of any number of corners in both byte orders, odd headers, and files that were cut short."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io.shapes import ply
from sinefield.io.shapes.content import Content, DamagedError

CORNERS = [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
FACES: list[tuple[int, ...]] = [
    (0, 1, 3, 2),
    (4, 6, 7, 5),
    (0, 4, 5, 1),
    (2, 3, 7, 6),
    (0, 2, 6, 4),
    (1, 5, 7),
    (1, 7, 3),
]
FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]
LETTERS = {"uchar": "B", "char": "b", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d", "short": "h"}


def cube(
    form: str = "ascii",
    *,
    place: str = "float",
    count: str = "uchar",
    index: str = "uint",
    name: str = "vertex_indices",
    faces: Sequence[tuple[int, ...]] = FACES,
    extra: bool = False,
    line: str = "\n",
) -> bytes:
    """Return a cube of side 2 as PLY; ``extra``: with another element before the vertices, and scalars of faces."""
    header = ["ply", f"format {form} 1.0", "comment by hand", "obj_info nothing"]
    header += ["element camera 2", "property float view", "property list uchar short keys"] if extra else []
    header += ["element vertex 8", *(f"property {place} {axis}" for axis in "xyz")]
    header += [f"element face {len(faces)}", *(["property uchar red"] if extra else [])]
    header += [f"property list {count} {index} {name}", *(["property double quality"] if extra else []), "end_header"]
    head = (line.join(header) + line).encode()
    if form == "ascii":
        rows = ["0.5 3 1 2 3", "1.5 0"] if extra else []
        rows += [" ".join(map(str, each)) for each in CORNERS]
        rows += [
            " ".join(map(str, [*([255] if extra else []), len(each), *each, *([0.25] if extra else [])]))
            for each in faces
        ]
        return head + (line.join(rows) + line).encode()
    order = "<" if "little" in form else ">"
    body = struct.pack(f"{order}fB3hfB", 0.5, 3, 1, 2, 3, 1.5, 0) if extra else b""
    body += b"".join(
        struct.pack(f"{order}3{LETTERS[place]}", *(each if place != "short" else map(int, each))) for each in CORNERS
    )
    for each in faces:
        body += struct.pack("B", 255) if extra else b""
        body += struct.pack(f"{order}{LETTERS[count]}{len(each)}{LETTERS[index]}", len(each), *each)
        body += struct.pack(f"{order}d", 0.25) if extra else b""
    return head + body


def measured(found: Content) -> tuple[float, float]:
    """Return the area and volume of what was read."""
    mesh = Mesh(found.vertices, found.triangles, np.zeros_like(found.vertices))
    return mesh.area, mesh.volume


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize(
    ("place", "count", "index"), [("float", "uchar", "uint"), ("double", "int", "int"), ("short", "ushort", "ushort")]
)
def test_quads_and_triangles_in_one_file(form: str, extra: bool, place: str, count: str, index: str) -> None:
    found = ply.read(cube(form, place=place, count=count, index=index, extra=extra))
    assert np.array_equal(found.vertices, CORNERS)
    assert len(found.triangles) == 12
    assert measured(found) == (24.0, 8.0)
    assert found.told == ()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["vertex_index", "vertex_indices", "corners"])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_names_of_lists_and_ends_of_lines(form: str, name: str, line: str) -> None:
    assert measured(ply.read(cube(form, name=name, line=line))) == (24.0, 8.0)
    quads = ply.read(cube(form, name=name, line=line, faces=[*FACES[:5], (1, 5, 7, 3)]))
    assert measured(quads) == (24.0, 8.0)


def test_agrees_with_trimesh_on_what_it_writes() -> None:
    torus = trimesh.creation.torus(1.0, 0.4)
    for encoding in ("binary", "ascii"):
        written = torus.export(file_type="ply", encoding=encoding, vertex_normal=True)
        found = ply.read(written if isinstance(written, bytes) else written.encode())
        assert np.allclose(found.vertices, torus.vertices, atol=1e-6)
        assert np.array_equal(found.triangles, torus.faces)
        assert found.normals is not None
        assert np.allclose(found.normals, torus.vertex_normals, atol=1e-5)


def strips(form: str) -> bytes:
    """Return a tetrahedron as strips, as the archive of Stanford has them: one of four triangles, and one of none."""
    corners = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    strip = [0, 2, 1, 3, 0, 2, -1, 1, 0]
    head = f"ply\nformat {form} 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    if form == "ascii":
        rows = [" ".join(map(str, each)) for each in [*corners, (len(strip), *strip)]]
        return (head + "\n".join(rows) + "\n").encode()
    order = "<" if "little" in form else ">"
    numbers = [x for each in corners for x in each]
    return head.encode() + struct.pack(f"{order}12f{1 + len(strip)}i", *numbers, len(strip), *strip)


@pytest.mark.parametrize("form", FORMS)
def test_strips_of_triangles(form: str) -> None:
    found = ply.read(strips(form))
    assert len(found.triangles) == 4
    assert measured(found)[1] == pytest.approx(1 / 6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", [1, 3, 9, 20])
def test_what_is_cut_is_used_and_told_or_refused(form: str, missing: int) -> None:
    whole = cube(form, count="int", index="int")
    found = ply.read(whole[:-missing])
    assert any("was cut short" in each or "no line end" in each for each in found.told)
    assert len(found.triangles) < 12 or form == "ascii"
    start = whole.index(b"end_header") + 20
    with pytest.raises(DamagedError, match="of 8 vertices, before its faces"):
        ply.read(whole[:start])
    with pytest.raises(DamagedError, match="ends within its header"):
        ply.read(whole[:100])


@pytest.mark.parametrize("form", FORMS)
def test_points_that_are_cut_are_counted(form: str) -> None:
    whole = cube(form, faces=[]).replace(b"element face 0\nproperty list uchar uint vertex_indices\n", b"")
    found = ply.read(whole[:-15])
    assert len(found.vertices) < 8
    assert found.told[0] == (
        f"was cut short: it holds {len(found.vertices)} of the 8 vertices that it promises; these are used"
    )
    assert "more than its header promises" in ply.read(whole + b"1234 5678\n").told[0]


def test_faces_of_vertices_that_are_not_there_are_left_out() -> None:
    found = ply.read(cube(faces=[*FACES, (0, 1, 8), (-1, 2, 3)], index="int"))
    assert measured(found) == (24.0, 8.0)
    assert found.told == ("has 2 of 9 faces with vertices that are not there; they are left out",)


def test_coordinates_too_large_for_their_floats_are_told() -> None:
    body = np.array([(x + 500_000, y + 5_400_000, z) for x, y, z in CORNERS], "<f4").tobytes()
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 8\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    (told,) = ply.read(head.encode() + body).told
    assert told.startswith("stores coordinates as 32-bit floats, which are 0.5 apart")
    exact = np.array([(x + 500_000, y + 5_400_000, z) for x, y, z in CORNERS], "<f8").tobytes()
    assert ply.read(head.replace("float", "double").encode() + exact).told == ()


def test_edges_and_colours_are_told() -> None:
    text = (
        cube(faces=[])
        .decode()
        .replace("end_header", "element edge 1\nproperty int vertex1\nproperty int vertex2\nend_header")
    )
    assert "holds 1 edges and no faces" in ply.read((text + "0 1\n").encode()).told[0]
    text = cube().decode().replace("property float z\n", "property float z\nproperty uchar red\n", 1)
    lines = text.splitlines()
    start = lines.index("end_header") + 1
    lines[start : start + 8] = [f"{each} 255" for each in lines[start : start + 8]]
    found = ply.read(("\n".join(lines) + "\n").encode())
    assert measured(found) == (24.0, 8.0)
    assert found.told == ("has red beside places and normals; it is not used",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ply\n", "plx\n", "does not begin with 'ply'"),
        ("end_header", "end_heade", "ends within its header"),
        ("ascii", "morse", "names no format"),
        ("element vertex 8", "element vertex eight", "the line 'element vertex eight'"),
        ("property float x", "property quaternion x", "the line 'property quaternion x'"),
        ("property float y", "property float x", "two properties of one name"),
        ("property float z", "property float w", "no vertices with x, y and z"),
        ("-1.0 -1.0 1.0", "-1.0 -1.0 one", "'one' where a number in 'vertex' should be"),
        ("4 0 1 3 2", "four 0 1 3 2", "'four' where the length of a list in 'face' should be"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        ply.read(cube().decode().replace(old, new, 1).encode())
