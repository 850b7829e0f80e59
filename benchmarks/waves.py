"""How exact are waves in the open plane, in how many seconds, beside finite differences in the same seconds?

Helmholtz's equation on [−1, 1]² with a perfectly matched layer, k = 20. A small source alone, of which nothing is split
off, beside its Hankel function at distances from 0.1; a disc of half and of double the speed beside the series of
Bessel and Hankel functions of a line source, by Graf's addition theorem; and a square of half and of double the speed
beside differences of the second order on two grids, extrapolated to a spacing of 0 (Richardson); ``truth`` is by how
much the next coarser pair of grids differs from that. Seconds are those of everything. The rival is the five-point
stencil with the same layer and a sparse direct solver, on the finest of some grids that it solves in the seconds that
Sinefield took; where the truth is of the same stencil, on grids of about half of those points a side at most.

    python benchmarks/waves.py            # a few minutes
    python benchmarks/waves.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import RectBivariateSpline

import machine
from sinefield import solve
from sinefield.problems.helmholtz import helmholtz
from sinefield.problems.slowness import Block, Disc

Complex = NDArray[np.complex128]
Doubles = NDArray[np.float64]
K = 20.0


@dataclass(frozen=True)
class Case:
    """A source, alone or beside a disc or a square of another speed.

    Args:
        source: its place.
        piece: the disc or the square; None: there is none.
        features: of the sine layer that spans the medium.
        sigma: size of the source.
    """

    source: tuple[float, float]
    piece: Disc | Block | None
    features: int = 600
    sigma: float = 0.01

    @property
    def places(self) -> Doubles:
        """Points of the interior at distances from 0.1 from the source, always the same."""
        points = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2))
        kept: Doubles = points[np.hypot(*(points - self.source).T) >= 0.1]
        return kept

    def truth(self, points: Doubles) -> Complex:
        """Return u at points outside of the source."""
        if isinstance(self.piece, Block):
            return extrapolated(self, *FINEST)
        strength = math.exp(-(K**2) * self.sigma**2 / 2)
        direct = 0.25j * special.hankel1(0, K * np.hypot(*(points - self.source).T))
        return strength * (direct if self.piece is None else scattered(self.piece, self.source, points, direct))


def scattered(disc: Disc, source: tuple[float, float], points: Doubles, direct: Complex) -> Complex:
    """Return the field of a line source outside of a disc of another speed, given that without the disc.

    Outside u = i/4 H₀(k|x − s|) + Σ b_n H_n(kr) e^(in(θ − θ_s)) and inside Σ c_n J_n(k_i r) e^(in(θ − θ_s)), with the
    values and the normal derivatives of both the same at r = a. About the middle of the disc the source's field is
    Σ i/4 H_n(k r_s) J_n(kr) e^(in(θ − θ_s)) there, by Graf's addition theorem (NIST Digital Library of Mathematical
    Functions, equation 10.23.7).
    """
    inside_k, a = K / disc.speed, disc.radius
    x, y = (points - disc.centre).T
    sx, sy = (np.array(source) - disc.centre).T
    r, angle = np.hypot(x, y), np.arctan2(y, x) - math.atan2(sy, sx)
    inside = r < a
    total = np.where(inside, 0, direct)
    for n in range(-40, 41):
        arriving = 0.25j * special.hankel1(n, K * math.hypot(sx, sy))
        j, h, i = special.jv(n, K * a), special.hankel1(n, K * a), special.jv(n, inside_k * a)
        dj, dh, di = K * special.jvp(n, K * a), K * special.h1vp(n, K * a), inside_k * special.jvp(n, inside_k * a)
        outgoing, held = np.linalg.solve([[h, -i], [dh, -di]], [-arriving * j, -arriving * dj])
        radial = np.where(
            inside, held * special.jv(n, inside_k * r), outgoing * special.hankel1(n, K * np.maximum(r, a))
        )
        total = total + radial * np.exp(1j * n * angle)
    return total


@cache
def extrapolated(case: Case, coarse: int, fine: int) -> Complex:
    """Return u at the places by two grids whose spacings are 2 : 1, extrapolated to a spacing of 0."""
    found: Complex = (4 * by_differences(case, fine) - by_differences(case, coarse)) / 3
    return found


def differences(case: Case, count: int) -> float:
    """Return the relative error of the five-point stencil with ``count`` unknowns a side."""
    return relative(by_differences(case, count), case.truth(case.places))


def covered(line: Doubles, low: float, high: float) -> Doubles:
    """Return which part of the cells around points of a line is in an interval."""
    h = line[1] - line[0]
    found: Doubles = np.clip(np.minimum(line + h / 2, high) - np.maximum(line - h / 2, low), 0, None) / h
    return found


def by_differences(case: Case, count: int) -> Complex:
    """Return u at the places by the five-point stencil with ``count`` unknowns a side."""
    line = np.linspace(-1, 1, count + 2)
    h = line[1] - line[0]

    def stretch(x: Doubles) -> Complex:
        return np.asarray(1 + 5j * (np.maximum(np.abs(x) - 0.5, 0) / 0.5) ** 2, dtype=np.complex128)

    at, between = 1 / stretch(line[1:-1]), 1 / stretch((line[1:] + line[:-1]) / 2)
    second = scipy.sparse.diags_array(
        [at[1:] * between[1:-1], -at * (between[1:] + between[:-1]), at[:-1] * between[1:-1]],
        offsets=[-1, 0, 1],
        shape=(count, count),
    ) / (h**2)
    one = scipy.sparse.eye_array(count)
    x, y = np.meshgrid(line[1:-1], line[1:-1], indexing="ij")
    squared = np.ones_like(x)
    if isinstance(case.piece, Disc):
        near = np.hypot(x - case.piece.centre[0], y - case.piece.centre[1]) < case.piece.radius
        squared = np.where(near, case.piece.speed**-2, 1.0)
    elif case.piece is not None:  # averages over cells, which its sides cut
        sides = zip(case.piece.lower, case.piece.upper, strict=True)
        part = np.outer(*(covered(line[1:-1], low, high) for low, high in sides))
        squared = 1 + (case.piece.speed**-2 - 1) * part
    operator = (
        scipy.sparse.kron(second, one)
        + scipy.sparse.kron(one, second)
        + K**2 * scipy.sparse.diags_array(squared.ravel())
    )
    squares = (x - case.source[0]) ** 2 + (y - case.source[1]) ** 2
    source = np.exp(-squares / (2 * case.sigma**2)) / (2 * math.pi * case.sigma**2)
    found = scipy.sparse.linalg.spsolve(operator.tocsc(), -source.ravel().astype(complex)).reshape(count, count)
    parts = [RectBivariateSpline(line[1:-1], line[1:-1], each).ev(*case.places.T) for each in (found.real, found.imag)]
    total: Complex = parts[0] + 1j * parts[1]
    return total


def relative(found: Complex, truth: Complex) -> float:
    """Return ‖found − truth‖ / ‖truth‖."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def ours(case: Case, seed: int) -> dict[str, float]:
    """Return the error, the worst residual and the seconds of everything."""
    start = time.perf_counter()
    speed: Any = 1.0 if case.piece is None else case.piece
    solution = solve(
        helmholtz(wavenumber=K, sources=[(*case.source, case.sigma)], speed=speed, features=case.features), seed=seed
    )
    seconds = time.perf_counter() - start
    with torch.no_grad():
        found = torch.view_as_complex(solution.field(torch.from_numpy(case.places)).contiguous()).numpy()
    error = relative(found, case.truth(case.places))
    return {"error": error, "residual": solution.metrics["residual"], "seconds": seconds}


