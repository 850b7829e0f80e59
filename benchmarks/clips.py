"""How well is a clip fitted, how soon, and in how much memory?

Tiles are set beside one network with its ω₀ at several values, of which the best counts. Each fit is in a process of
its own, whose largest resident size is noted. PSNR is the mean over frames, with its standard deviation. Frames are
scaled to the sizes that are named.

    python benchmarks/clips.py bikes.mp4                                      # four minutes
    python benchmarks/clips.py bikes.mp4 --sizes 160x68 640x272 --seconds 180     # half an hour
    python benchmarks/clips.py --smoke                                        # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import machine
import sinefield
from sinefield.io import video
from sinefield.problems.video import TILE

TILED = "tiled"
OMEGAS = (30.0, 90.0, 270.0)  # of the one network


def fitted(path: Path, size: str, omega: float | None, budget: dict[str, Any]) -> dict[str, Any]:
    """Return what a fit of a clip at a size reaches, by one network of frequency ``omega`` or, for None, in tiles."""
    width, height = map(int, size.split("x"))
    if omega is None:
        problem = sinefield.problems.video(path, size=(width, height), tile_size=TILE[0])
        solution = sinefield.solve(problem, **budget)
    else:
        problem = sinefield.problems.video(path, size=(width, height), tiles=(1, 1, 1))
        solution = sinefield.solve(problem, first_omega=omega, **budget)
    grid = problem.constraints[0].domain
    assert isinstance(grid, sinefield.Grid)
    return {
        "size": size,
        "frames": grid.shape[0],
        "method": TILED if omega is None else f"one network, 256 x 3, ω₀ {omega:g}",
        "PSNR": solution.metrics["psnr_mean"],
        "spread": solution.metrics["psnr_spread"],
        "seconds": solution.seconds,
        "passes": solution.history[-1].passes,
        "points/s": solution.speed.points,
        "parameters": sum(each.numel() for each in solution.field.parameters()),
        "MiB": machine.peak_mib(),
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="a file")
    parser.add_argument("--sizes", nargs="+", default=["160x68"], help="width and height of frames")
    parser.add_argument("--seconds", type=float, default=55.0, help="of fitting, each")
    parser.add_argument("--omegas", type=float, nargs="+", default=list(OMEGAS), help="ω₀ of the one network")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    clip, sizes, methods = options.clip, options.sizes, [None, *options.omegas]
    if clip is None and not options.smoke:
        parser.error("name the clip to fit")
    if options.only:
        budget = {"seconds": options.seconds}
        print(json.dumps(fitted(clip, sizes[0], json.loads(options.only), budget)))
        return
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "noise.mp4"
            video.write(clip, iter(np.random.default_rng(0).integers(0, 255, (8, 24, 32, 3), np.uint8)), 10)
            rows = [fitted(clip, "32x24", omega, {"passes": 1}) for omega in (None, 30.0)]
    else:
        rows = [
            machine.alone(__file__, clip, "--sizes", size, "--seconds", options.seconds, "--only", json.dumps(omega))
            for size in sizes
            for omega in methods
        ]
    machine.write("clips", {"clip": clip.name, "fits": rows}, smoke=options.smoke)
    machine.show("clips", rows)


if __name__ == "__main__":
    main()
