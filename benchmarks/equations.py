"""How exact are equations solved, in how many seconds, beside finite differences and collocation in the same seconds?

Problems whose solution is known in closed form; seconds are those of everything, the making of the problem and the
measurement included, several seeds each. Two rivals on squares: the five-point stencil with a sparse direct solver, on
the finest of some grids that it solves in the seconds that Sinefield took; and Chebyshev collocation, the strongest
simple method there is for smooth solutions on a square (Trefethen, "Spectral Methods in MATLAB", 2000, chapter 7).

    python benchmarks/equations.py            # a quarter of an hour
    python benchmarks/equations.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

import machine
from sinefield import Box, Constraint, PointCloud, problems, solve
from sinefield.domains import Ball, ContinuousDomain, Samples
from sinefield.jet import Jet
from sinefield.problem import Problem

Doubles = NDArray[np.float64]
PI = math.pi


@dataclass(frozen=True)
class Square:
    """Δu + k² u = f on a square, with the values of the solution on its boundary.

    Args:
        lower: least coordinate.
        upper: greatest coordinate.
        shift: k².
        terms: of u: an amplitude, and the frequencies over π of the sines along x and y.
    """

    lower: float
    upper: float
    shift: float
    terms: tuple[tuple[float, float, float], ...]

    def exact(self, x: Any, y: Any, sine: Callable[[Any], Any]) -> Any:
        """Return u."""
        return sum(a * sine(m * PI * x) * sine(n * PI * y) for a, m, n in self.terms)

    def source(self, x: Any, y: Any, sine: Callable[[Any], Any]) -> Any:
        """Return f."""
        factors = [self.shift - PI**2 * (m * m + n * n) for _, m, n in self.terms]
        parts = zip(factors, self.terms, strict=True)
        return sum(factor * a * sine(m * PI * x) * sine(n * PI * y) for factor, (a, m, n) in parts)

    def problem(self, features: int | None) -> Problem:
        """Return the problem."""
        box = Box([self.lower] * 2, [self.upper] * 2)

        def at(function: Callable[..., Any], points: Tensor) -> Tensor:
            found: Tensor = function(points[:, :1], points[:, 1:], torch.sin)
            return found

        return problems.equation(
            [
                Constraint(
                    box,
                    lambda u: u.laplacian + self.shift * u.value - at(self.source, u.points),
                    name="equation",
                ),
                Constraint(box.boundary, lambda u: u.value - at(self.exact, u.points), name="dirichlet"),
            ],
            exact=lambda x: at(self.exact, x),
            features=features,
        )


SQUARES = {
    "Poisson, two sines": Square(0, 1, 0.0, ((1.0, 1, 1), (0.5, 3, 2))),
    "Poisson, four scales": Square(0, 1, 0.0, tuple((0.25, w, w) for w in (4.0, 8.0, 12.0, 16.0))),
    "Helmholtz, k = 1, sin πx sin 4πy": Square(-1, 1, 1.0, ((1.0, 1, 4),)),
    "Helmholtz, k = 4π (DeepXDE's)": Square(0, 1, (4 * PI) ** 2, ((1.0, 4, 4),)),
}


def on_line(axis: int, at: float, bounds: tuple[float, float], count: int = 400) -> PointCloud:
    """Return points on a side of a rectangle in (t, x)."""
    along = torch.linspace(*bounds, count, dtype=torch.float64)
    fixed = torch.full_like(along, at)
    return PointCloud(torch.stack([fixed, along] if axis == 0 else [along, fixed], 1), axes="tx")


def wave(features: int | None) -> Problem:
    """Return PINNacle's Wave1d-C: u_tt = 4 u_xx from rest, u = sin πx cos 2πt + ½ sin 4πx cos 8πt."""

    def exact(p: Tensor) -> Tensor:
        t, x = p[:, :1], p[:, 1:]
        first = torch.sin(PI * x) * torch.cos(2 * PI * t)
        return first + 0.5 * torch.sin(4 * PI * x) * torch.cos(8 * PI * t)

    start = on_line(0, 0.0, (0.0, 1.0))
    return problems.equation(
        [
            Constraint(Box([0, 0], [1, 1], axes="tx"), lambda u: u.d("tt") - 4 * u.d("xx"), name="wave"),
            Constraint(start, lambda u: u.value - exact(u.points), name="value"),
            Constraint(start, lambda u: u.d("t"), name="velocity"),
            Constraint(on_line(1, 0.0, (0.0, 1.0)), lambda u: u.value, name="left"),
            Constraint(on_line(1, 1.0, (0.0, 1.0)), lambda u: u.value, name="right"),
        ],
        exact=exact,
        features=features,
    )


