"""How near is the surface that is found of a shape, and how soon?

The score is Chamfer-L1 between 30,000 points of the truth and of the mesh of the field at 256³, half the sum of both
mean distances, beside its floor, the same between two samples of the truth; shapes are scaled to [−0.9, 0.9]³. The
signed distance is compared with libigl's exact one near the surface and anywhere. The official loss, in plain
PyTorch, has the same time, with oneDNN's products: 16,000 points a step, half of them on the surface, Adam at 1e-4.
With --damaged, scans are fitted too that have noise of 1 % of the size, a tenth of the points cut away, or only 2,000
points.

    python benchmarks/shapes.py bunny.obj --seconds 60 180 --damaged    # half an hour
    python benchmarks/shapes.py --smoke                                 # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import igl
import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import nn

import machine
import peers
import sinefield
from sinefield import metrics
from sinefield.signals.shape import ShapeSignal

OURS, BARE, DIGS, OFFICIAL = (
    "points with normals",
    "points alone",
    "points alone, terms digs",
    "official loss, plain PyTorch",
)
OFF_THE_SURFACE = (0.0, 0.005, 0.01)  # where slopes are looked at, along the normal, to one side or the other


@dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Args:
        points: of a scan.
        samples: points of a surface that a field is judged by.
        step: points of a step of the official loss on the surface, and as many anywhere.
        resolution: of the mesh.
    """

    points: int = 100_000
    samples: int = 30_000
    step: int = 8000
    resolution: int = 256


SMOKE = Sizes(1000, 500, 100, 24)


def scaled(path: Path) -> trimesh.Trimesh:
    """Return the mesh in a file, its longest side from −0.9 to 0.9."""
    mesh = trimesh.load(path, force="mesh")
    low, high = mesh.bounds
    mesh.apply_translation(-(low + high) / 2)
    mesh.apply_scale(1.8 / (high - low).max())
    return mesh


