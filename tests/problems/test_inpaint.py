"""Tests of pictures from some of their pixels: what is known is asked for, and the priors are those of closed forms."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import solve
from sinefield.constraint import Constraint
from sinefield.domains import Patches
from sinefield.fields.compose import Formula
from sinefield.io import SignalWarning
from sinefield.jet import jet
from sinefield.problem import Problem
from sinefield.problems import inpaint
from sinefield.problems.kept import complete
from sinefield.signals.image import ImageSignal

SMALL: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 2}
SHAPE = (18, 24)


def waves(channels: int = 1) -> NDArray[np.uint8]:
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    parts = [np.sin(x / 4 + k) * np.cos(y / 5 + k) for k in range(channels)]
    return (127 + 100 * np.stack(parts, -1)).astype(np.uint8)


def hole() -> NDArray[np.bool_]:
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    return np.asarray((y >= 5) & (y < 9) & (x >= 6) & (x < 16))


def rows(constraint: Constraint, field: nn.Module) -> Tensor:
    """Return the residual of a field at all points of a constraint."""
    samples = constraint.domain.at(torch.arange(constraint.domain.size))  # type: ignore[union-attr]  # finite
    names = samples.targets.keys() & inspect.signature(constraint.residual).parameters.keys()
    return constraint.residual(u=jet(field, samples.points), **{name: samples.targets[name] for name in names})


def named(problem: Problem, name: str) -> Constraint:
    return next(each for each in problem.constraints if each.name == name)


def of_pixels(function: Any, channels: int = 1, longest: int = 24) -> nn.Module:
    """Return the field of a function of row and column, counted from the middle."""
    return Formula(lambda points: torch.stack([function(*(points.T * longest / 2))] * channels, 1), 2, channels)


# ---- what is known


def test_values_are_asked_for_at_known_pixels_only() -> None:
    problem = inpaint(waves(3), mask=hole(), **SMALL)
    value = named(problem, "value")
    assert value.domain.size == (~hole()).sum()  # type: ignore[union-attr]  # finite
    assert isinstance(problem.signal, ImageSignal)
    asked = -rows(value, Formula(lambda points: 0 * points.sum(1, keepdim=True).expand(-1, 3), 2, 3)).numpy()
    picture = waves(3)[~hole()].astype(float)
    low, high = problem.signal.lattice.low, problem.signal.lattice.high
    np.testing.assert_allclose((asked + 1) / 2 * (high - low) + low, picture, atol=1e-3)


@pytest.mark.parametrize(("pixels", "count"), [(0.1, 43), (50, 50), (1, 1), (50.0, 50)])
def test_so_many_pixels_are_drawn(pixels: float, count: int) -> None:
    first, other = (named(inpaint(waves(), pixels=pixels, seed=seed, **SMALL), "value").domain for seed in (0, 1))
    assert first.size == count  # type: ignore[union-attr]  # finite
    points = [each.at(torch.arange(count)).points for each in (first, other)]  # type: ignore[union-attr]
    assert not torch.equal(*points)
    again = named(inpaint(waves(), pixels=pixels, **SMALL), "value").domain
    assert torch.equal(again.at(torch.arange(count)).points, points[0])  # type: ignore[union-attr]  # finite


def test_pixels_without_a_sample_are_filled_in() -> None:
    values = np.where(hole()[..., None], np.nan, waves()).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        problem = inpaint(values, **SMALL)
    assert named(problem, "value").domain.size == (~hole()).sum()  # type: ignore[union-attr]  # finite
    assert isinstance(problem.signal, ImageSignal)
    assert problem.signal.mask is None  # they are rendered


def test_what_is_transparent_is_filled_in() -> None:
    alpha = np.where(hole(), 0, 255).astype(np.uint8)
    problem = inpaint(np.dstack([waves(3), alpha]), **SMALL)
    assert named(problem, "value").domain.size == (~hole()).sum()  # type: ignore[union-attr]  # finite


# ---- the priors, against closed forms


def interior(problem: Problem, residual: Tensor) -> Tensor:
    """Return the residual at the pixels that lie in a hole."""
    domain = named(problem, "prior").domain
    assert isinstance(domain, Patches)
    samples = domain.at(torch.arange(domain.size))
    return residual[(samples.targets["kept"] == 0)[:, 0] & (residual[:, 0] != 0)]


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    problem = inpaint(waves(), mask=hole(), prior="tv", **SMALL)
    found = interior(problem, rows(named(problem, "prior"), of_pixels(lambda y, x: 0.3 * y - 0.4 * x)))
    assert len(found) == hole().sum()
    torch.testing.assert_close(found, torch.full_like(found, math.hypot(0.5, 0.01) - 0.01))


def test_the_hessian_of_a_quadric_is_its_own_and_that_of_a_ramp_is_none() -> None:
    problem = inpaint(waves(3), mask=hole(), **SMALL)
    prior = named(problem, "prior")
    found = interior(problem, rows(prior, of_pixels(lambda y, x: 0.1 * y * y - 0.2 * x * x + 0.3 * x * y, 3)))
    expected = math.sqrt(0.2**2 + 0.4**2 + 2 * 0.3**2)
    assert len(found) == hole().sum()
    torch.testing.assert_close(found, torch.full_like(found, math.hypot(expected, 0.01) - 0.01), rtol=1e-3, atol=0)
    assert rows(prior, of_pixels(lambda y, x: 0.3 * y - 0.4 * x, 3)).abs().max() < 1e-4


def uneven(y: Tensor, x: Tensor) -> Tensor:
    return (y + 30) ** 2 + (x + 40) ** 2 + x * y


@pytest.mark.parametrize("prior", ["tv", "hessian"])
def test_the_prior_is_asked_for_where_a_neighbour_is_unknown_and_nowhere_else(prior: str) -> None:
    problem = inpaint(waves(), mask=hole(), prior=prior, **SMALL)
    found = rows(named(problem, "prior"), of_pixels(uneven))
    grown = (hole().sum(0).astype(bool).sum() + 2) * (hole().sum(1).astype(bool).sum() + 2)
    assert int((found > 0).sum()) == grown
    everywhere = inpaint(waves(), pixels=0.01, prior=prior, **SMALL)
    found = rows(named(everywhere, "prior"), of_pixels(uneven))
    corners = 3 if prior == "hessian" else 1  # where no difference is left
    assert int((found > 0).sum()) == math.prod(SHAPE) - corners


def test_a_weight_of_0_leaves_the_prior_out() -> None:
    assert [each.name for each in inpaint(waves(), pixels=0.1, weight=0, **SMALL).constraints] == ["value"]


# ---- super-resolution


def test_means_are_asked_for() -> None:
    """The field of the enlarged picture has them, and so has one with any pattern of no mean in it."""
    problem = inpaint(waves(), scale=3, **SMALL)
    assert isinstance(problem.signal, ImageSignal)
    assert problem.signal.lattice.shape == (54, 72)
    blocks = problem.signal.lattice.to_field(problem.reference.values).reshape(54, 72)  # type: ignore[attr-defined]

    def field(pattern: Tensor) -> nn.Module:
        values = blocks + pattern.repeat(18, 24)

        def look(points: Tensor) -> Tensor:
            y, x = (((points[:, k] * 72 + size - 1) / 2).round().long() for k, size in ((0, 54), (1, 72)))
            return (values[y.clamp(0, 53), x.clamp(0, 71)] + 0 * points.sum(1))[:, None]

        return Formula(look, 2, 1)

    mean = named(problem, "mean")
    pattern = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    assert rows(mean, field(pattern - pattern.mean())).abs().max() < 1e-5
    shifted = rows(mean, field(pattern - pattern.mean() + 0.2))
    torch.testing.assert_close(shifted[shifted != 0], torch.full((54 * 72,), 0.2))


# ---- fields


@pytest.mark.parametrize("prior", ["tv", "hessian"])
def test_a_hole_is_filled_and_the_rest_is_kept_exactly(prior: str) -> None:
    ramp = np.add.outer(5 * np.arange(SHAPE[0]), 6 * np.arange(SHAPE[1])).astype(np.uint8)
    given = np.where(hole(), 255, ramp)
    problem = inpaint(given, mask=hole(), prior=prior, **SMALL)
    solution = solve(problem, passes=100, batch=400)
    assert solution.metrics["psnr"] > 25
    written = complete(problem, solution.field)[..., 0]
    assert np.array_equal(written[~hole()], given[~hole()])
    assert np.abs(written - ramp)[hole()].mean() < 20  # of 255


def test_the_prior_is_active() -> None:
    """Of a few pixels a field finds more with it."""
    found = {}
    for weight in (0.0, None):
        problem = inpaint(waves(), pixels=0.15, weight=weight, first_omega=30.0, **SMALL)
        found[weight] = solve(problem, passes=60, batch=400).metrics["psnr_unknown"]
    assert found[None] > found[0.0] + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "every pixel of .* is known; give a mask, a number of pixels, or a scale"),
        ({"mask": np.ones(SHAPE)}, "no pixel of .* is known: the mask selects all"),
        ({"mask": np.zeros(SHAPE)}, "selects no pixel"),
        ({"mask": np.ones((18, 20))}, "a mask has the size of its picture"),
        ({"pixels": 433}, "from 1 to 432, or a fraction below 1 that makes at least one, got 433"),
        ({"pixels": 1.5}, "got 1.5"),
        ({"pixels": 0}, "got 0"),
        ({"pixels": 0.001}, "got 0.001"),
        ({"pixels": 432}, "every pixel of .* is known"),
        ({"pixels": 0.1, "scale": 2}, "different tasks; give one of them"),
        ({"pixels": 0.1, "mask": hole()}, "different tasks; give one of them"),
        ({"scale": 0}, "whole number from 2 on"),
        ({"pixels": 0.1, "prior": "magic"}, "the prior is one of tv, hessian, got 'magic'"),
        ({"pixels": 0.1, "weight": -1.0}, "a number from 0 on, got -1"),
    ],
    ids=str,
)
def test_what_cannot_be_filled_in_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        inpaint(waves(), **options)
    assert "\n" not in str(told.value)
