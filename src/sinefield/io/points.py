"""Shapes as points: scans and meshes in space, outlines in the plane, from files or arrays.

A mesh is sampled uniformly by area. Faults of points are repaired with a warning where that is possible, and refused
elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.clouds import FEWEST, Cloud, clean_points, warn
from sinefield.io.shapes import columns as columns_of
from sinefield.io.shapes import gltf, table
from sinefield.io.shapes.content import NO_TRIANGLES, Content, DamagedError, Doubles, Integers

__all__ = ["FEWEST", "SUFFIXES", "TABLES", "Cloud", "clean_points", "read"]

TABLES = (".xyz", ".xyzn", ".xyzrgb", ".pts", ".asc", ".txt", ".csv", ".tsv")
"""The endings of text files that hold rows of numbers."""

_MODULES = {
    ".ply": "ply",
    ".obj": "obj",
    ".stl": "stl",
    ".off": "off",
    ".pcd": "pcd",
    ".las": "las",
    ".3mf": "threemf",
}
_SCENES = (".glb", ".gltf")

SUFFIXES = (*_MODULES, *_SCENES, *TABLES)
"""The endings of files that hold nothing but shapes."""

_BEGINNINGS = (
    (b"ply\n", ".ply"),
    (b"ply\r", ".ply"),
    (b"glTF", ".glb"),
    (b"LASF", ".las"),
    (b"PK\3\4", ".3mf"),
    (b"# .PCD", ".pcd"),
    (b"OFF\n", ".off"),
    (b"solid ", ".stl"),
)
"""How files begin that may have another ending, or none."""

_DECLARED = {".xyzn": "xyznxnynz", ".xyzrgb": "xyzrgb"}  # what the columns are by the ending, if they are as many
_AREA_SEED = 0


def read(
    source: str | Path | NDArray[Any] | Tensor,
    samples: int = 100_000,
    *,
    columns: str | None = None,
    strays: bool = False,
    normals: bool = True,
) -> Cloud:
    """Return the shape in a file, or in an array of points ``(n, d)`` or of points and normals ``(n, 2d)``.

    Arrays of 2 columns hold points in the plane, of 3 columns points in space, and of 4 and 6 columns points and
    normals; so do tables without names for their columns. Other columns are found to be no normals, and left out with a
    warning, see :mod:`sinefield.io.shapes.columns`.

    Args:
        source: a path, an array or a tensor.
        samples: number of points that a mesh is sampled at.
        columns: what the columns of a table or an array are, such as ``"xyzrgb"``, see
            :func:`sinefield.io.shapes.columns.named`; None: found.
        strays: keep points of a scan that are far from all others.
        normals: use the normals that there are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no shape, is damaged, has fewer than :data:`FEWEST` different points, points that all
            lie in a plane, a mesh without area, or what reads it is missing.
    """
    if isinstance(source, Tensor):
        source = source.detach().cpu().double().numpy()
    if isinstance(source, np.ndarray):
        name = f"an array of shape {source.shape}"
    else:
        name, source = str(source), Path(source)
        _check_path(source)
    try:
        found = _array_content(source, columns) if isinstance(source, np.ndarray) else _file_content(source, columns)
    except DamagedError as error:
        raise ValueError(f"{name} {error}") from None
    for each in found.told:
        warn(name, each)
    if len(found.triangles):
        points, across = _sample(found.vertices, found.triangles, samples, name)
        cloud = clean_points(points, across if normals else None, name)
    else:
        across_points = found.normals if normals else None
        cloud = clean_points(found.vertices, across_points, name, measured=True, strays=strays)
    return replace(cloud, up=found.up, unit=found.unit)


def _check_path(path: Path) -> None:
    """Check that there is a file that holds something.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, or empty.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a shape, such as a PLY or OBJ file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one shape in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a shape")


