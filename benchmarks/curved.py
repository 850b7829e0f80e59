"""Is a fitted shape a distance, with the right curvature? A torus, whose signed distance is known exactly.

    Φ(x, y, z) = √((√(x² + y²) − 0.6)² + z²) − 0.25

Points with exact normals are fitted. At points within 0.05 of the surface, which are none of those, the error of value,
gradient and Laplacian, twice the mean curvature on the surface, relative to how much they differ from their means; the
mean angle of the gradient to the normal in degrees; the mean of | |∇Φ| − 1 |; and the Chamfer distance of the mesh at
128³ over that of two samples of the torus. All have the same seconds but ``best``, which has four times as many; the
official loss is taken in plain PyTorch.

    python benchmarks/curved.py             # two minutes
    python benchmarks/curved.py --smoke     # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from torch import Tensor, nn

import between
import machine
import recipes
import shapes
from sinefield import metrics, problems, solve
from sinefield.jet import jets_of
from sinefield.signals.shape import MARGIN, ShapeSignal

RING, TUBE = 0.6, 0.25  # radii
NEAR = 0.05
FULL, SMOKE = shapes.Sizes(30_000, resolution=128), shapes.Sizes(2000, 500, 100, 24)
COUNT = 8000  # points near the surface
_CHUNK = 500  # of them at a time: the graph of a Laplacian in plain PyTorch is large
RECIPES = {"fast": 1.0, "best": 4.0, "published": 1.0}  # and how many times the seconds each has


def distance(points: Tensor) -> Tensor:
    """Return the signed distance ``(n, 1)`` of points ``(n, 3)``."""
    ring = points[:, :2].norm(dim=1) - RING
    found: Tensor = torch.stack([ring, points[:, 2]], 1).norm(dim=1) - TUBE
    return found[:, None]


def on_torus(count: int, seed: int, offset: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points spread evenly over the torus, or up to ``offset`` to either side of it, and the normals there."""
    random = np.random.default_rng(seed)
    turn, tube = random.uniform(0, 2 * np.pi, (2, 4 * count))
    chosen = random.uniform(0, RING + TUBE, 4 * count) < RING + TUBE * np.cos(tube)
    turn, tube = turn[chosen][:count], tube[chosen][:count]
    across = np.stack([np.cos(turn) * np.cos(tube), np.sin(turn) * np.cos(tube), np.sin(tube)], 1)
    middle = RING * np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], 1)
    return middle + (TUBE + random.uniform(-offset, offset, (count, 1))) * across, across


def judged(field: nn.Module, signal: ShapeSignal, sizes: shapes.Sizes) -> dict[str, float]:
    """Return how far a field is from the distance of the torus."""
    points, across = on_torus(min(COUNT, sizes.samples), 5, NEAR)
    places = torch.from_numpy(signal.to_field(points)).float()
    pieces = [
        [
            u.value.detach().double() * signal.scale,
            u.gradient.detach().reshape(-1, 3).double(),
            u.laplacian.detach().double() / signal.scale,
        ]
        for some in places.split(_CHUNK)
        for u in jets_of(field, some, ["value", "jacobian", "laplacian"])
    ]
    value, gradient, laplacian = (torch.cat(each) for each in zip(*pieces, strict=True))
    truths = between.truths_of(distance, torch.from_numpy(points))
    slope = gradient.norm(dim=1)
    along = (gradient * torch.from_numpy(across)).sum(1) / slope
    found = between.errors_of([value, gradient, laplacian], truths) | {
        "angle": float(torch.rad2deg(torch.arccos(along.clamp(-1, 1))).mean()),
        "slope off 1": float((slope - 1).abs().mean()),
    }
    return found | chamfer(field, signal, sizes)


def chamfer(field: nn.Module, signal: ShapeSignal, sizes: shapes.Sizes) -> dict[str, float]:
    """Return the Chamfer distance of the mesh of a field, NaN where there is none, and over its floor."""
    reference = torch.from_numpy(on_torus(sizes.samples, 1)[0])
    floor = metrics.chamfer(reference, torch.from_numpy(on_torus(sizes.samples, 2)[0]))
    try:
        mesh, _ = signal.mesh(field, sizes.resolution)
    except ValueError:  # no zero set
        return {"Chamfer": math.nan, "Chamfer over the floor": math.nan}
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    near = metrics.chamfer(reference, torch.from_numpy(shapes.sampled(surface, sizes.samples, 3)[0]))
    return {"Chamfer": near, "Chamfer over the floor": near / floor}


def fitted(way: str, seconds: float, seed: int, sizes: shapes.Sizes) -> dict[str, float]:
    """Return how far the field of a way of fitting is from the distance."""
    points, normals = on_torus(sizes.points, 0)
    if way == shapes.OFFICIAL:  # which has no scale of its own
        scale = (RING + TUBE) / MARGIN
        signal = ShapeSignal((0.0,) * 3, scale, tuple(np.abs(points).max(0) / scale))
        return judged(shapes.official(signal.to_field(points), normals, seconds, sizes.step), signal, sizes)
    problem = problems.shape(np.concatenate([points, normals], 1))
    assert isinstance(problem.signal, ShapeSignal)
    return judged(solve(problem, recipe=way, seconds=seconds, seed=seed).field, problem.signal, sizes)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seconds", type=float, default=15.0, help="of fitting, each")
    parser.add_argument("--seeds", type=int, default=3, help="of the default; the others have one")
    options = parser.parse_args()
    seconds, sizes = (0.2, SMOKE) if options.smoke else (options.seconds, FULL)
    seeds = 1 if options.smoke else options.seeds
    ways: dict[str, Any] = {}
    for way, times in {**RECIPES, shapes.OFFICIAL: 1.0}.items():
        several = range(seeds if way == "fast" else 1)
        runs = [fitted(way, times * seconds, seed, sizes) for seed in several]
        ways[way] = {"seeds": len(runs), **machine.spreads([{"seconds": times * seconds} | run for run in runs])}
        print(way, runs, flush=True)
    row = {"shape": "torus", **recipes.setting(), "ways": ways}
    machine.write("curved", {"rows": [row]}, smoke=options.smoke)
    names = [*between.QUANTITIES, "angle", "slope off 1", "Chamfer over the floor", "seconds"]
    machine.show("a torus: relative errors near the surface", recipes.medians(ways, names))


if __name__ == "__main__":
    main()
