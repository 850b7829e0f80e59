"""How well is a clip fitted, how soon, and in how much memory?

Each fit is in a process of its own, whose largest resident size is noted. PSNR is the mean over frames, with its
standard deviation. Frames are scaled to the sizes that are named.

    python benchmarks/clips.py bikes.mp4 --sizes 160x68 320x136 640x272 --seconds 540     # an hour
    python benchmarks/clips.py --smoke                                                    # seconds, to see that it runs
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

ONE, TILED = "one network, 256 x 3", "tiled"


def fitted(path: Path, size: str, method: str, budget: dict[str, float]) -> dict[str, Any]:
    """Return what a fit of a clip at a size, as one network or in tiles, reaches."""
    width, height = map(int, size.split("x"))
    tiles = {"tiles": (1, 1, 1)} if method == ONE else {"tile_size": TILE[0]}
    problem = sinefield.problems.video(path, size=(width, height), **tiles)  # type: ignore[arg-type]
    solution = sinefield.solve(problem, **budget)
    return {
        "size": size,
        "frames": len(solution.problem.reference.values) // (width * height),
        "method": method,  # type: ignore[union-attr]
        "PSNR": solution.metrics["psnr_mean"],
        "spread": solution.metrics["psnr_spread"],
        "seconds": solution.seconds,
        "passes": solution.history[-1].passes,
        "points/s": solution.speed.points,
        "omega": solution.recipe.first_omega,
        "parameters": sum(each.numel() for each in solution.field.parameters()),
        "MiB": machine.peak_mib(),
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, help="a file")
    parser.add_argument("--sizes", nargs="+", default=["160x68", "640x272"], help="width and height of frames")
    parser.add_argument("--seconds", type=float, default=540.0, help="of fitting, each")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    clip, sizes, budget = options.clip, options.sizes, {"seconds": options.seconds}
    if clip is None and not options.smoke:
        parser.error("name the clip to fit")
    if options.only:
        print(json.dumps(fitted(clip, sizes[0], options.only, budget)))
        return
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "noise.mp4"
            video.write(clip, iter(np.random.default_rng(0).integers(0, 255, (30, 32, 48, 3), np.uint8)), 10)
            rows = [fitted(clip, "48x32", method, {"passes": 1}) for method in (TILED, ONE)]
    else:
        rows = [
            machine.alone(__file__, clip, "--sizes", size, "--seconds", options.seconds, "--only", method)
            for size in sizes
            for method in (TILED, ONE)
        ]
    machine.write("clips", {"clip": clip.name, "fits": rows}, smoke=options.smoke)
    machine.show("clips", rows)


if __name__ == "__main__":
    main()
