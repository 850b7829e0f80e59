"""Tests of LAS: coordinates far from the origin keep their digits, and counts are compared."""

from __future__ import annotations

import io

import laspy
import numpy as np
import pytest

from sinefield.io.shapes import las
from sinefield.io.shapes.content import DamagedError

POINTS = np.random.default_rng(0).standard_normal((200, 3)) + np.array([450_000, 5_400_000, 100])


def scan(version: str = "1.2", form: int = 3, marked: int = 0) -> bytes:
    """Return a scan written by laspy, whose first points are marked as noise."""
    header = laspy.LasHeader(point_format=form, version=version)
    header.offsets, header.scales = [450_000, 5_400_000, 0], [0.001] * 3
    made = laspy.LasData(header)
    made.x, made.y, made.z = POINTS.T
    made.classification = np.where(np.arange(200) < marked, 7, 2)
    file = io.BytesIO()
    made.write(file)
    return file.getvalue()


FORMS = [("1.2", 0), ("1.2", 3), ("1.3", 5), ("1.4", 6), ("1.4", 7), ("1.4", 10)]


@pytest.mark.parametrize(("version", "form"), FORMS)
def test_places_keep_their_digits(version: str, form: int) -> None:
    found = las.read(scan(version, form))
    assert np.abs(found.vertices - POINTS).max() < 6e-4
    (told,) = found.told
    assert told.startswith("has intensities, classes")
    assert ("colours" in told) == (form in (3, 5, 7, 10))


@pytest.mark.parametrize(("version", "form"), FORMS)
def test_points_marked_as_noise_are_left_out(version: str, form: int) -> None:
    found = las.read(scan(version, form, 30))
    assert np.abs(found.vertices - POINTS[30:]).max() < 6e-4
    assert found.told[0] == "marks 30 of 200 points as noise or withheld; they are left out"


def test_what_is_cut_is_told() -> None:
    whole = scan()
    for missing, left in ((1, 199), (200, 194), (len(whole) // 2, 96)):
        found = las.read(whole[:-missing])
        assert np.abs(found.vertices - POINTS[:left]).max() < 6e-4
        assert found.told[0] == f"was cut short: it holds {left} of the 200 points that it promises; these are used"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"LASX" + bytes(300), "does not begin with 'LASF'"),
        (b"LASF" + bytes(100), "ends within its header"),
        (b"LASF" + bytes(20) + b"\1\2" + bytes(201), "records of format 0 and 0 bytes from byte 0; it is damaged"),
        (scan()[:104] + b"\x83" + scan()[105:], "compressed as LAZ, which is not read; convert it to LAS"),
        (scan()[:240], "holds none of the 200 points"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        las.read(data)