def convection(features: int | None) -> Problem:
    """Return u_t + 40 u_x = 0 from sin x, periodic: u = sin(x − 40 t); Rathore et al., arXiv 2402.01868."""

    def exact(p: Tensor) -> Tensor:
        return torch.sin(p[:, 1:] - 40 * p[:, :1])

    return problems.equation(
        [
            Constraint(Box([0, 0], [1, 2 * PI], axes="tx"), lambda u: u.d("t") + 40 * u.d("x"), name="convection"),
            Constraint(on_line(0, 0.0, (0.0, 2 * PI)), lambda u: u.value - torch.sin(u.points[:, 1:]), name="start"),
            Constraint(on_line(1, 0.0, (0.0, 1.0)), lambda u: u.value - exact(u.points), name="inflow"),
        ],
        exact=exact,
        features=features,
    )


def multiscale_heat(features: int | None) -> Problem:
    """Return PINNacle's Heat2d-MS: u_t = u_xx/(500π)² + u_yy/π² from sin 20πx sin πy, 0 at the walls."""
    a, b = 1 / (500 * PI) ** 2, 1 / PI**2

    def exact(p: Tensor) -> Tensor:
        x, y, t = p[:, :1], p[:, 1:2], p[:, 2:]
        return torch.sin(20 * PI * x) * torch.sin(PI * y) * torch.exp(-(a * (20 * PI) ** 2 + b * PI**2) * t)

    def face(axis: int, at: float, count: int = 6000) -> PointCloud:
        points = torch.rand(count, 3, generator=torch.Generator().manual_seed(axis), dtype=torch.float64)
        points[:, 2] *= 5
        points[:, axis] = at
        return PointCloud(points, axes="xyt")

    walls = [face(axis, at) for axis in (0, 1) for at in (0.0, 1.0)]
    return problems.equation(
        [
            Constraint(
                Box([0, 0, 0], [1, 1, 5], axes="xyt"),
                lambda u: u.d("t") - a * u.d("xx") - b * u.d("yy"),
                name="heat",
            ),
            Constraint(face(2, 0.0), lambda u: u.value - exact(u.points), name="start"),
            *(Constraint(each, lambda u: u.value, name=f"wall {n}") for n, each in enumerate(walls)),
        ],
        exact=exact,
        features=features,
    )


@dataclass(frozen=True, eq=False)
class BallInTime(ContinuousDomain):
    """A ball, or its surface, times the time from 0 to 1, or its start.

    Args:
        space: the ball, or its boundary.
        start: whether time is 0 throughout.
    """

    space: ContinuousDomain
    start: bool = False

    @property
    def dimension(self) -> int:
        """d, that of space and one more."""
        return self.space.dimension + 1

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes."""
        return (*(f"x{axis}" for axis in range(self.space.dimension)), "t")

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points from the uniform distribution."""
        space = self.space.draw(count, generator, dtype).points
        time = torch.rand(count, 1, generator=generator, dtype=dtype)
        return Samples(torch.cat([space, 0 * time if self.start else time], 1))


