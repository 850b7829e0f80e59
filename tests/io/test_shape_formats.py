"""Tests of the table of formats of shapes: each of its rows is read as it says, cut short, and written back."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from torch import Tensor, nn

import documented
from shape_files import CENTRE, RADIUS, WRITERS, scan, write_mesh
from sinefield.io import SignalWarning, meshes, points
from sinefield.io.clouds import Cloud
from sinefield.io.image import read as read_picture
from sinefield.io.outlines import trace_outline
from sinefield.kinds import KINDS, kind_of
from sinefield.signals.shape import ShapeSignal

ROWS = documented.rows("Shapes")
ENDINGS = [each for row in ROWS for each in documented.endings(row)]


def read(path: Path) -> tuple[Cloud, list[str]]:
    """Return the shape in a file, and what is told of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = trace_outline(read_picture(path)) if path.suffix == ".png" else points.read(path, 2000)
    assert all(each.category is SignalWarning and "\n" not in str(each.message) for each in told)
    return found, [str(each.message) for each in told]


def test_every_ending_is_in_one_row() -> None:
    assert len(set(ENDINGS)) == len(ENDINGS)
    assert set(KINDS["shape"].endings) == set(points.SUFFIXES) == set(ENDINGS) - {".npy", ".png"}
    assert set(WRITERS) == set(ENDINGS)
    written = {each for row in ROWS for each in documented.endings(row) if not row["Written back"].startswith("no")}
    assert set(meshes.WRITTEN) <= written


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_row_is_read(ending: str, tmp_path: Path) -> None:
    (row,) = [each for each in ROWS if ending in documented.endings(each)]
    path = tmp_path / f"small{ending}"
    WRITERS[ending](path)
    if ending not in (".npy", ".png"):
        assert kind_of(path) == "shape"
    found, told = read(path)
    centre = np.array([32.0, 32.0]) if ending == ".png" else CENTRE
    away = np.linalg.norm(found.points - centre, axis=1)
    assert away == pytest.approx(RADIUS, rel=0.02)
    if found.normals is not None:
        assert ((found.points - centre) / away[:, None] * found.normals).sum(1).mean() > 0.98
    without = ending in (".xyzrgb", ".pts", ".las")
    assert (found.normals is None) == without
    assert found.up == ("y" if "y is upright" in row["Metadata honoured when reading"] else "z")
    assert found.unit == {".glb": "m", ".gltf": "m", ".3mf": "mm"}.get(ending)
    assert [each for each in told if "cut short" in each] == []
    assert len(told) == (1 if ending in (".pts", ".las") else 0)  # what of the columns is not used


@pytest.mark.parametrize("ending", [each for each in ENDINGS if each != ".png"])
@pytest.mark.parametrize("part", ["30 %", "60 %", "90 %", "1 byte", "200 bytes"])
def test_a_file_cut_short_is_refused_or_told(ending: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / f"small{ending}"
    WRITERS[ending](path)
    whole = path.read_bytes()
    number = int(part.split()[0])
    cut = whole[: len(whole) * number // 100] if "%" in part else whole[:-number]
    path.write_bytes(cut)
    try:
        _, told = read(path)
    except ValueError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        # The end of the last line is nothing that is missing.
        lost = whole[len(cut) :].strip()
        assert any("cut short" in each for each in told) == (bool(lost) or "no line end" in "".join(told))


class Ball(nn.Module):
    """The signed distance of a ball of radius 0.9, as fitted shapes are scaled."""

    in_features, out_features = 3, 1

    def forward(self, places: Tensor) -> Tensor:
        distance: Tensor = places.norm(dim=1, keepdim=True)
        return distance - 0.9


@pytest.mark.parametrize("ending", meshes.WRITTEN)
def test_what_is_written_is_what_was_read(ending: str, tmp_path: Path) -> None:
    """Place, scale, what is upright, normals and which side is inside, of a field that is the ball's distance."""
    write_mesh(tmp_path / f"a{ending}")
    before, _ = read(tmp_path / f"a{ending}")
    signal = ShapeSignal.of(before.points, before.up, before.unit)
    assert ShapeSignal.from_json(signal.to_json()) == signal
    assert {each.unit for each in signal.axes} == {before.unit or "unit of the file"}
    surface, _ = signal.mesh(Ball(), 48)
    meshes.write(tmp_path / f"b{ending}", surface)
    after, told = read(tmp_path / f"b{ending}")
    assert told == []
    assert (after.up, after.unit) == (before.up, before.unit)
    assert np.linalg.norm(after.points - CENTRE, axis=1) == pytest.approx(RADIUS, rel=0.01)
    assert after.normals is not None
    assert ((after.points - CENTRE) / RADIUS * after.normals).sum(1).mean() > 0.99
    vertices = trimesh.load_scene(tmp_path / f"b{ending}", process=False).to_geometry()  # as others read it
    assert vertices.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)
    assert np.allclose(vertices.bounds.mean(0), CENTRE, atol=0.1)


def test_distances_and_pictures_are_written(tmp_path: Path) -> None:
    signal = ShapeSignal.of(scan()[:, :3])
    signal.write(Ball(), tmp_path / "slice.npy", (41, 41), axis="z")
    assert np.load(tmp_path / "slice.npy").min() == pytest.approx(-RADIUS, abs=1)
    signal.write(Ball(), tmp_path / "seen.png", (40, 40))
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.size == (40, 40)


@pytest.mark.parametrize("ending", [".ply", ".glb", ".las", ".3mf", ".pcd", ".off"])
@pytest.mark.parametrize("called", ["scan", "scan.obj", "scan.dat"])
def test_a_file_is_read_as_what_it_begins_like(ending: str, called: str, tmp_path: Path) -> None:
    WRITERS[ending](tmp_path / f"a{ending}")
    path = (tmp_path / f"a{ending}").rename(tmp_path / called)
    found, told = read(path)
    assert np.linalg.norm(found.points - CENTRE, axis=1) == pytest.approx(RADIUS, rel=0.02)
    assert told[0] == f"{path}: is read as {ending}, as it begins so"
