"""Normals of points, estimated from planes through neighbouring points, and turned outwards.

The outside is found by flooding: the box is divided into cells, the cells close to a point are walls, and the cells
that can be reached from the edge of the box without crossing a wall are outside. Walls are thickened until some cells
cannot be reached. Each normal is then turned to the side on which the outside is nearer.

Source of the planes: Hoppe et al., "Surface reconstruction from unorganized points", 1992, section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sinefield.geometry.winding import Doubles, estimate_spacing

_CELLS = {2: 256, 3: 64}  # cells along each side of the box, by dimension
_NEIGHBOURS = {2: (8, 24, 72), 3: (16, 48, 144)}  # points that a plane is fitted to, more if they are noisy
_FLAT = 0.08  # median ratio of the least variances of points that are not noisy
_CHUNK = 16_384  # points whose planes are fitted together
_VOTES, _ROUNDS = 16, 10  # neighbours that vote on the side of a normal, and rounds of voting
_ALONG = 4  # power by which votes count less, the more the direction to a neighbour is that of a normal
_INSIDE = 1e-3  # least fraction of cells inside: if the wall has a hole, there is none
_CONTRADICTORY = 0.1  # fraction of neighbouring normals on opposite sides: above it, given normals are not trusted
_ALL = 0.9  # fraction of inward normals: above it, all of them are inward and the others are mistakes of the flooding
_PATCH = 0.02  # fraction of inward normals: a patch of fewer contradicts others along its edge only
_ENOUGH = 20_000  # points that show whether normals need repair
_STEP = 2.0  # spacings between a point and the places on either side where the distance to the outside is compared


def estimate_normals(points: Doubles) -> Doubles:
    """Return outward normals ``(n, d)`` of unit length.

    Args:
        points: points on a closed surface in the box [−1, 1]^d, ``(n, d)`` with d = 2 or 3.

    Raises:
        ValueError: the points enclose nothing.
    """
    tree = cKDTree(points)
    normals = _estimate_planes(points, tree)
    return np.asarray(_orient(points, normals, tree)[:, None] * normals)


def repair_normals(points: Doubles, normals: Doubles) -> tuple[Doubles, int]:
    """Return outward normals ``(n, d)``, and the number of given normals that were turned.

    Normals are turned where that ends a contradiction between neighbours, or if all of them point inwards. Other
    normals that seem to point inwards are right: those of a cavity, which cannot be reached from the outside, or of a
    sheet that is too thin for its sides to be told apart.

    Args:
        points: points on a surface in the box [−1, 1]^d, ``(n, d)`` with d = 2 or 3.
        normals: normals of unit length, ``(n, d)``.

    Raises:
        ValueError: neighbours contradict each other, and as the points enclose nothing it is not known which is right.
    """
    # A sample tells whether normals need repair; in a good scan of many points the others are not examined.
    step = max(1, len(points) // _ENOUGH)
    if step > 1 and repair_normals(points[::step], normals[::step])[1] == 0:
        return normals, 0
    tree = cKDTree(points)
    _, near = tree.query(points, k=min(_VOTES // 2 + 1, len(points)), workers=-1)
    before = _measure_contradictions(normals, near)
    try:
        signs = _orient(points, normals, tree)
    except ValueError as error:
        if before < _CONTRADICTORY:
            return normals, 0
        raise ValueError(
            f"{100 * before:.0f} % of neighbouring normals point to opposite sides, and {error}"
        ) from error
    inwards = signs < 0
    repaired = signs[:, None] * normals
    after = _measure_contradictions(repaired, near)
    if inwards.mean() > _ALL and before < _CONTRADICTORY:
        return -normals, len(normals)
    part = 0.5 if inwards.mean() < _PATCH else 0.9
    return (np.asarray(repaired), int(inwards.sum())) if after < part * before else (normals, 0)


def _measure_contradictions(normals: Doubles, near: NDArray[np.int64]) -> float:
    """Return the fraction of pairs of neighbours whose normals point to opposite sides."""
    return float((np.einsum("nkd,nd->nk", normals[near[:, 1:]], normals) < 0).mean())


def _orient(points: Doubles, normals: Doubles, tree: cKDTree) -> Doubles:
    """Return 1 for each normal that points to the side on which the outside is nearer, and −1 for each other one.

    Raises:
        ValueError: the points enclose nothing.
    """
    spacing = estimate_spacing(points, tree)
    dimension = points.shape[1]
    cells = _CELLS[dimension]
    away = ndimage.distance_transform_edt(~_flood_outside(points, tree, spacing)) * (2 / cells)
    step = max(_STEP * spacing, 1.0 / cells)
    there, back = (_interpolate(away, points + side * step * normals) for side in (1, -1))
    sure = (back - there) / (2 * step)  # 1 where the outside is straight ahead, 0 where it is as near on both sides
    # In parts that are thinner than a cell the grid tells nothing, and the neighbours along the surface decide.
    # Neighbours on the other side of a thin part, to which the direction is that of a normal, do not count.
    distance, near = (each[:, 1:] for each in tree.query(points, k=min(_VOTES + 1, len(points)), workers=-1))
    way = (points[near] - points[:, None]) / np.maximum(distance, 1e-300)[..., None]
    rise = np.maximum(
        np.abs(np.einsum("nkd,nd->nk", way, normals)), np.abs(np.einsum("nkd,nkd->nk", way, normals[near]))
    )
    weight = np.einsum("nkd,nd->nk", normals[near], normals) * (1 - rise) ** _ALONG
    weight /= np.maximum(np.abs(weight).sum(1, keepdims=True), 1e-9)
    votes = sure
    for _ in range(_ROUNDS):
        votes = np.clip(sure + 2 * (weight * votes[near]).sum(1), -1, 1)
    return np.where(votes >= 0, 1.0, -1.0)


def _estimate_planes(points: Doubles, tree: cKDTree) -> Doubles:
    """Return the unit normals, of either sign, of the planes through the neighbours of each point.

    If points are noisy more neighbours are taken, until these lie in a plane rather than in a ball.
    """
    for count in _NEIGHBOURS[points.shape[1]]:
        starts = range(0, len(points), _CHUNK)
        parts = [_fit_planes(points, tree, slice(start, start + _CHUNK), min(count, len(points))) for start in starts]
        normals, flatness = (np.concatenate(each) for each in zip(*parts, strict=True))
        if np.median(flatness) < _FLAT or count >= len(points):
            break
    return np.asarray(normals)


def _fit_planes(points: Doubles, tree: cKDTree, some: slice, count: int) -> tuple[Doubles, Doubles]:
    """Return the normals of some points, and the ratio of the two least variances of the neighbours of each."""
    _, near = tree.query(points[some], k=count, workers=-1)
    spread = points[near] - points[near].mean(1, keepdims=True)
    variances, directions = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
    return directions[:, :, 0], variances[:, 0] / np.maximum(variances[:, 1], 1e-300)


def _flood_outside(points: Doubles, tree: cKDTree, spacing: float) -> NDArray[np.bool_]:
    """Return whether each cell can be reached from the edge of the box, an array with d axes.

    Raises:
        ValueError: all cells can be reached, however thick the walls are.
    """
    dimension = points.shape[1]
    cells = _CELLS[dimension]
    centres = (np.arange(cells) + 0.5) * (2 / cells) - 1
    places = np.stack(np.meshgrid(*[centres] * dimension, indexing="ij"), axis=-1)
    distance = tree.query(places.reshape(-1, dimension), workers=-1)[0].reshape([cells] * dimension)
    thickness = max(1.5 * spacing, 2 / cells)
    while thickness < 0.4:
        labels, _ = ndimage.label(distance > thickness)
        edge = {int(each) for axis in range(dimension) for end in (0, -1) for each in np.unique(labels.take(end, axis))}
        outside: NDArray[np.bool_] = np.isin(labels, list(edge - {0}))
        if ((labels > 0) & ~outside).mean() > _INSIDE:
            return outside
        thickness *= 1.3
    raise ValueError(
        "the points enclose nothing that can be told from outside; give normals that are right, or use the terms "
        "'digs', which need none"
    )


def _interpolate(values: Doubles, points: Doubles) -> Doubles:
    """Return the values of cells at points ``(n, d)``, by linear interpolation."""
    cells = values.shape[0]
    return np.asarray(ndimage.map_coordinates(values, ((points + 1) * (cells / 2) - 0.5).T, order=1, mode="nearest"))
