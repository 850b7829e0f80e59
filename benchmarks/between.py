"""Is a field a function between its samples? Value, gradient and Laplacian off the grid, beside exactly known signals.

Five signals in closed form: a sum of Gabor functions as a picture of 256², a zone plate as one of 160², a chirp as a
recording of 16,384 samples, travelling waves as a volume of 16 x 32², and a pattern that moves as a clip of 32 frames
of 32². Their samples are exact, or rounded to 8 bits; clips are of bytes alone. At 8,000 points that are no samples,
and half a sample or more from the border, the error of value, gradient and Laplacian, relative to how much they differ
from their means; the truth is the closed form, differentiated in double precision. Beside the recipes, see
``recipes.py``, there are splines of degree 5 through the samples, and 300 steps of the published recipe on samples that
are exact.

    python benchmarks/between.py                    # a quarter of an hour
    python benchmarks/between.py --signals gabor    # one signal; the others are kept from the last result
    python benchmarks/between.py --smoke            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import interpolate
from torch import Tensor, nn

import machine
import recipes
from sinefield import problems
from sinefield.jet import jets_of
from sinefield.problem import Problem
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal
from sinefield.solution import Solution

PI = math.pi
COUNT = 8000  # points off the grid
QUANTITIES = ("value", "gradient", "laplacian")
KINDS = ("exact", "8 bits")


@dataclass(frozen=True)
class Exact:
    """A signal in closed form.

    Args:
        function: of points ``(n, d)`` in field coordinates to values ``(n, 1)`` within −1 and 1.
        shape: how many samples there are along each axis.
        problem: of samples of that shape and one channel.
        count: of the points off the grid that it is judged at.
    """

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    problem: Callable[[NDArray[Any]], Problem]
    count: int = COUNT

    def smaller(self) -> Exact:
        """Return the same with few samples and few points."""
        return replace(self, shape=tuple(max(8, each // 16) for each in self.shape), count=200)

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
        chance = torch.Generator().manual_seed(5)
        draw = 2 * torch.rand(self.count, len(self.shape), generator=chance, dtype=torch.float64) - 1
        half = torch.tensor(self.lattice.extent, dtype=torch.float64) - torch.tensor(self.lattice.spacings)
        return draw * half

    def truths(self) -> list[Tensor]:
        """Return value ``(n, 1)``, gradient ``(n, d)`` and Laplacian ``(n, 1)`` there."""
        return truths_of(self.function, self.places)

    def errors(self, found: Sequence[Tensor]) -> dict[str, float]:
        """Return the error of value, gradient and Laplacian, relative to how much they differ from their means."""
        return errors_of(found, self.truths())

    def rounded(self) -> NDArray[np.float64]:
        """Return the samples rounded to 256 levels of [−1, 1]."""
        return np.round((self.samples + 1) * 127.5) / 127.5 - 1


def truths_of(function: Callable[[Tensor], Tensor], places: Tensor) -> list[Tensor]:
    """Return value ``(n, 1)``, gradient ``(n, d)`` and Laplacian ``(n, 1)`` of a function of points ``(n, d)``."""
    points = places.clone().requires_grad_()
    value = function(points)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    laplacian = torch.zeros_like(value)
    for axis in range(points.shape[1]):
        laplacian += torch.autograd.grad(gradient[:, axis].sum(), points, retain_graph=True)[0][:, axis : axis + 1]
    return [value.detach(), gradient.detach(), laplacian.detach()]


def errors_of(found: Sequence[Tensor], truths: Sequence[Tensor]) -> dict[str, float]:
    """Return the error of value, gradient and Laplacian, relative to how much they differ from their means."""
    pairs = zip(QUANTITIES, found, truths, strict=True)
    return {name: float((one.double() - truth).norm() / (truth - truth.mean(0)).norm()) for name, one, truth in pairs}


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
    """Return cos 28 r², whose frequency grows up to 56 rad per field unit at r = 1."""
    return torch.cos(28 * points.square().sum(1, keepdim=True))


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


def moving(points: Tensor) -> Tensor:
    """Return a patch of stripes that goes round in time, on a ground that is shaded slowly."""
    time, place = points[:, :1], points[:, 1:]
    away = place - 0.4 * torch.cat([torch.cos(2 * time), torch.sin(2 * time)], 1)
    stripes = torch.cos(14 * away.sum(1, keepdim=True) / math.sqrt(2))
    patch = 0.7 * torch.exp(-away.square().sum(1, keepdim=True) / (2 * 0.3**2)) * stripes
    return patch + 0.2 * torch.sin(2 * place[:, :1] + time)


def of_clip(samples: NDArray[Any]) -> Problem:
    """Return the problem of a clip of samples between −1 and 1."""
    return problems.video(np.round((samples + 1) * 127.5).astype(np.uint8), rate=25.0)


def of_picture(samples: NDArray[Any]) -> Problem:
    """Return the problem of a picture."""
    return problems.image(samples)


SIGNALS = {
    "gabor": Exact(gabor, (256, 256), of_picture),
    "zone plate": Exact(zone_plate, (160, 160), of_picture),
    "chirp": Exact(chirp, (16384,), lambda samples: problems.audio(samples, rate=16000)),
    "travelling waves": Exact(travelling, (16, 32, 32), problems.volume),
    "moving pattern": Exact(moving, (32, 32, 32), of_clip),
}


# ---- ways


def spline(signal: Exact, samples: NDArray[Any], places: Tensor | None = None) -> list[Tensor]:
    """Return value, gradient and Laplacian of a spline of degree 5 through samples, off the grid or at places."""
    lattice, points = signal.lattice, (signal.places if places is None else places).numpy()
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


def judged(signal: Exact, problem: Problem, solution: Solution) -> dict[str, float]:
    """Return the errors of a field that was fitted to the samples of a signal."""
    assert isinstance(problem.signal, ImageSignal | AudioSignal | VolumeSignal | VideoSignal), "these are on lattices"
    lattice = problem.signal.lattice
    if isinstance(problem.signal, VideoSignal):  # whose bytes stand for −1 to 1
        lattice = replace(lattice, low=-1.0, high=1.0)
    return signal.errors(jet_of(solution.field, lattice, signal.places))


def jet_of(field: nn.Module, lattice: Lattice, places: Tensor) -> list[Tensor]:
    """Return value ``(n, 1)``, gradient ``(n, d)`` and Laplacian ``(n, 1)`` of a field, in units of the samples."""
    pieces = [
        [u.value.double(), u.jacobian[:, 0].double(), u.laplacian.double()]
        for u in jets_of(field, places.float(), ["value", "jacobian", "laplacian"])
    ]
    value, gradient, laplacian = (torch.cat(each).detach() for each in zip(*pieces, strict=True))
    return [lattice.to_signal(value), gradient * lattice.contrast, laplacian * lattice.contrast]


def measured(name: str, signal: Exact, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the errors of each way, of samples of the signal of a name that are exact or rounded."""
    samples = signal.samples if kind == "exact" else signal.rounded()
    start = time.perf_counter()
    errors = signal.errors(spline(signal, samples))
    row = {"spline": {"seeds": 1, **machine.spreads([{"seconds": time.perf_counter() - start} | errors])}}
    return recipes.compared(
        lambda: signal.problem(samples),
        partial(judged, signal),
        options,
        alone=(lambda: recipes.one_network(samples, 16000)) if name == "chirp" else None,
        steps=kind == "exact",
        known=recipes.last_ways("between", signal=name, samples=kind) | row,
    )


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipes.add_options(parser)
    parser.add_argument("--signals", nargs="+", choices=list(SIGNALS), default=list(SIGNALS))
    parser.add_argument("--samples", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    rows: list[Any] = []
    for name in options.signals:
        signal = SIGNALS[name].smaller() if options.smoke else SIGNALS[name]
        for kind in options.samples:
            if kind == "exact" and signal.problem is of_clip:
                continue
            if options.smoke and kind != "exact" and name not in ("gabor", "moving pattern"):
                continue
            print(f"{name}, {kind}", flush=True)
            ways = measured(name, signal, kind, options)
            rows.append({"signal": name, "samples": kind, **recipes.setting(), "ways": ways})
            machine.show(f"{name}, {kind}", recipes.medians(ways, [*QUANTITIES, "seconds"]))
    if not options.smoke:
        rows = recipes.with_last("between", rows, ["signal", "samples"])
    machine.write("between", {"rows": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
