"""A shape as its signed distance, negative inside: from points on it to a function whose zero set is a smooth surface.

    surface     Φ(p) = 0                          at the points p
    normal      ∇Φ(p) − n = 0                     there, where normals n are known
    distance    Φ(x) − s(x) d(x) = 0              around, d the distance to the points and s its sign
    eikonal     ‖∇Φ(x)‖ − 1 = 0                   everywhere

The distance holds Φ from both sides: what is far from every point can be no zero of Φ, which the published loss
forbids from one side only, by exp(−α|Φ|), and so lets sheets of surface through where there are no points.

Source: arXiv 2006.09661, section 4.2, for the published terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.constraint import Constraint, Problem, mean_absolute
from sinefield.domains import Box, PointCloud
from sinefield.evaluation import evaluating
from sinefield.io import image as pictures
from sinefield.io import points as shapes
from sinefield.io.outlines import outline
from sinefield.jet import Jet, jet
from sinefield.networks import build
from sinefield.problems.distances import signed_distances
from sinefield.problems.orientation import oriented_normals
from sinefield.problems.reading import CHUNK
from sinefield.problems.shape import ShapeSignal

TERMS = ("distance", "published")
"""The terms of the loss by name, the default first."""

AROUND = 400_000
"""At how many places distances are known beforehand."""

_NEAR = (0.01, 0.05)  # standard deviations of the places near the points, in field coordinates
_NEARBY = 0.6  # the part of the places that are near the points; the others are anywhere in the box


def sdf(
    source: str | Path | NDArray[Any] | Tensor | shapes.Cloud,
    *,
    terms: str = "distance",
    samples: int = 100_000,
    network: str = "siren",
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a shape as its signed distance.

    Args:
        source: a scan or a mesh: a file, or an array, see :func:`sinefield.io.points.read`; a picture, whose outline is
            taken, see :func:`sinefield.io.outlines.outline`; or points that were read already.
        terms: ``"distance"``, or ``"published"``.
        samples: how many points a mesh is sampled at.
        network: which network, of :data:`sinefield.networks.NETWORKS`.
        **settings: of the network, such as ``hidden_features=256``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the shape cannot be used, or the terms, the network or a setting are unknown.
        FileNotFoundError: there is no such file.
    """
    if terms not in TERMS:
        raise ValueError(f"unknown terms {terms!r}; choose one of {', '.join(TERMS)}")
    cloud = _cloud_of(source, samples)
    signal = ShapeSignal.of(cloud.points)
    points, normals = signal.to_field(cloud.points), cloud.normals
    if normals is None:
        normals = oriented_normals(points)
    settings = {"hidden_features": 128, "hidden_layers": 4} | settings
    build(network, cloud.dimension, 1, **settings)
    surface = PointCloud(_floats(points), {"normal": _floats(normals)})
    constraints = _distance_terms(surface, points, normals) if terms == "distance" else _published_terms(surface)
    return Problem(
        name="sdf",
        constraints=constraints,
        network=partial(_network, network, cloud.dimension, settings),
        signal=signal,
        measure=partial(_measure, surface),
        reference=cloud,
        tuning={"optimiser": "adam", "learning_rate": 1e-3, "batch": 2048, "final_rate": 0.01, "passes": 40},
    )


def _cloud_of(source: str | Path | NDArray[Any] | Tensor | shapes.Cloud, samples: int) -> shapes.Cloud:
    if isinstance(source, shapes.Cloud):
        return source
    if isinstance(source, str | Path) and str(source).lower().endswith(pictures.SUFFIXES):
        return outline(pictures.read(source))
    return shapes.read(source, samples)


def _distance_terms(
    surface: PointCloud, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> Sequence[Constraint]:
    places = _places_around(points)
    targets = signed_distances(points, normals, places)
    around = PointCloud(_floats(places), {"distance": _floats(targets[:, None])})
    box = _box(points.shape[1])
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=100.0),
        Constraint(surface, lambda u, normal: u.gradient - normal, name="normal", weight=1.0),
        Constraint(around, lambda u, distance: u.value - distance, name="distance", weight=100.0),
        Constraint(box, _stretched, name="eikonal", weight=0.3),
    ]


def _published_terms(surface: PointCloud) -> Sequence[Constraint]:
    box = _box(surface.dimension)
    return [
        Constraint(surface, lambda u: u.value, name="surface", weight=3e3, norm=mean_absolute),
        Constraint(surface, _turned, name="normal", weight=1e2, norm=mean_absolute),
        Constraint(surface, _stretched, name="eikonal on the surface", weight=5e1, norm=mean_absolute),
        Constraint(box, _stretched, name="eikonal", weight=5e1, norm=mean_absolute),
        Constraint(
            box, lambda u: torch.exp(-100 * u.value.abs()), name="off the surface", weight=1e2, norm=mean_absolute
        ),
    ]


def _turned(u: Jet, normal: Tensor) -> Tensor:
    return 1 - torch.cosine_similarity(u.gradient, normal, dim=-1)


def _stretched(u: Jet) -> Tensor:
    slope: Tensor = torch.linalg.vector_norm(u.gradient, dim=-1, keepdim=True)
    return slope - 1


def _box(dimension: int) -> Box:
    return Box([-1.0] * dimension, [1.0] * dimension)


def _floats(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _places_around(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places ``(AROUND, d)``: some near the points, some anywhere in the box."""
    random = np.random.default_rng(0)
    nearby = int(_NEARBY * AROUND)
    chosen = points[random.integers(0, len(points), nearby)]
    width = np.repeat(_NEAR, math.ceil(nearby / len(_NEAR)))[:nearby, None]
    near = chosen + width * random.standard_normal(chosen.shape)
    anywhere = random.uniform(-1, 1, (AROUND - nearby, points.shape[1]))
    return np.concatenate([np.clip(near, -1, 1), anywhere])


def _network(network: str, dimension: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    frequency = {"first_omega": first_omega} if network == "siren" else {}
    return build(network, dimension, 1, **(frequency | dict(settings)))


def _measure(surface: PointCloud, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return how well a field fits the points, and how nearly it is a distance, in field coordinates."""
    generator = torch.Generator().manual_seed(0)
    some = torch.randperm(surface.size, generator=generator)[: min(count or CHUNK, CHUNK)]
    samples = surface.at(some)
    anywhere = _box(surface.dimension).draw(len(some), generator).points
    with evaluating(field) as like:
        u = jet(field, samples.points.to(like), ["value", "jacobian"])
        v = jet(field, anywhere.to(like), ["jacobian"])
        slope = torch.linalg.vector_norm(v.gradient, dim=-1)
        found = {"surface_error": float(u.value.abs().mean()), "slope_error": float((slope - 1).abs().mean())}
        if "normal" in samples.targets:
            normal = samples.targets["normal"].to(u.gradient)
            found["normal_consistency"] = float(torch.cosine_similarity(u.gradient, normal, dim=-1).mean())
    return found
