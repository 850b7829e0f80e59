"""Tests of averages, speed and execution; what a fit reaches is tested with :mod:`sinefield.solve`."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, solve
from sinefield.fit import COMPILED_FROM, Fit, prepare
from sinefield.jet import Jet
from sinefield.kernels import matmul
from sinefield.kernels.siren import compiled
from sinefield.recipe import Recipe
from sinefield.solution import Progress
from sinefield.solvers import Adam, Constant

QUICK = Recipe("quick", Adam(1e-3), Constant(), batch=None, passes=3)


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 40) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(2 * points)})


def small(width: int = 16) -> Siren:
    torch.manual_seed(0)
    return Siren(1, 1, width, 1, first_omega=5.0)


def fit_of(recipe: Recipe, compiling: bool | None = None) -> Fit:
    objective, problem, chosen = prepare(small(), [Constraint(cloud(), fit)], recipe, {}, seed=0, device=None)
    return Fit(objective, problem, chosen, seed=0, compiled=compiling)


def parameters(field: torch.nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in field.parameters()])


# Averages


def test_the_average_is_that_of_the_formula() -> None:
    """ā ← ā + w (θ − ā) with w = max(1 − decay, 1/(t + 1)), begun at the first parameters."""
    seen: list[Tensor] = []
    field = small()
    expected = parameters(field)

    def observe(progress: Progress) -> None:
        seen.append(parameters(progress.field))

    solve(field, [Constraint(cloud(), fit)], QUICK.changed(passes=6, average=0.6), observe=observe)
    for step, each in enumerate(seen, start=1):
        expected = expected + max(0.4, 1 / (step + 1)) * (each - expected)
    torch.testing.assert_close(parameters(field), expected, rtol=1e-5, atol=1e-7)


def test_the_average_does_not_disturb_the_steps() -> None:
    seen: dict[float, list[Tensor]] = {0.0: [], 0.9: []}
    for average, states in seen.items():

        def observe(progress: Progress, states: list[Tensor] = states) -> None:
            states.append(parameters(progress.field))

        solve(small(), [Constraint(cloud(), fit)], QUICK.changed(average=average, passes=5), observe=observe)
    assert all(torch.equal(one, other) for one, other in zip(*seen.values(), strict=True))


def test_averages_beat_the_last_step_of_a_noisy_fit() -> None:
    def error(average: float) -> float:
        recipe = QUICK.changed(batch=4, passes=100, average=average)
        field = small()
        solve(field, [Constraint(cloud(), fit)], recipe)
        data = cloud()
        with torch.no_grad():
            return float((field(data.points) - data.targets["value"]).square().mean())

    assert error(0.98) < 0.5 * error(0.0)


# Speed


def test_speed_counts_points_and_work() -> None:
    solution = solve(small(), [Constraint(cloud(), fit)], QUICK)
    weights = 16 + 16 * 16 + 16
    assert solution.speed.points == pytest.approx(3 * 40 / solution.seconds)
    assert solution.speed.flop == pytest.approx(6 * weights * solution.speed.points)
    assert solution.speed.fraction == solution.speed.flop / matmul.trial(torch.get_num_threads()).best


def test_speed_of_nothing() -> None:
    assert fit_of(QUICK).speed.points == 0
    assert fit_of(QUICK).speed.flop == 0


# Execution


def test_long_fits_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "available", lambda: True)
    long = math.ceil(COMPILED_FROM / fit_of(QUICK).work_per_step)
    for passes, expected in ((long - 1, False), (long, True)):
        assert (fit_of(QUICK.changed(passes=passes)).execution.run is compiled.run) == expected
    assert fit_of(QUICK.changed(seconds=1e6)).execution.run is compiled.run
    assert fit_of(QUICK.changed(seconds=0.1)).execution.run is not compiled.run
    assert fit_of(QUICK, compiling=True).execution.run is compiled.run
    assert fit_of(QUICK.changed(passes=long), compiling=False).execution.run is not compiled.run


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert fit_of(QUICK, compiling=True).execution.run is not compiled.run


@pytest.mark.parametrize("faster", [True, False])
def test_products_are_rounded_where_that_is_faster(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = matmul.Trial(1.0, 1.0, 2.0 if faster else 1.0)
    monkeypatch.setattr(matmul, "trial", lambda _threads: trial)
    assert fit_of(QUICK.changed(rounding=True), compiling=False).execution.rounded == faster
    assert not fit_of(QUICK, compiling=False).execution.rounded


def test_a_fit_with_rounded_products_ends_near_the_exact_one() -> None:
    errors = []
    for rounding in (False, True):
        field, data = small(64), cloud(200)
        solve(field, [Constraint(data, fit)], QUICK.changed(passes=60, rounding=rounding))
        with torch.no_grad():
            errors.append(float((field(data.points) - data.targets["value"]).square().mean()))
    assert errors[1] < 2 * errors[0] + 1e-6
