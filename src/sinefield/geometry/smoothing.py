"""Smoothing of noisy points: they are moved onto the surface that they scatter around, and their normals are averaged.

Points on a surface have their nearest neighbours beside them, noisy points have them on all sides. Noisy points are
moved along their normals to the mean of their neighbourhood, until they are no longer noisy. This is a moving average,
and flattens bumps that are smaller than a neighbourhood.

Source: projections onto moving planes, Alexa et al., "Point set surfaces", 2001, section 3.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sinefield.geometry.winding import Doubles

# The roughness from which on points are noisy: it is 0.71 for points in a disc and 0.5 for points in a ball, and near 0
# for points on a circle or a sphere.
_NOISY = {2: 0.5, 3: 0.35}
_SAMPLE = 4000  # points that the roughness is estimated from
_NEIGHBOURS = {2: (6, 200), 3: (6, 48)}  # least and largest number of neighbours in an average
_PART = {2: 1 / 100, 3: 1 / 1000}  # fraction of the points that are neighbours, within these limits
_CHUNK = 16_384
_ROUNDS = 4


def smooth(points: Doubles, normals: Doubles) -> tuple[Doubles, Doubles]:
    """Return points and normals ``(n, d)``: unchanged if the points lie on a surface, smoothed if they are noisy.

    Args:
        points: coordinates, ``(n, d)`` with d = 2 or 3.
        normals: normals of unit length, ``(n, d)``.
    """
    dimension = points.shape[1]
    count = min(int(np.clip(len(points) * _PART[dimension], *_NEIGHBOURS[dimension])), len(points))
    for round_ in range(_ROUNDS):
        tree = cKDTree(points)
        if roughness(points, normals, tree) < _NOISY[dimension] / (1 if round_ == 0 else 2):
            break
        parts = [
            _average(points, normals, tree, slice(start, start + _CHUNK), count)
            for start in range(0, len(points), _CHUNK)
        ]
        points, normals = (np.concatenate(each) for each in zip(*parts, strict=True))
    return points, normals


def _average(points: Doubles, normals: Doubles, tree: cKDTree, part: slice, count: int) -> tuple[Doubles, Doubles]:
    """Return some points at the mean height of their neighbours, and the mean normals of these."""
    some, across = points[part], normals[part]
    _, near = tree.query(some, k=count, workers=-1)
    # Neighbours whose normals point the other way are on the other side of a thin part.
    alike = np.einsum("nkd,nd->nk", normals[near], across) > 0
    height = np.einsum("nkd,nd->nk", points[near] - some[:, None], across)
    mean = np.einsum("nk,nkd->nd", alike, normals[near])
    moved = some + ((alike * height).sum(1) / alike.sum(1))[:, None] * across
    return moved, mean / np.linalg.norm(mean, axis=1, keepdims=True)


def roughness(points: Doubles, normals: Doubles, tree: cKDTree) -> float:
    """Return the median of |n·(q − p)| / ‖q − p‖ over the nearest neighbours q of points p: from 0 to about ½."""
    step = max(1, len(points) // _SAMPLE)
    distance, near = tree.query(points[::step], k=min(4, len(points)))
    away = points[near[:, 1:]] - points[::step, None]
    height = np.abs(np.einsum("nkd,nd->nk", away, normals[::step]))
    return float(np.median(height / np.maximum(distance[:, 1:], 1e-300)))
