"""Full waveform inversion with networks alone: waves u_s and squared slowness m are found together, as published.

With e = 1 + i a₀ (depth / width)² the stretch of the layer around the rectangle along each axis, and X' = X / e:

    helmholtz   (∂'_x ∂'_x + ∂'_y ∂'_y) u_s + k² m u_s + f_s = 0     f_s a narrow Gaussian of mass 1 at the source
    sources     the same, at points around the sources
    pressures   c_s u_s(x_r) − p_sr = 0
    variation   as in :mod:`sinefield.problems.inverse_helmholtz`

Source: arXiv 2006.09661, section 4.3 and supplement, which has the other sign of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import Box, PointCloud
from sinefield.fields.siren import Siren
from sinefield.io.surveys import Survey
from sinefield.jet import Jet
from sinefield.problems.helmholtz_differences import STRETCH, Differences
from sinefield.randomness import generator_of

Bounds = tuple[tuple[float, float], tuple[float, float]]
"""Least and greatest coordinates of a rectangle."""

_SOURCE = 1 / 16  # standard deviation of a source in wavelengths
_AROUND = 256  # points around each source
_DATA, _NEAR = 10.0, 0.1  # weights of the pressures and of the points around sources, beside the equation


def scaled(found: Tensor, pressures: Tensor, *, amplitudes: bool) -> Tensor:
    """Return the pressures found, ``(s, r)``, times the amplitude of each source that fits best.

    >>> scaled(torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0, 1.0]]), amplitudes=True).tolist()
    [[2.0, 2.0]]
    """
    if not amplitudes:
        return found
    return found * (found.conj() * pressures).sum(1, keepdim=True) / found.abs().square().sum(1, keepdim=True)


def pose_by_network(
    survey: Survey,
    grid: Differences,
    pressures: Tensor,
    bounds: Bounds,
    variation: Constraint,
    *,
    amplitudes: bool,
) -> tuple[Mapping[str, Callable[[float], nn.Module]], Sequence[Constraint]]:
    """Return the unknown u, all sources' waves side by side, and the constraints on m and u.

    Args:
        survey: where sources and receivers are.
        grid: finite differences, which tell k and how large waves are in the surroundings.
        pressures: ``(s, r)``, with e^(−iωt).
        bounds: of the rectangle, outside of which the slowness is 1.
        variation: the constraint on m alone.
        amplitudes: whether each source has an unknown complex amplitude.
    """
    wavenumber, length = grid.wavenumber, 2 * math.pi / grid.wavenumber
    waves_size = grid.at_receivers(torch.ones(len(grid.nodes))).abs().square().mean().sqrt().item()
    lower, upper = (torch.tensor(each, dtype=torch.float64) for each in bounds)
    whole = Box((lower - length).tolist(), (upper + length).tolist(), axes="xy")
    sources, receivers = torch.from_numpy(survey.sources), torch.from_numpy(survey.receivers)
    size = pressures.abs().square().mean().sqrt()
    spread = _SOURCE * length
    centre = (lower + upper) / 2

    def helmholtz(m: Jet, u: Jet) -> Tensor:
        points, wave = u.points, u.complex
        depth = torch.maximum(lower.to(points) - points, points - upper.to(points)).clamp(min=0)
        side = torch.sign(points - centre.to(points))
        stretch = 1 + 1j * STRETCH * (depth / length) ** 2
        slope = 2j * STRETCH * side * depth / length**2
        outgoing = [
            (wave.d(axis, axis) - slope[:, [axis]] / stretch[:, [axis]] * wave.d(axis)) / stretch[:, [axis]] ** 2
            for axis in range(2)
        ]
        inside = (depth == 0).all(1, keepdim=True)
        slowness = torch.where(inside, m.value, torch.ones_like(m.value))
        away = (points[:, None] - sources.to(points)).square().sum(-1)
        source = torch.exp(-away / (2 * spread**2)) / (2 * math.pi * spread**2)
        return ((outgoing[0] + outgoing[1] + source) / wavenumber**2 + slowness * wave.value) / waves_size

    def data(u: Jet, row: Tensor) -> Tensor:
        found = u.at(receivers.to(u.points)).complex.value.T
        target = pressures.to(found)
        return ((scaled(found, target, amplitudes=amplitudes) - target) / size.to(target.real)).T[row[:, 0]]

    generator = generator_of(0)
    near = sources[:, None] + 2 * spread * torch.randn(len(sources), _AROUND, 2, generator=generator).double()
    constraints = [
        Constraint(whole, helmholtz, name="helmholtz"),
        Constraint(PointCloud(near.flatten(0, 1), axes="xy"), helmholtz, name="sources", weight=_NEAR),
        Constraint(
            PointCloud(receivers, {"row": torch.arange(len(receivers))[:, None]}, axes="xy"),
            data,
            name="pressures",
            weight=_DATA,
        ),
        variation,
    ]
    outputs = 2 * len(sources)

    def waves(_omega: float) -> nn.Module:
        return Siren(2, outputs, hidden_features=128, hidden_layers=2, first_omega=1.5 * wavenumber)

    return {"u": waves}, constraints
