"""How exact are travel times of first arrivals, in how many seconds, beside fast marching in the same seconds?

Speed that grows along a line, in two and three dimensions, and two layers, whose first
arrivals are a direct, a head and a refracted wave. Errors are relative L2 errors at random points. Rivals, on the
finest of some grids that each solves in the seconds that Sinefield took:

- scikit-fmm, fast marching of second order, from a circle of two cells' radius around the source where times are exact
  for the speed there, interpolated linearly; by an interpreter that has it, ``--fmm PYTHON``;
- the factored upwind scheme of first order of ``sinefield.problems.first_arrivals``, which is in NumPy.

    python benchmarks/travel_times.py --fmm /path/to/python    # three minutes
    python benchmarks/travel_times.py --smoke                  # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.interpolate
import torch
from numpy.typing import NDArray
from torch import Tensor

import machine
from sinefield import Box, problems, solve
from sinefield.problems.first_arrivals import first_arrivals, mean_slowness, nodes_of

Doubles = NDArray[np.float64]

FAST_MARCHING = """
import json, sys, time
import numpy as np, skfmm
speed, source, at_source, size = (np.load(sys.argv[1])[name] for name in ("speed", "source", "at_source", "size"))
step = float(size) / (speed.shape[0] - 1)
start = time.perf_counter()
axes = [np.arange(n) * step for n in speed.shape]
distance = np.sqrt(sum((x - s) ** 2 for x, s in zip(np.meshgrid(*axes, indexing="ij"), source)))
radius = 2 * step
times = np.asarray(skfmm.travel_time(distance - radius, speed, dx=step, order=2))
times = np.where(distance <= radius, distance / float(at_source), times + radius / float(at_source))
np.save(sys.argv[2], times)
print(json.dumps(time.perf_counter() - start))
"""


@dataclass(frozen=True)
class Medium:
    """A medium in the unit square or cube.

    Args:
        source: of the waves.
        speed: from points ``(n, d)`` to ``(n,)``.
        times: in closed form, from points to ``(n, 1)``.
        features: of the network; None: its usual.
        grids: cells along a side that rivals are tried with.
    """

    source: tuple[float, ...]
    speed: Callable[[Tensor], Tensor]
    times: Callable[[Tensor], Tensor]
    features: int | None
    grids: Sequence[int]

    @property
    def box(self) -> Box:
        """The unit square or cube."""
        return Box([0.0] * len(self.source), [1.0] * len(self.source))

    def error(self, times: Callable[[Tensor], Tensor]) -> float:
        """Return the relative L2 error at random points."""
        points = self.box.draw(20_000, torch.Generator().manual_seed(7), torch.float64).points
        truth = self.times(points)
        return float((times(points) - truth).norm() / truth.norm())

    def nodes(self, cells: int) -> list[Doubles]:
        """Return the coordinates of a grid."""
        return nodes_of(self.box.lower, self.box.upper, cells)

    def interpolated(self, nodes: list[Doubles], times: Doubles) -> float:
        """Return the error of times at nodes, linear between them."""
        found = scipy.interpolate.RegularGridInterpolator(nodes, times)
        return self.error(lambda points: torch.from_numpy(found(points.numpy()))[:, None])


def in_linear_speed(slope: tuple[float, ...], source: tuple[float, ...], grids: Sequence[int]) -> Medium:
    """Return the medium of v = 1 + g·x: T = arccosh(1 + g² r² / (2 v₀ v)) / g, as an arsinh, which keeps its digits."""
    g, at = torch.tensor(slope, dtype=torch.float64), torch.tensor(source, dtype=torch.float64)
    size = float(g.norm())

    def speed(x: Tensor) -> Tensor:
        return 1 + x @ g.to(x)

    def times(x: Tensor) -> Tensor:
        squares = (x - at).square().sum(1) / (speed(at[None]) * speed(x))
        return (2 / size) * torch.asinh(size / 2 * squares.sqrt())[:, None]

    return Medium(source, speed, times, 400 if len(source) == 3 else None, grids)


def in_two_layers() -> Medium:
    """Return two layers of speeds 1 and 2: the least of the direct, the head and the refracted wave."""
    source, interface = (0.2, 0.2), 0.5

    def times(x: Tensor) -> Tensor:
        along, above, depth = (x[:, 0] - source[0]).abs(), interface - source[1], interface - x[:, 1]
        direct = torch.hypot(x[:, 0] - source[0], x[:, 1] - source[1])
        critical = math.asin(0.5)
        head = along / 2 + (above + depth) * math.cos(critical)
        head = torch.where(along >= (above + depth) * math.tan(critical), head, math.inf)
        low, high, below = torch.zeros_like(along), along.clone(), (-depth).clamp(min=1e-12)
        for _ in range(60):  # where the ray crosses: Snell's law, by halving
            at = (low + high) / 2
            late = at / torch.hypot(at, torch.tensor(above)) > (along - at) / (2 * torch.hypot(along - at, below))
            low, high = torch.where(late, low, at), torch.where(late, at, high)
        refracted = torch.hypot(low, torch.tensor(above)) + torch.hypot(along - low, below) / 2
        return torch.where(depth > 0, torch.minimum(direct, head), refracted)[:, None]

    return Medium(source, lambda x: torch.where(x[:, 1] < interface, 1.0, 2.0), times, None, (100, 200, 400, 800, 1600))


MEDIA = {
    "speed linear, square": in_linear_speed((0.3, 1.2), (0.2, 0.1), (100, 200, 400, 800, 1600)),
    "speed linear, cube": in_linear_speed((0.3, 1.2, 0.5), (0.2, 0.1, 0.3), (20, 40, 80, 120)),
    "two layers": in_two_layers(),
}


def ours(medium: Medium, seed: int, *, smoke: bool) -> dict[str, float]:
    """Return the error, the residual and the seconds of everything."""
    start = time.perf_counter()
    small = {"features": 100, "cells": 20} if smoke else {"features": medium.features}
    problem = problems.eikonal(medium.source, medium.speed, medium.box, **small)
    solution = solve(problem, seed=seed)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        return {
            "error": medium.error(solution.field),
            "residual": solution.metrics["residual"],
            "seconds": seconds,
        }


def upwind(medium: Medium, cells: int) -> dict[str, float]:
    """Return the error and the seconds of the factored scheme of first order."""
    nodes = medium.nodes(cells)
    start = time.perf_counter()
    slowness = mean_slowness(lambda x: 1 / medium.speed(torch.from_numpy(x)).double().numpy(), nodes)
    at_source = 1 / float(medium.speed(torch.tensor([medium.source], dtype=torch.float64)))
    times = first_arrivals(slowness, nodes, medium.source, at_source)
    return {"seconds": time.perf_counter() - start, "error": medium.interpolated(nodes, times), "cells": float(cells)}


def fast_marching(python: str, folder: str, medium: Medium, cells: int) -> dict[str, float]:
    """Return the error and the seconds of scikit-fmm; the seconds without those of starting it."""
    nodes = medium.nodes(cells)
    slowness = mean_slowness(lambda x: 1 / medium.speed(torch.from_numpy(x)).double().numpy(), nodes)
    at_source = float(medium.speed(torch.tensor([medium.source], dtype=torch.float64)))
    np.savez(f"{folder}/medium.npz", speed=1 / slowness, source=medium.source, at_source=at_source, size=1.0)
    command = [python, "-c", FAST_MARCHING, f"{folder}/medium.npz", f"{folder}/times.npy"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    times = np.load(f"{folder}/times.npy")
    return {"seconds": json.loads(done.stdout), "error": medium.interpolated(nodes, times), "cells": float(cells)}


def best_within(seconds: float, rival: Callable[[int], dict[str, float]], grids: Sequence[int]) -> dict[str, float]:
    """Return what a rival reaches on the grids that it solves in some seconds: the least error."""
    best = rival(grids[0])
    for cells in grids[1:]:
        found = rival(cells)
        if found["seconds"] > seconds:
            break
        best = min(best, found, key=lambda each: each["error"])
        if 5 * found["seconds"] > seconds:  # the next takes as many times longer as it has more cells, or more
            break
    return best


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fmm", help="an interpreter that has scikit-fmm")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, medium in MEDIA.items():
        runs = [ours(medium, seed, smoke=options.smoke) for seed in range(1 if options.smoke else options.seeds)]
        row: dict[str, Any] = {"medium": name, **machine.spreads(runs)}
        seconds, grids = row["seconds"]["median"], medium.grids[: 1 if options.smoke else None]
        row["upwind scheme"] = best_within(seconds, partial(upwind, medium), grids)
        if options.fmm:
            with tempfile.TemporaryDirectory() as folder:
                row["scikit-fmm"] = best_within(seconds, partial(fast_marching, options.fmm, folder, medium), grids)
        rows.append(row)
        print(name, {key: row[key] for key in row if key != "medium"}, flush=True)
    machine.write("travel_times", {"seeds": options.seeds, "media": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
