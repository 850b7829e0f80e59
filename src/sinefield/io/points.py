"""Shapes as points: scans and meshes in space, outlines in the plane, from files or arrays.

trimesh, the extra ``mesh``, reads files. A mesh is sampled uniformly by area. Faults of points are repaired with a
warning where that is possible, and refused elsewhere.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io import SignalWarning

SUFFIXES = (".ply", ".xyz", ".obj", ".stl", ".off", ".glb", ".gltf", ".pts")
"""The endings of files that hold nothing but shapes."""

_SCANS = (".xyz", ".pts")  # of rows that begin with x y z
_Y_UP = (".obj", ".glb", ".gltf")

FEWEST = 10
"""The least number of different points that a shape needs."""

_EQUAL = 0.05  # of the largest length of a normal: lengths that differ by less count as equal
_LARGEST = 1e100  # coordinate, so that squares of differences are finite

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points on a surface in space, or on a curve in the plane.

    Args:
        points: coordinates ``(n, d)``, in the units of the file.
        normals: outward normals ``(n, d)`` of unit length; None: not known.
        name: name of the shape in messages.
        up: vertical axis by the convention of the file's format: y in OBJ and glTF, z in others.
    """

    points: Doubles
    normals: Doubles | None
    name: str
    up: str = "z"

    @property
    def dimension(self) -> int:
        """d, 2 or 3."""
        return int(self.points.shape[1])


def read(source: str | Path | NDArray[Any] | Tensor, samples: int = 100_000) -> Cloud:
    """Return the shape in a file, or in an array of points ``(n, d)`` or of points and normals ``(n, 2d)``.

    Arrays of 2 columns hold points in the plane, of 3 columns points in space, and of 4 and 6 columns points and
    normals.

    Args:
        source: a path, an array or a tensor.
        samples: number of points that a mesh is sampled at.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the source is no shape, is damaged, has fewer than :data:`FEWEST` different points, points that all
            lie in a plane, a mesh without area, NaN or infinity, or trimesh is missing.
    """
    if isinstance(source, Tensor):
        source = source.detach().cpu().double().numpy()
    if isinstance(source, np.ndarray):
        return _from_array(source, f"an array of shape {source.shape}")
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a shape, such as a PLY or OBJ file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one shape in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a shape")
    if path.suffix.lower() == ".npy":
        try:
            array: NDArray[Any] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{path} cannot be read as points; it may be damaged, or no NPY file") from error
        return _from_array(array, str(path))
    if path.suffix.lower() in (*_SCANS, ".txt", ".csv"):
        array = _read_table(path)
        if (
            path.suffix.lower() in _SCANS and array.ndim == 2 and array.shape[1] in (4, 7)
        ):  # an intensity, and colours, follow x y z
            _warn(str(path), f"of {array.shape[1]} columns the first three are used, as x y z")
            array = array[:, :3]
        return _from_array(array, str(path))
    cloud = _read_mesh_file(path, samples)
    return replace(cloud, up="y") if path.suffix.lower() in _Y_UP else cloud


