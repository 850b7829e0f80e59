"""Tests of field files within others."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import trimesh

import sinefield
from exported import network
from sinefield import checkpoint
from sinefield.io.embedded import EXTENSION, plain_file


def glb(header: Any, binary: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def with_view(view: Any) -> dict[str, Any]:
    return {"extensions": {EXTENSION: {"bufferView": 0}}, "bufferViews": [view]}


def test_a_field_in_the_middle_of_a_buffer(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "plain.safetensors", network("siren"))
    stored = (tmp_path / "plain.safetensors").read_bytes()
    path = tmp_path / "field.glb"
    path.write_bytes(glb(with_view({"byteOffset": 8, "byteLength": len(stored)}), b"12345678" + stored + b"more"))
    with plain_file(path) as plain:
        assert plain.read_bytes() == stored
    assert not plain.exists()
    assert sinefield.load(path) is not None


def test_a_folder_with_a_field(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "model.safetensors", network("siren"))
    assert sinefield.load(tmp_path) is not None
    with pytest.raises(ValueError, match="is a folder; give a field file in it"):
        sinefield.load(tmp_path.parent)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (glb({}), "holds a mesh and no field"),
        (glb(with_view({"byteOffset": 0, "byteLength": 100}), b"short"), "damaged or cut short"),
        (glb(with_view({"byteOffset": -4, "byteLength": 2}), b"short"), "damaged or cut short"),
        (glb(with_view({"byteLength": "5"}), b"short"), "damaged or cut short"),
        (glb({**with_view({}), "bufferViews": []}), "damaged or cut short"),
        (glb([1, 2]), "damaged or cut short"),
        (glb({"extensions": {EXTENSION: "here"}}), "damaged or cut short"),
        (glb(b"{no json"), "damaged or cut short"),
        (b"glTF", "damaged or cut short"),
        (glb(with_view({"byteOffset": 0, "byteLength": 5}), b"short"), "is not a field file"),
    ],
)
def test_damaged_ones_are_told_in_a_line(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.glb"
    path.write_bytes(content)
    for read in (sinefield.load, checkpoint.read_header):
        with pytest.raises(ValueError, match=rf"damaged\.glb.*{told}") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_meshes_of_others_hold_no_field(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "box.glb")
    with pytest.raises(ValueError, match="holds a mesh and no field"):
        sinefield.load(tmp_path / "box.glb")
