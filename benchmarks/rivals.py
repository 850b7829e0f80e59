"""What do other libraries reach in the same seconds on equations whose solution is known?

Δu + κ u = f on a square with u = 0 on its boundary. Each library runs by itself in a process of its own, with as many
seconds, and with the settings that its documentation shows for such a problem or better ones:

- DeepXDE: its defaults (tanh, 3 x 50, Adam at 1e-3, soft conditions); and the settings of its Helmholtz demonstration
  (sine, 3 x 50, conditions built in), in double precision, Adam for half of the seconds and then L-BFGS.
- FastLSQ: Gaussian sine features 1,000 of them, with its search of the scale, one trial each.
- jinns: a tanh network of 3 x 30 in double precision with its natural gradient, which its authors recommend.
- the published SIREN: 256 x 3, Adam at 1e-4, as arXiv 2006.09661 solves equations.
- sparse finite differences and Chebyshev collocation, see ``equations.py``.

    python benchmarks/rivals.py            # about ten minutes
    python benchmarks/rivals.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import machine
from equations import SQUARES, Square, best_within, collocation, five_point
from sinefield import Siren, solve

PROBLEMS = ("Poisson, two sines", "Helmholtz, k = 1, sin πx sin 4πy")
_GRID = 200  # points a side that errors are measured at
_TINY = 0.2  # seconds in which full networks and batches would not take a step: those of a smoke run are small


def points_of(square: Square) -> NDArray[np.float64]:
    """Return the points that errors are measured at, ``(n, 2)``."""
    axis = np.linspace(square.lower, square.upper, _GRID)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def error_of(square: Square, values: Callable[[NDArray[np.float64]], Any]) -> float:
    """Return the relative L2 error of a function of points."""
    points = points_of(square)
    truth = square.exact(points[:, 0], points[:, 1], np.sin)
    found = np.asarray(values(points), dtype=np.float64).reshape(-1)
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def sinefield(square: Square, seconds: float, seed: int) -> float:
    """Return the error of Sinefield."""
    field = solve(square.problem(400 if seconds < 5 else 1600), seed=seed).field
    with torch.no_grad():
        return error_of(square, lambda points: field(torch.from_numpy(points)).numpy())


def published_siren(square: Square, seconds: float, seed: int) -> float:
    """Return the error of the published recipe: full network, Adam at 1e-4, 2,048 points a step."""
    torch.manual_seed(seed)
    problem = square.problem(10)
    field = Siren(2, 1, hidden_features=256, hidden_layers=3)
    found = solve(field, problem.constraints, recipe="published", batch=2048, seconds=seconds, seed=seed)
    with torch.no_grad():
        return error_of(square, lambda points: found.field(torch.from_numpy(points).float()).numpy())


def deepxde(square: Square, seconds: float, seed: int, *, best: bool) -> float:
    """Return the error of DeepXDE, with its defaults or the settings of its demonstration."""
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde

    dde.config.set_random_seed(seed)
    if best:
        dde.config.set_default_float("float64")
    geometry = dde.geometry.Rectangle([square.lower] * 2, [square.upper] * 2)

    def residual(x: Any, y: Any) -> Any:
        second = [dde.grad.hessian(y, x, i=axis, j=axis) for axis in (0, 1)]
        return second[0] + second[1] + square.shift * y - square.source(x[:, :1], x[:, 1:], torch.sin)

    edge = dde.icbc.DirichletBC(geometry, lambda _: 0, lambda _, there: there)
    data = dde.data.PDE(geometry, residual, [] if best else [edge], num_domain=2500, num_boundary=400)
    net = dde.nn.FNN([2, 50, 50, 50, 1], "sin" if best else "tanh", "Glorot uniform")
    if best:
        low, high = square.lower, square.upper
        net.apply_output_transform(
            lambda x, y: (x[:, :1] - low) * (high - x[:, :1]) * (x[:, 1:] - low) * (high - x[:, 1:]) * y
        )
    model = dde.Model(data, net)
    model.compile("adam", lr=1e-3, **({} if best else {"loss_weights": [1, 100]}))
    begun, part = time.perf_counter(), 0.5 if best else 1.0
    timer = dde.callbacks.Timer(seconds * part / 60)
    model.train(iterations=10**7, display_every=10**7, callbacks=[timer])
    if best:
        # Its own 1,000 iterations between two looks at the clock would be minutes.
        each = 5 if seconds <= _TINY else 50
        dde.optimizers.config.LBFGS_options.update(maxiter=10**6, iter_per_step=each, fun_per_step=each * 5 // 4)
        model.compile("L-BFGS")
        left = max(seconds - (time.perf_counter() - begun), 0.1)
        model.train(display_every=10**7, callbacks=[dde.callbacks.Timer(left / 60)])
    return error_of(square, model.predict)


class FastProblem:
    """A square as FastLSQ takes it."""

    def __init__(self, square: Square) -> None:
        self.square, self.name, self.dim = square, "square", 2

    def _draw(self, count: int) -> Tensor:
        low, high = self.square.lower, self.square.upper
        return low + (high - low) * torch.rand(count, 2, dtype=torch.float64)

    def exact(self, x: Tensor) -> Tensor:
        """Return u."""
        found: Tensor = self.square.exact(x[:, :1], x[:, 1:], torch.sin)
        return found

    def exact_grad(self, x: Tensor) -> Tensor:
        """Return ∇u."""
        points = x.detach().requires_grad_()
        return torch.autograd.grad(self.exact(points).sum(), points)[0]

    def get_train_data(self, n_pde: int, n_bc: int) -> tuple[Tensor, list[tuple[Tensor, Tensor, str]], Tensor]:
        """Return points, conditions and right sides."""
        inner, edge = self._draw(n_pde), self._draw(n_bc)
        rows = torch.arange(n_bc)
        edge[rows, rows % 2] = torch.where(rows % 4 < 2, self.square.lower, self.square.upper).double()
        right: Tensor = self.square.source(inner[:, :1], inner[:, 1:], torch.sin)
        return inner, [(edge, torch.zeros(n_bc, 1, dtype=torch.float64), "dirichlet")], right

    def build(self, solver: Any, inner: Tensor, conditions: Any, right: Tensor) -> tuple[Tensor, Tensor]:
        """Return matrix and right side, the conditions weighed as in its own problems."""
        cache = solver.basis.cache(inner)
        values = solver.basis.evaluate(inner, cache=cache)
        rows = [solver.basis.laplacian(inner, cache=cache) + self.square.shift * values]
        rights = [right]
        for points, targets, _ in conditions:
            rows.append(100 * solver.basis.evaluate(points))
            rights.append(100 * targets)
        return torch.cat(rows), torch.cat(rights)

    def get_test_points(self, n: int) -> Tensor:
        """Return points to measure at."""
        return self._draw(n)


def fastlsq(square: Square, seconds: float, seed: int) -> float:
    """Return the error of FastLSQ with its own search of the scale."""
    import fastlsq as library

    torch.manual_seed(seed)
    found = library.solve_linear(
        FastProblem(square),
        hidden_size=50 if seconds < 5 else 333,
        auto_scale_trials=1,  # of five: its search takes several times these seconds else
        verbose=False,
        return_metrics=False,
    )
    with torch.no_grad():
        return error_of(square, lambda points: found["u_fn"](torch.from_numpy(points)).numpy())


def jinns(square: Square, seconds: float, seed: int) -> float:
    """Return the error of jinns with its natural gradient."""
    import jax

    jax.config.update("jax_enable_x64", val=True)
    import equinox as eqx
    import jax.numpy as jnp
    import jinns as library

    class Equation(library.loss.PDEStatio):  # type: ignore[misc]  # has no types
        def equation(self, x: Any, u: Any, params: Any) -> Any:
            laplacian = jnp.trace(jax.hessian(lambda p: u(p, params)[0])(x))
            return (laplacian + square.shift * u(x, params)[0] - square.source(x[0], x[1], jnp.sin))[None]

    key = jax.random.PRNGKey(seed)
    width, points, steps = (4, 50, 2) if seconds <= _TINY else (30, 1000, 20)
    layers = ((eqx.nn.Linear, 2, width), (jax.nn.tanh,), (eqx.nn.Linear, width, width), (jax.nn.tanh,))
    layers += ((eqx.nn.Linear, width, width), (jax.nn.tanh,), (eqx.nn.Linear, width, 1))  # type: ignore[assignment]
    u, first = library.nn.PINN_MLP.create(key=key, eqx_list=layers, eq_type="PDEStatio")
    params = library.parameters.Params(nn_params=first, eq_params={})
    data = library.data.CubicMeshPDEStatio(
        key=key,
        n=points,
        nb=400,
        omega_batch_size=points,
        omega_border_batch_size=100,
        dim=2,
        min_pts=(square.lower,) * 2,
        max_pts=(square.upper,) * 2,
    )
    weights = library.loss.LossWeightsPDEStatio(dyn_loss=1.0, boundary_loss=100.0)
    loss = library.loss.LossPDEStatio(
        u=u,
        loss_weights=weights,
        dynamic_loss=Equation(),
        boundary_condition=library.loss.Dirichlet(),
        params=params,
    )
    optimiser, state = library.optimizers.vanilla_ngd(), None
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        params, _, _, data, loss, state, *_ = library.solve(
            n_iter=steps, init_params=params, data=data, loss=loss, optimizer=optimiser, opt_state=state, verbose=False
        )
    return error_of(square, lambda points: jax.vmap(lambda p: u(p, params))(jnp.asarray(points)))


RIVALS: Mapping[str, Callable[[Square, float, int], float]] = {
    "Sinefield": sinefield,
    "FastLSQ": fastlsq,
    "jinns, natural gradient": jinns,
    "DeepXDE, its defaults": lambda square, seconds, seed: deepxde(square, seconds, seed, best=False),
    "DeepXDE, sine and L-BFGS": lambda square, seconds, seed: deepxde(square, seconds, seed, best=True),
    "published SIREN": published_siren,
}


def measure(rival: str, problem: str, seconds: float, seed: int) -> dict[str, float]:
    """Return the error and the seconds of a library in a process of its own."""
    command = [sys.executable, __file__, "--one", rival, problem, str(seconds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    if done.returncode:
        raise RuntimeError(f"{rival} failed on {problem}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="that each library has")
    parser.add_argument(
        "--rivals", nargs="+", choices=list(RIVALS), help="these; others stay as the last result has them"
    )
    parser.add_argument("--one", nargs=4, metavar=("RIVAL", "PROBLEM", "SECONDS", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        rival, problem, seconds, seed = options.one
        begun = time.perf_counter()
        error = RIVALS[rival](SQUARES[problem], float(seconds), int(seed))
        print(json.dumps({"error": error if math.isfinite(error) else 1e9, "seconds": time.perf_counter() - begun}))
        return
    seeds, seconds = (1, _TINY) if options.smoke else (options.seeds, options.seconds)
    known: dict[str, dict[str, Any]] = {problem: {} for problem in PROBLEMS}
    if options.rivals:
        last = json.loads((machine.RESULTS / "rivals.json").read_text())["results"]
        if (last["seeds"], last["seconds"]) != (seeds, seconds):
            parser.error(
                f"the last result is of {last['seeds']} seeds and {last['seconds']} s, got {seeds} and {seconds}"
            )
        known = {
            row["problem"]: {name: row[name] for name in row if name not in options.rivals} for row in last["problems"]
        }
    rows: list[dict[str, Any]] = []
    for problem in PROBLEMS[: 1 if options.smoke else None]:
        row: dict[str, Any] = {"problem": problem}
        for rival in RIVALS:
            if rival in known[problem]:
                row[rival] = known[problem][rival]
                continue
            row[rival] = machine.spreads([measure(rival, problem, seconds, seed) for seed in range(seeds)])
            print(problem, rival, row[rival], flush=True)
        simple = ("five-point stencil", "Chebyshev collocation")
        if known[problem]:
            rows.append(row | {name: known[problem][name] for name in simple})
            continue
        grids, nodes = ((16,), (8,)) if options.smoke else ((64, 128, 256, 512), (16, 24, 32, 48, 64))
        square = SQUARES[problem]
        row["five-point stencil"] = best_within(seconds, partial(five_point, square), grids)
        row["Chebyshev collocation"] = best_within(seconds, partial(collocation, square), nodes)
        rows.append(row)
    machine.write("rivals", {"seeds": seeds, "seconds": seconds, "problems": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
