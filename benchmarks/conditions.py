"""Are conditions on shapes better built in or fitted, and how exact are both beside finite elements in equal seconds?

Equations whose solutions are known in closed form, on a ring, a triangle, an L, two materials and a period. Built in:
the field is g + φ Ψ, with φ of `sinefield.conditions.vanishing_on`, or has frequencies of the period alone. Fitted: the
conditions are constraints. The rival is the simplest of its kind: linear elements on meshes that fit the boundary, with
a sparse direct solver, on the finest of some meshes that it solves in the seconds that the faster of both took.

    python benchmarks/conditions.py            # some minutes
    python benchmarks/conditions.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
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
from torch import Tensor, nn

import machine
from sinefield import Ball, Box, Constraint, Difference, Polygon, Siren, SpaceTime, problems, solve
from sinefield.conditions import built_in, periodic, vanishing_on
from sinefield.domains import Region
from sinefield.fields import Expansion, Sum
from sinefield.jet import Jet
from sinefield.problem import Problem

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Function = Callable[[Tensor], Tensor]
PI = math.pi
AROUND = 3.0  # conductivity of the disc, beside 1 around it


@dataclass(frozen=True)
class Mesh:
    """Triangles.

    Args:
        nodes: their corners, ``(n, 2)``.
        triangles: three nodes each, ``(k, 3)``.
        fixed: which nodes are on the boundary, ``(n,)``.
    """

    nodes: Doubles
    triangles: Integers
    fixed: NDArray[np.bool_]


@dataclass(frozen=True)
class Poisson:
    """∇·(k ∇u) = f with u given on the boundary.

    Args:
        region: where.
        exact: u.
        source: f.
        mesh: makes a mesh of so many intervals.
    """

    region: Region
    exact: Function
    source: Function
    mesh: Callable[[int], Mesh]

    def problem(self, features: int | None, *, hard: bool) -> Problem:
        """Return the problem, u = 0 on the boundary built in or fitted."""
        region: Any = self.region
        equation = Constraint(region, lambda u: u.laplacian - self.source(u.points), name="poisson")
        fitted = Constraint(region.boundary, lambda u: u.value - self.exact(u.points), name="dirichlet")
        return problems.equation(
            [equation] if hard else [equation, fitted],
            exact=self.exact,
            features=features,
            around=built_in(0.0, vanishing_on(region.boundary)) if hard else None,
        )


def split(p: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two coordinates."""
    return p[:, :1], p[:, 1:]


def ring_exact(p: Tensor) -> Tensor:
    """Return (4 − r²)(r² − 1) eˣ."""
    r = p.square().sum(1, keepdim=True)
    return (4 - r) * (r - 1) * torch.exp(p[:, :1])


def ring_source(p: Tensor) -> Tensor:
    """Return its Laplacian."""
    r = p.square().sum(1, keepdim=True)
    return ((4 - r) * (r - 1) + 20 - 16 * r + 2 * p[:, :1] * (10 - 4 * r)) * torch.exp(p[:, :1])


def triangle_exact(p: Tensor) -> Tensor:
    """Return xy (2 − x − 2y) eˣ."""
    x, y = split(p)
    return x * y * (2 - x - 2 * y) * torch.exp(x)


def triangle_source(p: Tensor) -> Tensor:
    """Return its Laplacian."""
    x, y = split(p)
    return (-2 * y - 4 * x + 2 * y * (2 - 2 * x - 2 * y) + x * y * (2 - x - 2 * y)) * torch.exp(x)


def ell_exact(p: Tensor) -> Tensor:
    """Return sin πx sin πy, which is 0 on the walls of the L."""
    x, y = split(p)
    return torch.sin(PI * x) * torch.sin(PI * y)


def ell_source(p: Tensor) -> Tensor:
    """Return its Laplacian."""
    return -2 * PI**2 * ell_exact(p)


def around_a_disc(p: Tensor) -> Tensor:
    """Return (r + B/r) cos θ around a disc of another conductivity, within which u is (1 + B) r cos θ."""
    r = p.square().sum(1, keepdim=True)
    b = 2 / (1 + AROUND) - 1
    return p[:, :1] * torch.where(r >= 1 - 1e-12, 1 + b / r.clamp(min=1e-300), torch.full_like(r, 1 + b))


def lattice(keep: Callable[[Doubles, Doubles], NDArray[np.bool_]], x: Doubles, y: Doubles) -> Mesh:
    """Return the triangles of a lattice whose middles are kept; nodes of fewer than six are fixed."""
    i, j = np.meshgrid(np.arange(len(x) - 1), np.arange(len(y) - 1), indexing="ij")
    place = (i * len(y) + j).ravel()
    lower = np.stack([place, place + len(y), place + 1], 1)
    upper = np.stack([place + len(y), place + len(y) + 1, place + 1], 1)
    triangles = np.concatenate([lower, upper])
    nodes = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
    middle = nodes[triangles].mean(1)
    triangles = triangles[keep(middle[:, 0], middle[:, 1])]
    used, numbered = np.unique(triangles, return_inverse=True)
    triangles = numbered.reshape(-1, 3)
    return Mesh(nodes[used], triangles, np.bincount(triangles.ravel()) < 6)


