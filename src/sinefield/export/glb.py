"""A shape as GLB: an ordinary mesh that any viewer of glTF 2.0 opens, with the field itself in an optional extension.

The extension ``SINEFIELD_field`` of the whole asset names a view of the buffer that holds the field file, byte for
byte; ``sinefield.load`` and ``sinefield info`` read it back. A viewer that does not know it shows the mesh.

Source: Khronos Group, "glTF 2.0 Specification", sections 3.12 (extensions) and 4 (GLB).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sinefield import __version__
from sinefield.export.subject import Subject
from sinefield.io.embedded import EXTENSION, plain_file
from sinefield.io.files import replacing

RESOLUTION: Final = 128
"""Cells along the longest side, unless another number is asked for."""

_HALF: Final = 2**-0.5
# What turns the upright axis of a shape to that of glTF, y, as a quaternion.
_TURNS: Final = {"x": [0.0, 0.0, _HALF, _HALF], "y": [0.0, 0.0, 0.0, 1.0], "z": [-_HALF, 0.0, 0.0, _HALF]}
_FLOAT, _UNSIGNED, _VERTICES, _INDICES = 5126, 5125, 34962, 34963


def write(subject: Subject, path: Path, *, resolution: int = RESOLUTION) -> str:
    """Return in a few words what was written: the surface of a shape as GLB, with the field in it.

    Args:
        subject: the field.
        path: where.
        resolution: cells along the longest side.

    Raises:
        ValueError: the field is of no shape in space.
        OSError: the place cannot be written to.
    """
    check(subject)
    signal: Any = subject.signal
    mesh, _ = signal.mesh(subject.field, resolution)
    with plain_file(subject.path) as stored:
        field = stored.read_bytes()
    lengths = np.linalg.norm(mesh.normals, axis=1, keepdims=True)
    normals = np.where(lengths > 0, mesh.normals / np.where(lengths > 0, lengths, 1), [0.0, 0.0, 1.0])
    parts = [
        np.ascontiguousarray(mesh.vertices, "<f4"),
        np.ascontiguousarray(normals, "<f4"),
        np.ascontiguousarray(mesh.faces.ravel(), "<u4"),
    ]
    views, binary = _buffer([*(each.tobytes() for each in parts), field])
    for view, target in zip(views, (_VERTICES, _VERTICES, _INDICES), strict=False):
        view["target"] = target
    header = {
        "asset": {"version": "2.0", "generator": f"sinefield {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": subject.title, "rotation": _TURNS[signal.up]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7}}],
        "accessors": [
            _accessor(0, _FLOAT, "VEC3", parts[0]) | _range(parts[0]),
            _accessor(1, _FLOAT, "VEC3", parts[1]),
            _accessor(2, _UNSIGNED, "SCALAR", parts[2]),
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
        "extensionsUsed": [EXTENSION],
        "extensions": {EXTENSION: {"bufferView": 3}},
    }
    with replacing(path) as temporary:
        temporary.write_bytes(_glb(header, binary))
    return (
        f"{len(mesh.vertices):,} vertices, {len(mesh.faces):,} faces, and the field in {len(field) / 1000:,.0f} kB of "
        f"{EXTENSION}"
    )


def check(subject: Subject) -> None:
    """Refuse a field that has no mesh.

    Raises:
        ValueError: it is of no shape in space.
    """
    if getattr(subject.signal, "mesh", None) is None:
        kind = "no known kind" if subject.signal is None else f"kind {subject.signal.kind!r}"
        raise ValueError(f"{subject.path} is of {kind}; only shapes, of kind 'shape', have a mesh")
    if getattr(subject.signal, "dimension", 3) != 3:
        raise ValueError(f"{subject.path} is of a shape in the plane, which has no mesh")


def _accessor(view: int, component: int, kind: str, array: NDArray[Any]) -> dict[str, Any]:
    return {"bufferView": view, "componentType": component, "type": kind, "count": len(array)}


def _range(places: NDArray[Any]) -> dict[str, Any]:
    """Return the least and greatest coordinates, which every array of positions must tell."""
    return {"min": places.min(0).astype(float).tolist(), "max": places.max(0).astype(float).tolist()}


def _buffer(parts: Sequence[bytes]) -> tuple[list[dict[str, Any]], bytes]:
    """Return views of a buffer, and the buffer: the parts, each at a multiple of four bytes."""
    views, binary = [], b""
    for each in parts:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(each)})
        binary += each + b"\0" * (-len(each) % 4)
    return views, binary


def _glb(header: dict[str, Any], binary: bytes) -> bytes:
    """Return a file of two chunks, JSON and binary, each padded to a multiple of four bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
