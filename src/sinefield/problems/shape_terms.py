"""What is asked of a field that shall be a signed distance: three lists of constraints, by name.

``"distance"``, the default:

    surface     Φ(p) = 0                          at the points p
    normal      ∇Φ(p) − n = 0                     there
    distance    Φ(x) − s(x) d(x) = 0              around, d the distance to the points and s its sign
    eikonal     ‖∇Φ(x)‖ − 1 = 0                   everywhere

The distance holds Φ from both sides: what is far from every point can be no zero of Φ, which the published losses
forbid from one side only, by exp(−α|Φ|), and so let sheets of surface through where there are no points.

``"published"`` is the loss of the paper. ``"digs"`` is one after DiGS, with weights of our own, that needs no normals:
ΔΦ is small where Φ is the distance of one smooth surface, which tells inside from outside if Φ starts as the distance
of a ball.

Sources: arXiv 2006.09661, section 4.2, and its released code; arXiv 2106.10811 (DiGS), sections 3.2 to 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.constraint import Constraint, Fading
from sinefield.domains import Box, PointCloud
from sinefield.jet import Jet
from sinefield.norms import MeanAbsolute

TERMS = ("distance", "published", "digs")
"""The terms of the loss by name, the default first."""

AROUND = {2: 100_000, 3: 400_000}
"""At how many places of the plane and of space distances are known beforehand."""

_NEAR = (0.01, 0.05)  # standard deviations of the places near the points, in field coordinates
_NEARBY = 0.6  # the part of the places that are near the points; the others are anywhere in the box
_SHARP = 100.0  # α of exp(−α|Φ|): it keeps |Φ| from being much less than 1/α off the surface

Doubles = NDArray[np.float64]


def constraints_of(terms: str, points: Doubles, normals: Doubles | None) -> Sequence[Constraint]:
    """Return the constraints of a shape.

    Args:
        terms: one of :data:`TERMS`.
        points: ``(n, d)`` on the surface, in the box [−1, 1]^d.
        normals: ``(n, d)``, outwards; None, which only ``"digs"`` can do with: not known.

    Raises:
        ValueError: the terms are unknown, or need normals.
    """
    if terms not in TERMS:
        raise ValueError(f"unknown terms {terms!r}; choose one of {', '.join(TERMS)}")
    if terms == "digs":
        return _digs(PointCloud(_floats(points)), points)
    if normals is None:
        raise ValueError(f"the terms {terms!r} need normals; give points with normals, or use the terms 'digs'")
    surface = PointCloud(_floats(points), {"normal": _floats(normals)})
    return _distance(surface, points, normals) if terms == "distance" else _published(surface)


def box(dimension: int) -> Box:
    """Return [−1, 1]^d, where a signed distance is known."""
    return Box([-1.0] * dimension, [1.0] * dimension)


def _distance(surface: PointCloud, points: Doubles, normals: Doubles) -> Sequence[Constraint]:
    from sinefield.geometry.winding import signed_distances  # SciPy takes long to import

    places = _places_around(points)
    targets = signed_distances(points, normals, places)
    around = PointCloud(_floats(places), {"distance": _floats(targets[:, None])})
    # Errors of 0.001 on the surface weigh as much as normals and slopes that are a hundredth off. Where the distance of
    # the points has a kink no field has slope 1: the eikonal weighs little, so that it pulls nothing off there.
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=100.0),
        Constraint(surface, lambda u, normal: u.gradient - normal, name="normal", weight=1.0),
        Constraint(around, lambda u, distance: u.value - distance, name="distance", weight=100.0),
        Constraint(box(points.shape[1]), _stretched, name="eikonal", weight=0.3),
    ]


def _published(surface: PointCloud) -> Sequence[Constraint]:
    # 3000, 100, 100 and 50 multiply means over a batch of which one half is on the surface: half as much of each half.
    everywhere = box(surface.dimension)
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=1500.0, norm=MeanAbsolute()),
        Constraint(surface, _turned, name="normal", weight=50.0, norm=MeanAbsolute()),
        Constraint(surface, _stretched, name="eikonal on the surface", weight=25.0, norm=MeanAbsolute()),
        Constraint(everywhere, _stretched, name="eikonal", weight=25.0, norm=MeanAbsolute()),
        Constraint(everywhere, _zero, name="off the surface", weight=50.0, norm=MeanAbsolute()),
    ]


def _digs(surface: PointCloud, points: Doubles) -> Sequence[Constraint]:
    everywhere = box(surface.dimension)
    radius = math.sqrt(float((points**2).sum(1).mean()))
    margin = 1 - float(np.abs(points).max())
    # The ball is the start: it outweighs all other terms at first, and is gone when they begin to be met. ΔΦ is what
    # keeps inside and outside apart then: twice the weight rounds a shape to what may be another one, a tenth of it
    # leaves sheets. It fades when the surface is found, as it would keep rounding what is sharp. The edge of the box is
    # known to be outside, by what it is larger than the points.
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=100.0),
        Constraint(surface, _stretched, name="eikonal on the surface"),
        Constraint(everywhere, _stretched, name="eikonal"),
        Constraint(everywhere, _zero, name="off the surface", norm=MeanAbsolute()),
        Constraint(everywhere.boundary, lambda u: (margin - u.value).relu(), name="outside", weight=100.0),
        Constraint(
            everywhere, lambda u: u.laplacian, name="laplacian", weight=Fading(0.05, 0.5, 0.75), norm=MeanAbsolute()
        ),
        Constraint(
            everywhere,
            lambda u: u.value - (u.points.norm(dim=1, keepdim=True) - radius),
            name="start",
            weight=Fading(1000.0, 0.1, 0.2),
        ),
    ]


def _turned(u: Jet, normal: Tensor) -> Tensor:
    return 1 - torch.cosine_similarity(u.gradient, normal, dim=-1)


def _stretched(u: Jet) -> Tensor:
    slope: Tensor = torch.linalg.vector_norm(u.gradient, dim=-1, keepdim=True)
    return slope - 1


def _zero(u: Jet) -> Tensor:
    return torch.exp(-_SHARP * u.value.abs())


def _floats(array: Doubles) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _places_around(points: Doubles) -> Doubles:
    """Return places ``(m, d)``: some near the points, some anywhere in the box."""
    random = np.random.default_rng(0)
    count = AROUND[points.shape[1]]
    nearby = int(_NEARBY * count)
    chosen = points[random.integers(0, len(points), nearby)]
    width = np.repeat(_NEAR, math.ceil(nearby / len(_NEAR)))[:nearby, None]
    near = chosen + width * random.standard_normal(chosen.shape)
    anywhere = random.uniform(-1, 1, (count - nearby, points.shape[1]))
    return np.concatenate([np.clip(near, -1, 1), anywhere])
