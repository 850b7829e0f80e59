"""Tests of PyTorch's optimisers as solvers: the steps are theirs, the states come back bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, solve
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import Adam, Constant, TorchOptimiser


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 20) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(3 * points)})


def objective(dtype: torch.dtype = torch.float64) -> Objective:
    torch.manual_seed(0)
    return Objective({"u": Siren(1, 1, 8, 1, first_omega=60.0).to(dtype)}, [Constraint(cloud(), fit)])


def batch(step: int) -> Batch:
    return Batch([cloud().at(torch.arange(step, step + 12))])


MAKERS: dict[str, Callable[..., Any]] = {
    "SGD": torch.optim.SGD,
    "SGD with momentum": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "NAdam": torch.optim.NAdam,
    "RMSprop": partial(torch.optim.RMSprop, momentum=0.5, centered=True),
    "Adagrad": torch.optim.Adagrad,
}


@pytest.mark.parametrize("name", MAKERS)
def test_steps_are_those_of_the_optimiser(name: str) -> None:
    mine, theirs = objective(), objective()
    solver = TorchOptimiser(MAKERS[name], 1e-3)
    state = solver.init(mine)
    first = [each for key, each in theirs.parameters.items() if ".layers.0." in key]
    others = [each for key, each in theirs.parameters.items() if ".layers.0." not in key]
    optimiser = MAKERS[name]([{"params": first, "lr": 5e-4}, {"params": others, "lr": 1e-3}])
    start = mine.vector()
    for step, rate in enumerate((1.0, 0.5, 0.25, 1.0)):
        before = {key: float(term) for key, term in theirs.gradient(batch(step)).items()}
        for group, full in zip(optimiser.param_groups, (5e-4, 1e-3), strict=True):
            group["lr"] = full * rate
        optimiser.step()
        found = solver.step(mine, batch(step), state, rate)
        assert {key: float(term) for key, term in found.items()} == before
        assert torch.equal(mine.vector(), theirs.vector())
    assert not torch.equal(mine.vector(), start)


def test_lbfgs_is_that_of_torch_and_descends_far() -> None:
    mine, theirs = objective(), objective()
    solver = TorchOptimiser(partial(torch.optim.LBFGS, max_iter=8, line_search_fn="strong_wolfe"), 1.0, grouped=False)
    state = solver.init(mine)
    parameters = list(theirs.parameters.values())
    optimiser = torch.optim.LBFGS(parameters, lr=1.0, max_iter=8, line_search_fn="strong_wolfe")
    full = Batch([cloud().at(torch.arange(20))])

    def closure() -> Tensor:
        return torch.stack(list(theirs.gradient(full).values())).sum()

    losses = []
    for _ in range(20):
        losses.append(float(solver.step(mine, full, state, 1.0)["constraint"]))
        optimiser.step(closure)
        torch.testing.assert_close(mine.vector(), theirs.vector(), rtol=1e-9, atol=1e-9)
    assert losses[-1] < 1e-8 * losses[0]


MAKERS_TO_SAVE = MAKERS | {
    "LBFGS": partial(torch.optim.LBFGS, max_iter=1, history_size=3),
    "LBFGS with a line search": partial(torch.optim.LBFGS, max_iter=2, line_search_fn="strong_wolfe"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stop", [0, 1, 2, 5])
@pytest.mark.parametrize("name", MAKERS_TO_SAVE)
def test_a_state_that_is_saved_goes_on_with_the_same_bits(name: str, stop: int, dtype: torch.dtype) -> None:
    solver = TorchOptimiser(MAKERS_TO_SAVE[name], 1e-2, grouped="LBFGS" not in name)
    whole = objective(dtype)
    state = solver.init(whole)
    saved: dict[str, Tensor] = {}
    middle = whole.vector()
    for step in range(8):
        if step == stop:
            saved = {key: each.clone() for key, each in state.tensors().items()}
            middle = whole.vector()
        solver.step(whole, batch(step), state, 1.0)
    again = objective(dtype)
    again.assign(middle)
    resumed = solver.init(again)
    resumed.load(saved)
    for step in range(stop, 8):
        solver.step(again, batch(step), resumed, 1.0)
    assert torch.equal(again.vector(), whole.vector())
    ends = state.tensors(), resumed.tensors()
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][key], ends[1][key]) and ends[0][key].dtype == ends[1][key].dtype for key in ends[0])


def test_the_state_of_another_optimiser_is_refused() -> None:
    made = objective()
    solvers = [TorchOptimiser(torch.optim.NAdam), TorchOptimiser(torch.optim.RMSprop)]
    states = [solver.init(made) for solver in solvers]
    for solver, state in zip(solvers, states, strict=True):
        solver.step(made, batch(0), state, 1.0)
    adam = Adam().init(made)
    for wrong in (states[1].tensors(), adam.tensors(), {"NAdam/0 of 9x1/step:tensor": torch.zeros(())}):
        with pytest.raises(ValueError, match=r"the state of the solver is of another one: .* is not in that of NAdam"):
            states[0].load(wrong)


def test_what_cannot_be_saved_is_named() -> None:
    class Odd(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]  # it is never asked for a loss
            self.state[self.param_groups[0]["params"][0]]["odd"] = {1, 2}
            closure()

    made = objective()
    solver = TorchOptimiser(Odd)
    state = solver.init(made)
    solver.step(made, batch(0), state, 1.0)
    with pytest.raises(ValueError, match="the optimiser keeps 'Odd/0 of 8x1/odd', a set, which cannot be saved"):
        state.tensors()


def test_a_search_is_run_by_an_optimiser() -> None:
    """Two lines make any of them a recipe."""
    torch.manual_seed(0)
    field = Siren(1, 1, 16, 1, first_omega=5.0)
    recipe = Recipe("nadam", TorchOptimiser(torch.optim.NAdam, 2e-3), Constant(), batch=None, passes=300)
    found = solve(field, [Constraint(cloud(), fit)], recipe)
    assert found.history[-1].loss < 1e-3
    assert found.recipe.to_json()["make"] == "NAdam"


def test_the_settings_of_a_function_with_arguments_are_told() -> None:
    """So that a search with others is not gone on with."""
    stored = TorchOptimiser(partial(torch.optim.LBFGS, max_iter=5), 1.0, grouped=False).to_json()
    assert stored == {
        "solver": "torchoptimiser",
        "make": ["LBFGS", {"max_iter": 5}],
        "learning_rate": 1.0,
        "grouped": False,
    }


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="learning_rate of a solver must be a positive number"):
        TorchOptimiser(torch.optim.SGD, rate)


def test_groups_hold_each_parameter_once() -> None:
    made = objective()
    groups: Iterable[dict[str, Any]] = TorchOptimiser(torch.optim.SGD).init(made).optimiser.param_groups
    found = [id(each) for group in groups for each in group["params"]]
    assert sorted(found) == sorted(id(each) for each in made.parameters.values())
