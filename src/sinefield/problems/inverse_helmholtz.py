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
from dataclasses import replace
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
from sinefield.problems.inverse_helmholtz_network import Bounds, pose_by_network, scaled
from sinefield.signals.equation import EquationSignal
from sinefield.solvers import TorchOptimiser

FORMS = ("adjoint", "network")
"""How u is found: by finite differences, or as a network."""

_MARGIN = 0.25  # wavelengths around sources and receivers that the rectangle has where none is given
_FINER = 1.5  # times the resolution, with which the answer is judged
_STEPS = 30  # of twenty iterations each
_ROUNDING = 5e-3  # |∇m| / k below which variation is quadratic


def inverse_helmholtz(
    survey: Survey | str | Path,
    wavenumber: float | Sequence[float] | None = None,
    *,
    form: str = "adjoint",
    domain: Sequence[float] | None = None,
    time_sign: int | None = None,
    amplitudes: bool = True,
    variation: float = 0.03,
    detail: float = 15.0,
    hidden_features: int = 32,
    hidden_layers: int = 2,
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
        form: ``"adjoint"``, or ``"network"``: as published, u is a network too, of one frequency, and its equation a
            constraint; see :mod:`sinefield.problems.inverse_helmholtz_network`. It is far slower, and less exact.
        domain: the rectangle in which the slowness is looked for, as (least x, greatest x, least y, greatest y); None:
            a quarter of a wavelength around all sources and receivers.
        time_sign: −1: pressures follow e^(−iωt), 1: e^(+iωt), so that their conjugates are fitted; None: as fits the
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
        ValueError: sources or receivers outside of the rectangle, a setting that is not positive or is unknown, or
            what :func:`sinefield.io.surveys.read` raises.
    """
    if not isinstance(survey, Survey):
        survey = read(survey, wavenumber)
    elif wavenumber is not None:
        survey = Survey(survey.sources, survey.receivers, survey.pressures, wavenumber)
    for name, value in (("variation", variation), ("detail", detail), ("resolution", resolution)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if form not in FORMS or time_sign not in (None, -1, 1):
        raise ValueError(f"form is one of {', '.join(FORMS)}, time_sign -1 or 1; got {form!r} and {time_sign!r}")
    bounds = _rectangle(survey, domain)
    order = np.argsort(survey.wavenumbers)
    grids = [_differences(survey, int(each), bounds, resolution) for each in order]
    pressures = [torch.from_numpy(survey.pressures[each]) for each in order]
    if time_sign is None:
        time_sign = _choose_sign(grids, pressures, amplitudes=amplitudes)
    if time_sign == 1:
        pressures = [each.conj().resolve_conj() for each in pressures]
    names = ["pressures"] if len(grids) == 1 else [f"pressures_{grid.wavenumber:g}" for grid in grids]
    finer = [_differences(survey, int(each), bounds, _FINER * resolution) for each in order]
    network = partial(_network, bounds, hidden_features, hidden_layers)
    posed = Problem(
        "inverse-helmholtz",
        [
            *(
                _pressures(name, survey, grid, each, amplitudes=amplitudes)
                for name, grid, each in zip(names, grids, pressures, strict=True)
            ),
            _variation(grids[-1], variation),
        ],
        {"m": network},
        signal=EquationSignal(("x", "y"), bounds[0], bounds[1]),
        measure=partial(_measure, names, grids, finer, pressures, amplitudes, time_sign),
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
    if form == "adjoint":
        return posed
    if len(grids) > 1:
        raise ValueError(f"the form 'network' takes pressures of one frequency, got {len(grids)}; leave out the others")
    unknowns, constraints = pose_by_network(
        survey, grids[0], pressures[0], bounds, posed.constraints[-1], amplitudes=amplitudes
    )
    unknowns = {"m": lambda _omega: network(detail).float(), **unknowns}
    return replace(posed, constraints=constraints, unknowns=unknowns, tuning={})


def _lbfgs(parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(parameters, lr, max_iter=20, history_size=30, line_search_fn="strong_wolfe")


def _rectangle(survey: Survey, domain: Sequence[float] | None) -> Bounds:
    """Return the rectangle in which the slowness is looked for.

    Raises:
        ValueError: sources or receivers are outside of it.
    """
    places = np.concatenate([survey.sources, survey.receivers])
    margin = _MARGIN * 2 * math.pi / float(np.min(survey.wavenumbers))
    if domain is None:
        low, high = places.min(0) - margin, places.max(0) + margin
    else:
        ends = np.asarray(domain, float)
        if ends.shape != (4,) or not (np.isfinite(ends).all() and (ends[::2] < ends[1::2]).all()):
            raise ValueError(f"the domain of an inversion is (least x, greatest x, least y, greatest y), got {domain}")
        low, high = ends[::2], ends[1::2]
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


def _pressures(name: str, survey: Survey, grid: Differences, pressures: Tensor, *, amplitudes: bool) -> Constraint:
    """Return the constraint that pressures are those of the slowness: a row for each receiver."""
    size = pressures.abs().square().mean().sqrt()

    def misfit(m: Jet, row: Tensor) -> Tensor:
        found = grid.pressures(m.at(grid.nodes).value[:, 0])
        return ((scaled(found, pressures, amplitudes=amplitudes) - pressures) / size).T[row[:, 0]]

    receivers = torch.from_numpy(survey.receivers)
    return Constraint(PointCloud(receivers, {"row": torch.arange(len(receivers))[:, None]}), misfit, name=name)


def _variation(grid: Differences, weight: float) -> Constraint:
    """Return the constraint that slowness varies little: √|∇m|, whose square is the total variation."""
    return Constraint(
        PointCloud(grid.nodes, axes="xy"),
        lambda m: (m.gradient.square().sum(1, keepdim=True) / grid.wavenumber**2 + _ROUNDING**2) ** 0.25,
        name="variation",
        weight=weight,
    )


def _choose_sign(grids: Sequence[Differences], pressures: Sequence[Tensor], *, amplitudes: bool) -> int:
    """Return 1 if the conjugates of pressures fit a uniform medium better, which is told; otherwise −1."""
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
            "a sign of time of 1 for e^(+iωt)",
            SignalWarning,
            stacklevel=3,
        )
        return -1
    if least[True] < least[False]:
        warnings.warn(
            f"pressures follow e^(+iωt), so their conjugates are fitted ({told})", SignalWarning, stacklevel=3
        )
        return 1
    return -1


def _uniform(grid: Differences) -> Tensor:
    return torch.ones(len(grid.nodes), dtype=torch.float64)


def _misfits(found: Sequence[Tensor], pressures: Sequence[Tensor], *, amplitudes: bool) -> tuple[float, list[float]]:
    """Return the relative misfit, the worst of the frequencies', and that of each source over all of them."""
    pairs = list(zip(found, pressures, strict=True))
    gaps = [scaled(one, each, amplitudes=amplitudes) - each for one, each in pairs]
    whole = [float(gap.norm() / each.norm()) for gap, each in zip(gaps, pressures, strict=True)]
    by_source = torch.cat(gaps, 1).norm(dim=1) / torch.cat(list(pressures), 1).norm(dim=1)
    return max(whole), by_source.tolist()


def _measure(
    names: Sequence[str],
    grids: Sequence[Differences],
    finer: Sequence[Differences],
    pressures: Sequence[Tensor],
    amplitudes: bool,
    time_sign: int,
    fields: Mapping[str, nn.Module],
    count: int | None,
) -> dict[str, float]:
    """Return misfits by frequency and by source: by finer differences, unless it is an estimate that is asked for."""
    chosen = finer if count is None else grids
    with torch.no_grad():
        like = next(fields["m"].parameters())
        found = [grid.at_receivers(fields["m"](grid.nodes.to(like))[:, 0].double()) for grid in chosen]
    reached = {
        f"residual_{name}": _misfits([one], [each], amplitudes=amplitudes)[0]
        for name, one, each in zip(names, found, pressures, strict=True)
    }
    worst, by_source = _misfits(found, pressures, amplitudes=amplitudes)
    sources = {f"misfit_source_{number}": each for number, each in enumerate(by_source, 1)}
    return {"residual": worst, **reached, **sources, "time_sign": float(time_sign)}


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
