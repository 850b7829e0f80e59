"""How exact are equations solved beside corners, holes and at high wavenumbers, and what do finite elements reach?

- an L, u = r^(2/3) sin 2θ/3, and the same L under a load: Δu = 1, u = 0 on its boundary;
- PINNacle's Poisson2d-C and Poisson2d-CG (arXiv 2306.08827, appendix B): a square without four discs, Δu = 0; and
  −Δu + 64 u = f on another such square;
- Δu + 100² u = 0 on [−1, 1]², the field of a source outside.

Truths are closed forms, or series of solutions (``truths.py``), whose error is at most what they miss on the
boundary, by the maximum principle; that is told too. The rival is quadratic elements that follow circles and are
refined towards the corner (scikit-fem), on the finest of some meshes that they solve in the seconds that Sinefield
took; on the plain square Chebyshev collocation, its matrix diagonalised along both axes.

    python benchmarks/singular.py            # some minutes
    python benchmarks/singular.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import skfem
import torch
from numpy.typing import NDArray
from scipy import spatial
from skfem.helpers import dot, grad
from torch import Tensor

import machine
import truths
from equations import chebyshev, relative
from sinefield import Ball, Box, Constraint, Difference, Polygon, problems, solve
from sinefield.domains import Region
from sinefield.problem import Problem

Doubles = NDArray[np.float64]
ELL = Polygon([(-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)], axes="xy")


# ---- finite elements


def perforated(half: float, discs: truths.Discs, count: int) -> skfem.MeshTri2:
    """Return triangles of a square without discs, whose sides are parabolas where they follow a circle."""
    boundary, _ = truths.outline(half, discs, count)
    step = 2 * half / count
    line = np.arange(-half + step / 2, half, step)
    inner = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    for x, y, radius in discs:
        inner = inner[np.hypot(inner[:, 0] - x, inner[:, 1] - y) > radius + 0.6 * step]
    nodes = np.concatenate([boundary, inner])
    triangles = spatial.Delaunay(nodes).simplices
    middles = nodes[triangles].mean(1)
    for x, y, radius in discs:
        keep = np.hypot(middles[:, 0] - x, middles[:, 1] - y) > radius
        triangles, middles = triangles[keep], middles[keep]
    curved = skfem.MeshTri2.from_mesh(skfem.MeshTri(nodes.T.copy(), triangles.T.copy()))
    places = curved.doflocs.T.copy()
    ends = skfem.MeshTri(nodes.T.copy(), triangles.T.copy())
    facets = ends.boundary_facets()
    held = curved.dofs.facet_dofs[0, facets]
    a, b = nodes[ends.facets[0, facets]], nodes[ends.facets[1, facets]]
    for x, y, radius in discs:
        centre = np.array([x, y])
        on = (np.abs(np.hypot(*(a - centre).T) - radius) < 1e-9) & (np.abs(np.hypot(*(b - centre).T) - radius) < 1e-9)
        towards = (a[on] + b[on]) / 2 - centre
        places[held[on]] = centre + radius * towards / np.hypot(*towards.T)[:, None]
    return skfem.MeshTri2(places.T.copy(), curved.t)


def graded_ell(levels: int) -> skfem.MeshTri2:
    """Return triangles of the L, halved everywhere some times, and at the inner corner three times as often."""
    mesh = skfem.MeshTri(
        np.array([[-1, -1], [0, -1], [-1, 0], [0, 0], [1, 0], [-1, 1], [0, 1], [1, 1]], dtype=float).T.copy(),
        np.array([[0, 1, 3], [0, 3, 2], [2, 3, 5], [3, 6, 5], [3, 4, 7], [3, 7, 6]]).T.copy(),
    ).refined(levels)
    for _ in range(2 * levels):
        near = np.hypot(*mesh.p[:, mesh.t].mean(1)) < 2.5 * np.hypot(*mesh.p[:, mesh.t].mean(1)).min()
        mesh = mesh.refined(np.flatnonzero(near))
    return skfem.MeshTri2.from_mesh(mesh)


@dataclass(frozen=True)
class Found:
    """What a rival reached.

    Args:
        error: relative.
        seconds: that it took, without those of the truth.
    """

    error: float
    seconds: float


def elements(
    make: Callable[[], skfem.MeshTri2],
    truth: Callable[[Doubles], Doubles],
    source: Callable[[Any, Any], Any] | None = None,
    shift: float = 0.0,
) -> Found:
    """Return what quadratic elements reach for Δu + shift · u = f; the error by quadrature on some of the elements."""
    start = time.perf_counter()
    basis = skfem.Basis(make(), skfem.ElementTriP2(), intorder=6)
    operator = skfem.BilinearForm(lambda u, v, _: dot(grad(u), grad(v)) - shift * u * v).assemble(basis)
    right = basis.zeros()
    if source is not None:
        right = skfem.LinearForm(lambda v, w: -source(w.x[0], w.x[1]) * v).assemble(basis)
    fixed = basis.get_dofs().all()
    values = basis.zeros()
    values[fixed] = truth(basis.doflocs[:, fixed].T)
    found = skfem.solve(*skfem.condense(operator, right, x=values, D=fixed))
    seconds = time.perf_counter() - start
    some = np.random.default_rng(0).permutation(len(basis.dx))[:2000]
    places, weights = basis.global_coordinates().value[:, some], basis.dx[some]
    exact = truth(places.reshape(2, -1).T).reshape(weights.shape)
    misses = basis.interpolate(found).value[some] - exact
    return Found(float(np.sqrt((weights * misses**2).sum() / (weights * exact**2).sum())), seconds)


def collocation(count: int) -> Found:
    """Return what collocation reaches for the waves, with ``count`` intervals a side."""
    start = time.perf_counter()
    derivative, nodes = chebyshev(count)
    second = derivative @ derivative
    x, y = np.meshgrid(nodes, nodes, indexing="ij")
    truth = truths.waves(np.stack([x, y], -1).reshape(-1, 2)).reshape(x.shape)
    rim, inner = second[1:-1][:, [0, -1]], second[1:-1, 1:-1]
    right = -(rim @ truth[[0, -1], 1:-1]) - truth[1:-1, [0, -1]] @ rim.T
    values, vectors = np.linalg.eig(inner)
    within = np.linalg.solve(vectors, np.linalg.solve(vectors, right).T).T
    found = vectors @ (within / (values[:, None] + values + truths.K**2)) @ vectors.T
    return Found(relative(found.ravel(), truth[1:-1, 1:-1].ravel()), time.perf_counter() - start)


def best_within(seconds: float, rival: Callable[[int], Found], sizes: Sequence[int]) -> dict[str, float]:
    """Return the least error that a rival reaches in some seconds, its size, and the seconds that it took."""
    best = {"error": math.inf, "size": 0.0, "seconds": 0.0}
    for size in sizes:
        found = rival(size)
        if found.seconds > seconds and best["size"]:
            break
        if found.error < best["error"]:
            best = {"error": found.error, "size": float(size), "seconds": found.seconds}
    return best


# ---- cases


@dataclass(frozen=True)
class Case:
    """Δu + κ u = f with values on the boundary.

    Args:
        region: where.
        truth: u at points ``(n, 2)``.
        rival: the error of another method, of a given size.
        sizes: of the rival, the coarsest first.
        source: f; 0 if None.
        walls: u on the boundary; the truth if None.
        shift: κ.
        complex: whether u is complex.
        bound: of the error of the truth.
        features: of the network; None: as many as it takes.
    """

    region: Region
    truth: Callable[[Doubles], NDArray[Any]]
    rival: Callable[[int], Found]
    sizes: Sequence[int]
    source: Callable[[Tensor], Tensor] | None = None
    walls: Callable[[Tensor], Tensor] | None = None
    shift: float = 0.0
    complex: bool = False
    bound: Callable[[], float] = float
    features: int | None = None

    def problem(self, features: int | None) -> Problem:
        """Return the problem."""
        region: Any = self.region
        walls = self.walls or of_arrays(self.truth)

        def equation(u: Any) -> Tensor:
            own = u.complex if self.complex else u
            found: Tensor = own.laplacian + self.shift * own.value
            return found if self.source is None else found - self.source(u.points)

        def boundary(u: Any) -> Tensor:
            found: Tensor = (u.complex if self.complex else u).value - walls(u.points)
            return found

        return problems.equation(
            [Constraint(region, equation, name="equation"), Constraint(region.boundary, boundary, name="boundary")],
            complex=self.complex,
            features=features,
        )

    @property
    def places(self) -> Doubles:
        """Points that errors are measured at, always the same."""
        found: Doubles = self.region.draw(4000, torch.Generator().manual_seed(1), torch.float64).points.numpy()
        return found


DISCS_C = [Ball([x, y], radius) for x, y, radius in truths.FOUR]
DISCS_CG = [Ball([x, y], radius) for x, y, radius in truths.UNEVEN]


def on_square(points: Tensor, half: float, wall: float, hole: float) -> Tensor:
    """Return one value on the sides of a square, another one in it."""
    there = (points.abs().max(1, keepdim=True).values - half).abs() < 1e-9
    return torch.where(there, wall, hole).double()


def of_arrays(function: Callable[[Doubles], NDArray[Any]]) -> Callable[[Tensor], Tensor]:
    """Return a function of tensors ``(n, 2)`` to ``(n, 1)``."""
    return lambda points: torch.from_numpy(function(points.numpy()))[:, None]


CASES = {
    "L, r^(2/3) sin 2θ/3": Case(
        ELL, truths.corner, lambda n: elements(partial(graded_ell, n), truths.corner), range(2, 9)
    ),
    "L, Δu = 1": Case(
        ELL,
        truths.load,
        lambda n: elements(partial(graded_ell, n), truths.load, lambda x, _: 1 + 0 * x),
        range(2, 9),
        source=lambda points: torch.ones_like(points[:, :1]),
        walls=lambda points: torch.zeros_like(points[:, :1]),
        bound=lambda: truths.load_series()[2],
    ),
    "Poisson2d-C of PINNacle": Case(
        Difference(Box([-0.5] * 2, [0.5] * 2, axes="xy"), *DISCS_C),
        truths.discs,
        lambda n: elements(partial(perforated, 0.5, truths.FOUR, n), truths.discs),
        (20, 40, 60, 80, 120, 160, 240),
        walls=lambda points: on_square(points, 0.5, 1.0, 0.0),
        bound=lambda: truths.discs_series()[2],
    ),
    "Poisson2d-CG of PINNacle": Case(
        Difference(Box([-1.0] * 2, [1.0] * 2, axes="xy"), *DISCS_CG),
        truths.uneven,
        lambda n: elements(
            partial(perforated, 1.0, truths.UNEVEN, n),
            truths.uneven,
            lambda x, y: truths.uneven_source(x, y, np.sin),
            -(truths.ROOT**2),
        ),
        (20, 40, 60, 80, 120, 160, 240),
        source=lambda points: truths.uneven_source(points[:, :1], points[:, 1:], torch.sin),
        walls=lambda points: on_square(points, 1.0, 0.2, 1.0),
        shift=-(truths.ROOT**2),
        bound=lambda: truths.uneven_series()[2],
        features=1600,  # 4,800, which are tried in the end, are hardly better, and take minutes beside Bessel functions
    ),
    "k = 100, source outside": Case(
        Box([-1.0] * 2, [1.0] * 2, axes="xy"),
        truths.waves,
        collocation,
        (60, 80, 100, 120, 160),
        shift=truths.K**2,
        complex=True,
    ),
}


def ours(case: Case, features: int | None, seed: int) -> dict[str, float]:
    """Return the error, the worst residual and the seconds of everything."""
    start = time.perf_counter()
    solution = solve(case.problem(features), seed=seed)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        values = solution.field(torch.from_numpy(case.places))
    found = (torch.view_as_complex(values.contiguous()) if case.complex else values[:, 0]).numpy()
    error = relative(found, case.truth(case.places))
    return {"error": error, "residual": solution.metrics["residual"], "seconds": seconds}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    slow = "Poisson2d-CG of PINNacle"  # its functions of holes are slow, however few sines there are
    for name, case in CASES.items():
        if options.smoke and name == slow:
            continue
        features = 60 if options.smoke else case.features
        runs = [ours(case, features, seed) for seed in range(1 if options.smoke else options.seeds)]
        row: dict[str, Any] = {"problem": name, "features": features, "truth is off by at most": case.bound()}
        row |= machine.spreads(runs)
        sizes = tuple(case.sizes)[: 1 if options.smoke else None]
        row["collocation" if case.complex else "quadratic elements"] = best_within(
            row["seconds"]["median"], case.rival, sizes
        )
        rows.append(row)
        print(name, {key: row[key] for key in row if key not in ("problem", "features")})
    machine.write("singular", {"seeds": options.seeds, "problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
