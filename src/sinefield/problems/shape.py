"""A shape as its signed distance, negative inside: from points on it to a function whose zero set is a smooth surface.

What is asked of the field is listed in :mod:`sinefield.problems.shape_terms`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.domains import PointCloud
from sinefield.fields.field import build, evaluating
from sinefield.io import SignalWarning
from sinefield.io import image as pictures
from sinefield.io import points as shapes
from sinefield.io.outlines import trace_outline
from sinefield.io.shapes.content import Doubles
from sinefield.jet import CHUNK, jet
from sinefield.problem import Problem
from sinefield.problems.shape_terms import TERMS, box, constraints_of
from sinefield.recipe import Changes
from sinefield.signals.shape import ShapeSignal
from sinefield.solvers import Adam, Muon

# A narrow deep network finds a shape sooner than the published one, which has twice as many parameters.
_NETWORK = {"hidden_features": 128, "hidden_layers": 4}
_PUBLISHED_NETWORK = {"hidden_features": 256, "hidden_layers": 3}
# Muon on batches half as large: in the same time a torus' curvature is off by a seventh of Adam's error, its slope by a
# quarter, and points without normals become a shape twice as soon.
_FAST: Changes = {
    "solver": Muon(2e-3, rest=Adam(5e-4, (0.9, 0.95)), iterations=3),
    "batch": 1024,
    "final_rate": 0.01,
    "passes": 12,
}
# Absolute values have gradients that do not get smaller, which needs smaller steps; a Laplacian that shall become small
# needs a start without high frequencies.
_OF_TERMS: Mapping[str, Changes] = {
    "distance": {},
    "published": {"solver": Adam(3e-4), "batch": 2048},
    "digs": {"matrix_rate": 1e-3, "first_omega": 10.0},
}
_PUBLISHED: Changes = {"batch": 8000, "clip": 1.0}


def shape(
    source: str | Path | NDArray[Any] | Tensor | shapes.Cloud,
    *,
    terms: str = "distance",
    samples: int = 100_000,
    columns: str | None = None,
    keep_strays: bool = False,
    estimate_normals: bool = False,
    network: str = "siren",
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a shape as its signed distance.

    Normals that contradict their neighbours or all point inwards are turned, with a warning; where there are none,
    planes through neighbouring points take their place. Noisy points are smoothed for the terms ``"distance"``, with a
    warning.

    Args:
        source: a scan or a mesh: a file, or an array, see :func:`sinefield.io.points.read`; a picture, whose outline is
            taken, see :func:`sinefield.io.outlines.trace_outline`; or points that were read already.
        terms: what is asked of the field, one of :data:`sinefield.problems.shape_terms.TERMS`.
        samples: how many points a mesh is sampled at.
        columns: what the columns of a table are, such as ``"xyzrgb"``, see :func:`sinefield.io.shapes.columns.named`.
        keep_strays: keep points of a scan that are far from all others.
        estimate_normals: do not use the normals that there are; the terms ``"digs"`` use none in any case.
        network: which network, of :data:`sinefield.fields.perceptron.NETWORKS`.
        **settings: of the network, such as ``hidden_features=256``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the shape cannot be used, or the terms, the network or a setting are unknown.
        FileNotFoundError: there is no such file.
    """
    if terms not in TERMS:
        raise ValueError(f"unknown terms {terms!r}; choose one of {', '.join(TERMS)}")
    wanted = not estimate_normals and terms != "digs"  # otherwise nothing that is wrong with them matters
    cloud = _cloud_of(source, samples, columns=columns, strays=keep_strays, normals=wanted)
    signal = ShapeSignal.of(cloud.points, cloud.up, cloud.unit)
    points = signal.to_field(cloud.points)
    normals = None if terms == "digs" else _normals_of(cloud, points, estimate=estimate_normals)
    if terms == "distance" and normals is not None:
        points, normals = _smoothed(cloud.name, points, normals, signal.scale)
    settings = (_PUBLISHED_NETWORK if terms == "published" else _NETWORK) | settings
    build(network, cloud.dimension, 1, **settings)
    targets = {} if normals is None else {"normal": torch.from_numpy(normals).float()}
    return Problem.of_one(
        name="shape",
        constraints=constraints_of(terms, points, normals),
        network=partial(_network, network, cloud.dimension, settings),
        signal=signal,
        measure=partial(_measure, PointCloud(torch.from_numpy(points).float(), targets)),
        reference=cloud,
        tuning={"fast": {**_FAST, **_OF_TERMS[terms]}, "published": _PUBLISHED},
    )


def _cloud_of(source: str | Path | NDArray[Any] | Tensor | shapes.Cloud, samples: int, **wanted: Any) -> shapes.Cloud:
    if isinstance(source, shapes.Cloud):
        return source
    if isinstance(source, str | Path) and str(source).lower().endswith(pictures.SUFFIXES):
        if wanted["columns"] is not None:
            raise ValueError(f"{source} is a picture, and --columns is for tables; leave it out")
        return trace_outline(pictures.read(source))
    return shapes.read(source, samples, **wanted)


def _normals_of(cloud: shapes.Cloud, points: Doubles, *, estimate: bool) -> Doubles:
    from sinefield.geometry.normals import estimate_normals, repair_normals  # SciPy takes long to import

    if cloud.normals is None or estimate:
        return estimate_normals(points)
    normals, turned = repair_normals(points, cloud.normals)
    if turned:
        told = f"{cloud.name}: {turned} of {len(points)} normals point inwards; they are turned"
        warnings.warn(told, SignalWarning, stacklevel=3)
    return normals


def _smoothed(name: str, points: Doubles, normals: Doubles, scale: float) -> tuple[Doubles, Doubles]:
    from sinefield.geometry.smoothing import smooth  # SciPy takes long to import

    found, across = smooth(points, normals)
    moved = float(np.linalg.norm(found - points, axis=1).mean()) * scale
    if moved:
        told = f"{name}: the points are noisy; they are moved by {moved:.3g} on average, to the mean of others"
        warnings.warn(told, SignalWarning, stacklevel=3)
    return found, across


def _network(network: str, dimension: int, settings: Mapping[str, int | float | str], first_omega: float) -> nn.Module:
    frequency = {"first_omega": first_omega} if network == "siren" else {}
    return build(network, dimension, 1, **(frequency | dict(settings)))


def _measure(surface: PointCloud, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return how well a field fits the points, and how nearly it is a distance, in field coordinates."""
    generator = torch.Generator().manual_seed(0)
    some = torch.randperm(surface.size, generator=generator)[: min(count or CHUNK, CHUNK)]
    samples = surface.at(some)
    anywhere = box(surface.dimension).draw(len(some), generator).points
    with evaluating(field) as like:
        u = jet(field, samples.points.to(like), ["value", "jacobian"])
        v = jet(field, anywhere.to(like), ["jacobian"])
        slope = torch.linalg.vector_norm(v.gradient, dim=-1)
        found = {"surface_error": float(u.value.abs().mean()), "slope_error": float((slope - 1).abs().mean())}
        if "normal" in samples.targets:
            normal = samples.targets["normal"].to(u.gradient)
            found["normal_consistency"] = float(torch.cosine_similarity(u.gradient, normal, dim=-1).mean())
    return found
