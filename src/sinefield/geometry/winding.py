"""Signed distances from a surface that is given by points with normals.

With p the nearest point and n its normal, the distance is that from the tangent plane, |(x − p)·n|, where x is as close
to p as the points are to each other, and ‖x − p‖ farther off, where the two hardly differ. The sign is that of the
plane close by, and elsewhere that of the generalised winding number, which holes and stray normals hardly change:

    w(x) = Σ_i a_i n_i·(p_i − x) / (A_d ‖p_i − x‖^d)        about 1 inside, 0 outside

with a_i the area of the surface around point i, and A_2 = 2π, A_3 = 4π.

Source of the winding number of points: Barill et al., "Fast winding numbers for soups and clouds", 2018.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

Doubles = NDArray[np.float64]

_BESIDE, _FAR = (
    2.0,
    4.0,
)  # spacings from the nearest point: the plane gives the sign up to the first, never from the second
_SURE = 0.35  # least difference from 0.5 of a winding number that overrules the plane
_SAMPLE, _ALL_OF_THEM = 10_000, 0.2  # points in a sample; distance within which the nearest of all points is found
_WINDING = 2048  # points in the sum of winding numbers
_CHUNK = 1 << 18  # pairs of a point and a place in one product, which stay in a cache


def estimate_spacing(points: Doubles, tree: cKDTree) -> float:
    """Return the median over a sample of points of the mean distance from their three nearest neighbours."""
    some = points[:: max(1, len(points) // 10_000)]
    near, _ = tree.query(some, k=min(4, len(points)))
    return float(np.median(near[:, 1:].mean(1)))


def signed_distances(points: Doubles, normals: Doubles, places: Doubles) -> Doubles:
    """Return the distances ``(m,)`` of places from a surface, negative inside.

    Args:
        points: points on the surface, ``(n, d)``.
        normals: outward normals of unit length, ``(n, d)``.
        places: coordinates that distances are asked for, ``(m, d)``.
    """
    tree = cKDTree(points)
    spacing = estimate_spacing(points, tree)
    # Far off, the nearest point of a sample is hardly farther than the nearest of all, and is found ten times sooner.
    distance, _ = cKDTree(points[:: max(1, len(points) // _SAMPLE)]).query(places, workers=-1)
    near = distance < _ALL_OF_THEM
    height = np.zeros(len(places))
    distance[near], nearest = tree.query(places[near], workers=-1)
    height[near] = np.einsum("nd,nd->n", places[near] - points[nearest], normals[nearest])
    far = ~near | (distance > _FAR * spacing)
    sign = np.sign(height)
    # From two spacings on the plane may be the wrong one, and a clear winding number decides; from four on, any does.
    asked = np.flatnonzero(far | (distance > _BESIDE * spacing))
    winding = winding_numbers(points, normals, places[asked])
    heard = far[asked] | (np.abs(winding - 0.5) > _SURE)
    sign[asked[heard]] = np.where(winding[heard] > 0.5, -1.0, 1.0)
    # The distance goes over from that of the tangent plane to that of the point as the place gets farther.
    part = np.where(near, np.clip(distance / (_FAR * spacing), 0, 1), 1.0)
    size = (1 - part) * np.abs(height) + part * distance
    return np.asarray(sign * size)


def winding_numbers(points: Doubles, normals: Doubles, places: Doubles) -> Doubles:
    """Return the generalised winding numbers of places, ``(m,)``, from a sample of the points.

    Args:
        points: points on the surface, ``(n, d)`` with d = 2 or 3.
        normals: outward normals of unit length, ``(n, d)``.
        places: coordinates that winding numbers are asked for, ``(m, d)``.
    """
    dimension = points.shape[1]
    step = max(1, math.ceil(len(points) / _WINDING))
    chosen = np.random.default_rng(0).permutation(len(points))[::step]
    areas = _estimate_areas(points, chosen)
    some = torch.from_numpy(np.concatenate([points[chosen], normals[chosen] * areas[:, None]], axis=1)).float()
    anchors, weighted = some[:, :dimension], some[:, dimension:]
    # Σ a n·(p − x)/r^d is products with a n·p and with a n, times x; r² = (x, 1, x²)·(−2p, p², 1) is one too.
    constant = (weighted * anchors).sum(1, keepdim=True)
    factors = torch.cat([weighted, constant], 1)
    right = torch.cat([-2 * anchors, anchors.square().sum(1, keepdim=True), torch.ones_like(constant)], 1).mT
    found = []
    for chunk in torch.from_numpy(places).float().split(max(1, _CHUNK // len(chosen))):
        left = torch.cat([chunk, torch.ones(len(chunk), 1), chunk.square().sum(1, keepdim=True)], 1)
        inverse = (left @ right).clamp_(min=1e-12).rsqrt_().pow_(dimension)
        sums: Tensor = inverse @ factors
        found.append(sums[:, -1] - (sums[:, :-1] * chunk).sum(1))
    total = 2 * math.pi if dimension == 2 else 4 * math.pi
    return (torch.cat(found).double() / total).numpy() if found else np.empty(0)


def _estimate_areas(points: Doubles, chosen: NDArray[np.int64]) -> Doubles:
    """Return the area of the surface (its length in the plane) around each chosen point.

    Every point has the area of a disc as large as its neighbourhood, and the areas of all points are added up at the
    nearest chosen ones.
    """
    dimension = points.shape[1]
    tree = cKDTree(points)
    near, _ = tree.query(points, k=min(9, len(points)), workers=-1)
    own = near[:, -1] ** (dimension - 1) * (math.pi / 8 if dimension == 3 else 2 / 8)
    _, owner = cKDTree(points[chosen]).query(points, workers=-1)
    return np.asarray(np.bincount(owner, weights=own, minlength=len(chosen)), dtype=np.float64)
