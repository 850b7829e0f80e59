"""Meshes of triangles to files: PLY, OBJ, STL and GLB, through trimesh, the extra ``mesh``."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sinefield.io import SignalWarning
from sinefield.io.files import replacing

if TYPE_CHECKING:
    from sinefield.geometry.mesh import Mesh

WRITTEN = (".ply", ".obj", ".stl", ".glb")
"""The endings of meshes that can be written."""

_FINE = 1e-4  # of the size of a mesh: a coarser rounding of coordinates is visible


def check_suffix(path: str | Path) -> None:
    """Check that a mesh can be written to a file of this name.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, or trimesh is missing.
    """
    if Path(path).suffix.lower() not in WRITTEN:
        raise ValueError(f"cannot write the mesh {path}: its ending must be one of {', '.join(WRITTEN)}")
    if importlib.util.find_spec("trimesh") is None:
        raise ValueError(f"writing {path} needs trimesh; install it with: pip install 'sinefield[mesh]'")


def write(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh, whole or not at all.

    PLY and STL are binary; all formats but STL hold a normal for each vertex. Coordinates are not scaled. OBJ holds
    eight decimals of them, the other formats 32-bit floats, with a warning where these are too coarse.

    Args:
        path: file to write; its ending chooses the format.
        mesh: mesh to write.

    Raises:
        ValueError: the ending is none of :data:`WRITTEN`, or trimesh is missing.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    import trimesh

    rounding = float(np.spacing(np.abs(mesh.vertices).max(initial=0.0).astype(np.float32)))
    if (kind := Path(path).suffix.lower()[1:]) != "obj" and rounding > _FINE * np.ptp(mesh.vertices, axis=0).max():
        told = f"{path} holds 32-bit floats, which are {rounding:.2g} apart so far from the origin; .obj keeps more"
        warnings.warn(told, SignalWarning, stacklevel=2)
    # Processing would merge and drop vertices.
    made = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, process=False)
    options = {"ply": {"vertex_normal": True}, "obj": {"include_normals": True}, "glb": {"include_normals": True}}
    with replacing(path) as temporary, temporary.open("wb") as file:
        made.export(file, file_type=kind, **options.get(kind, {}))
