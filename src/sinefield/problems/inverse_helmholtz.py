"""Full waveform inversion: squared slowness from the pressures that sources raise at receivers.

With k the wavenumber of the surroundings, m = exp Φ a SIREN, 1 outside of a rectangle, and waves that leave:

    pressures   c_s u_s(x_r; m) − p_sr = 0     at receivers x_r, where Δu_s + k² m u_s = −δ(x − x_s)
    variation   |∇m| / k                       in the rectangle, with a small weight: what pressures do not tell is even

c_s is the complex amplitude of a source, by least squares. u is found by finite differences at each step, and the
gradient by their adjoint (:mod:`sinefield.problems.helmholtz_differences`).

Source: arXiv 2006.09661, section 4.3 and supplement, where u is a network too; Virieux & Operto, "An overview of
full-waveform inversion in exploration geophysics", 2009.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import PointCloud
from sinefield.fields.activations import activation
from sinefield.fields.siren import Siren
from sinefield.io import SignalWarning
from sinefield.io.surveys import Survey, read
from sinefield.jet import Jet
from sinefield.problem import Problem
from sinefield.problems.helmholtz_differences import Differences
from sinefield.solvers import TorchOptimiser

_MARGIN = 0.25  # wavelengths around sources and receivers that the rectangle has where none is given
_FINER = 1.5  # times the resolution, with which the answer is judged
_STEPS = 30  # of twenty iterations each
_ROUNDING = 5e-3  # |∇m| / k below which variation is quadratic


def inverse_helmholtz(
    survey: Survey | str | Path,
    wavenumber: float | Sequence[float] | None = None,
    *,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
    conjugate: bool | None = None,
    amplitudes: bool = True,
    variation: float = 0.02,
    detail: float = 8.0,
    hidden_features: int = 48,
    hidden_layers: int = 1,
    resolution: float = 12.0,
    accuracy: float = 0.05,
) -> Problem:
    """Return the problem of finding the squared slowness, relative to that of the surroundings.

    ``solution.field`` is m, from points ``(n, 2)`` in the coordinates of the survey. ``solution.metrics`` has the
    relative misfit ‖c u − p‖ / ‖p‖ of a solution of finer differences than those that it was found by, as ``residual``,
    and that of each source.

    Args:
        survey: sources, receivers and complex pressures, or a file of them; see :func:`sinefield.io.surveys.read`.
        wavenumber: k in the surroundings, for each frequency, where a file does not tell it.
        lower: least coordinates of the rectangle in which the slowness is looked for; None: a quarter of a wavelength
            around all sources and receivers.
        upper: greatest ones.
        conjugate: whether pressures follow e^(+iωt), so that their conjugates are fitted; None: as fits the
            surroundings alone better, which is told.
        amplitudes: whether each source has an unknown complex amplitude; False: all are 1.
        variation: weight of the variation; more for noisy pressures.
        detail: ω₀ of the first layer, for coordinates that span [−1, 1].
        hidden_features: of the network.
        hidden_layers: of the network, after the first.
        resolution: nodes a wavelength of the finite differences.
        accuracy: relative misfit that a solution must reach.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: sources or receivers outside of the rectangle, a setting that is not positive, or what
            :func:`sinefield.io.surveys.read` raises.
    """
    if not isinstance(survey, Survey):
        survey = read(survey, wavenumber)
    elif wavenumber is not None:
        survey = Survey(survey.sources, survey.receivers, survey.pressures, wavenumber)
    for name, value in (("variation", variation), ("detail", detail), ("resolution", resolution)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    bounds = _rectangle(survey, lower, upper)
    order = np.argsort(survey.wavenumbers)
    grids = [_differences(survey, int(each), bounds, resolution) for each in order]
    pressures = [torch.from_numpy(survey.pressures[each]) for each in order]
    if conjugate is None:
        conjugate = _choose_sign(grids, pressures, amplitudes=amplitudes)
    if conjugate:
        pressures = [each.conj().resolve_conj() for each in pressures]
    names = ["pressures"] if len(grids) == 1 else [f"pressures_{grid.wavenumber:g}" for grid in grids]
    constraints = [
        _pressures(name, survey, grid, each, amplitudes=amplitudes)
        for name, grid, each in zip(names, grids, pressures, strict=True)
    ]
    finest = grids[-1]
    constraints.append(
        Constraint(
            PointCloud(finest.nodes, axes="xy"),
            lambda m: (m.gradient.square().sum(1, keepdim=True) / finest.wavenumber**2 + _ROUNDING**2) ** 0.25,
            name="variation",
            weight=variation,
        )
    )
    finer = [_differences(survey, int(each), bounds, _FINER * resolution) for each in order]
    return Problem(
        "inverse-helmholtz",
        constraints,
        {"m": partial(_network, bounds, hidden_features, hidden_layers)},
        measure=partial(_measure, names, grids, finer, pressures, amplitudes, conjugate),
        omega=detail,
        accuracy=accuracy,
        tuning={
            "fast": {
                "solver": TorchOptimiser(_lbfgs, 1.0, grouped=False),
                "final_rate": 1.0,
                "batch": None,
                "passes": _STEPS,
                "first_omega": detail,
            }
        },
    )


def _lbfgs(parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(parameters, lr, max_iter=20, history_size=30, line_search_fn="strong_wolfe")


Bounds = tuple[tuple[float, float], tuple[float, float]]
"""Least and greatest coordinates of a rectangle."""


def _rectangle(survey: Survey, lower: Sequence[float] | None, upper: Sequence[float] | None) -> Bounds:
    """Return the rectangle in which the slowness is looked for.

    Raises:
        ValueError: sources or receivers are outside of it.
    """
    places = np.concatenate([survey.sources, survey.receivers])
    margin = _MARGIN * 2 * math.pi / float(np.min(survey.wavenumbers))
    low = np.asarray(places.min(0) - margin if lower is None else lower, float)
    high = np.asarray(places.max(0) + margin if upper is None else upper, float)
    if low.shape != (2,) or high.shape != (2,) or not (np.isfinite([low, high]).all() and (low < high).all()):
        raise ValueError(f"the rectangle needs two lower bounds below two upper ones, got {lower} and {upper}")
    for name, points in (("sources", survey.sources), ("receivers", survey.receivers)):
        outside = ((points < low) | (points > high)).any(1)
        if outside.any():
            raise ValueError(
                f"{int(outside.sum())} of the {len(points)} {name} are outside of the rectangle "
                f"[{low[0]:g}, {high[0]:g}] × [{low[1]:g}, {high[1]:g}], such as {tuple(points[outside][0].tolist())}"
            )
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _differences(survey: Survey, number: int, bounds: Bounds, resolution: float) -> Differences:
    wavenumber = float(survey.wavenumbers[number])
    return Differences(wavenumber, survey.sources, survey.receivers, *bounds, resolution=resolution)


def _scaled(found: Tensor, pressures: Tensor, *, amplitudes: bool) -> Tensor:
    """Return the pressures found, ``(s, r)``, times the amplitude of each source that fits best."""
    if not amplitudes:
        return found
    return found * (found.conj() * pressures).sum(1, keepdim=True) / found.abs().square().sum(1, keepdim=True)


def _pressures(name: str, survey: Survey, grid: Differences, pressures: Tensor, *, amplitudes: bool) -> Constraint:
    """Return the constraint that pressures are those of the slowness: a row for each receiver."""
    size = pressures.abs().square().mean().sqrt()

    def misfit(m: Jet, row: Tensor) -> Tensor:
        found = grid.pressures(m.at(grid.nodes).value[:, 0])
        return ((_scaled(found, pressures, amplitudes=amplitudes) - pressures) / size).T[row[:, 0]]

    receivers = torch.from_numpy(survey.receivers)
    return Constraint(PointCloud(receivers, {"row": torch.arange(len(receivers))[:, None]}), misfit, name=name)


def _choose_sign(grids: Sequence[Differences], pressures: Sequence[Tensor], *, amplitudes: bool) -> bool:
    """Return whether the conjugates of pressures fit a uniform medium better; it is told if they do."""
    least = {
        conjugate: _misfits(
            [grid.at_receivers(_uniform(grid)) for grid in grids],
            [each.conj() if conjugate else each for each in pressures],
            amplitudes=amplitudes,
        )[0]
        for conjugate in (False, True)
    }
    told = f"misfit of a uniform medium {least[True]:.2g} beside {least[False]:.2g}"
    if min(least.values()) > 0.9 * max(least.values()):
        warnings.warn(
            f"the sign of time cannot be told ({told}); pressures are taken as they are, with e^(−iωt); give "
            "conjugate=True for e^(+iωt)",
            SignalWarning,
            stacklevel=3,
        )
        return False
    if least[True] < least[False]:
        warnings.warn(
            f"pressures follow e^(+iωt), so their conjugates are fitted ({told})", SignalWarning, stacklevel=3
        )
    return least[True] < least[False]


def _uniform(grid: Differences) -> Tensor:
    return torch.ones(len(grid.nodes), dtype=torch.float64)


def _misfits(found: Sequence[Tensor], pressures: Sequence[Tensor], *, amplitudes: bool) -> tuple[float, list[float]]:
    """Return the relative misfit, the worst of the frequencies', and that of each source over all of them."""
    pairs = list(zip(found, pressures, strict=True))
    gaps = [_scaled(one, each, amplitudes=amplitudes) - each for one, each in pairs]
    whole = [float(gap.norm() / each.norm()) for gap, each in zip(gaps, pressures, strict=True)]
    by_source = torch.cat(gaps, 1).norm(dim=1) / torch.cat(list(pressures), 1).norm(dim=1)
    return max(whole), by_source.tolist()