def five_dimensional_heat(features: int | None) -> Problem:
    """Return PINNacle's HeatND: u_t = Δu/5 − |x|² u/5 in a ball, flux and start given: u = e^(|x|²/2 + t)."""
    ball = Ball([0.0] * 5, 1.0)
    axes = [f"x{axis}" for axis in range(5)]

    def exact(p: Tensor) -> Tensor:
        return torch.exp(p[:, :5].square().sum(1, keepdim=True) / 2 + p[:, 5:])

    def source(p: Tensor) -> Tensor:
        return p[:, :5].square().sum(1, keepdim=True) / 5 * exact(p)

    def flux(u: Jet) -> Tensor:
        return sum((u.d(each) * u.points[:, n : n + 1] for n, each in enumerate(axes)), start=-exact(u.points))

    return problems.equation(
        [
            Constraint(
                BallInTime(ball), lambda u: u.laplacian_along(*axes) / 5 - source(u.points) - u.d("t"), name="heat"
            ),
            Constraint(BallInTime(ball.boundary), flux, name="flux"),
            Constraint(BallInTime(ball, start=True), lambda u: u.value - exact(u.points), name="start"),
        ],
        exact=exact,
        features=features or 2400,  # 4,800, which are tried in the end, are better still and take minutes
    )


def reaction(features: int | None) -> Problem:
    """Return u_t = 5 u (1 − u) from a bump, periodic in x; Rathore et al., arXiv 2402.01868."""

    def bump(x: Tensor) -> Tensor:
        return torch.exp(-((x - PI) ** 2) / (2 * (PI / 4) ** 2))

    def exact(p: Tensor) -> Tensor:
        h, growth = bump(p[:, 1:]), torch.exp(5 * p[:, :1])
        return h * growth / (h * growth + 1 - h)

    return problems.equation(
        [
            Constraint(
                Box([0, 0], [1, 2 * PI], axes="tx"), lambda u: u.d("t") - 5 * u.value * (1 - u.value), name="reaction"
            ),
            Constraint(on_line(0, 0.0, (0.0, 2 * PI)), lambda u: u.value - bump(u.points[:, 1:]), name="start"),
        ],
        exact=exact,
        features=features,
    )


def five_dimensions(features: int | None) -> Problem:
    """Return PINNacle's Poisson in five dimensions: u = Σ sin(π x_i / 2)."""

    def exact(p: Tensor) -> Tensor:
        return torch.sin(PI / 2 * p).sum(1, keepdim=True)

    box = Box([0.0] * 5, [1.0] * 5)
    return problems.equation(
        [
            Constraint(box, lambda u: u.laplacian + PI**2 / 4 * exact(u.points), name="poisson"),
            Constraint(box.boundary, lambda u: u.value - exact(u.points), name="dirichlet"),
        ],
        exact=exact,
        features=features,
    )


OTHERS: Mapping[str, Callable[[int | None], Problem]] = {
    "Wave1d-C of PINNacle": wave,
    "convection, β = 40": convection,
    "Heat2d-MS of PINNacle": multiscale_heat,
    "Poisson in five dimensions": five_dimensions,
    "Poisson in five dimensions, 2,400 features": lambda features: five_dimensions(features or 2400),
    "HeatND of PINNacle, five dimensions": five_dimensional_heat,
    "reaction, ρ = 5": reaction,
}


def five_point(square: Square, count: int) -> float:
    """Return the relative error of the five-point stencil with ``count`` unknowns a side."""
    axis = np.linspace(square.lower, square.upper, count + 2)
    h = axis[1] - axis[0]
    second = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(count, count)) / h**2
    one = scipy.sparse.eye_array(count)
    operator = (
        scipy.sparse.kron(second, one)
        + scipy.sparse.kron(one, second)
        + square.shift * scipy.sparse.eye_array(count**2)
    )
    x, y = np.meshgrid(axis[1:-1], axis[1:-1], indexing="ij")
    found = scipy.sparse.linalg.spsolve(operator.tocsc(), square.source(x, y, np.sin).ravel())  # values are 0 outside
    return relative(found, square.exact(x, y, np.sin).ravel())


