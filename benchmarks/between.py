"""Is a field a function between its samples? Value, gradient and Laplacian off the grid, beside exactly known signals.

Four signals in closed form: a sum of Gabor functions and a zone plate as pictures of 256², a chirp as a recording of
16,384 samples, travelling waves as a volume of 32 times and 64² pixels. Their samples are exact, or rounded to 8 bits.
At 8,000 points that are no samples, and half a sample or more from the border, the error of value, gradient and
Laplacian, relative to how much they differ from their means; the truth is the closed form, differentiated in double
precision. Ways:

- splines of degree 5 through the samples (scipy);
- Sinefield's recipes, with their own budgets, or as many seconds as are given;
- the published recipe, with as many seconds as the default took, and 300 steps.

    python benchmarks/between.py                    # half an hour
    python benchmarks/between.py --signals gabor    # one signal
    python benchmarks/between.py --smoke            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import interpolate
from torch import Tensor

import machine
from sinefield import problems, solve
from sinefield.jet import jets_of
from sinefield.problem import Problem
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.volume import VolumeSignal

PI = math.pi
COUNT = 8000  # points off the grid
STEPS = 300  # of the published recipe
QUANTITIES = ("value", "gradient", "laplacian")


@dataclass(frozen=True)
class Exact:
    """A signal in closed form.

    Args:
        function: of points ``(n, d)`` in field coordinates to values ``(n, 1)`` within −1 and 1.
        shape: how many samples there are along each axis.
        problem: of samples of that shape and one channel.
    """

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    problem: Callable[[NDArray[Any]], Problem]

    def smaller(self) -> Exact:
        """Return the same with few samples."""
        return replace(self, shape=tuple(max(8, each // 16) for each in self.shape))

    @property
    def lattice(self) -> Lattice:
        """The lattice of the samples, whose values are those of the function."""
        return Lattice.of_cubes(self.shape, 1, -1.0, 1.0)

    @property
    def samples(self) -> NDArray[np.float64]:
        """The samples ``(…, 1)``."""
        axes = [self.lattice.centres(axis, count) for axis, count in enumerate(self.shape)]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        found: NDArray[np.float64] = self.function(points).reshape(*self.shape, 1).numpy()
        return found

    @property
    def places(self) -> Tensor:
        """Points off the grid, always the same, half a sample or more from the border."""
        draw = (
            2 * torch.rand(COUNT, len(self.shape), generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 1
        )
        half = torch.tensor(self.lattice.extent, dtype=torch.float64) - torch.tensor(self.lattice.spacings)
        return draw * half

    def truths(self) -> list[Tensor]:
        """Return value ``(n, 1)``, gradient ``(n, d)`` and Laplacian ``(n, 1)`` there."""
        points = self.places.requires_grad_()
        value = self.function(points)
        (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        laplacian = torch.zeros_like(value)
        for axis in range(points.shape[1]):
            laplacian += torch.autograd.grad(gradient[:, axis].sum(), points, retain_graph=True)[0][:, axis : axis + 1]
        return [value.detach(), gradient.detach(), laplacian.detach()]

    def errors(self, found: Sequence[Tensor]) -> dict[str, float]:
        """Return the error of value, gradient and Laplacian, relative to how much they differ from their means."""
        pairs = zip(QUANTITIES, found, self.truths(), strict=True)
        return {
            name: float((one.double() - truth).norm() / (truth - truth.mean(0)).norm()) for name, one, truth in pairs
        }

    def rounded(self) -> NDArray[np.float64]:
        """Return the samples rounded to 256 levels of [−1, 1]."""
        return np.round((self.samples + 1) * 127.5) / 127.5 - 1


# ---- signals


def gabor(points: Tensor) -> Tensor:
    """Return a sum of 60 Gabor functions of up to 63 rad per field unit, scaled into [−1, 1]."""
    generator = np.random.default_rng(7)
    total = torch.zeros(len(points), 1, dtype=points.dtype)
    for _ in range(60):
        centre, angle, phase = generator.uniform(-1, 1, 2), generator.uniform(0, PI), generator.uniform(0, 2 * PI)
        frequency, width = generator.uniform(8, 63), generator.uniform(0.1, 0.4)
        shifted = points - torch.from_numpy(centre)
        along = shifted @ torch.tensor([math.cos(angle), math.sin(angle)], dtype=points.dtype)
        total = (
            total
            + (torch.exp(-shifted.square().sum(1) / (2 * width**2)) * torch.cos(frequency * along + phase))[:, None]
        )
    return total / 6


def zone_plate(points: Tensor) -> Tensor:
    """Return cos 45 r², whose frequency grows up to 90 rad per field unit at r = 1."""
    return torch.cos(45 * points.square().sum(1, keepdim=True))


def chirp(points: Tensor) -> Tensor:
    """Return a sine whose frequency grows from 200 to 8,000 rad per field unit, in a window that ends in silence."""
    phase = 4100 * points + 1950 * points.square()
    return 0.9 * torch.exp(-((points / 0.6) ** 8)) * torch.sin(phase)


def travelling(points: Tensor) -> Tensor:
    """Return eight plane waves that travel at different speeds."""
    generator = np.random.default_rng(3)
    total = torch.zeros(len(points), 1, dtype=points.dtype)
    for _ in range(8):
        angle, frequency, speed = generator.uniform(0, 2 * PI), generator.uniform(6, 25), generator.uniform(-1, 1)
        along = points[:, 1:] @ torch.tensor([math.cos(angle), math.sin(angle)], dtype=points.dtype)
        total = total + torch.sin(frequency * (along - speed * points[:, 0]) + generator.uniform(0, 2 * PI))[:, None]
    return total / 8


def of_picture(samples: NDArray[Any]) -> Problem:
    """Return the problem of a picture."""
    return problems.image(samples)


SIGNALS = {
    "gabor": Exact(gabor, (256, 256), of_picture),
    "zone plate": Exact(zone_plate, (256, 256), of_picture),
    "chirp": Exact(chirp, (16384,), lambda samples: problems.audio(samples, rate=16000)),
    "travelling waves": Exact(travelling, (32, 64, 64), problems.volume),  # clips are of bytes alone
}


# ---- ways


def spline(signal: Exact, samples: NDArray[Any]) -> list[Tensor]:
    """Return value, gradient and Laplacian of a spline of degree 5 through samples."""
    lattice, points = signal.lattice, signal.places.numpy()
    axes = [lattice.centres(axis, count).numpy() for axis, count in enumerate(lattice.shape)]
    degree = 5 if min(lattice.shape) > 5 else 3
    found = interpolate.NdBSpline(*_coefficients(axes, samples[..., 0], degree))
    order = len(axes)
    value = found(points)[:, None]
    gradient = np.stack([found(points, nu=np.eye(order, dtype=int)[axis]) for axis in range(order)], 1)
    laplacian = sum(found(points, nu=2 * np.eye(order, dtype=int)[axis]) for axis in range(order))
    return [torch.from_numpy(each) for each in (value, gradient, np.asarray(laplacian)[:, None])]


def _coefficients(
    axes: Sequence[NDArray[np.float64]], values: NDArray[np.float64], degree: int
) -> tuple[tuple[NDArray[np.float64], ...], NDArray[np.float64], int]:
    """Return knots, coefficients and degree of the tensor product spline, one axis after the other."""
    knots = []
    for axis, places in enumerate(axes):
        one = interpolate.make_interp_spline(places, values, k=degree, axis=axis)
        knots.append(one.t)
        values = np.moveaxis(one.c, 0, axis)  # it has the interpolated axis first
    return tuple(knots), values, degree


def fitted(signal: Exact, samples: NDArray[Any], seed: int, **settings: Any) -> tuple[dict[str, float], float]:
    """Return the errors of a field fitted to samples, and the seconds of everything but the measurement."""
    start = time.perf_counter()
    problem = signal.problem(samples)
    solution = solve(problem, seed=seed, **settings)
    seconds = time.perf_counter() - start
    assert isinstance(problem.signal, ImageSignal | AudioSignal | VolumeSignal), "these signals are on lattices"
    lattice = problem.signal.lattice
    wanted = ["value", "jacobian", "laplacian"]
    pieces = [
        [u.value.double(), u.jacobian[:, 0].double(), u.laplacian.double()]
        for u in jets_of(solution.field, signal.places.float(), wanted)
    ]
    value, gradient, laplacian = (torch.cat(each) for each in zip(*pieces, strict=True))
    found = [(value + 1) * lattice.contrast + lattice.low, gradient * lattice.contrast, laplacian * lattice.contrast]
    return signal.errors([each.detach() for each in found]), seconds


def measured(signal: Exact, samples: NDArray[Any], seeds: int, *, smoke: bool) -> dict[str, Any]:
    """Return the errors of each way."""
    start = time.perf_counter()
    row: dict[str, Any] = {"spline": signal.errors(spline(signal, samples)) | {"seconds": time.perf_counter() - start}}

    def spreads(**settings: Any) -> dict[str, Any]:
        runs = [fitted(signal, samples, seed, **settings) for seed in range(seeds)]
        return machine.spreads([errors | {"seconds": seconds} for errors, seconds in runs])

    short = {"passes": 1.0} if smoke else {}
    row["fast"] = spreads(recipe="fast", **short)
    row["best"] = spreads(recipe="best", **short)
    seconds = row["fast"]["seconds"]["median"]
    row["published, seconds of fast"] = spreads(recipe="published", **(short or {"seconds": seconds}))
    row[f"published, {STEPS} steps"] = spreads(recipe="published", **(short or {"passes": float(STEPS)}))
    return row


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--signals", nargs="+", choices=list(SIGNALS), default=list(SIGNALS))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in options.signals:
        signal = SIGNALS[name].smaller() if options.smoke else SIGNALS[name]
        for kind, samples in (("exact", signal.samples), ("8 bits", signal.rounded())):
            found = measured(signal, samples, 1 if options.smoke else options.seeds, smoke=options.smoke)
            rows.append({"signal": name, "samples": kind, "ways": found})
            print(name, kind, found, flush=True)
    machine.write("between", {"seeds": options.seeds, "signals": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