def _measure(
    names: Sequence[str],
    grids: Sequence[Differences],
    finer: Sequence[Differences],
    pressures: Sequence[Tensor],
    amplitudes: bool,
    conjugate: bool,
    fields: Mapping[str, nn.Module],
    count: int | None,
) -> dict[str, float]:
    """Return misfits by frequency and by source: by finer differences, unless it is an estimate that is asked for."""
    chosen = finer if count is None else grids
    with torch.no_grad():
        found = [grid.at_receivers(fields["m"](grid.nodes)[:, 0]) for grid in chosen]
    reached = {
        f"residual_{name}": _misfits([one], [each], amplitudes=amplitudes)[0]
        for name, one, each in zip(names, found, pressures, strict=True)
    }
    worst, by_source = _misfits(found, pressures, amplitudes=amplitudes)
    sources = {f"misfit_source_{number}": each for number, each in enumerate(by_source, 1)}
    return {"residual": worst, **reached, **sources, "conjugated": float(conjugate)}


def _network(bounds: Bounds, hidden_features: int, hidden_layers: int, first_omega: float) -> nn.Module:
    """Return m = exp Φ, which is 1 everywhere at first."""
    lower, upper = (torch.tensor(each, dtype=torch.float64) for each in bounds)
    centre, half = (lower + upper) / 2, float((upper - lower).max()) / 2
    omega = first_omega / half
    field = Siren(
        2,
        1,
        hidden_features=hidden_features,
        hidden_layers=hidden_layers,
        first_omega=omega,
        hidden_omega=min(first_omega, 30.0),
        final_activation=activation("exponential"),
    ).double()
    affines = [each for each in field.layers if isinstance(each, nn.Linear)]
    with torch.no_grad():
        # Phases are uniform whatever the units of the coordinates, and waves are centred in the rectangle.
        phases = math.pi * (2 * torch.rand(hidden_features, dtype=torch.float64) - 1)
        affines[0].bias.copy_(phases / omega - affines[0].weight @ centre)
        affines[-1].weight.mul_(0.1)
        affines[-1].bias.zero_()
    field.axes = "xy"
    return field
