"""Tests of shapes as points: files, arrays, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray

from sinefield.io import SignalWarning, points


def ball(count: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on a sphere of radius 2 around (1, 0, 0), and normals."""
    normals = np.random.default_rng(0).standard_normal((count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 2 * normals + [1, 0, 0], normals


@pytest.mark.parametrize("columns", [3, 6])
@pytest.mark.parametrize("form", ["array", "tensor", ".npy", ".xyz", ".pts"])
def test_points_with_and_without_normals(form: str, columns: int, tmp_path: Path) -> None:
    numbers = np.concatenate(ball(), axis=1)[:, :columns]
    source: Any = (
        numbers if form == "array" else torch.from_numpy(numbers) if form == "tensor" else tmp_path / f"a{form}"
    )
    if form == ".npy":
        np.save(source, numbers)
    elif form == ".xyz":
        np.savetxt(source, numbers, header="x y z")
    elif form == ".pts":
        np.savetxt(source, numbers, header=str(len(numbers)), comments="")
    found = points.read(source)
    assert np.allclose(found.points, ball()[0])
    assert found.dimension == 3
    assert (found.normals is None) == (columns == 3)
    if found.normals is not None:
        assert np.allclose(found.normals, ball()[1])


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl", ".off", ".glb"])
def test_meshes_are_sampled_by_area(suffix: str, tmp_path: Path) -> None:
    box = trimesh.creation.box((1, 2, 3))
    box.export(tmp_path / f"a{suffix}")
    found = points.read(tmp_path / f"a{suffix}", samples=4000)
    assert found.points.shape == (4000, 3)
    assert found.normals is not None
    sides = np.array([1, 2, 3]) / 2
    axis = np.abs(found.normals).argmax(1)
    assert np.allclose(
        found.points[np.arange(4000), axis], sides[axis] * found.normals[np.arange(4000), axis], atol=1e-5
    )
    assert (axis == 0).mean() == pytest.approx(6 / 11, abs=0.05)


def test_the_normals_of_a_scan_are_read(tmp_path: Path) -> None:
    places, normals = ball()
    rows = "\n".join(" ".join(map(str, row)) for row in np.concatenate([places, normals], axis=1))
    header = "\n".join(
        [
            "ply",
            "format ascii 1.0",
            f"element vertex {len(places)}",
            *(f"property float {each}" for each in "xyz"),
            *(f"property float n{each}" for each in "xyz"),
            "end_header",
        ]
    )
    (tmp_path / "a.ply").write_text(f"{header}\n{rows}\n")
    found = points.read(tmp_path / "a.ply")
    assert found.normals is not None
    assert np.allclose(found.points, places, atol=1e-5)
    assert np.allclose(found.normals, normals, atol=1e-5)


def test_what_can_be_repaired_is_said() -> None:
    places, normals = ball()
    with pytest.warns(SignalWarning, match="20 of 220 points are there twice"):
        found = points.read(np.concatenate([places, places[:20]]))
    assert np.allclose(found.points, places)
    normals[:3] = 0
    normals[3] = np.nan
    with pytest.warns(SignalWarning, match="4 of 200 normals are zero or NaN; these points are left out"):
        found = points.read(np.concatenate([places, 3 * normals], axis=1))
    assert len(found.points) == 196
    assert found.normals is not None
    assert np.allclose(np.linalg.norm(found.normals, axis=1), 1)


def test_colours_are_no_normals(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(0, 256, (200, 3))
    np.savetxt(tmp_path / "a.xyz", np.concatenate([ball()[0], colours], axis=1))
    with pytest.warns(SignalWarning, match=r"and 4 5 6, whole numbers from \d to 255, are left out"):
        assert points.read(tmp_path / "a.xyz").normals is None
    np.savetxt(tmp_path / "a.pts", np.concatenate([ball()[0], colours[:, :1], colours], axis=1))
    with pytest.warns(SignalWarning, match="has 7 columns without names: 1 to 3 are used as xyz, and 4 5 6 7,"):
        assert np.allclose(points.read(tmp_path / "a.pts").points, ball()[0])


def test_the_normals_of_a_sheet_may_all_point_upwards() -> None:
    u, v = np.random.default_rng(1).random((2, 500, 1))
    sheet = u * [1.0, 0, 0] + v * [0, 0.8, -0.6]
    sheet[:5] += 0.01  # not all in a plane
    assert points.read(np.concatenate([sheet, np.tile([0.0, 0.6, 0.8], (500, 1))], axis=1)).normals is not None


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ball(9)[0], "9 different points; a shape needs at least 10"),
        (np.full((200, 3), np.nan), "no point whose coordinates are all numbers"),
        (1e150 * ball()[0], r"coordinates of more than 1e\+100"),
        (ball()[0] * [1, 1, 0], "all lie in a plane"),
        (ball()[0][:, :2] * [1, 0], "all lie in a line"),
        (np.zeros((20, 5)), "1 different points"),
        (np.zeros((20, 1)), "is no shape"),
        (np.zeros((2, 3, 3)), "is no shape"),
    ],
)
@pytest.mark.filterwarnings("ignore::sinefield.io.SignalWarning")
def test_what_is_no_shape_is_told(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        points.read(array)


@pytest.mark.filterwarnings("ignore::sinefield.io.SignalWarning")
def test_bad_files_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "noise.ply").write_bytes(np.random.default_rng(0).bytes(999))
    (tmp_path / "words.xyz").write_text("these are no numbers\n")
    (tmp_path / "empty.obj").touch()
    (tmp_path / "faceless.off").write_text("OFF\n4 0 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n")
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    (tmp_path / "part.step").write_text("ISO-10303-21;\n")
    for name in ("noise.ply", "words.xyz", "empty.obj", "faceless.off", "flat.obj", "part.step", "missing.ply", "."):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            points.read(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_a_missing_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimesh.creation.box().export(tmp_path / "a.glb")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'sinefield\[mesh\]'"):
        points.read(tmp_path / "a.glb")
