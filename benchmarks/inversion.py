"""How well is slowness found from pressures, as a SIREN with an adjoint solver, beside networks alone and pixels?

A disc of other squared slowness, five sources and thirty receivers, k = 20, pressures in closed form (Graf's addition
theorem), so that no method is given data of its own making. All methods have the same seconds:

    siren      m = exp Φ, Φ a SIREN, finite differences and their adjoint, L-BFGS: the default
    network    the waves are a network too, as published (arXiv 2006.09661, section 4.3)
    pixels     the simplest strong rival: m − 1 at each node of the same differences, the same adjoint and L-BFGS, with
               total variation ("pixels, TV") or Tikhonov's |∇m|² ("pixels, Tikhonov"), each with the best of three
               weights, the truth being told to the rival alone

Contrast is the median of m − 1 where it is more than half of its largest value; misfit is of finer differences.

    python benchmarks/inversion.py                      # five minutes
    python benchmarks/inversion.py --file data.mat --wavenumber 20    # misfits of a file too
    python benchmarks/inversion.py --smoke              # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import h1vp, hankel1, jv, jvp
from torch import Tensor, nn

import machine
from sinefield import problems, solve
from sinefield.io import SignalWarning
from sinefield.io.surveys import Survey, read
from sinefield.problems.helmholtz_differences import Differences
from sinefield.problems.inverse_helmholtz_network import scaled

CENTRE, RADIUS, WAVENUMBER = (0.06, 0.04), 0.12, 20.0
WEIGHTS = (0.003, 0.01, 0.03)
ROUNDING = 5e-3


@dataclass(frozen=True)
class Disc:
    """A disc of another squared slowness, and the pressures around it.

    Args:
        slowness: squared, beside 1 of the surroundings.
        noise: standard deviation of complex noise, as a part of the root mean square of the pressures.
    """

    slowness: float
    noise: float = 0.0

    def survey(self, seed: int) -> Survey:
        """Return the survey, with noise of a seed."""
        sources = np.stack([np.linspace(-0.35, 0.35, 5), np.full(5, -0.35)], 1)
        along, level = np.linspace(-0.35, 0.35, 10), np.full(10, 0.4)
        sides = [np.stack(each, 1) for each in ((along, level), (-level, along + 0.05), (level, along + 0.05))]
        receivers = np.concatenate(sides)
        pressures = self.pressures(sources, receivers)
        size = np.sqrt((np.abs(pressures) ** 2).mean() / 2)
        noise = np.random.default_rng(seed).normal(size=(2, *pressures.shape)) * self.noise * size
        return Survey(sources, receivers, pressures + noise[0] + 1j * noise[1], WAVENUMBER)

    def pressures(self, sources: NDArray[Any], receivers: NDArray[Any]) -> NDArray[Any]:
        """Return the pressures ``(s, r)``: incident i/4 Σ H_n J_n e^(in(θ−θ_s)), scattered with b_n H_n for J_n."""
        n, inner = np.arange(-24, 25), WAVENUMBER * self.slowness**0.5
        outside, inside = WAVENUMBER * RADIUS, inner * RADIUS
        above = WAVENUMBER * jvp(n, outside) * jv(n, inside) - inner * jv(n, outside) * jvp(n, inside)
        below = WAVENUMBER * h1vp(n, outside) * jv(n, inside) - inner * hankel1(n, outside) * jvp(n, inside)
        waves = []
        for points, sign in ((sources, -1), (receivers, 1)):
            x, y = (points - np.array(CENTRE)).T
            radial = hankel1(n[:, None], WAVENUMBER * np.hypot(x, y))
            waves.append(radial * np.exp(1j * sign * n[:, None] * np.arctan2(y, x)))
        away = np.linalg.norm(receivers[None] - sources[:, None], axis=-1)
        scattered = np.einsum("n,ns,nr->sr", above / below, *waves)
        found: NDArray[Any] = 0.25j * (hankel1(0, WAVENUMBER * away) - scattered)
        return found

    def judge(self, field: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Return the errors of a slowness: of centre, contrast as a part, and the relative L2 error of m − 1."""
        axis = torch.linspace(-0.4, 0.4, 161, dtype=torch.float64)
        points = torch.cartesian_prod(axis, axis)
        with torch.no_grad():
            change = field(points).double()[:, 0] - 1
        within = change.abs() > change.abs().max() / 2
        weights = change * within
        centre = (points * weights[:, None]).sum(0) / weights.sum()
        place = torch.tensor(CENTRE, dtype=torch.float64)
        truth = (self.slowness - 1) * ((points - place).norm(dim=1) < RADIUS)
        return {
            "centre": float((centre - place).norm()),
            "contrast": abs(float(change[within].median()) / (self.slowness - 1) - 1),
            "error": float((change - truth).norm() / truth.norm()),
        }


def by_sinefield(survey: Survey, form: str, seconds: float, seed: int) -> tuple[Callable[[Tensor], Tensor], float]:
    """Return the slowness, and the misfit."""
    solution = solve(problems.inverse_helmholtz(survey, form=form), seed=seed, seconds=seconds)
    precision = next(solution.field.parameters()).dtype
    return lambda points: solution.field(points.to(precision)), solution.metrics["residual"]


