"""Clouds of points on a surface or a curve, and the repair of those that files hold: what is invalid is left out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning
from sinefield.io.shapes.content import Doubles

FEWEST = 10
"""The least number of different points that a shape needs."""

_LARGEST = 1e100  # coordinate, so that squares of differences are finite
_MISSING = 0.5  # fraction of points without a normal: above it, all normals are estimated
_FAR = 0.5  # of the spread of the points: wider gaps than this, in all directions, separate strays from the others
_SPACINGS = 6.0  # between neighbours: narrower gaps than this separate nothing
_STRAYS = 0.01, 0.05  # fractions of the points that one group of strays, and all of them, have at most
_SAMPLE = 4000  # points that the spacing is estimated from


@final
@dataclass(frozen=True, eq=False)
class Cloud:
    """Points on a surface in space, or on a curve in the plane.

    Args:
        points: coordinates ``(n, d)``, in the units of the file.
        normals: outward normals ``(n, d)`` of unit length; None: not known.
        name: name of the shape in messages.
        up: vertical axis by the convention of the file's format: y in OBJ and glTF, z in others.
        unit: unit of the coordinates, such as ``"mm"``; None: the file does not say.
    """

    points: Doubles
    normals: Doubles | None
    name: str
    up: str = "z"
    unit: str | None = None

    @property
    def dimension(self) -> int:
        """d, 2 or 3."""
        return int(self.points.shape[1])


def clean_points(
    points: Doubles, normals: Doubles | None, name: str, *, measured: bool = False, strays: bool = False
) -> Cloud:
    """Return the cloud of the points that can be used, with a warning of those that are left out.

    Points with NaN or infinity are left out, all but the first of equal points, and those without a normal where most
    have one; where most have none, all normals are. Of what was measured, points at the origin that are there twice or
    more are left out too, and few points far from all others.

    Args:
        points: coordinates, ``(n, d)``.
        normals: normals ``(n, d)`` of any length; None: not known.
        name: name of the shape in messages.
        measured: whether the points are those of a scan, and not samples of a mesh or an outline.
        strays: keep points of a scan that are far from all others.

    Raises:
        ValueError: the points are no shape: too few of them are left, or they all lie in a plane or a line.
    """
    kept = _keep_finite(points, name)
    if measured:
        kept &= _keep_measured(points, kept, name)
    points, normals = points[kept], None if normals is None else normals[kept]
    _, first = np.unique(points, axis=0, return_index=True)
    if len(first) < len(points):
        warn(name, f"{len(points) - len(first)} of {len(points)} points are there twice or more; one of each is used")
        first.sort()
        points, normals = points[first], None if normals is None else normals[first]
    if measured and not strays and len(points) >= FEWEST and (far := find_strays(points)).any():
        told = f"{int(far.sum()):,} of {len(points):,} points are far from all others and left out"
        warn(name, f"{told} (--keep-strays keeps them)")
        points, normals = points[~far], None if normals is None else normals[~far]
    points, normals = _check_normals(points, normals, name)
    if len(points) < FEWEST:
        raise ValueError(f"{name} has {len(points)} different points; a shape needs at least {FEWEST}")
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    if spread[-1] <= 1e-6 * spread[0]:
        flat = "a plane" if points.shape[1] == 3 else "a line"
        raise ValueError(f"the points of {name} all lie in {flat}; a shape needs an inside")
    return Cloud(points, normals, name)


def _keep_finite(points: Doubles, name: str) -> NDArray[np.bool_]:
    """Return which points are numbers that can be calculated with.

    Raises:
        ValueError: none are.
    """
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(points).all(axis=1)
        small = np.logical_and(finite, (np.abs(points) <= _LARGEST).all(axis=1))
    if not finite.any():
        raise ValueError(f"{name} holds no point whose coordinates are all numbers; a shape needs {FEWEST}")
    if not small.any():
        raise ValueError(f"{name} has coordinates of more than {_LARGEST:g}; scale them below that")
    if not small.all():
        what = "NaN or infinite" if not finite.all() else f"beyond {_LARGEST:g}"
        warn(name, f"{int((~small).sum()):,} of {len(points):,} points are {what} and left out")
    return np.asarray(small)


def _keep_measured(points: Doubles, among: NDArray[np.bool_], name: str) -> NDArray[np.bool_]:
    """Return which points are not at the origin, where scanners put what they did not measure, if several are."""
    origin = among & (points == 0).all(axis=1)
    if origin.sum() < 2 or origin.sum() == among.sum():
        return np.ones(len(points), bool)
    warn(name, f"{int(origin.sum()):,} of {len(points):,} points are at the origin, as not measured, and left out")
    return np.asarray(~origin)


def _check_normals(points: Doubles, normals: Doubles | None, name: str) -> tuple[Doubles, Doubles | None]:
    """Return points and their normals at unit length, without points that have none, or without any normals."""
    if normals is None:
        return points, None
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(normals, axis=1)
        good = np.isfinite(lengths) & (lengths > 1e-12)
    if (missing := int((~good).sum())) > _MISSING * len(points):
        number = "all" if missing == len(points) else f"{missing:,} of {len(points):,}"
        warn(name, f"{number} normals are zero or NaN, which is none; normals are estimated from the points")
        return points, None
    if missing:
        warn(name, f"{missing:,} of {len(points):,} normals are zero or NaN; these points are left out")
    return points[good], normals[good] / lengths[good, None]


def find_strays(points: Doubles) -> NDArray[np.bool_]:
    """Return which points are few and far from all others: groups with a wide gap around them.

    Space is divided into cells as large as the gap; groups are cells that touch.

    Args:
        points: coordinates ``(n, d)``, finite and different.
    """
    from scipy.sparse import coo_array  # these take long to import
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    low, middle, high = np.quantile(points, [0.25, 0.5, 0.75], axis=0)
    some = points[:: max(1, len(points) // _SAMPLE)]
    spacing = float(np.median(cKDTree(points).query(some, k=2)[0][:, 1]))
    gap = max(_FAR * float((high - low).max()), _SPACINGS * spacing)
    if gap <= 0 or (np.abs(points - middle) <= 3 * gap).all():
        return np.zeros(len(points), bool)
    cells, cell, counts = np.unique(
        np.clip(np.floor((points - middle) / gap), -1e9, 1e9), axis=0, return_inverse=True, return_counts=True
    )
    pairs = cKDTree(cells).query_pairs(1.0, p=np.inf, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    number, group = connected_components(graph, directed=False)
    sizes = np.bincount(group, weights=counts, minlength=number)
    few = sizes <= max(1.0, _STRAYS[0] * len(points))
    if sizes[few].sum() > max(1.0, _STRAYS[1] * len(points)):  # scattered all over, and not strays of something
        return np.zeros(len(points), bool)
    return np.asarray(few[group][cell.ravel()])


def warn(name: str, what: str) -> None:
    """Tell what is odd about the shape of a name."""
    warnings.warn(f"{name}: {what}", SignalWarning, stacklevel=4)