def chebyshev(count: int) -> tuple[Doubles, Doubles]:
    """Return the matrix that takes a derivative at the ``count + 1`` Chebyshev points of [−1, 1], and the points."""
    nodes = np.cos(PI * np.arange(count + 1) / count)
    weights = np.hstack([2.0, np.ones(count - 1), 2.0]) * (-1.0) ** np.arange(count + 1)
    gaps = nodes[:, None] - nodes[None, :]
    derivative = np.outer(weights, 1 / weights) / (gaps + np.eye(count + 1))
    derivative -= np.diag(derivative.sum(axis=1))
    return derivative, nodes


def collocation(square: Square, count: int) -> float:
    """Return the relative error of Chebyshev collocation with ``count`` intervals a side."""
    derivative, nodes = chebyshev(count)
    half = (square.upper - square.lower) / 2
    second = (derivative @ derivative)[1:-1, 1:-1] / half**2
    one = np.eye(count - 1)
    operator = np.kron(second, one) + np.kron(one, second) + square.shift * np.eye((count - 1) ** 2)
    places = (square.lower + square.upper) / 2 + half * nodes[1:-1]
    x, y = np.meshgrid(places, places, indexing="ij")
    found = np.linalg.solve(operator, square.source(x, y, np.sin).ravel())
    return relative(found, square.exact(x, y, np.sin).ravel())


def relative(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return ‖found − truth‖ / ‖truth‖."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def ours(make: Callable[[int | None], Problem], features: int | None, seed: int, **changes: Any) -> dict[str, float]:
    """Return the error, the worst residual and the seconds of everything, with changes of the recipe."""
    start = time.perf_counter()
    solution = solve(make(features), seed=seed, **changes)
    seconds = time.perf_counter() - start
    return {"error": solution.metrics["error"], "residual": solution.metrics["residual"], "seconds": seconds}


def best_within(seconds: float, rival: Callable[[int], float], sizes: tuple[int, ...]) -> dict[str, float]:
    """Return the least error that a rival reaches in some seconds, its size, and the seconds that it took."""
    best = {"error": math.inf, "size": 0.0, "seconds": 0.0}
    for size in sizes:
        start = time.perf_counter()
        error = rival(size)
        taken = time.perf_counter() - start
        if taken > seconds and best["size"]:
            break
        if error < best["error"]:
            best = {"error": error, "size": float(size), "seconds": taken}
    return best


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    made: Mapping[str, Callable[[int | None], Problem]] = {
        **{name: each.problem for name, each in SQUARES.items()},
        **OTHERS,
    }
    parser.add_argument(
        "--problems", nargs="+", choices=list(made), help="these; others stay as the last result has them"
    )
    options = parser.parse_args()
    seeds = 1 if options.smoke else options.seeds
    rows: list[dict[str, Any]] = []
    known = {}
    if options.problems:
        last = json.loads((machine.RESULTS / "equations.json").read_text())["results"]
        known = {row["problem"]: row for row in last["problems"] if row["problem"] not in options.problems}
    for name, make in made.items():
        if name in known:
            rows.append(known[name])
            continue
        features, budget = (60, {"seconds": 0.2}) if options.smoke else (None, {})
        runs = [ours(make, features, seed, **budget) for seed in range(seeds)]
        row: dict[str, Any] = {"problem": name, "features": features, "seeds": seeds, **machine.spreads(runs)}
        if name in SQUARES:
            square, seconds = SQUARES[name], row["seconds"]["median"]
            grids, nodes = ((16,), (8,)) if options.smoke else ((64, 128, 256, 512, 768), (16, 24, 32, 48, 64, 80))
            row["five-point stencil"] = best_within(seconds, partial(five_point, square), grids)
            row["Chebyshev collocation"] = best_within(seconds, partial(collocation, square), nodes)
        rows.append(row)
        print(name, {key: row[key] for key in row if key not in ("problem", "features")})
    machine.write("equations", {"problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