class Pixels(nn.Module):
    """Slowness at the nodes of finite differences, between which it is interpolated."""

    def __init__(self, grid: Differences) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(grid.shape, dtype=torch.float64))
        self.lower, self.upper = grid.nodes.min(0).values, grid.nodes.max(0).values

    def forward(self, points: Tensor) -> Tensor:
        """Return m at points ``(n, 2)``, 1 outside."""
        places = 2 * (points - self.lower) / (self.upper - self.lower) - 1
        found = nn.functional.grid_sample(self.change.T[None, None], places[None, None], align_corners=True)
        return 1 + found.reshape(-1, 1)


def by_pixels(survey: Survey, *, total_variation: bool, weight: float, seconds: float) -> tuple[Pixels, float]:
    """Return the slowness, and the misfit by finer differences."""
    low, high = (edge(survey.sources, survey.receivers) for edge in (lower_of, upper_of))
    grid, finer = (
        Differences(float(survey.wavenumbers[0]), survey.sources, survey.receivers, low, high, resolution=each)
        for each in (12.0, 18.0)
    )
    pressures = torch.from_numpy(survey.pressures[0])
    pixels = Pixels(grid)
    start = time.perf_counter()

    def loss() -> Tensor:
        found = grid.pressures(1 + pixels.change.flatten())
        misfit = (scaled(found, pressures, amplitudes=True) - pressures).abs().square().sum()
        along, across = pixels.change.diff(dim=0)[:, :-1], pixels.change.diff(dim=1)[:-1]
        squares = (along.square() + across.square()) / (grid.spacing * grid.wavenumber) ** 2
        roughness = (squares + ROUNDING**2).sqrt().mean() if total_variation else squares.mean()
        return misfit / pressures.abs().square().sum() + weight * roughness

    optimiser = torch.optim.LBFGS(
        pixels.parameters(),
        max_iter=20,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        history_size=30,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    while time.perf_counter() - start < seconds:
        before = pixels.change.detach().clone()
        optimiser.step(closure)
        if torch.equal(before, pixels.change):
            break
    with torch.no_grad():
        found = scaled(finer.at_receivers(pixels(finer.nodes)[:, 0]), pressures, amplitudes=True)
    return pixels, float((found - pressures).norm() / pressures.norm())


def lower_of(*points: NDArray[Any]) -> list[float]:
    """Return the least coordinates with a quarter of a wavelength around."""
    return [float(each) for each in np.concatenate(points).min(0) - math.pi / 2 / WAVENUMBER]


def upper_of(*points: NDArray[Any]) -> list[float]:
    """Return the greatest coordinates with a quarter of a wavelength around."""
    return [float(each) for each in np.concatenate(points).max(0) + math.pi / 2 / WAVENUMBER]


def compare(disc: Disc, seeds: int, seconds: float, weights: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return what each method reaches in some seconds."""
    rows: list[dict[str, Any]] = []
    label = {"slowness": disc.slowness, "noise": disc.noise}
    for form in ("adjoint", "network"):
        runs = []
        for seed in range(seeds):
            start = time.perf_counter()
            field, misfit = by_sinefield(disc.survey(seed), form, seconds, seed)
            runs.append(disc.judge(field) | {"misfit": misfit, "seconds": time.perf_counter() - start})
        rows.append(
            {"method": "siren" if form == "adjoint" else form, **label, "weight": None, **machine.spreads(runs)}
        )
    for name, total_variation in (("pixels, TV", True), ("pixels, Tikhonov", False)):
        tried = []
        for weight in weights:
            start = time.perf_counter()
            pixels, misfit = by_pixels(disc.survey(0), total_variation=total_variation, weight=weight, seconds=seconds)
            found = disc.judge(pixels) | {"misfit": misfit, "seconds": time.perf_counter() - start}
            tried.append({"weight": weight} | found)
        best = min(tried, key=lambda each: each["error"])
        rows.append({"method": name, **label, "weight": best.pop("weight"), **machine.spreads([best])})
    return rows


def of_file(path: str, wavenumber: float | None, seeds: int, seconds: float) -> dict[str, Any]:
    """Return the misfits that the default reaches for a file."""
    survey = read(path, wavenumber)
    runs = []
    for seed in range(seeds):
        start = time.perf_counter()
        _, misfit = by_sinefield(survey, "adjoint", seconds, seed)
        runs.append({"misfit": misfit, "seconds": time.perf_counter() - start})
    return machine.spreads(runs)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each method")
    parser.add_argument("--file", help="a survey to invert too")
    parser.add_argument("--wavenumber", type=float, help="of the file, where it does not tell it")
    options = parser.parse_args()
    seeds, seconds, weights = (1, 0.5, WEIGHTS[:1]) if options.smoke else (options.seeds, options.seconds, WEIGHTS)
    warnings.simplefilter("ignore", SignalWarning)
    discs = [Disc(1.5)] if options.smoke else [Disc(1.5), Disc(0.5, 0.02)]
    rows = [row for disc in discs for row in compare(disc, seeds, seconds, weights)]
    machine.show("A disc, equal seconds", rows)
    results: dict[str, Any] = {"seeds": seeds, "seconds": seconds, "rows": rows}
    if options.file:
        results["file"] = of_file(options.file, options.wavenumber, seeds, 2 * seconds)
        machine.show("A file", [results["file"]])
    machine.write("inversion", results, smoke=options.smoke)


if __name__ == "__main__":
    main()
