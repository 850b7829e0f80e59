"""Tests of solvers around solvers: clipped gradients, averaged parameters, the best that was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, solve
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solution import Progress
from sinefield.solvers import Adam, Averaged, BestSoFar, Clipped, Constant, Solver, Tensors

QUICK = Recipe("quick", Adam(1e-3), Constant(), batch=None, passes=6)


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 40) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(2 * points)})


def small() -> Siren:
    torch.manual_seed(0)
    return Siren(1, 1, 16, 1, first_omega=5.0)


def objective() -> Objective:
    return Objective({"u": small()}, [Constraint(cloud(), fit)])


FULL = Batch([cloud().at(torch.arange(40))])


def parameters(field: torch.nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in field.parameters()])


@dataclass(frozen=True)
class Descent(Solver):
    """θ ← θ − rate ∇, or whatever parameters are to be at a step."""

    then: Callable[[Objective, int], None] | None = None

    def init(self, objective: Objective) -> Tensors:
        return Tensors({"steps": torch.zeros(())})

    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:
        losses = objective.gradient(batch)
        with torch.no_grad():
            for each in objective.parameters.values():
                assert each.grad is not None
                each.sub_(each.grad, alpha=rate)
        state["steps"].add_(1)
        if self.then is not None:
            self.then(objective, int(state["steps"]))
        return losses


# Clipped


@pytest.mark.parametrize("clip", [1e-3, 0.1])
def test_a_clipped_gradient_has_the_norm(clip: float) -> None:
    made = objective()
    start = made.vector()
    made.gradient(FULL)
    gradient = torch.cat([each.grad.flatten() for each in made.parameters.values() if each.grad is not None])
    solver = Clipped(Descent(), clip)
    solver.step(made, FULL, solver.init(made), 1.0)
    moved = start - made.vector()
    assert float(gradient.norm()) > clip
    assert float(moved.norm()) == pytest.approx(clip, rel=1e-4)
    torch.testing.assert_close(moved / moved.norm(), gradient / gradient.norm(), rtol=1e-3, atol=1e-4)


def test_a_short_gradient_is_left_as_it_is() -> None:
    ends = []
    solvers: list[Solver] = [Descent(), Clipped(Descent(), 1e6)]
    for solver in solvers:
        made = objective()
        losses = solver.step(made, FULL, solver.init(made), 1e-3)
        ends.append(torch.cat([made.vector(), losses["constraint"][None]]))
    assert torch.equal(*ends)


def test_what_is_clipped_answers_and_retreats_as_the_solver_does() -> None:
    made = objective()
    start = made.vector()
    solver = Clipped(BestSoFar(Averaged(Descent(), 0.5)), 0.1)
    state: Any = solver.init(made)
    solver.step(made, FULL, state, 1.0)
    answer = solver.answer(state)
    assert answer is not None
    assert answer.keys() == made.parameters.keys()
    solver.retreat(made, state)
    assert torch.equal(made.vector(), start)


@pytest.mark.parametrize("clip", [0.0, -1.0, math.nan, math.inf])
def test_a_norm_that_is_not_positive_is_refused(clip: float) -> None:
    with pytest.raises(ValueError, match="clip of a solver must be a positive number"):
        Clipped(Adam(), clip)


# Averaged


@pytest.mark.parametrize("decay", [0.0, 0.6, 0.99])
def test_the_average_is_that_of_the_formula(decay: float) -> None:
    """ā ← ā + w (θ − ā) with w = max(1 − decay, 1/(t + 1)), begun at the first parameters."""
    seen: list[Tensor] = []
    field = small()
    expected = parameters(field)

    def observe(progress: Progress) -> None:
        seen.append(parameters(progress.field))

    solve(field, [Constraint(cloud(), fit)], QUICK.changed(average=decay), observe=observe)
    for step, each in enumerate(seen, start=1):
        expected = expected + max(1 - decay, 1 / (step + 1)) * (each - expected)
    torch.testing.assert_close(parameters(field), expected, rtol=1e-5, atol=1e-7)


def test_the_average_does_not_disturb_the_steps() -> None:
    seen: dict[bool, list[Tensor]] = {False: [], True: []}
    for averaged, states in seen.items():

        def observe(progress: Progress, states: list[Tensor] = states) -> None:
            states.append(parameters(progress.field))

        recipe = QUICK.changed(average=0.9) if averaged else QUICK
        solve(small(), [Constraint(cloud(), fit)], recipe, observe=observe)
    assert len(seen[True]) == 6
    assert all(torch.equal(one, other) for one, other in zip(*seen.values(), strict=True))


def test_averages_beat_the_last_step_of_a_noisy_descent() -> None:
    def error(recipe: Recipe) -> float:
        field = small()
        solve(field, [Constraint(cloud(), fit)], recipe.changed(batch=4, passes=100))
        data = cloud()
        with torch.no_grad():
            return float((field(data.points) - data.targets["value"]).square().mean())

    assert error(QUICK.changed(average=0.98)) < 0.5 * error(QUICK)


@pytest.mark.parametrize("average", [1.0, -0.1, math.nan])
def test_a_decay_out_of_range_is_refused(average: float) -> None:
    with pytest.raises(ValueError, match=r"decay of an average lies in \[0, 1\)"):
        Averaged(Adam(), average)


def test_what_is_averaged_retreats_as_the_solver_does() -> None:
    made = objective()
    start = made.vector()
    solver = Averaged(BestSoFar(Descent()), 0.5)
    state = solver.init(made)
    solver.step(made, FULL, state, 1.0)
    assert not torch.equal(made.vector(), start)
    solver.retreat(made, state)
    assert torch.equal(made.vector(), start)


# The best so far


def scatter(made: Objective, step: int) -> None:
    """Move parameters far away in the fourth step, and make them NaN in the sixth."""
    if step == 4:
        made.assign(made.vector() + 1.0)
    if step == 6:
        made.assign(made.vector() * math.nan)


def test_the_best_comes_back_after_a_divergence() -> None:
    made = objective()
    solver = BestSoFar(Descent(scatter))
    state = solver.init(made)
    seen = [(made.vector(), float(solver.step(made, FULL, state, 1e-3)["constraint"])) for _ in range(7)]
    assert math.isnan(seen[-1][1])
    solver.retreat(made, state)
    best = min((loss, k) for k, (_, loss) in enumerate(seen) if math.isfinite(loss))[1]
    assert best == 3  # descending until then
    assert torch.equal(made.vector(), seen[best][0])


def test_the_best_of_several_steps_is_where_they_began() -> None:
    made = objective()
    solver = BestSoFar(Descent(scatter), every=2)
    state = solver.init(made)
    seen = [(made.vector(), float(solver.step(made, FULL, state, 1e-3)["constraint"])) for _ in range(7)]
    means = [(seen[k][1] + seen[k + 1][1]) / 2 for k in (0, 2)]
    assert means[1] < means[0]
    solver.retreat(made, state)
    assert torch.equal(made.vector(), seen[2][0])


def test_before_the_first_step_the_start_is_the_best() -> None:
    made = objective()
    start = made.vector()
    solver = BestSoFar(Descent())
    state = solver.init(made)
    made.assign(start * math.nan)
    solver.retreat(made, state)
    assert torch.equal(made.vector(), start)


def test_remembering_does_not_disturb_the_steps() -> None:
    ends = []
    solvers: list[Solver] = [Adam(1e-2), BestSoFar(Adam(1e-2), every=2)]
    for solver in solvers:
        made = objective()
        state = solver.init(made)
        for _ in range(5):
            solver.step(made, FULL, state, 1.0)
        ends.append(made.vector())
    assert torch.equal(*ends)


def test_a_search_that_diverges_ends_where_it_was_best() -> None:
    field = small()
    start = parameters(field)
    recipe = Recipe("bad", Descent(lambda made, step: made.assign(made.vector() * math.nan)), Constant(), batch=None)
    with pytest.warns(RuntimeWarning, match="the loss became nan by step"):
        found = solve(field, [Constraint(cloud(), fit)], recipe, passes=4)
    assert found.stopped == "diverged"
    assert torch.equal(parameters(field), start)