def _file_content(path: Path, columns: str | None) -> Content:
    """Return what a file holds.

    Raises:
        DamagedError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        try:
            array: NDArray[Any] = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
        except Exception:  # NumPy parses the header as Python, and raises whatever that does
            raise DamagedError("cannot be read as points; it was cut short, is damaged, or is no NPY file") from None
        return _array_content(array, columns)
    data = path.read_bytes()
    found = next((each for beginning, each in _BEGINNINGS if data.startswith(beginning)), suffix)
    told = () if found == suffix else (f"is read as {found}, as it begins so",)
    if found in TABLES:
        return _table_content(table.read(data), found, columns)
    if columns is not None:
        raise DamagedError(f"says itself what it holds; --columns is for tables, {', '.join(TABLES)}")
    if found in _SCENES:
        content = gltf.read(data, path)
    elif found in _MODULES:
        reader: Callable[[bytes], Content] = importlib.import_module(f"sinefield.io.shapes.{_MODULES[found]}").read
        content = reader(data)
    else:
        raise DamagedError(
            f"cannot be read as a shape by its ending {suffix!r}; convert it to PLY or another of {', '.join(SUFFIXES)}"
        )
    return replace(content, told=(*told, *content.told))


def _table_content(found: table.Table, suffix: str, columns: str | None) -> Content:
    declared = _DECLARED.get(suffix)
    if columns is None and found.names is None and declared is not None:
        columns = declared if len(columns_of.named(declared)) == found.numbers.shape[1] else None
    points, normals, told = columns_of.assign(found.numbers, found.names, columns)
    return Content(points, NO_TRIANGLES, normals, (*found.told, *told))


def _array_content(array: NDArray[Any], columns: str | None) -> Content:
    """Return what an array holds.

    Raises:
        DamagedError: it is no table of numbers.
    """
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "fiu" or len(array) == 0:
        raise DamagedError(
            f"of {array.dtype} and shape {array.shape} is no shape; expected points (n, 2) or (n, 3), or with normals "
            "(n, 4) or (n, 6)"
        )
    points, normals, told = columns_of.assign(array.astype(np.float64), None, columns, indexed=False)
    return Content(points, NO_TRIANGLES, normals, tuple(told))


def _sample(vertices: Doubles, triangles: Integers, samples: int, name: str) -> tuple[Doubles, Doubles]:
    """Return points of a mesh, uniformly by area, and the normals of the triangles there.

    Raises:
        ValueError: the mesh has no area, or no triangle whose vertices are all numbers.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        finite = (np.abs(vertices) < np.sqrt(np.finfo(np.float64).max) / 4).all(axis=1)
    good = finite[triangles].all(axis=1)
    if not good.all():
        told = f"{int((~good).sum()):,} of {len(triangles):,} triangles have vertices that are NaN or infinite"
        warn(name, f"{told}; they are left out")
        triangles = triangles[good]
    triangles = _drop_repeated(triangles, name)
    if (unused := len(vertices) - len(np.unique(triangles))) and len(triangles):
        warn(name, f"{unused:,} of {len(vertices):,} vertices are of no triangle, and left out")
    # From the middle of the mesh, as products of coordinates far from the origin lose their last digits.
    middle = vertices[triangles[:, 0]].mean(axis=0) if len(triangles) else np.zeros(3)
    a, b, c = (vertices[triangles[:, k]] - middle for k in range(3))
    across = np.cross(b - a, c - a)
    ends = np.cumsum(np.linalg.norm(across, axis=1))
    if not len(ends) or not 0 < ends[-1] < np.inf:
        raise ValueError(f"{name} has {len(triangles)} triangles and no area; give a surface")
    generator = np.random.default_rng(_AREA_SEED)
    chosen = np.minimum(np.searchsorted(ends, generator.random(samples) * ends[-1], side="right"), len(ends) - 1)
    u, v = generator.random((2, samples, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    points = a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen] + middle
    return points, across[chosen] / np.linalg.norm(across[chosen], axis=1, keepdims=True)


def _drop_repeated(triangles: Integers, name: str) -> Integers:
    """Return triangles without those that have the vertices of an earlier one, whichever way round."""
    if len(triangles) == 0:
        return triangles
    low, middle, high = np.sort(triangles, axis=1).T
    size = int(high.max()) + 1
    if size < 1 << 21:  # three of them are one number
        _, first = np.unique((low * size + middle) * size + high, return_index=True)
    else:
        _, first = np.unique(np.stack([low, middle, high], axis=1), axis=0, return_index=True)
    if len(first) == len(triangles):
        return triangles
    warn(name, f"{len(triangles) - len(first):,} of {len(triangles):,} triangles are there twice; one of each is used")
    return triangles[np.sort(first)]
