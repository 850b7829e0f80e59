"""Tests of glTF: scenes at their places, files beside it, and what its header says of itself."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io.shapes import gltf
from sinefield.io.shapes.content import Content, DamagedError


def scene(mirror: bool = False) -> trimesh.Scene:
    """Return a box of sides 1, 2, 3 and another twice as large, 10 to the right, or mirrored."""
    found = trimesh.Scene()
    box = trimesh.creation.box((1, 2, 3))
    found.add_geometry(box, geom_name="box", node_name="near")
    place = np.diag([-2.0 if mirror else 2.0, 2.0, 2.0, 1.0])
    place[0, 3] = 10
    found.graph.update("far", geometry="box", matrix=place)
    return found


def volume(found: Content) -> float:
    return Mesh(found.vertices, found.triangles, found.vertices).volume


def glb(header: dict[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(body), b"BIN\0") + body if body else b""
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


@pytest.mark.parametrize("mirror", [False, True])
def test_all_meshes_of_a_scene_at_their_places(tmp_path: Path, mirror: bool) -> None:
    found = gltf.read(scene(mirror).export(file_type="glb"), tmp_path / "a.glb")
    assert volume(found) == pytest.approx(6 + 48)  # faces of a mirror image look outwards too
    assert np.allclose(found.vertices.min(0), [-0.5, -2, -3])
    assert np.allclose(found.vertices.max(0), [11, 2, 3])
    assert (found.up, found.unit) == ("y", "m")
    assert found.told == ("holds 2 meshes; they are joined to one shape",)


def separate(folder: Path) -> dict[str, Any]:
    """Write a box as glTF with its bytes in files beside it, and return its JSON."""
    for name, content in trimesh.Scene(trimesh.creation.box()).export(file_type="gltf").items():
        (folder / name).write_bytes(content)
    found: dict[str, Any] = json.loads((folder / "model.gltf").read_text())
    return found


def test_files_beside_it(tmp_path: Path) -> None:
    header = separate(tmp_path)

    def read() -> Content:
        return gltf.read(json.dumps(header).encode(), tmp_path / "model.gltf")

    assert volume(read()) == pytest.approx(1)
    header["images"], header["textures"] = [{"uri": "missing.png"}], [{"source": 0}]
    header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    header["meshes"][0]["primitives"][0]["material"] = 0
    found = read()
    assert volume(found) == pytest.approx(1)
    assert found.told == ("has textures, which are not used",)
    buffer = tmp_path / header["buffers"][1]["uri"]
    buffer.write_bytes(buffer.read_bytes()[:-8])
    with pytest.raises(DamagedError, match=r"needs 96 bytes in its buffer 1, and 88 are there; it was cut short"):
        read()
    buffer.unlink()
    with pytest.raises(DamagedError, match=rf"refers to the file {buffer.name}, which is not there"):
        read()


@pytest.mark.parametrize("name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_compressed_meshes_are_named(tmp_path: Path, name: str) -> None:
    header = {"asset": {"version": "2.0"}, "extensionsRequired": [name], "meshes": []}
    with pytest.raises(DamagedError, match=r"is compressed by \w+, which is not read; export it without compression"):
        gltf.read(glb(header), tmp_path / "a.glb")


def points(mode: int) -> bytes:
    """Return a scene of 24 points as one primitive of a mode."""
    places = np.random.default_rng(0).standard_normal((24, 3)).astype("<f4")
    header = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": [1, 0, 0]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode, "targets": [{}]}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 24, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 288}],
        "buffers": [{"byteLength": 288}],
        "animations": [{}],
    }
    return glb(header, places.tobytes())


def test_points_alone(tmp_path: Path) -> None:
    found = gltf.read(points(0), tmp_path / "a.glb")
    assert (found.vertices.shape, len(found.triangles)) == ((24, 3), 0)
    assert found.told == ("has animations, morph targets, which are not used",)
    with pytest.raises(DamagedError, match="holds no mesh and no points"):
        gltf.read(points(1), tmp_path / "a.glb")


def test_what_is_cut_is_refused_and_what_is_too_much_is_told(tmp_path: Path) -> None:
    whole = scene().export(file_type="glb")
    for part in (1, 200, len(whole) // 10, len(whole) // 2):
        with pytest.raises(DamagedError, match=f"holds {len(whole) - part:,} of the {len(whole):,} bytes"):
            gltf.read(whole[:-part], tmp_path / "a.glb")
    with pytest.raises(DamagedError, match="ends within its header"):
        gltf.read(whole[:15], tmp_path / "a.glb")
    assert gltf.read(whole + bytes(7), tmp_path / "a.glb").told[0].startswith("holds 7 bytes more than its header")
    text = json.dumps(separate(tmp_path))
    for part in (1, 200):
        with pytest.raises(DamagedError, match="no JSON; it was cut short"):
            gltf.read(text[:-part].encode(), tmp_path / "a.gltf")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"glTF" + struct.pack("<IIII", 1, 20, 0, 0), "version 1 of glTF; export it as version 2"),
        (glb({"meshes": 3}), "not of glTF"),
        (glb({"accessors": [{"count": 10**15}]}), "array of 1000000000000000 numbers"),
        (glb({"buffers": [{"byteLength": 10**6}]}), "needs 1,000,000 bytes in its buffer 0"),
        (glb({"scene": 0, "scenes": [{"nodes": [7]}]}), "does not agree with its header|no mesh and no points"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=message):
        gltf.read(data, tmp_path / "a.glb")
