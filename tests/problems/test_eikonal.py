"""Tests of travel times: on closed forms, of media with and without kinks, and of what cannot be used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sinefield import Box, problems, solve
from sinefield.jet import jet
from sinefield.problems.first_arrivals import first_arrivals, largest_bend, mean_slowness, nodes_of

UNIT = Box([0.0, 0.0], [1.0, 1.0], axes="xy")
SOURCE = (0.2, 0.1)
GRADIENT = torch.tensor([0.3, 1.2, 0.5], dtype=torch.float64)


def linear_speed(points: Tensor) -> Tensor:
    return 1 + points @ GRADIENT[: points.shape[1]].to(points)


def times_in_linear_speed(source: tuple[float, ...]) -> Any:
    """Return T = arccosh(1 + g² r² / (2 v₀ v)) / g, as 2 arsinh √(…/2) / g, which keeps its digits at the source."""
    at = torch.tensor(source, dtype=torch.float64)
    slope = float(GRADIENT[: len(source)].norm())

    def times(points: Tensor) -> Tensor:
        squares = (points - at).square().sum(1) / (linear_speed(at[None]) * linear_speed(points))
        return (2 / slope) * torch.asinh(slope / 2 * squares.sqrt())[:, None]

    return times


def times_in_two_layers(points: Tensor, source: Tensor, speeds: tuple[float, float], interface: float) -> Tensor:
    """Return the least of the direct, the head and the refracted wave, the source above and the faster layer below."""
    along = (points[:, 0] - source[0]).abs()
    above, depth = interface - source[1], interface - points[:, 1]
    direct = (points - source).norm(dim=1) / speeds[0]
    critical = math.asin(speeds[0] / speeds[1])
    head = along / speeds[1] + (above + depth) * math.cos(critical) / speeds[0]
    head = torch.where(along >= (above + depth) * math.tan(critical), head, math.inf)
    low, high = torch.zeros_like(along), along.clone()
    below = (-depth).clamp(min=1e-12)
    for _ in range(60):  # where the ray crosses: Snell's law, by halving
        at = (low + high) / 2
        late = at / (speeds[0] * torch.hypot(at, above)) > (along - at) / (speeds[1] * torch.hypot(along - at, below))
        low, high = torch.where(late, low, at), torch.where(late, at, high)
    refracted = torch.hypot(low, above) / speeds[0] + torch.hypot(along - low, below) / speeds[1]
    return torch.where(depth > 0, torch.minimum(direct, head), refracted)[:, None]


def test_linear_speed_to_the_digits() -> None:
    solution = solve(problems.eikonal(SOURCE, linear_speed, UNIT, exact=times_in_linear_speed(SOURCE), cells=40))
    assert solution.metrics["error"] < 1e-9
    assert solution.converged
    with torch.no_grad():
        assert float(solution.field(torch.tensor([SOURCE], dtype=torch.float64)).abs()) < 1e-10


def test_linear_speed_in_three_dimensions_and_other_units() -> None:
    """In metres from 0 to 4000, at 1 to 3 km/s."""
    source, kilometres = (800.0, 400.0, 1200.0), 4000.0
    small = tuple(each / kilometres for each in source)
    times = times_in_linear_speed(small)
    solution = solve(
        problems.eikonal(
            source,
            lambda x: 1000 * linear_speed(x / kilometres),
            Box([0.0] * 3, [kilometres] * 3),
            exact=lambda x: 4 * times(x / kilometres),
            features=300,
            cells=12,
        )
    )
    assert solution.metrics["error"] < 1e-4


def test_an_array_of_speeds_is_one_of_its_function() -> None:
    axis = torch.linspace(0, 1, 21, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    speeds = linear_speed(points).reshape(21, 21).numpy()
    given = {"exact": times_in_linear_speed(SOURCE), "features": 200, "cells": 40}
    assert solve(problems.eikonal(SOURCE, speeds, UNIT, **given)).metrics["error"] < 1e-4
    assert solve(problems.eikonal(SOURCE, speeds.T, UNIT, **given)).metrics["error"] > 1e-2


def test_two_layers_have_kinks_and_first_arrivals() -> None:
    source = (0.2, 0.2)
    problem = problems.eikonal(
        source,
        lambda x: torch.where(x[:, 1] < 0.5, 1.0, 2.0),
        UNIT,
        exact=lambda x: times_in_two_layers(x, torch.tensor(source).to(x), (1.0, 2.0), 0.5),
        features=400,
        cells=100,
    )
    assert [each.name for each in problem.constraints] == ["arrivals"]
    solution = solve(problem)
    assert solution.metrics["error"] < 5e-3
    head, direct = torch.tensor([[0.95, 0.45]], dtype=torch.float64), torch.tensor([[0.5, 0.2]], dtype=torch.float64)
    with torch.no_grad():
        assert float(jet(solution.field, direct).gradient.norm()) == pytest.approx(1, rel=0.1)
        # The head wave comes along x at the speed of the layer below, and sooner than the direct wave.
        assert float(jet(solution.field, head).gradient[0, 0]) == pytest.approx(0.5, rel=0.15)
        assert float(solution.field(head)) < 0.7


@pytest.mark.parametrize(("contrast", "kinked"), [(-0.2, False), (1.0, False), (-0.5, True)])
def test_media_with_and_without_kinks_are_told_apart(contrast: float, kinked: bool) -> None:
    """Behind a slow place waves from both sides meet, behind a fast one they spread."""

    def speed(x: Tensor) -> Tensor:
        width = 0.1 if kinked else 0.2
        return 1 + contrast * torch.exp(-(x - 0.5).square().sum(1) / (2 * width**2))

    problem = problems.eikonal((0.5, 0.05), speed, UNIT, cells=80, features=100)
    assert [each.name for each in problem.constraints] == ["arrivals" if kinked else "eikonal"]
    chosen = problems.eikonal((0.5, 0.05), speed, UNIT, cells=80, features=100, smooth=kinked)
    assert [each.name for each in chosen.constraints] == ["eikonal" if kinked else "arrivals"]


def test_first_arrivals_on_a_grid_are_of_first_order() -> None:
    def found(cells: int) -> tuple[float, float]:
        nodes = nodes_of(UNIT.lower, UNIT.upper, cells)
        slowness = mean_slowness(lambda x: 1 / linear_speed(torch.from_numpy(x)).numpy(), nodes)
        at_source = 1 / float(linear_speed(torch.tensor([SOURCE], dtype=torch.float64)))
        times = first_arrivals(slowness, nodes, SOURCE, at_source)
        points = torch.from_numpy(np.stack(np.meshgrid(*nodes, indexing="ij"), -1).reshape(-1, 2))
        truth = times_in_linear_speed(SOURCE)(points).numpy().reshape(times.shape)
        return float(np.linalg.norm(times - truth) / np.linalg.norm(truth)), largest_bend(
            times, nodes, SOURCE, slowness
        )

    (coarse, wide), (fine, narrow) = found(20), found(40)
    assert fine < 0.003
    assert coarse / fine > 1.7
    assert wide / narrow == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2.0, 0.0),), r"the source \(2.0, 0.0\) lies outside the domain from \(-1.0, -1.0\) to \(1.0, 1.0\)"),
        (((0.0,),), "in two or three dimensions, got a source of 1 coordinates in a domain of 1"),
        (((0.0, 0.0, 0.0), 1.0, UNIT), "got a source of 3 coordinates in a domain of 2"),
        (((0.0, 0.0), -1.0), "speeds are positive and finite, got -1 among 1 of them"),
        (((0.0, 0.0), np.full((5, 5), np.nan)), "speeds are positive and finite, got nan among 25 of them"),
        (((0.0, 0.0), np.ones(5)), r"two samples or more for each of 2 coordinates, got shape \(5,\)"),
        (((0.0, 0.0), lambda x: x[:, 0] + 0.5), "a speed is positive everywhere, got -0.5 at"),
        (((0.0, 0.0), lambda x: x + 5), r"one value for each point, got \(1, 2\) for 1 points"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problems.eikonal(*arguments, cells=10)