def best_within(seconds: float, case: Case, sizes: tuple[int, ...]) -> dict[str, float]:
    """Return the least error that differences reach in some seconds, the size of the grid, and their seconds."""
    best = {"error": math.inf, "size": 0.0, "seconds": 0.0}
    for size in sizes:
        start = time.perf_counter()
        error = partial(differences, case)(size)
        taken = time.perf_counter() - start
        if taken > seconds and best["size"]:
            break
        if error < best["error"]:
            best = {"error": error, "size": float(size), "seconds": taken}
    return best


CASES = {
    "source of size 0.01, k = 20": Case((0.0, 0.0), None),
    "disc of half the speed": Case((-0.2, 0.0), Disc((0.12, 0.0), 0.15, 0.5), features=400),
    "disc of double the speed": Case((-0.2, 0.0), Disc((0.12, 0.0), 0.15, 2.0), features=400),
    "square of half the speed": Case((-0.2, 0.0), Block((-0.03, -0.15), (0.27, 0.15), 0.5), features=200),
    "square of double the speed": Case((-0.2, 0.0), Block((-0.03, -0.15), (0.27, 0.15), 2.0), features=200),
}
COARSER, FINEST = (199, 399), (399, 799)  # unknowns a side of the grids that are extrapolated


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cases = CASES
    if options.smoke:
        name = "source of size 0.01, k = 20"
        cases = {"source of size 0.08": replace(CASES[name], features=200, sigma=0.08)}
    rows: list[dict[str, Any]] = []
    for name, case in cases.items():
        runs = [ours(case, seed) for seed in range(1 if options.smoke else options.seeds)]
        row: dict[str, Any] = {"problem": name, "features": case.features, **machine.spreads(runs)}
        grids: tuple[int, ...] = (64,) if options.smoke else (128, 192, 256, 384, 512)
        if isinstance(case.piece, Block):
            row["truth"] = relative(extrapolated(case, *COARSER), case.truth(case.places))
            grids = grids[:-1]
        row["five-point stencil"] = best_within(row["seconds"]["median"], case, grids)
        rows.append(row)
        print(name, {key: row[key] for key in row if key not in ("problem", "features")})
    machine.write("waves", {"seeds": options.seeds, "problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
