"""Tests of full waveform inversion with networks alone: its equation on a closed form, and its conditions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import scattering
from sinefield import problems, solve
from sinefield.constraint import Constraint
from sinefield.fields.compose import Formula
from sinefield.jet import jet
from sinefield.problems.helmholtz_differences import STRETCH

SURVEY = scattering.survey(sources=1, receivers=9)
HALF, WIDTH, WAVENUMBER = 0.5, torch.pi / 10, 20.0
DOMAIN = (-HALF, HALF, -HALF, HALF)
UNIFORM = Formula(lambda x: torch.ones_like(x[:, :1]), 2, 1)


def constraints() -> dict[str, Constraint]:
    problem = problems.inverse_helmholtz(SURVEY, form="network", domain=DOMAIN)
    return {each.name: each for each in problem.constraints}


def stretched(sign: float) -> Formula:
    """Return e^(ik·X), X = x + i a₀ depth³ / (3 width²) to the right of the rectangle, or its conjugate for −1."""

    def wave(points: Tensor) -> Tensor:
        depth = (points[:, 0] - HALF).clamp(min=0)
        along = 0.8 * (points[:, 0] + 1j * STRETCH * depth**3 / (3 * WIDTH**2)) + 0.6 * points[:, 1]
        return torch.tensor([1.0, sign]).to(points) * torch.view_as_real(torch.exp(1j * WAVENUMBER * along))

    return Formula(wave, 2, 2)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_equation_holds_for_the_stretched_plane_wave_that_leaves(sign: int) -> None:
    x = torch.linspace(0.1, HALF + WIDTH - 0.01, 40, dtype=torch.float64)
    points = torch.stack([x, torch.full_like(x, 0.2)], 1)
    residual = constraints()["helmholtz"].residual
    inside = x < HALF
    found = residual(m=jet(UNIFORM, points, axes="xy"), u=jet(stretched(sign), points, axes="xy")).abs()[:, 0]
    assert float(found[inside].max()) < 1e-9
    if sign == 1:
        assert float(found.max()) < 1e-9
    else:
        assert float(found.max()) > 1


def test_slowness_counts_inside_of_the_rectangle_alone_and_sources_are_seen() -> None:
    residual = constraints()["helmholtz"].residual
    slow = Formula(lambda x: 2 * torch.ones_like(x[:, :1]), 2, 1)
    places = torch.tensor([[0.3, 0.2], [0.6, 0.2], [*SURVEY.sources[0]]], dtype=torch.float64)
    wave = jet(stretched(1), places, axes="xy")
    difference = residual(m=jet(slow, places, axes="xy"), u=wave) - residual(m=jet(UNIFORM, places, axes="xy"), u=wave)
    assert (difference.abs()[:, 0] > 0.1).tolist() == [True, False, True]
    nothing = jet(Formula(torch.zeros_like, 2, 2), places, axes="xy")
    assert (residual(m=jet(UNIFORM, places, axes="xy"), u=nothing).abs()[:, 0] > 1e-6).tolist() == [False, False, True]


def test_it_goes_down() -> None:
    problem = problems.inverse_helmholtz(SURVEY, form="network")
    first, last = (solve(problem, passes=passes, batch=256).history[-1].losses for passes in (0.02, 0.2))
    assert last["pressures"] < first["pressures"]
    assert set(last) == {"helmholtz", "sources", "pressures", "variation"}


def test_several_frequencies_are_refused() -> None:
    both = type(SURVEY)(
        SURVEY.sources, SURVEY.receivers, np.concatenate([SURVEY.pressures, SURVEY.pressures]), [10.0, 20.0]
    )
    with pytest.raises(ValueError, match="takes pressures of one frequency, got 2"):
        problems.inverse_helmholtz(both, form="network", time_sign=-1)
