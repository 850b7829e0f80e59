"""Tests of shapes as GLB: an ordinary mesh for others, and the field itself for us."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import nn

import sinefield
from exported import IMAGE, SIGNALS, network, points_of
from sinefield import checkpoint, fields
from sinefield.export import glb
from sinefield.export.subject import Subject

RADIUS = float(np.sqrt(-np.log(0.7)))


def ball() -> nn.Module:
    """Return Φ = 0.7 − exp(−|x|²), which is zero on a sphere."""
    field = fields.build("relu-rbf", 3, 1, hidden_features=1, hidden_layers=0, frequencies=1, scale=1.0)
    with torch.no_grad():
        for each, value in zip(field.parameters(), (0.0, 1.0, 1.0, 0.0, -1.0, 0.7), strict=True):
            each.fill_(value)
    return field


@pytest.fixture
def shape(tmp_path: Path) -> Path:
    path = tmp_path / "ball.safetensors"
    stored = {**SIGNALS["shape"][1], "centre": [0.0, 0.0, 3.0], "scale": 2.0, "up": "z"}
    checkpoint.save(path, ball(), signal=stored, metrics={"chamfer": 0.5})
    return path


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    found: dict[str, Any] = json.loads(content[20 : 20 + length])
    return found, content[28 + length :]


def test_others_read_a_mesh_that_stands_upright(shape: Path, tmp_path: Path) -> None:
    path = tmp_path / "ball.glb"
    told = glb.write(Subject.read(shape), path, resolution=32)
    scene = trimesh.load_scene(path)
    (mesh,) = scene.dump()
    assert mesh.is_watertight
    assert f"{len(mesh.faces):,} faces" in told
    # z is up in the file and y in glTF: the middle at height 3 is found there.
    away = np.linalg.norm(mesh.vertices - [0, 3, 0], axis=1)
    assert np.abs(away - 2 * RADIUS).max() < 0.02
    outward = (mesh.vertices - [0, 3, 0]) / away[:, None]
    assert (mesh.vertex_normals * outward).sum(1).min() > 0.95
    assert mesh.volume > 0


def test_the_field_is_read_back(shape: Path, tmp_path: Path) -> None:
    path = tmp_path / "ball.glb"
    glb.write(Subject.read(shape), path, resolution=16)
    points = points_of(20, 3)
    loaded, original = sinefield.load(path), sinefield.load(shape)
    assert isinstance(loaded, nn.Module)
    assert isinstance(original, nn.Module)
    assert torch.equal(loaded(points), original(points))
    assert checkpoint.read_header(path)["metrics"] == {"chamfer": 0.5}
    glb.write(Subject.read(path), tmp_path / "again.glb", resolution=16)  # and exported again
    assert (tmp_path / "again.glb").read_bytes() == path.read_bytes()


def test_the_header_is_of_gltf(shape: Path, tmp_path: Path) -> None:
    """What the Khronos validator, which found no error and no warning of its own kind, looks at."""
    path = tmp_path / "ball.glb"
    glb.write(Subject.read(shape), path, resolution=16)
    content = path.read_bytes()
    assert struct.unpack_from("<4sII", content) == (b"glTF", 2, len(content))
    header, binary = header_of(path)
    assert header["extensionsUsed"] == list(header["extensions"])
    assert "extensionsRequired" not in header
    assert header["buffers"][0]["byteLength"] == len(binary)
    ends = [view["byteOffset"] + view["byteLength"] for view in header["bufferViews"]]
    assert all(view["byteOffset"] % 4 == 0 for view in header["bufferViews"])
    assert max(ends) <= len(binary)
    places, normals = (
        np.frombuffer(binary, "<f4", 3 * accessor["count"], header["bufferViews"][k]["byteOffset"]).reshape(-1, 3)
        for k, accessor in enumerate(header["accessors"][:2])
    )
    assert header["accessors"][0]["min"] == places.min(0).astype(float).tolist()
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-6


def test_only_shapes_in_space_have_a_mesh(tmp_path: Path) -> None:
    subject = Subject(tmp_path / "photo.safetensors", network("siren"), {"signal": IMAGE})
    with pytest.raises(ValueError, match=r"is of kind 'image'; only shapes"):
        glb.write(subject, tmp_path / "photo.glb")
    flat = Subject(
        tmp_path / "flat.safetensors",
        network("siren", 2, 1),
        {"signal": {**SIGNALS["shape"][1], "centre": [0.0, 0.0], "extent": [0.9, 0.9]}},
    )
    with pytest.raises(ValueError, match="is of a shape in the plane, which has no mesh"):
        glb.write(flat, tmp_path / "flat.glb")
    assert not list(tmp_path.iterdir())
