"""Tests of what the columns of a table are: normals are told from colours by what they are, not by their range."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.io.shapes.columns import assign, named
from sinefield.io.shapes.content import DamagedError, Doubles

RANDOM = np.random.default_rng(0)
NORMALS: Doubles = RANDOM.standard_normal((2000, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
POINTS = 2 * NORMALS + [5, 0, 0]
FLAT = NORMALS[:, :2] / np.linalg.norm(NORMALS[:, :2], axis=1, keepdims=True)
COUNT = len(POINTS)

COLOURS = {
    "white": np.full((COUNT, 3), 255.0),
    "black": np.zeros((COUNT, 3)),
    "plaster": np.repeat(RANDOM.integers(200, 210, (COUNT, 1)), 3, axis=1),
    "photo": RANDOM.integers(0, 256, (COUNT, 3)),
    "16 bits": RANDOM.integers(0, 65536, (COUNT, 3)),
    "floats": RANDOM.random((COUNT, 3)),
    "one grey as floats": np.full((COUNT, 3), 0.5),
    "pure red as floats": np.tile([1.0, 0, 0], (COUNT, 1)),
    "pure blue as bytes": np.tile([0.0, 0, 255], (COUNT, 1)),
    "unit colours": np.abs(RANDOM.permutation(NORMALS)),
    "grey of unit length": np.full((COUNT, 3), 3**-0.5),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_no_normals(name: str) -> None:
    points, normals, told = assign(np.hstack([POINTS, COLOURS[name]]), None, None)
    assert np.array_equal(points, POINTS)
    assert normals is None
    assert "1 to 3 are used as xyz, and 4 5 6," in told[0]
    assert "--columns" in told[0]


@pytest.mark.parametrize("scale", [1.0, 0.999, 3.0, 1000.0])
def test_normals_are_normals(scale: float) -> None:
    _, normals, told = assign(np.hstack([POINTS, scale * NORMALS]), None, None)
    assert normals is not None
    assert np.array_equal(normals, scale * NORMALS)
    assert told == []


def test_normals_of_one_octant_and_of_a_box_are_normals() -> None:
    octant = (NORMALS > 0).all(axis=1)
    _, normals, _ = assign(np.hstack([POINTS, NORMALS])[octant], None, None)
    assert normals is not None
    place = RANDOM.uniform(-1, 1, (COUNT, 3))
    side = RANDOM.integers(0, 3, COUNT)
    place[np.arange(COUNT), side] = np.sign(place[np.arange(COUNT), side])
    across = np.zeros((COUNT, 3))
    across[np.arange(COUNT), side] = place[np.arange(COUNT), side]
    _, normals, _ = assign(np.hstack([place, across]), None, None)
    assert normals is not None  # whole numbers, and yet no colours


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        ([POINTS, COLOURS["photo"], NORMALS], 6),
        ([POINTS, NORMALS, COLOURS["photo"]], 3),
        ([POINTS, COLOURS["white"], NORMALS], 6),
        ([POINTS, COLOURS["photo"][:, :1], NORMALS], 4),
        ([POINTS, NORMALS, COLOURS["photo"][:, :1]], 3),
        ([POINTS, COLOURS["photo"][:, :1], COLOURS["photo"], NORMALS], 7),
        ([POINTS, COLOURS["photo"], COLOURS["photo"][:, :1], NORMALS, COLOURS["floats"]], 7),
    ],
)
def test_normals_are_found_among_others(columns: list[Doubles], place: int) -> None:
    points, normals, told = assign(np.hstack(columns), None, None)
    assert np.array_equal(points, POINTS)
    assert normals is not None
    assert np.array_equal(normals, NORMALS)
    assert f"{place + 1} to {place + 3} as normals" in told[0]


@pytest.mark.parametrize(
    "others",
    [
        [COLOURS["photo"][:, :1]],
        [COLOURS["floats"][:, :2]],
        [COLOURS["photo"][:, :1], COLOURS["photo"]],
        [COLOURS["photo"], np.full((COUNT, 1), 255)],
        [COLOURS["photo"], COLOURS["floats"][:, :2]],
    ],
)
def test_what_is_no_normal_is_left_out_and_told(others: list[Doubles]) -> None:
    points, normals, told = assign(np.hstack([POINTS, *others]), None, None)
    assert np.array_equal(points, POINTS)
    assert normals is None
    assert "are used as xyz, and" in told[0]


def test_the_plane() -> None:
    points, normals, told = assign(NORMALS[:, :2], None, None)
    assert (points.shape, normals, told) == ((COUNT, 2), None, [])
    points, normals, told = assign(np.hstack([3 * FLAT, FLAT]), None, None)
    assert np.array_equal(points, 3 * FLAT)
    assert normals is not None
    assert told == []
    points, normals, told = assign(np.hstack([POINTS, COLOURS["photo"][:, :1]]), None, None)
    assert (points.shape, normals) == ((COUNT, 3), None)


def test_numbers_of_rows_are_no_coordinates() -> None:
    points, normals, told = assign(np.hstack([np.arange(COUNT)[:, None], POINTS, NORMALS]), None, None)
    assert np.array_equal(points, POINTS)
    assert normals is not None
    assert "numbers of the rows in its first column" in told[0]
    points, _, _ = assign(np.hstack([np.arange(COUNT)[:, None], POINTS]), None, None, indexed=False)
    assert np.array_equal(points[:, 1:], POINTS[:, :2])


@pytest.mark.parametrize(
    ("names", "place", "across"),
    [
        ("x,y,z,nx,ny,nz", 0, 3),
        ("X,Y,Z,R,G,B,Nx,Ny,Nz", 0, 6),
        ("id,x [m],y [m],z [m]", 1, None),
        ("Points:0,Points:1,Points:2,Normals:0,Normals:1,Normals:2", 0, 3),
        ("normal_x,normal_y,normal_z,pos_x,pos_y,pos_z", 3, 0),
        ("time,Easting,Northing,Elevation,intensity", 1, None),
        ("cartesianX,cartesianY,cartesianZ,colorRed,colorGreen,colorBlue", 0, None),
    ],
)
def test_names_are_used(names: str, place: int, across: int | None) -> None:
    split = names.split(",")
    numbers = RANDOM.random((20, len(split)))
    points, normals, told = assign(numbers, split, None)
    assert np.array_equal(points, numbers[:, place : place + 3])
    assert (normals is None) == (across is None)
    if normals is not None and across is not None:
        assert np.array_equal(normals, numbers[:, across : across + 3])
    assert bool(told) == (len(split) > (3 if across is None else 6))


@pytest.mark.parametrize(
    ("text", "points", "across"),
    [
        ("xyznxnynz", [0, 1, 2], [3, 4, 5]),
        ("nxnynzxyz", [3, 4, 5], [0, 1, 2]),
        ("xyzrgb", [0, 1, 2], None),
        ("z,y,x,_,_,_", [2, 1, 0], None),
        ("xy_ _ _ _", [0, 1], None),
        ("xynxnyia", [0, 1], [2, 3]),
    ],
)
def test_what_is_named_overrides_everything(text: str, points: list[int], across: list[int] | None) -> None:
    numbers = np.hstack([POINTS, NORMALS])
    found, normals, told = assign(numbers, ["z", "y", "x", "a", "b", "c"], text)
    assert np.array_equal(found, numbers[:, points])
    assert (normals is None) == (across is None)
    if across is not None and normals is not None:
        assert np.array_equal(normals, numbers[:, across])
    assert told == []


@pytest.mark.parametrize("text", ["", "rgb", "xyzx", "xyznx", "xynxnynz", "xyzw", "x y z é"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--columns names each column in order"):
        named(text)


def test_another_number_of_names_is_refused() -> None:
    with pytest.raises(DamagedError, match="has 3 columns, and --columns xyzrgb names 6"):
        assign(POINTS, None, "xyzrgb")
