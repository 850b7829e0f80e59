"""Normals of points: the plane through the neighbours of each where there are none, turned outwards by flooding.

The space around is divided into cells, those that are close to a point are walls, and what can be reached from the edge
of the box without crossing a wall is outside. A wall is thick enough if something is left that cannot be reached. Each
normal then points to where the outside is nearer.

Source of the planes: Hoppe et al., "Surface reconstruction from unorganized points", 1992, section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sinefield.geometry.winding import Doubles, estimate_spacing

_CELLS = {2: 256, 3: 64}  # along each side of the box
_NEIGHBOURS = {2: (8, 24, 72), 3: (16, 48, 144)}
_FLAT = 0.08  # of the ratio of variances
_CHUNK = 16_384  # points whose neighbours are looked at together
_VOTES, _ROUNDS = 16, 10  # neighbours that a normal follows, and how often it looks at them
_ALONG = 4  # the power that makes neighbours count the less the more the way to them is along a normal
_INSIDE = 1e-3  # the part of the box that must be inside: a leak leaves nothing
_CONTRADICTORY = 0.1  # the part of neighbouring normals: from here on they are not to be trusted
_ALL = 0.9  # the part of all normals: from here on the others are mistakes of ours
_PATCH = 0.02  # the part of all normals: so many contradict others at their edge only
_ENOUGH = 20_000  # points, to see whether anything is wrong with their normals
_STEP = 2.0  # spacings to either side of a point, where the outside is looked for


def estimate_normals(points: Doubles) -> Doubles:
    """Return normals ``(n, d)`` of points ``(n, d)`` in the box [−1, 1]^d, outwards.

    Raises:
        ValueError: the points enclose nothing.
    """
    tree = cKDTree(points)
    normals = _estimate_planes(points, tree)
    return np.asarray(_orient(points, normals, tree)[:, None] * normals)


def repair_normals(points: Doubles, normals: Doubles) -> tuple[Doubles, int]:
    """Return normals ``(n, d)`` that point outwards, and how many of those given did not and were turned.

    Normals are turned where that ends a contradiction between neighbours, or if all of them point inwards. Others are
    right as they are, as those of a cavity, which the outside cannot be reached from, or of a sheet that is too thin
    for its sides to be told apart.

    Args:
        points: ``(n, d)`` in the box [−1, 1]^d.
        normals: ``(n, d)``, of unit length.

    Raises:
        ValueError: neighbours contradict each other, and as the points enclose nothing it is not known which is right.
    """
    # Some of the points tell whether anything is wrong; a good scan of many points need not be looked at further.
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
    """Return the part of neighbouring normals that point to opposite sides."""
    return float((np.einsum("nkd,nd->nk", normals[near[:, 1:]], normals) < 0).mean())


def _orient(points: Doubles, normals: Doubles, tree: cKDTree) -> Doubles:
    """Return 1 for each normal that points to where the outside is nearer, and −1 for the others.

    Raises:
        ValueError: the points enclose nothing.
    """
    spacing = estimate_spacing(points, tree)
    dimension = points.shape[1]
    cells = _CELLS[dimension]
    away = ndimage.distance_transform_edt(~_flood_outside(points, tree, spacing)) * (2 / cells)
    step = max(_STEP * spacing, 1.0 / cells)
    there, back = (_interpolate(away, points + side * step * normals) for side in (1, -1))
    sure = (back - there) / (2 * step)  # 1 where the outside is straight ahead, 0 where both sides are as near
    # Where a part is thinner than a cell the grid does not tell, but the neighbours along the surface do. Those across
    # a thin part, to which the way is along a normal, do not count.
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
    """Return the unit normals of the planes through the neighbours of each point, of either sign.

    Of noisy points more neighbours are taken, until they lie in a plane rather than in a ball.
    """
    for count in _NEIGHBOURS[points.shape[1]]:
        starts = range(0, len(points), _CHUNK)
        parts = [_fit_planes(points, tree, slice(start, start + _CHUNK), min(count, len(points))) for start in starts]
        normals, flatness = (np.concatenate(each) for each in zip(*parts, strict=True))
        if np.median(flatness) < _FLAT or count >= len(points):
            break
    return np.asarray(normals)


def _fit_planes(points: Doubles, tree: cKDTree, some: slice, count: int) -> tuple[Doubles, Doubles]:
    """Return the normals of some points, and how thick their neighbourhoods are: the ratio of the least variances."""
    _, near = tree.query(points[some], k=count, workers=-1)
    spread = points[near] - points[near].mean(1, keepdims=True)
    variances, directions = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
    return directions[:, :, 0], variances[:, 0] / np.maximum(variances[:, 1], 1e-300)


def _flood_outside(points: Doubles, tree: cKDTree, spacing: float) -> NDArray[np.bool_]:
    """Return which cells can be reached from the edge of the box.

    Raises:
        ValueError: all can, however thick the walls are.
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
    """Return values of cells at points, interpolated."""
    cells = values.shape[0]
    return np.asarray(ndimage.map_coordinates(values, ((points + 1) * (cells / 2) - 0.5).T, order=1, mode="nearest"))
