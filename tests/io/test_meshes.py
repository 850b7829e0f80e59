"""Tests of meshes written to files: read back by trimesh they are the same; what cannot be written is told."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io import meshes
from sinefield.io.shapes import obj, ply

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def tetrahedron() -> Mesh:
    away = CORNERS - CORNERS.mean(0)
    return Mesh(CORNERS, FACES, away / np.linalg.norm(away, axis=1, keepdims=True))


@pytest.mark.parametrize("ending", meshes.WRITTEN)
def test_what_is_written_is_read_back(tmp_path: Path, ending: str) -> None:
    mesh, path = tetrahedron(), tmp_path / f"tetrahedron{ending}"
    meshes.write(path, mesh)
    # As one of a scene: load_mesh joins all meshes of a file, and forgets their normals.
    (found,) = trimesh.load_scene(path, process=False).geometry.values()
    if ending != ".stl":  # which holds three vertices of its own for each face
        assert np.allclose(found.vertex_normals, mesh.normals, atol=1e-6)
        assert np.allclose(found.vertices, CORNERS)
        assert np.array_equal(found.faces, FACES)
    assert len(found.faces) == 4
    assert found.volume == pytest.approx(1 / 6)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_ply_and_stl_are_binary(tmp_path: Path) -> None:
    meshes.write(tmp_path / "a.ply", tetrahedron())
    meshes.write(tmp_path / "a.stl", tetrahedron())
    assert b"binary_little_endian" in (tmp_path / "a.ply").read_bytes()
    assert len((tmp_path / "a.stl").read_bytes()) == 84 + 4 * 50


def test_other_endings_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.step: its ending must be one of \.ply, \.obj, \.stl, \.glb"):
        meshes.write(tmp_path / "a.step", tetrahedron())


def test_without_trimesh_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'sinefield\[mesh\]'"):
        meshes.write(tmp_path / "a.obj", tetrahedron())
    meshes.write(tmp_path / "a.ply", tetrahedron())


def test_a_file_stays_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.stl"
    path.write_text("before")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(trimesh.Trimesh, "export", fail)
    with pytest.raises(OSError, match="full"):
        meshes.write(path, tetrahedron())
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]


@pytest.mark.parametrize(("ending", "told"), [(".glb", True), (".stl", True), (".obj", False), (".ply", False)])
def test_coordinates_too_large_for_their_format_are_told(tmp_path: Path, ending: str, told: bool) -> None:
    near = tetrahedron()
    far = Mesh(near.vertices + np.array([500_000, 5_400_000, 0]), near.faces, near.normals)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        meshes.write(tmp_path / f"a{ending}", far)
    expected = f"{tmp_path}/a{ending} holds 32-bit floats, which are 0.5 apart so far from the origin; "
    assert [str(each.message) for each in found] == ([f"{expected}.ply and .obj keep more"] if told else [])


@pytest.mark.parametrize("ending", [".ply", ".obj"])
@pytest.mark.parametrize(("size", "place"), [(1e-6, 0.0), (1.0, 5_400_000.0), (1e9, 0.0)])
def test_small_far_and_large_shapes_keep_their_digits(tmp_path: Path, ending: str, size: float, place: float) -> None:
    near = tetrahedron()
    vertices = size * near.vertices + place
    meshes.write(tmp_path / f"a{ending}", Mesh(vertices, near.faces, near.normals))
    read = obj.read if ending == ".obj" else ply.read
    found = read((tmp_path / f"a{ending}").read_bytes())
    assert np.abs(found.vertices - vertices).max() < 1e-6 * size
    assert np.array_equal(found.triangles, near.faces)
