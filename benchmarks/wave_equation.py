"""How exact are waves in two and three dimensions, in how many seconds, beside differences and a Fourier series?

A Gaussian pulse of variance 5e-4 in a plane beside its Bessel integral, a wider one in space beside its closed form,
and two in a plane of varying speed beside leapfrog differences on two grids, extrapolated to the fourth order; a third
grid tells how exact that truth is, and it has its seconds beside it. Errors are relative, at the last time, on a
lattice that all grids share; seconds are those of everything. Rivals: leapfrog differences of second order on the
finest grid that takes no more seconds than Sinefield, and, where the speed is constant, the Fourier series of a
periodic box by a fast transform, as long as no wave meets its own image. What Sinefield does there is a series of
sines: the fast transform alone is faster.

    python benchmarks/wave_equation.py            # a few minutes
    python benchmarks/wave_equation.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from scipy import special

import machine
from sinefield import solve
from sinefield.problems import wave

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A Gaussian pulse from rest on [−1, 1]ᵈ with fixed walls.

    Args:
        dimension: d.
        sigma: its size.
        until: the last time.
        centre: its middle.
        varying: whether c = 1 + 0.3 sin πx cos πy in place of 1.
        lattice: intervals of the lattice that errors are measured on.
        grids: intervals of the grids of the rivals, multiples of it.
    """

    dimension: int
    sigma: float
    until: float
    centre: tuple[float, ...]
    varying: bool
    lattice: int
    grids: tuple[int, ...]

    @property
    def start(self) -> str:
        """The pulse, as an expression."""
        squares = "+".join(f"({axis}-({at}))^2" for axis, at in zip("xyz", self.centre, strict=False))
        return f"exp(-({squares})/{2 * self.sigma**2})"

    def lines(self, intervals: int) -> Doubles:
        """Return the coordinates of a grid, ``(d, n + 1, …)``."""
        line = np.linspace(-1, 1, intervals + 1)
        return np.stack(np.meshgrid(*[line] * self.dimension, indexing="ij"))

    def pulse(self, places: Doubles) -> Doubles:
        """Return the start at coordinates ``(d, …)``."""
        squares = sum((each - at) ** 2 for each, at in zip(places, self.centre, strict=True))
        return np.asarray(np.exp(-squares / (2 * self.sigma**2)))

    def squared_speed(self, places: Doubles) -> Any:
        """Return c² at coordinates ``(d, …)``."""
        return (1 + 0.3 * np.sin(math.pi * places[0]) * np.cos(math.pi * places[1])) ** 2 if self.varying else 1.0

    def truth(self) -> tuple[Doubles, float]:
        """Return the solution on the lattice at the last time, and about how exact that is."""
        if self.varying:
            coarse, middle, fine = (
                self.leapfrog(each) for each in (self.lattice * 2, self.lattice * 4, self.lattice * 8)
            )
            before, after = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
            return after, relative(before, after) / 15
        places, t = self.lines(self.lattice), self.until
        r = np.sqrt(sum((each - at) ** 2 for each, at in zip(places, self.centre, strict=True)))
        return (in_plane if self.dimension == 2 else in_space)(r, t, self.sigma), 1e-13

    # ---- the rivals

    def leapfrog(self, intervals: int) -> Doubles:
        """Return the solution of second-order differences on the lattice."""
        places, h = self.lines(intervals), 2 / intervals
        squares = self.squared_speed(places)
        steps = math.ceil(self.until / (0.9 * h / math.sqrt(self.dimension * float(np.max(squares)))))
        factor = squares * (self.until / steps / h) ** 2
        before = self.pulse(places)
        now = before + factor * self.differences(before) / 2
        for _ in range(steps - 1):
            before *= -1
            before += 2 * now
            before += factor * self.differences(now)
            before, now = now, before
        return self.on_lattice(now)

    def differences(self, u: Doubles) -> Doubles:
        """Return h² Δu, and 0 at the walls."""
        inner = (slice(1, -1),) * self.dimension
        found = np.zeros_like(u)
        found[inner] = -2 * self.dimension * u[inner]
        for axis, side in itertools.product(range(self.dimension), (slice(2, None), slice(None, -2))):
            found[inner] += u[tuple(side if each == axis else slice(1, -1) for each in range(self.dimension))]
        return found

    def fourier(self, intervals: int) -> Doubles:
        """Return the Fourier series of the periodic box on the lattice: each wave times cos |κ|t."""
        places = self.lines(intervals)[(slice(None),) + (slice(None, -1),) * self.dimension]
        numbers = np.meshgrid(*[math.pi * intervals * scipy.fft.fftfreq(intervals)] * self.dimension, indexing="ij")
        turning = np.cos(np.sqrt(sum(each**2 for each in numbers)) * self.until)
        found = np.asarray(scipy.fft.ifftn(scipy.fft.fftn(self.pulse(places)) * turning).real)
        return self.on_lattice(np.pad(found, [(0, 1)] * self.dimension, mode="wrap"))

    def on_lattice(self, values: Doubles) -> Doubles:
        """Return the values of a grid that the lattice shares."""
        return values[(slice(None, None, (len(values) - 1) // self.lattice),) * self.dimension]


def in_plane(r: Doubles, t: float, sigma: float) -> Doubles:
    """Return ∫ σ² e^(−σ²κ²/2) cos(κt) J₀(κr) κ dκ."""
    nodes, weights = np.polynomial.legendre.leggauss(600)
    kappa, weights = (nodes + 1) * 4.5 / sigma, weights * 4.5 / sigma
    density = sigma**2 * np.exp(-(sigma**2) * kappa**2 / 2) * np.cos(kappa * t) * kappa * weights
    different, place = np.unique(r.round(12), return_inverse=True)
    found: Doubles = (special.j0(np.outer(different, kappa)) @ density)[place].reshape(r.shape)
    return found


def in_space(r: Doubles, t: float, sigma: float) -> Doubles:
    """Return [(r − t) f(r − t) + (r + t) f(r + t)] / 2r with f = e^(−r²/2σ²)."""
    near = np.maximum(r, 1e-6)
    found: Doubles = sum((near + s * t) * np.exp(-((near + s * t) ** 2) / (2 * sigma**2)) for s in (-1, 1)) / (2 * near)
    return found


def relative(found: Doubles, truth: Doubles) -> float:
    """Return ‖found − truth‖ / ‖truth‖."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def ours(case: Case, truth: Doubles, seed: int, features: int | None) -> dict[str, float]:
    """Return the error, the worst residual, how many sines there are, and the seconds of everything."""
    begin = time.perf_counter()
    domain = ",".join(["-1,1"] * case.dimension)
    speed: Any = "1 + 0.3*sin(pi*x)*cos(pi*y)" if case.varying else 1.0
    settings: dict[str, Any] = {} if features is None else {"features": features}
    solution = solve(wave(start=case.start, speed=speed, domain=domain, until=case.until, **settings), seed=seed)
    seconds = time.perf_counter() - begin
    places = case.lines(case.lattice).reshape(case.dimension, -1).T
    points = torch.from_numpy(np.concatenate([np.full((len(places), 1), case.until), places], 1))
    with torch.no_grad():
        found = solution.field(points).numpy().reshape(truth.shape)
    sines = float(getattr(solution.field, "settings", {}).get("hidden_features", 0))
    residual = solution.metrics["residual"]
    return {"error": relative(found, truth), "residual": residual, "sines": sines, "seconds": seconds}


def best_within(
    seconds: float, rival: Callable[[int], Doubles], truth: Doubles, sizes: Sequence[int]
) -> dict[str, float]:
    """Return the least error that a rival reaches in some seconds, the intervals of its grid, and its seconds."""
    best = {"error": math.inf, "size": 0.0, "seconds": 0.0}
    for size in sizes:
        begin = time.perf_counter()
        found = rival(size)
        taken = time.perf_counter() - begin
        if taken > seconds and best["size"]:
            break
        if (error := relative(found, truth)) < best["error"]:
            best = {"error": error, "size": float(size), "seconds": taken}
        if taken * 8 > 3 * seconds:  # the next one takes eight times as long, or more
            break
    return best


SMALL = math.sqrt(5e-4)
CASES = {
    "pulse of variance 5e-4 in a plane": Case(2, SMALL, 0.4, (0.0, 0.0), False, 100, (100, 200, 400, 800, 1600)),
    "pulse off the middle, which the walls turn back": Case(2, 0.1, 1.5, (0.2, 0.0), True, 100, (100, 200, 400, 800)),
    "pulse in a plane of varying speed": Case(2, 0.12, 0.4, (0.2, 0.0), True, 100, (100, 200, 400, 800, 1600)),
    "pulse in space": Case(3, 0.1, 0.3, (0.0, 0.0, 0.0), False, 20, (40, 80, 160)),
}
SMOKE = {
    "pulse in a plane": Case(2, 0.1, 0.2, (0.0, 0.0), False, 20, (20, 40)),
    "pulse in a plane of varying speed": Case(2, 0.2, 0.1, (0.0, 0.0), True, 20, (20, 40)),
}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds = 1 if options.smoke else options.seeds
    rows: list[dict[str, Any]] = []
    for name, case in (SMOKE if options.smoke else CASES).items():
        begin = time.perf_counter()
        truth, exactness = case.truth()
        taken = time.perf_counter() - begin
        runs = [ours(case, truth, seed, 300 if options.smoke else None) for seed in range(seeds)]
        row: dict[str, Any] = {
            "problem": name,
            "truth": {"error": exactness, "seconds": taken},
            **machine.spreads(runs),
        }
        seconds = row["seconds"]["median"]
        row["leapfrog"] = best_within(seconds, case.leapfrog, truth, case.grids)
        if not case.varying:
            row["Fourier series"] = best_within(seconds, case.fourier, truth, case.grids)
        rows.append(row)
        print(name, {key: row[key] for key in row if key != "problem"}, flush=True)
    machine.write("wave_equation", {"seeds": seeds, "problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
