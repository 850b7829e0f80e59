"""Tests of full waveform inversion, on discs whose pressures are known in closed form."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import scattering
import sinefield
from sinefield import problems, solve
from sinefield.io import SignalWarning
from sinefield.io.surveys import Survey
from sinefield.solution import Solution

SURVEY = scattering.survey(receivers=18)


def centre_and_contrast(solution: Solution) -> tuple[list[float], float]:
    """Return where m − 1 exceeds half of its largest value, and its median there."""
    axis = torch.linspace(-0.4, 0.4, 81, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        change = solution.field(points)[:, 0] - 1
    within = change.abs() > change.abs().max() / 2
    weights = change * within
    return ((points * weights[:, None]).sum(0) / weights.sum()).tolist(), float(change[within].median())


def test_a_disc_is_found_and_kept(tmp_path: Path) -> None:
    solution = solve(problems.inverse_helmholtz(SURVEY, resolution=10), passes=6)
    centre, contrast = centre_and_contrast(solution)
    assert centre == pytest.approx(scattering.CENTRE, abs=0.02)
    assert contrast == pytest.approx(0.5, rel=0.15)
    assert solution.converged
    assert solution.metrics["residual"] < 0.04
    assert {f"misfit_source_{number}" for number in range(1, 6)} <= solution.metrics.keys()
    solution.save(tmp_path / "m.safetensors")
    kept = sinefield.load(tmp_path / "m.safetensors")
    assert isinstance(kept, nn.Module)
    points = torch.tensor([scattering.CENTRE], dtype=torch.float64)
    assert kept(points).item() == pytest.approx(solution.field(points).item())
    assert kept(points).item() > 1.3
    rendered = solution.render((5, 5))  # squared slowness at points from end to end of the rectangle
    assert rendered.shape == (5, 5, 1)
    assert rendered[2, 2, 0] > 1.2 > rendered[0, 0, 0]


def unsolved(survey: Survey, **options: Any) -> Solution:
    return solve(problems.inverse_helmholtz(survey, resolution=8, **options), passes=1)


def test_the_sign_of_time_is_found_and_told() -> None:
    with pytest.warns(SignalWarning, match=r"pressures follow e\^\(\+iωt\), so their conjugates are fitted"):
        found = unsolved(replace(SURVEY, pressures=np.conj(SURVEY.pressures)))
    assert found.metrics["time_sign"] == 1.0
    assert found.metrics["residual"] == pytest.approx(unsolved(SURVEY).metrics["residual"])
    noise = np.random.default_rng(0).normal(size=(2, *SURVEY.pressures.shape))
    with pytest.warns(SignalWarning, match="the sign of time cannot be told"):
        problems.inverse_helmholtz(replace(SURVEY, pressures=noise[0] + 1j * noise[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems.inverse_helmholtz(replace(SURVEY, pressures=noise[0] + 1j * noise[1]), time_sign=1)


def test_amplitudes_of_sources_do_not_matter_unless_they_are_known() -> None:
    factors = np.array([1, 2j, -0.1, 3 + 1j, 1e5])[None, :, None]
    other = replace(SURVEY, pressures=SURVEY.pressures * factors)
    by_source = [name for name in unsolved(SURVEY).metrics if name.startswith("misfit_source_")]
    assert unsolved(other, time_sign=-1).metrics["residual"] < 1
    assert len(by_source) == 5
    assert unsolved(SURVEY, amplitudes=False).metrics["residual"] < 0.3
    assert unsolved(other, amplitudes=False, time_sign=-1).metrics["residual"] > 0.9


def test_units_of_length_do_not_matter() -> None:
    large = Survey(1e3 * SURVEY.sources + 7, 1e3 * SURVEY.receivers + 7, SURVEY.pressures, 0.02)
    assert unsolved(large).metrics["residual"] == pytest.approx(unsolved(SURVEY).metrics["residual"], rel=0.05)


def test_several_frequencies_are_fitted_together() -> None:
    low, high = (scattering.survey(k, receivers=18) for k in (10.0, 20.0))
    both = Survey(low.sources, low.receivers, np.concatenate([high.pressures, low.pressures]), [20.0, 10.0])
    solution = solve(problems.inverse_helmholtz(both, resolution=8), passes=2)
    assert {"residual_pressures_10", "residual_pressures_20"} <= solution.metrics.keys()
    assert solution.metrics["residual"] < 0.1


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match=r"18 of the 18 receivers are outside of the rectangle \[-0.36, 0.36\] × "):
        problems.inverse_helmholtz(SURVEY, domain=(-0.36, 0.36, -0.36, 0.36))
    with pytest.raises(ValueError, match=r"is \(least x, greatest x, least y, greatest y\), got"):
        problems.inverse_helmholtz(SURVEY, domain=(1, 0, 1, 2))
    with pytest.raises(ValueError, match="variation must be a positive number, got -1"):
        problems.inverse_helmholtz(SURVEY, variation=-1)
    with pytest.raises(ValueError, match="form is one of adjoint, network, time_sign -1 or 1; got 'adjoint' and 2"):
        problems.inverse_helmholtz(SURVEY, time_sign=2)
    with pytest.raises(ValueError, match="wavenumbers must be positive"):
        problems.inverse_helmholtz(SURVEY, 0)
