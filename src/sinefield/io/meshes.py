"""Meshes of triangles to files: PLY, and through trimesh, the extra ``mesh``, OBJ, STL and GLB."""

from __future__ import annotations

import importlib.util
import math
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sinefield.io import SignalWarning
from sinefield.io.files import replacing
from sinefield.io.shapes.content import rounding

if TYPE_CHECKING:
    from sinefield.geometry.mesh import Mesh

WRITTEN = (".ply", ".obj", ".stl", ".glb")
"""The endings of meshes that can be written."""


def check_suffix(path: str | Path) -> None:
    """Check that a mesh can be written to a file of this name.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, or trimesh is missing.
    """
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(f"cannot write the mesh {path}: its ending must be one of {', '.join(WRITTEN)}")
    if Path(path).suffix.lower() != ".ply" and importlib.util.find_spec("trimesh") is None:
        raise ValueError(f"writing {path} needs trimesh; install it with: pip install 'sinefield[mesh]'")


def write(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh, whole or not at all.

    PLY and STL are binary; all formats but STL hold a normal for each vertex. Coordinates are not scaled. PLY holds
    32-bit floats of them, or 64-bit ones where these are too coarse, OBJ as many decimals as are needed, and STL and
    GLB 32-bit floats, with a warning where these are too coarse.

    Args:
        path: file to write; its ending chooses the format.
        mesh: mesh to write.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, or trimesh is missing.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    kind, apart = Path(path).suffix.lower()[1:], rounding(mesh.vertices)
    if apart and kind in ("stl", "glb"):
        told = (
            f"{path} holds 32-bit floats, which are {apart:.2g} apart so far from the origin; .ply and .obj keep more"
        )
        warnings.warn(told, SignalWarning, stacklevel=2)
    with replacing(path) as temporary, temporary.open("wb") as file:
        if kind == "ply":
            _write_ply(file, mesh, "f8" if apart else "f4")
            return
        import trimesh

        # Processing would merge and drop vertices.
        made = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, process=False)
        options: dict[str, dict[str, Any]] = {
            "obj": {"include_normals": True, "digits": _decimals(mesh)},
            "glb": {"include_normals": True},
        }
        made.export(file, file_type=kind, **options.get(kind, {}))


def _write_ply(file: IO[bytes], mesh: Mesh, kind: str) -> None:
    """Write a mesh as binary PLY, with coordinates of a type of NumPy."""
    places, across = [(name, f"<{kind}") for name in "xyz"], [(f"n{name}", "<f4") for name in "xyz"]
    vertices = np.empty(len(mesh.vertices), [*places, *across])
    for (name, _), column in zip([*places, *across], [*mesh.vertices.T, *mesh.normals.T], strict=True):
        vertices[name] = column
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", (3,))])
    faces["count"], faces["corners"] = 3, mesh.faces
    called = {"f4": "float", "f8": "double"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property {called[kind]} {name}" for name, _ in places] + [
        f"property float {name}" for name, _ in across
    ]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    file.write("\n".join(header).encode())
    file.write(vertices.tobytes())
    file.write(faces.tobytes())


def _decimals(mesh: Mesh) -> int:
    """Return how many decimals make coordinates as fine as 32-bit floats of the mesh's size, at least eight."""
    size = float(np.ptp(mesh.vertices, axis=0).max(initial=0.0)) if len(mesh.vertices) else 0.0
    return max(8, 7 - math.floor(math.log10(size))) if size > 0 else 8