def polar(inner: int, outer: int, count: int) -> Mesh:
    """Return the triangles of rings from radius ``inner``, which may be 0, to ``outer``, ``count`` rings a unit."""
    radii = np.linspace(inner, outer, (outer - inner) * count + 1)
    angles = 2 * PI * np.arange(6 * count) / (6 * count)
    nodes = np.stack([np.outer(radii, np.cos(angles)), np.outer(radii, np.sin(angles))], -1).reshape(-1, 2)
    i, j = np.meshgrid(np.arange(len(radii) - 1), np.arange(len(angles)), indexing="ij")
    here, there = (i * len(angles) + j).ravel(), (i * len(angles) + (j + 1) % len(angles)).ravel()
    out = len(angles)
    triangles = np.concatenate([np.stack([here, here + out, there], 1), np.stack([here + out, there + out, there], 1)])
    fixed = np.zeros(len(nodes), dtype=bool)
    fixed[-len(angles) :] = True
    if inner:
        fixed[: len(angles)] = True
        return Mesh(nodes, triangles, fixed)
    triangles = np.where(triangles < out, 0, triangles - out + 1)  # all nodes of radius 0 are one
    distinct = np.array([len(set(each)) == 3 for each in triangles.tolist()])
    return Mesh(nodes[out - 1 :], triangles[distinct], fixed[out - 1 :])


def linear_elements(mesh: Mesh, exact: Function, source: Function, conductivity: Callable[[Doubles], Doubles]) -> float:
    """Return the relative error at the nodes of linear elements: ∫ k ∇u·∇v = −∫ f v."""
    corners = mesh.nodes[mesh.triangles]  # (k, 3, 2)
    sides = np.roll(corners, -1, 1) - np.roll(corners, -2, 1)  # opposite to each corner
    areas = 0.5 * np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    k = conductivity(corners.mean(1))
    stiff = (k / (4 * areas))[:, None, None] * (sides @ sides.transpose(0, 2, 1))
    rows, columns = np.repeat(mesh.triangles, 3, 1).ravel(), np.tile(mesh.triangles, (1, 3)).ravel()
    matrix = scipy.sparse.coo_array((stiff.ravel(), (rows, columns)), shape=(len(mesh.nodes),) * 2).tocsr()
    middles = (
        np.roll(corners, -1, 1) + np.roll(corners, -2, 1)
    ) / 2  # of the sides, where the rule is exact to order 2
    f = source(torch.from_numpy(middles.reshape(-1, 2))).numpy().reshape(-1, 3)
    parts = -(areas / 6)[:, None] * (f.sum(1, keepdims=True) - f)  # v is ½ in the middle of two of the sides
    load = np.bincount(mesh.triangles.ravel(), parts.ravel(), len(mesh.nodes))
    truth = exact(torch.from_numpy(mesh.nodes)).numpy()[:, 0]
    free = ~mesh.fixed
    found = truth.copy()
    right = load[free] - (matrix[free][:, mesh.fixed] @ truth[mesh.fixed])
    found[free] = scipy.sparse.linalg.spsolve(matrix[free][:, free].tocsc(), right)
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


POISSON: Mapping[str, Poisson] = {
    "ring": Poisson(
        Difference(Ball([0, 0], 2), Ball([0, 0], 1)), ring_exact, ring_source, lambda count: polar(1, 2, count)
    ),
    "triangle": Poisson(
        Polygon([(0, 0), (2, 0), (0, 1)]),
        triangle_exact,
        triangle_source,
        lambda n: lattice(lambda x, y: x / 2 + y < 1, np.linspace(0, 2, n + 1), np.linspace(0, 1, n + 1)),
    ),
    "L, smooth solution": Poisson(
        Difference(Box([-1, -1], [1, 1]), Box([0, -1], [1, 0])),
        ell_exact,
        ell_source,
        lambda n: lattice(lambda x, y: (x < 0) | (y > 0), np.linspace(-1, 1, 2 * n + 1), np.linspace(-1, 1, 2 * n + 1)),
    ),
}