def sampled(mesh: trimesh.Trimesh, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points of a mesh and the normals there."""
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=seed)
    return np.asarray(points), np.asarray(mesh.face_normals[faces])


def official(points: NDArray[np.float64], normals: NDArray[np.float64], seconds: float, step: int) -> nn.Module:
    """Return the published network after as many seconds of the official loss, in plain PyTorch."""
    torch.manual_seed(0)
    field = peers.published_network(3, 1)
    adam = torch.optim.Adam(field.parameters(), lr=1e-4)
    on, across = torch.from_numpy(points).float(), torch.from_numpy(normals).float()
    start = time.perf_counter()
    with peers.fast_products():
        while time.perf_counter() - start < seconds:
            some = torch.randint(0, len(on), (step,))
            places = torch.cat([on[some], torch.rand(step, 3) * 2 - 1]).requires_grad_()
            values = field(places)
            (slope,) = torch.autograd.grad(values.sum(), places, create_graph=True)
            turned = 1 - nn.functional.cosine_similarity(slope[:step], across[some], dim=1)
            loss = (
                3e3 * values[:step].abs().mean() / 2
                + 1e2 * torch.exp(-1e2 * values[step:].abs()).mean() / 2
                + 1e2 * turned.mean() / 2
                + 5e1 * (slope.norm(dim=1) - 1).abs().mean()
            )
            adam.zero_grad()
            loss.backward()
            adam.step()
    return field


def scored(field: nn.Module, signal: ShapeSignal, truth: trimesh.Trimesh, sizes: Sizes) -> dict[str, Any]:
    """Return how near a field comes to a mesh."""
    count = sizes.samples
    reference, across = sampled(truth, count, 1)
    truly, normals_there = torch.from_numpy(reference), torch.from_numpy(across)
    floor = metrics.chamfer(truly, torch.from_numpy(sampled(truth, count, 2)[0]))
    try:
        mesh, extraction = signal.mesh(field, sizes.resolution)
    except ValueError as error:
        return {"Chamfer": None, "over the floor": None, "failed": str(error)}
    report = mesh.report()
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    found, normals = (torch.from_numpy(each) for each in sampled(surface, count, 3))
    distance = metrics.chamfer(truly, found)
    random = np.random.default_rng(4)
    near = sampled(truth, count, 5)[0] + random.uniform(-0.1, 0.1, (count, 3))
    anywhere = random.uniform(-1, 1, (count, 3))
    exact = [igl.signed_distance(each, truth.vertices, truth.faces)[0] for each in (near, anywhere)]
    close = np.abs(exact[0]) < 0.1
    return {
        "Chamfer": distance,
        "over the floor": distance / floor,
        "parts": report["components"],
        "specks": extraction.mesh.components() - report["components"],
        "watertight": report["watertight"],
        "normals alike": metrics.normal_consistency(found, normals, truly, normals_there),
        "error near": float(np.abs(signal.distances(field, near) - exact[0])[close].mean()),
        "sign right": float(((signal.distances(field, anywhere) < 0) == (exact[1] < 0)).mean()),
        "slope off 1 near": {
            f"{off:g}": slope_error(field, signal, reference + off * random.choice([-1, 1], (count, 1)) * across)
            for off in OFF_THE_SURFACE
        },
    }


def slope_error(field: nn.Module, signal: ShapeSignal, places: NDArray[np.float64]) -> float:
    """Return the mean of |‖∇Φ‖ − 1| at points ``(n, 3)`` of the signal."""
    points = torch.from_numpy(signal.to_field(places)).float()
    slopes = [sinefield.jet(field, each).jacobian.detach().flatten(1).norm(dim=1) for each in points.split(4096)]
    return float((torch.cat(slopes) - 1).abs().mean())


def cut(points: NDArray[np.float64], normals: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what is left of points without the tenth that is nearest to five of them, a hole around each."""
    holes = np.random.default_rng(0).choice(len(points), 5, replace=False)
    distance, _ = cKDTree(points[holes]).query(points)
    kept = distance > np.quantile(distance, 0.1)
    return points[kept], normals[kept]


def damaged(truth: trimesh.Trimesh, count: int) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return scans that something is wrong with."""
    points, normals = sampled(truth, count, 0)
    noise = 0.01 * 1.8 * np.random.default_rng(0).standard_normal(points.shape)
    return {
        "noise of 1 %": (points + noise, normals),
        "holes": cut(points, normals),
        "2,000 points": sampled(truth, 2000, 0),
    }


def fitted(
    method: str, points: NDArray[np.float64], normals: NDArray[np.float64], seconds: float, step: int
) -> tuple[nn.Module, ShapeSignal, dict[str, Any]]:
    """Return the field that a way of fitting found, how it is read, and what is to be said of the fit."""
    start = time.perf_counter()
    source = np.concatenate([points, normals], axis=1) if method in (OURS, OFFICIAL) else points
    problem = sinefield.problems.shape(source, terms="digs" if method == DIGS else "distance")
    before = time.perf_counter() - start
    signal = problem.signal
    assert isinstance(signal, ShapeSignal)
    if method == OFFICIAL:
        return official(points, normals, seconds, step), ShapeSignal((0.0,) * 3, 1.0, signal.extent), {}
    solution = sinefield.solve(problem, seconds=seconds)
    told = {"before": before, "steps": solution.history[-1].step, "slope off 1": solution.metrics["slope_error"]}
    return solution.field, signal, told


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", type=Path, help="files of closed meshes")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0], help="of fitting")
    parser.add_argument("--ways", type=int, default=4, help="how many of the ways of fitting are compared")
    parser.add_argument("--resolution", type=int, default=256, help="of the mesh")
    parser.add_argument("--damaged", action="store_true", help="fit damaged scans of the first shape too")
    parser.add_argument("--result", default="shapes", help="the name of the result")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shapes, budgets, sizes = options.shapes, options.seconds, replace(Sizes(), resolution=options.resolution)
        if options.smoke:
            shapes, budgets, sizes = [Path(folder) / "ball.ply"], [0.2], SMOKE
            trimesh.creation.icosphere(3).export(shapes[0])
        if not shapes:
            parser.error("name the shapes to fit")
        truths = {path.stem: scaled(path) for path in shapes}
        cases = [
            (name, truth, "as it is", sampled(truth, sizes.points, 0), method, seconds)
            for name, truth in truths.items()
            for seconds in budgets
            for method in (OURS, BARE, OFFICIAL, DIGS)[: options.ways]
            if method != OFFICIAL or seconds == budgets[0]
        ]
        if options.damaged:
            name, truth = next(iter(truths.items()))
            cases += [
                (name, truth, damage, scan, method, budgets[0])
                for damage, scan in damaged(truth, sizes.points).items()
                for method in (OURS, BARE)
            ]
        rows = []
        for name, truth, damage, (points, normals), method, seconds in cases:
            field, signal, told = fitted(method, points, normals, seconds, sizes.step)
            score = scored(field, signal, truth, sizes)
            rows.append({"shape": name, "scan": damage, "method": method, "seconds": seconds} | score | told)
            print(rows[-1], flush=True)
    names = dict.fromkeys(name for row in rows for name in row)
    rows = [{name: row.get(name) for name in names} for row in rows]
    machine.write(options.result, {"fits": rows}, smoke=options.smoke)
    machine.show(options.result, rows)


if __name__ == "__main__":
    main()
