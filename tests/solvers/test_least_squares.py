"""Tests of least squares for the last layer: which bandwidths are tried, per axis, in any units, and how long."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, problems, solve
from sinefield.domains import Box
from sinefield.problem import Problem
from sinefield.solvers.bandwidth import Plan


def heat(second: float, metre: float, cycles: int = 1) -> Problem:
    """u_t = a u_xx from sin nπx, 0 at the ends, for 0.1 s on one metre, in any units."""
    diffusivity = metre**2 / second / cycles**2

    def exact(p: Tensor) -> Tensor:
        decay = torch.exp(-(math.pi**2) * p[:, :1] / second)
        return decay * torch.sin(cycles * math.pi * p[:, 1:] / metre)

    def side(axis: int, at: float) -> PointCloud:
        along = torch.linspace(0, metre if axis == 0 else 0.1 * second, 300, dtype=torch.float64)
        fixed = torch.full_like(along, at)
        return PointCloud(torch.stack([fixed, along] if axis == 0 else [along, fixed], 1), axes="tx")

    return problems.equation(
        [
            Constraint(
                Box([0, 0], [0.1 * second, metre], axes="tx"), lambda u: u.d("t") - diffusivity * u.d("xx"), name="heat"
            ),
            Constraint(side(0, 0.0), lambda u: u.value - exact(u.points), name="start"),
            *(Constraint(side(1, at), lambda u: u.value, name=f"end {at}") for at in (0.0, metre)),
        ],
        exact=exact,
    )


@pytest.mark.parametrize(("second", "metre"), [(1.0, 1.0), (1 / 3.15e7, 1e-3), (1e3, 1e6), (1e6, 1e-9)])
def test_units_do_not_matter(second: float, metre: float) -> None:
    solution = solve(heat(second, metre))
    assert solution.converged
    assert solution.metrics["error"] < 1e-9
    assert solution.metrics["stability"] > 0.01


def test_bands_of_right_sides_are_used() -> None:
    """sin 40πx takes features of about that frequency alone: few do, where a ball around 0 would take thousands."""
    solution = solve(heat(1.0, 1.0, cycles=40))
    assert solution.metrics["error"] < 1e-8
    assert solution.field.settings["hidden_features"] <= 1600  # type: ignore[index]


def test_a_network_has_the_features_it_needs_and_no_more() -> None:
    easy, fixed = solve(heat(1.0, 1.0)), solve(_fixed())
    assert easy.field.settings["hidden_features"] < 1000  # type: ignore[index]
    assert fixed.field.settings["hidden_features"] == 90  # type: ignore[index]


def _fixed() -> Problem:
    line = Box([0.0], [1.0])
    return problems.equation(
        [
            Constraint(line, lambda u: u.laplacian + 2, name="equation"),
            Constraint(line.boundary, lambda u: u.value, name="ends"),
        ],
        features=90,
    )


def tried(plan: Plan, residual: Any, most: int = 100) -> list[Any]:
    """Return the trials of a search whose residuals are a function of them."""
    trials: list[Any] = []
    found: list[float] = []
    while len(trials) < most and (trial := plan.following(found)) is not None:
        trials.append(trial)
        found.append(residual(trial))
    return trials


def test_a_search_ends_at_the_tolerance_and_within_its_work() -> None:
    plan = Plan(2, 4800, 1e-12, 1e-7, 1.5e12, (None, None))
    assert len(tried(plan, lambda _: 1e-13)) == 1
    for level in (1.0, 1e-3, 1e-6):
        trials = tried(plan, lambda _, level=level: level)
        assert len(trials) < 40
        assert sum(8.0 * each.features**3 for each in trials) <= 1.5e12
        assert max(each.features for each in trials) <= 4800


def test_a_search_finds_the_bandwidth_of_each_axis() -> None:
    plan = Plan(2, 400, 1e-12, 1e-7, 1.5e12, (None, None))

    def residual(trial: Any) -> float:
        off = [abs(math.log2(r / wanted)) for r, wanted in zip(trial.bandwidths, (3.0, 24.0), strict=True)]
        return float(10 ** (sum(off) - 5))

    best = min(tried(plan, residual), key=residual)
    assert best.bandwidths[0] == pytest.approx(3.0, rel=0.5)
    assert best.bandwidths[1] == pytest.approx(24.0, rel=0.5)
