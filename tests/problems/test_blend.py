"""Tests of pictures put into others: the constraints are those of the discrete problem, and each is active."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield import solve
from sinefield.fields.compose import Formula
from sinefield.io import SignalWarning
from sinefield.io.image import read
from sinefield.jet import jet
from sinefield.problem import Problem
from sinefield.problems import blend
from sinefield.problems.blend import matched
from sinefield.problems.kept import complete
from sinefield.signals.image import ImageSignal

SMALL: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 2}


def waves(seed: int, shape: tuple[int, int] = (20, 24), channels: int = 1) -> NDArray[np.uint8]:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    parts = [np.sin(x / (3 + seed) + k) * np.cos(y / 4 + seed + k) for k in range(channels)]
    return (127 + 100 * np.stack(parts, -1)).astype(np.uint8)


def disc(shape: tuple[int, int] = (20, 24)) -> NDArray[np.bool_]:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.asarray(np.hypot(y - 9, x - 11) < 6)


def table(values: NDArray[Any]) -> nn.Module:
    """Return the field that has these values at the pixels of a picture of their size."""
    height, width, channels = values.shape
    pixels = torch.from_numpy(values).float()

    def look(points: torch.Tensor) -> torch.Tensor:
        y, x = (
            ((points[:, k] * max(height, width) + size - 1) / 2).round().long() for k, size in ((0, height), (1, width))
        )
        return pixels[y.clamp(0, height - 1), x.clamp(0, width - 1)] + 0 * points.sum(1, keepdim=True)

    return Formula(look, 2, channels)


def field_values(problem: Problem) -> NDArray[Any]:
    """Return what the field shall be at the pixels."""
    assert isinstance(problem.signal, ImageSignal)
    lattice = problem.signal.lattice
    return lattice.to_field(problem.reference.values).reshape(*lattice.shape, -1).numpy()  # type: ignore[attr-defined]


def losses(problem: Problem, values: NDArray[Any]) -> dict[str, float]:
    """Return the norm of each residual of the field that has these values at the pixels."""
    found = {}
    for each in problem.constraints:
        field = table(values)
        samples = each.domain.at(torch.arange(each.domain.size))  # type: ignore[union-attr]  # patches
        names = samples.targets.keys() & inspect.signature(each.residual).parameters.keys()
        residual = each.residual(u=jet(field, samples.points), **{name: samples.targets[name] for name in names})
        found[each.name] = float(residual.square().sum())
    return found


@pytest.mark.parametrize("options", [{}, {"mixed": True}, {"weight": 0.3}, {"at": (7, -5)}], ids=str)
def test_the_solution_of_the_discrete_problem_is_the_least(options: dict[str, Any]) -> None:
    """It satisfies the values, and no change inside of the mask makes the differences fit better."""
    problem = blend(waves(0), waves(1), mask=disc(), **options, **SMALL)
    best = field_values(problem)
    reached = losses(problem, best)
    assert reached["value"] < 1e-6
    outside = problem.constraints[-1].domain.targets["kept"].reshape(20, 24).numpy() > 0  # type: ignore[union-attr]
    for seed in range(3):
        change = np.random.default_rng(seed).normal(size=best.shape) * 0.01
        inside = losses(problem, best + np.where(outside[..., None], 0, change))
        assert inside["gradient"] > reached["gradient"] + 1e-4
        assert inside["value"] > 1e-4
        elsewhere = losses(problem, best + np.where(outside[..., None], change, 0))
        assert elsewhere["value"] > 1e-3
        assert elsewhere["gradient"] == pytest.approx(reached["gradient"], rel=1e-3, abs=1e-6)


def test_by_gradients_alone_values_are_asked_for_outside_only() -> None:
    problem = blend(waves(0), waves(1), mask=disc(), level=False, **SMALL)
    best = field_values(problem)
    moved = losses(problem, best + disc()[..., None])
    assert moved["value"] < 1e-6
    assert moved["gradient"] > losses(problem, best)["gradient"] + 1


def test_a_field_is_found_and_the_rest_is_kept_exactly() -> None:
    source, destination = waves(0, channels=3), waves(1, channels=3)
    problem = blend(source, destination, mask=disc(), **SMALL)
    solution = solve(problem, passes=200, batch=324, seed=1)
    assert solution.metrics["psnr_inside"] > 17
    assert solution.metrics["psnr_outside"] > 17
    written = complete(problem, solution.field)
    assert np.array_equal(written[~disc()], destination[~disc()])
    assert np.abs(written[disc()] - destination[disc()]).max() > 20


def test_the_alpha_of_the_source_is_the_mask() -> None:
    opaque = np.where(disc(), 255, 0).astype(np.uint8)
    colours = waves(0, channels=3)
    by_alpha = blend(np.dstack([np.where(disc()[..., None], colours, 77), opaque]), waves(1, channels=3), **SMALL)
    kept = by_alpha.constraints[-1].domain.targets["kept"].reshape(20, 24).numpy() > 0  # type: ignore[union-attr]
    assert np.array_equal(kept, ~disc())
    # Colours under alpha 0 are none: differences to them count as 0.
    other = blend(np.dstack([np.where(disc()[..., None], colours, 3), opaque]), waves(1, channels=3), **SMALL)
    assert np.array_equal(field_values(by_alpha), field_values(other))


def test_the_alpha_of_the_destination_stays() -> None:
    alpha = np.linspace(10, 255, 20 * 24).reshape(20, 24, 1).astype(np.uint8)
    problem = blend(waves(0, channels=3), np.dstack([waves(1, channels=3), alpha]), mask=disc(), **SMALL)
    np.testing.assert_allclose(problem.reference.values[..., 3:], alpha, atol=1e-3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("order", [1, -1])
def test_grey_in_colour_is_told(order: int) -> None:
    grey, coloured = (waves(0), waves(1, channels=3))[::order]
    with pytest.warns(SignalWarning, match="is grey, and is taken as 3 equal channels"):
        problem = blend(grey, coloured, mask=disc(), **SMALL)
    assert problem.signal is not None
    assert problem.signal.channels == 3


def test_missing_pixels_of_the_destination_stay_missing() -> None:
    destination = waves(1).astype(np.float32)
    destination[8:12, 15:24] = np.nan  # beside the disc and in it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        problem = blend(waves(0), destination, mask=disc(), **SMALL)
    found = field_values(problem)
    changed = np.where(np.isnan(destination) & ~disc()[..., None], found + 0.5, found)
    reached, moved = losses(problem, found), losses(problem, changed)
    assert moved == pytest.approx(reached)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.zeros((20, 24))}, "selects no pixel"),
        ({"mask": np.ones((20, 23))}, "a mask has the size of its picture"),
        ({"at": (24, 0)}, "at 24,0 lies outside of .*, which is 24 x 20 pixels"),
        ({"at": (-24, 3)}, "lies outside"),
        ({}, "covers all of .*, of which nothing would be left"),
        ({"weight": 0.0}, r"weight of the source's gradients is in \(0, 1\]"),
        ({"weight": 0.5, "mixed": True}, "give one of both"),
        ({"mask": disc(), "hidden_layers": -1}, "hidden"),
    ],
    ids=str,
)
def test_what_cannot_be_blended_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        blend(waves(0), waves(1), **options)
    assert "\n" not in str(told.value)


def test_other_channels_are_refused() -> None:
    five = np.repeat(waves(0), 5, axis=2)
    with pytest.raises(ValueError, match=r"has 5 channels of colour and .* 3"):
        matched(read(five, channels="last"), read(waves(1, channels=3)))