def _read_table(path: Path) -> NDArray[Any]:
    """Return the numbers in the rows of a text file.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        lines = [line.replace(",", " ").split() for line in path.read_text().splitlines()]
        rows = [list(map(float, line)) for line in lines if line and not line[0].startswith("#")]
        if rows and len(rows[0]) == 1:  # PTS files begin with the number of points
            rows = rows[1:]
        return np.array(rows, dtype=np.float64)
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as points ({error}); expected rows of x y z, or of x y z and a normal"
        ) from error


def _from_array(array: NDArray[Any], name: str) -> Cloud:
    if array.ndim != 2 or array.shape[1] not in (2, 3, 4, 6) or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} of {array.dtype} is no shape; expected points (n, 2) or (n, 3), or with normals (n, 4) or (n, 6)"
        )
    numbers = array.astype(np.float64)
    dimension = {2: 2, 3: 3, 4: 2, 6: 3}[array.shape[1]]
    normals = numbers[:, dimension:] if array.shape[1] > dimension else None
    if normals is not None and _are_colours(normals):
        _warn(name, "the last three columns are taken for colours, as none is negative, and left out")
        normals = None
    return clean_points(numbers[:, :dimension], normals, name)


def _are_colours(columns: Doubles) -> bool:
    """Return whether columns look like colours: a surface that encloses something has normals to all sides."""
    lengths = np.linalg.norm(columns, axis=1)
    return columns.shape[1] == 3 and bool((columns >= 0).all() and np.ptp(lengths) > _EQUAL * lengths.max(initial=0.0))


def _read_mesh_file(path: Path, samples: int) -> Cloud:
    if importlib.util.find_spec("trimesh") is None:
        raise ValueError(f"reading {path} needs trimesh; install it with: pip install 'sinefield[mesh]'")
    import trimesh

    try:
        found = trimesh.load(path, process=False)
        if isinstance(found, trimesh.Scene):
            found = found.to_geometry()
    except Exception as error:  # the readers of trimesh raise any kind of error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a shape ({reason}); it may be damaged, or of another format"
        ) from error
    if isinstance(found, trimesh.PointCloud):
        normals = found.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
        return clean_points(np.asarray(found.vertices, dtype=np.float64), _read_ply_normals(normals), str(path))
    if not isinstance(found, trimesh.Trimesh):
        raise ValueError(f"{path} holds a {type(found).__name__}, not points or a mesh")
    if len(found.faces) == 0:
        return clean_points(np.asarray(found.vertices, dtype=np.float64), None, str(path))
    if not np.isfinite(found.vertices).all():
        raise ValueError(f"{path} holds NaN or infinity; remove those vertices first")
    if not found.area > 0:
        raise ValueError(f"{path} has {len(found.faces)} faces and no area; give a surface")
    points, faces = trimesh.sample.sample_surface(found, samples, seed=0)
    return clean_points(
        np.asarray(points, dtype=np.float64), np.asarray(found.face_normals[faces], dtype=np.float64), str(path)
    )


def _read_ply_normals(data: Any) -> Doubles | None:
    """Return the normals of the vertices of a PLY file; None if it has none."""
    try:
        return np.stack([np.asarray(data[each], dtype=np.float64).ravel() for each in ("nx", "ny", "nz")], axis=1)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def clean_points(points: Doubles, normals: Doubles | None, name: str) -> Cloud:
    """Return the cloud of the points that can be used: the first of equal points, without points of zero normals.

    Args:
        points: coordinates, ``(n, d)``.
        normals: normals ``(n, d)`` of any length; None: not known.
        name: name of the shape in messages.

    Raises:
        ValueError: the points are no shape: they hold NaN or infinity, are too few, or all lie in a plane or a line.
    """
    if not np.isfinite(points).all():
        raise ValueError(
            f"{name} holds NaN or infinity in {int((~np.isfinite(points)).any(1).sum())} points; remove them"
        )
    if (largest := float(np.abs(points).max(initial=0.0))) > _LARGEST:
        raise ValueError(f"{name} has coordinates of up to {largest:.3g}; scale them below {_LARGEST:g}")
    _, first = np.unique(points, axis=0, return_index=True)
    if len(first) < len(points):
        _warn(name, f"{len(points) - len(first)} of {len(points)} points are there twice or more; one of each is used")
        first.sort()
        points, normals = points[first], None if normals is None else normals[first]
    if len(points) < FEWEST:
        raise ValueError(f"{name} has {len(points)} different points; a shape needs at least {FEWEST}")
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    if spread[-1] <= 1e-6 * spread[0]:
        flat = "a plane" if points.shape[1] == 3 else "a line"
        raise ValueError(f"the points of {name} all lie in {flat}; a shape needs an inside")
    if normals is None:
        return Cloud(points, None, name)
    lengths = np.linalg.norm(normals, axis=1)
    good = np.isfinite(lengths) & (lengths > 1e-12)
    if not good.all():
        _warn(name, f"{int((~good).sum())} normals are zero or no numbers; these points are left out")
        points, normals, lengths = points[good], normals[good], lengths[good]
        if len(points) < FEWEST:
            raise ValueError(
                f"{name} has {len(points)} points with a normal; leave the normals out, or give better ones"
            )
    return Cloud(points, normals / lengths[:, None], name)


def _warn(name: str, what: str) -> None:
    warnings.warn(f"{name}: {what}", SignalWarning, stacklevel=4)
