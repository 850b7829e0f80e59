"""Noisy points moved onto the surface that they scatter around, along normals that are smoothed too.

Points on a surface have their nearest neighbours beside them, noisy ones to all sides. The latter are moved to the mean
of their neighbourhood along their normals, until they are no longer noisy: a moving average, which shortens bumps that
are smaller than a neighbourhood.

Source: projections onto moving planes, Alexa et al., "Point set surfaces", 2001, section 3.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sinefield.geometry.winding import Doubles

# Of the sine of the angle to the nearest neighbours, whose median is 0.71 in a disc and 0.5 in a ball, and near 0 on a
# circle or a sphere.
_NOISY = {2: 0.5, 3: 0.35}
_SAMPLE = 4000  # points whose neighbours are looked at
_NEIGHBOURS = {2: (6, 200), 3: (6, 48)}  # at least and at most, and in between this part of the points
_PART = {2: 1 / 100, 3: 1 / 1000}
_CHUNK = 16_384
_ROUNDS = 4


def smooth(points: Doubles, normals: Doubles) -> tuple[Doubles, Doubles]:
    """Return points and normals ``(n, d)`` as they are where they lie on a surface, and smoothed where they are noisy.

    Args:
        points: ``(n, d)``.
        normals: ``(n, d)``, of unit length.
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
    # Those that look the other way are of the other side of a thin part.
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
