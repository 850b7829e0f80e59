"""Tests of PCD: its three forms, fields of several numbers, and files that were cut short."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from sinefield.io.shapes import pcd
from sinefield.io.shapes.content import DamagedError

POINTS = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
NORMALS = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
KIND = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("f", "<f4", (3,)), ("n", "<f4", (3,))])


def scan(form: str, *, points: int = 50, width: int = 50) -> bytes:
    """Return a cloud with colours, a field of three numbers and normals."""
    header = (
        "# .PCD v0.7 - créé\nVERSION 0.7\nFIELDS x y z rgb fpfh normal_x normal_y normal_z\nSIZE 4 4 4 4 4 4 4 4\n"
        f"TYPE F F F U F F F F\nCOUNT 1 1 1 1 3 1 1 1\nWIDTH {width}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {points}\nDATA {form}\n"
    ).encode("latin-1")
    table = np.zeros(50, KIND)
    for k, axis in enumerate("xyz"):
        table[axis] = POINTS[:, k]
    table["n"] = NORMALS
    table["rgb"] = 0xFFFFFF
    if form == "ascii":
        rows = [" ".join(f"{float(x):.9g}" for x in (*p, 1, 0, 0, 0, *n)) for p, n in zip(POINTS, NORMALS, strict=True)]
        return header + ("\n".join(rows) + "\n").encode()
    if form == "binary":
        return header + table.tobytes()
    columns = [*POINTS.T, table["rgb"], table["f"], *NORMALS.T]
    raw = b"".join(np.ascontiguousarray(each).tobytes() for each in columns)
    packed = imagecodecs.lzf_encode(raw)
    return header + len(packed).to_bytes(4, "little") + len(raw).to_bytes(4, "little") + packed


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_the_three_forms(form: str) -> None:
    found = pcd.read(scan(form))
    assert np.allclose(found.vertices, POINTS, atol=1e-7)
    assert found.normals is not None
    assert np.allclose(found.normals, NORMALS, atol=1e-7)
    assert found.told == ("has rgb, fpfh beside places and normals; they are not used",)
    assert len(found.triangles) == 0


@pytest.mark.parametrize("form", ["ascii", "binary"])
def test_what_is_cut_is_told(form: str) -> None:
    whole = scan(form)
    found = pcd.read(whole[:-200])
    assert 0 < len(found.vertices) < 50
    assert found.told[0].startswith(f"was cut short: it holds {len(found.vertices)} of the 50 points")
    assert np.allclose(found.vertices, POINTS[: len(found.vertices)], atol=1e-7)
    more = pcd.read(scan(form, points=40, width=40))
    assert len(more.vertices) == 40
    assert "more than its header promises" in more.told[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (scan("binary_compressed")[:-30], "was cut short: it holds"),
        (scan("binary_compressed")[:-100] + bytes(100), "cannot be unpacked|shorter than it says"),
        (scan("ascii")[:80], "has no header"),
        (scan("ascii").replace(b"SIZE 4", b"SIZE 3", 1), "FIELDS, SIZE, TYPE and COUNT do not agree"),
        (scan("ascii").replace(b"FIELDS x", b"FIELDS u"), "x, y and z are needed"),
        (scan("ascii").replace(b"POINTS 50", b"POINTS many"), "promises no number of points"),
        (scan("ascii").replace(b"DATA ascii", b"DATA morse"), "of the form 'morse'"),
        (scan("ascii", points=99999999999, width=1), "promises no number of points"),
        (scan("ascii").replace(b" 1 0 0 0 ", b" one 0 0 0 ", 1), "in row 1 of its points"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        pcd.read(data)
