"""When do windows pay? A wave whose frequency changes along a duct of 8 by 1, by one sine layer and by eight of them.

Δu + k² u = f with u = sin(ax + by + ½ sin(2x) a/2 + 0.3) on the walls, for Poisson's equation and for waves; seconds
are those of everything. The rival is the five-point stencil on the finest of some grids that takes no longer.

    python benchmarks/windows.py            # several minutes
    python benchmarks/windows.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

import machine
from sinefield import Box, Constraint, problems, solve
from sinefield.problem import Problem


@dataclass(frozen=True)
class Duct:
    """Δu + k² u = f on [0, length] × [0, 1].

    Args:
        length: of the duct.
        shift: k².
        along: a.
        across: b.
    """

    length: float
    shift: float
    along: float
    across: float

    def exact(self, points: Tensor) -> Tensor:
        """Return u, ``(n, 1)``."""
        return torch.sin(self.phases(points)[0])

    def source(self, points: Tensor) -> Tensor:
        """Return f, ``(n, 1)``."""
        phase, slope, curvature = self.phases(points)
        return (self.shift - slope**2 - self.across**2) * torch.sin(phase) + curvature * torch.cos(phase)

    def phases(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the phase and its first two derivatives along the duct."""
        x, y = points[:, :1], points[:, 1:]
        a = self.along
        return (
            a * x + self.across * y + a / 4 * torch.sin(2 * x) + 0.3,
            a + a / 2 * torch.cos(2 * x),
            -a * torch.sin(2 * x),
        )

    def problem(self, windows: int, features: int | None) -> Problem:
        """Return the problem."""
        box = Box([0.0, 0.0], [self.length, 1.0])
        inside = Constraint(box, lambda u: u.laplacian + self.shift * u.value - self.source(u.points), name="equation")
        walls = Constraint(box.boundary, lambda u: u.value - self.exact(u.points), name="walls")
        return problems.equation([inside, walls], exact=self.exact, features=features, windows=windows)

    def five_point(self, across: int) -> dict[str, float]:
        """Return error and seconds of the five-point stencil with so many steps across."""
        begun = time.perf_counter()
        n, m, h = round(self.length * across), across, 1 / across
        x, y = np.meshgrid(np.arange(n + 1) * h, np.arange(m + 1) * h, indexing="ij")
        points = torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1))
        exact, right = (each(points).numpy().reshape(n + 1, m + 1) for each in (self.exact, self.source))
        known = exact.copy()
        known[1:-1, 1:-1] = 0
        rest = right[1:-1, 1:-1] - (known[:-2, 1:-1] + known[2:, 1:-1] + known[1:-1, :-2] + known[1:-1, 2:]) / h**2
        second = [scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(k - 1, k - 1)) for k in (n, m)]
        one = [scipy.sparse.eye_array(k - 1) for k in (n, m)]
        matrix = (scipy.sparse.kron(second[0], one[1]) + scipy.sparse.kron(one[0], second[1])) / h**2
        matrix = matrix + self.shift * scipy.sparse.eye_array(rest.size)
        found = scipy.sparse.linalg.spsolve(matrix.tocsc(), rest.ravel()).reshape(n - 1, m - 1)
        error = np.linalg.norm(found - exact[1:-1, 1:-1]) / np.linalg.norm(exact[1:-1, 1:-1])
        return {"error": float(error), "steps across": float(across), "seconds": time.perf_counter() - begun}


DUCTS = {
    "Poisson": Duct(8.0, 0.0, 4 * math.pi, 2.4 * math.pi),
    "Helmholtz, k = 20": Duct(8.0, 400.0, 4 * math.pi, 2.4 * math.pi),
}


def ours(problem: Problem, seed: int, **budget: Any) -> dict[str, float]:
    """Return what a solution reached, and its seconds."""
    begun = time.perf_counter()
    metrics = solve(problem, seed=seed, **budget).metrics
    return {name: metrics[name] for name in ("error", "residual")} | {"seconds": time.perf_counter() - begun}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, duct in DUCTS.items():
        for windows in (1, 3) if options.smoke else (1, 8):
            features, budget = (200, {"seconds": 0.2}) if options.smoke else (None, {})
            runs = [ours(duct.problem(windows, features), seed, **budget) for seed in range(options.seeds)]
            row = {"problem": name, "windows": windows, "seeds": options.seeds, **machine.spreads(runs)}
            rows.append(row)
            print(row, flush=True)
        tried = [duct.five_point(across) for across in ((8,) if options.smoke else (32, 64, 128, 192))]
        within = [each for each in tried if each["seconds"] <= rows[-1]["seconds"]["median"]] or tried[:1]
        rows[-1]["five-point stencil"] = within[-1]
        print(within[-1], flush=True)
    machine.write("windows", {"ducts": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