def two_materials(features: int | None) -> Problem:
    """Return a disc of another conductivity in a field along x, with functions of the hole beside the sines."""
    whole, disc = Ball([0, 0], 2, axes="xy"), Ball([0, 0], 1, axes="xy")
    ring = Difference(whole, disc)
    phases = (0.0, PI / 2)
    terms = torch.tensor([[0, 0, 0, 1, -n, 0, 0, phase] for n in (1, 2, 3) for phase in phases], dtype=torch.float64)

    def flux(u: Jet, normal: Tensor) -> Tensor:
        return (u.gradient * normal).sum(1, keepdim=True)

    def around(network: nn.Module) -> nn.Module:
        return Sum(network, Expansion.of("powers", terms, 2))

    return problems.equation(
        [
            Constraint(ring, lambda u: u.laplacian, name="around"),
            Constraint(disc, lambda v: v.laplacian, name="inside"),
            Constraint(whole.boundary, lambda u: u.value - around_a_disc(u.points), name="far"),
            Constraint(disc.boundary, lambda u, v: u.value - v.value, name="continuity"),
            Constraint(disc.boundary, lambda u, v, normal: flux(u, normal) - AROUND * flux(v, normal), name="flux"),
        ],
        unknowns={"v": Siren(2, 1, hidden_features=features or 200, hidden_layers=0)},
        exact=around_a_disc,
        features=features or 200,
        around=around,
    )


def convection(features: int | None, *, hard: bool) -> Problem:
    """Return u_t + 6 u_x = 0 on a period of 2π from e^(½ sin x)."""
    circle, ends = SpaceTime(Box([0.0], [2 * PI]), (0.0, 0.5)), Box([0.0, 0.0], [0.5, 2 * PI], axes="tx")
    shift = torch.tensor([0.0, 2 * PI], dtype=torch.float64)

    def exact(p: Tensor) -> Tensor:
        return torch.exp(0.5 * torch.sin(p[:, 1:] - 6 * p[:, :1]))

    constraints = [
        Constraint(circle, lambda u: u.d("t") + 6 * u.d("x"), name="convection"),
        Constraint(circle.start, lambda u: u.value - exact(u.points), name="start"),
    ]
    if not hard:
        face = ends.face("x", "lower")
        constraints.append(Constraint(face, lambda u: u.value - u.at(u.points + shift).value, name="period"))
    around = periodic(None, 2 * PI) if hard else None
    return problems.equation(constraints, exact=exact, features=features, around=around)


def measured(make: Callable[[], Problem], seeds: int, **changes: Any) -> dict[str, Any]:
    """Return error, worst residual and seconds of everything, over seeds, with changes of the recipe."""
    runs = []
    for seed in range(seeds):
        start = time.perf_counter()
        solution = solve(make(), seed=seed, **changes)
        seconds = time.perf_counter() - start
        found = {name: solution.metrics[name] for name in ("error", "residual")}
        runs.append({**found, "seconds": seconds})
    return machine.spreads(runs)


def best_within(seconds: float, rival: Callable[[int], float], sizes: tuple[int, ...]) -> dict[str, float]:
    """Return the least error that a rival reaches in some seconds, with its size and the seconds that it took."""
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
    options = parser.parse_args()
    seeds, sizes = (1, (8,)) if options.smoke else (options.seeds, (32, 64, 128, 256, 384))
    features, budget = (40, {"seconds": 0.2}) if options.smoke else (400, {})
    rows: list[dict[str, Any]] = []
    for name, case in POISSON.items():
        row: dict[str, Any] = {"problem": name, "features": features}
        for kind, hard in (("built in", True), ("fitted", False)):
            row[kind] = measured(partial(case.problem, features, hard=hard), seeds, **budget)
        seconds = min(row[kind]["seconds"]["median"] for kind in ("built in", "fitted"))

        def rival(count: int, case: Poisson = case) -> float:
            return linear_elements(case.mesh(count), case.exact, case.source, lambda at: np.ones(len(at)))

        row["linear elements"] = best_within(seconds, rival, sizes)
        rows.append(row)
    row = {"problem": "two materials", "features": features // 2}
    row["fitted"] = measured(partial(two_materials, features // 2), seeds, **budget)

    def inside_and_around(count: int) -> float:
        def conductivity(at: Doubles) -> Doubles:
            return np.where(np.hypot(at[:, 0], at[:, 1]) < 1, AROUND, 1.0)

        return linear_elements(polar(0, 2, count), around_a_disc, lambda p: 0 * p[:, :1], conductivity)

    row["linear elements"] = best_within(row["fitted"]["seconds"]["median"], inside_and_around, sizes)
    rows.append(row)
    features_of_all = features if options.smoke else None  # as many as it takes
    row = {"problem": "convection on a period", "features": features_of_all}
    for kind, hard in (("built in", True), ("fitted", False)):
        row[kind] = measured(partial(convection, features_of_all, hard=hard), seeds, **budget)
    rows.append(row)
    for row in rows:
        print(row["problem"], {name: each for name, each in row.items() if name not in ("problem", "features")})
    machine.write("conditions", {"seeds": seeds, "problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
