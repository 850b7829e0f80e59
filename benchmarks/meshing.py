"""What does a mesh take, evaluated only near the surface, and is it that of a dense grid?

A shape is fitted for a minute and meshed at several resolutions, each in a process of its own: seconds, the largest
memory that is the process's own, the part of the grid that was evaluated. Beside it up to 256³ the usual way, Φ at
every node of the grid and scikit-image's marching cubes; and how far the vertices of either, before they are polished,
are from the other's at most.

    python benchmarks/meshing.py bunny.obj      # 5 minutes
    python benchmarks/meshing.py --smoke        # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

import machine
import sinefield
from sinefield import checkpoint
from sinefield.domains import Box
from sinefield.geometry import extract
from sinefield.geometry.scalar_field import evaluate
from sinefield.kinds import signal_from_json
from sinefield.signals.shape import ShapeSignal

RESOLUTIONS: tuple[int, ...] = (128, 256, 512, 1024, 2048)
DENSEST = 256
LOWER, UPPER = [-1.0] * 3, [1.0] * 3


def dense(field: Any, resolution: int) -> NDArray[np.float64]:
    """Return the vertices that scikit-image finds in a grid that is evaluated everywhere."""
    ticks = np.linspace(-1, 1, resolution + 1)
    values = np.stack(
        [evaluate(field, np.stack(np.meshgrid(x, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)) for x in ticks]
    ).reshape([resolution + 1] * 3)
    vertices: NDArray[np.float64] = marching_cubes(values, 0.0)[0].astype(float) * (2 / resolution) - 1
    return vertices


def near_the_surface(path: Path, resolution: int) -> dict[str, Any]:
    """Return what the mesh of a field takes and is."""
    field, header = checkpoint.read(path)
    signal = signal_from_json(header["signal"])
    assert isinstance(signal, ShapeSignal)
    with machine.own_mib() as peak:
        start = time.perf_counter()
        mesh, extraction = signal.mesh(field, resolution)
        seconds = time.perf_counter() - start
    report = mesh.report()
    told = {name: report[name] for name in ("vertices", "watertight", "components", "genus")}
    return {"seconds": seconds, "own MiB": peak[0], "evaluated": extraction.evaluated / extraction.total} | told


def everywhere(path: Path, resolution: int) -> dict[str, Any]:
    """Return what the mesh of a dense grid takes, and how it compares."""
    field, _ = checkpoint.read(path)
    with machine.own_mib() as peak:
        start = time.perf_counter()
        theirs = dense(field, resolution)
        seconds = time.perf_counter() - start
    mesh = extract(field, Box(LOWER, UPPER), resolution, polish=0).mesh
    off = max(cKDTree(mesh.vertices).query(theirs)[0].max(), cKDTree(theirs).query(mesh.vertices)[0].max())
    return {"seconds": seconds, "own MiB": peak[0], "vertices": len(theirs), "cells apart": off * resolution / 2}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", nargs="?", type=Path, help="a scan or a mesh")
    parser.add_argument("--alone", nargs=3, metavar=("WAY", "FIELD", "RESOLUTION"), help="one mesh, as JSON")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    if options.alone:
        way, path, resolution = options.alone
        ways = {"near": near_the_surface, "dense": everywhere}
        print(json.dumps(ways[way](Path(path), int(resolution)), default=float))
        return
    with tempfile.TemporaryDirectory() as folder:
        shape, resolutions, budget, samples = options.shape, RESOLUTIONS, 60.0, 100_000
        if options.smoke:
            shape, resolutions, budget, samples = Path(folder) / "ball.ply", (24,), 0.5, 1000
            trimesh.creation.icosphere(3).export(shape)
        if shape is None:
            parser.error("name the shape to mesh")
        field = Path(folder) / "field.safetensors"
        sinefield.solve(sinefield.problems.shape(shape, samples=samples), seconds=budget).save(field)
        rows = []
        for resolution in resolutions:
            found = {"resolution": resolution} | machine.alone(__file__, "--alone", "near", field, resolution)
            if resolution <= DENSEST:
                peer = machine.alone(__file__, "--alone", "dense", field, resolution)
                found |= {f"dense: {name}": value for name, value in peer.items()}
            rows.append(found)
            print(found, flush=True)
    names = dict.fromkeys(name for row in rows for name in row)
    rows = [{name: row.get(name) for name in names} for row in rows]
    machine.write("meshing", {"meshes": rows}, smoke=options.smoke)
    machine.show("meshing", rows)


if __name__ == "__main__":
    main()
