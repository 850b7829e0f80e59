"""Tests of pixels that are not known: they change neither what is fitted nor what is measured."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield import plots, solve
from sinefield.fields.field import build
from sinefield.io import SignalWarning
from sinefield.jet import jet
from sinefield.problem import Problem
from sinefield.problems import image
from sinefield.signals.image import ImageSignal

ON = (["value"], ["gradient"], ["laplacian"], ["value", "gradient", "laplacian"])


def waves(channels: int = 1) -> NDArray[np.float32]:
    y, x = np.mgrid[0:24, 0:32]
    return np.stack([np.sin(x / (3 + k)) * np.cos(y / 4 + k) for k in range(channels)], axis=-1).astype(np.float32)


def hole() -> NDArray[np.bool_]:
    y, x = np.mgrid[0:24, 0:32]
    return np.asarray((np.hypot(x - 20, y - 10) < 5) | (y < 3))


def with_hole(value: float) -> NDArray[np.float32]:
    return np.where(hole()[..., None], np.float32(value), waves()).astype(np.float32)


def posed(values: NDArray[Any], on: list[str], **options: Any) -> Problem:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        return image(values, on, hidden_features=16, hidden_layers=1, **options)


def field(channels: int) -> nn.Module:
    torch.manual_seed(0)
    return build("siren", 2, channels, hidden_features=16, hidden_layers=1, first_omega=20.0)


@pytest.mark.parametrize("on", ON, ids=str)
def test_metrics_do_not_depend_on_what_marks_them(on: list[str]) -> None:
    found = [posed(with_hole(value), on, nodata=value).measure({"u": field(1)}, None) for value in (-9999.0, 7e5)]
    found.append(posed(with_hole(np.nan), on).measure({"u": field(1)}, None))
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(found[2])


def test_psnr_is_that_of_the_known_ones() -> None:
    problem = posed(with_hole(np.nan), ["value"])
    signal = problem.signal
    assert isinstance(signal, ImageSignal)
    rendered = signal.sample(field(1))
    assert np.array_equal(np.isnan(rendered[..., 0]), hole())
    known = ~hole()
    error = np.square((rendered - waves())[known].astype(np.float64)).mean()
    spread = float(np.ptp(waves()[known]))
    assert problem.measure({"u": field(1)}, None)["psnr"] == pytest.approx(10 * np.log10(spread**2 / error), abs=1e-3)


@pytest.mark.parametrize("on", ON, ids=str)
def test_nothing_is_asked_of_the_field_there(on: list[str]) -> None:
    """Residuals are 0 where a pixel, or one that its stencil reads, is not known, and nowhere else."""
    problem = posed(with_hole(np.nan), on)
    padded = np.pad(hole(), 1)
    grown = np.any([np.roll(padded, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
    for constraint in problem.constraints:
        bound = constraint.bound({"u": field(1)})
        samples = constraint.domain.at(torch.arange(24 * 32))  # type: ignore[union-attr]  # a grid
        residual = bound.residual({"u": jet(field(1), samples.points)}, samples.targets)
        silent = (residual.reshape(24 * 32, -1) == 0).all(1).numpy().reshape(24, 32)
        assert np.array_equal(silent[2:-2, 2:-2], (hole() if constraint.name == "value" else grown)[2:-2, 2:-2])


@pytest.mark.parametrize("on", ON, ids=str)
def test_colours_under_alpha_0_do_not_count(on: list[str]) -> None:
    rgba = np.rint(127 + 100 * waves(4)).astype(np.uint8)
    rgba[..., 3] = np.where(hole(), 0, 200 + rgba[..., 3] // 8)
    other = rgba.copy()
    other[hole(), :3] = np.random.default_rng(0).integers(0, 256, (hole().sum(), 3))
    first, second = (posed(each, on) for each in (rgba, other))
    assert first.measure({"u": field(4)}, None) == pytest.approx(second.measure({"u": field(4)}, None))
    results = [solve(each, passes=2, seed=3).metrics["psnr"] for each in (first, second)]
    assert results[0] == pytest.approx(results[1], abs=0.05)


def test_tiles_leave_them_out_too() -> None:
    problem = posed(with_hole(-9999.0), ["value"], nodata=-9999.0, tiles=(2, 2))
    solution = solve(problem, passes=60)
    assert solution.metrics["psnr"] > 13
    found = solution.render()
    assert np.array_equal(np.isnan(found[..., 0]), hole())
    assert np.nanmax(np.abs(found - waves())) < 1


def test_figures_are_drawn() -> None:
    for channels in (1, 2, 4, 5):
        values = waves(channels)
        values[hole()] = np.nan
        problem = posed(values, ["value"], channels="last")
        assert plots.solution_figure(solve(problem, passes=1)).axes
