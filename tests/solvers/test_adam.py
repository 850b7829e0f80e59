"""Tests of Adam against PyTorch's own, step by step."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from sinefield import Constraint, PointCloud, Siren
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.solvers import Adam

BETAS = (0.9, 0.99)


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 20) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(3 * points)})


def objective(first_omega: float = 60.0, dtype: torch.dtype = torch.float32) -> Objective:
    torch.manual_seed(0)
    field = Siren(1, 1, 8, 2, first_omega=first_omega).to(dtype)
    return Objective({"u": field}, [Constraint(cloud(), fit)])


def batch(step: int) -> Batch:
    return Batch([cloud().at(torch.arange(step, step + 7))])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_are_those_of_torch(dtype: torch.dtype) -> None:
    mine, theirs = objective(dtype=dtype), objective(dtype=dtype)
    solver = Adam(1e-2, BETAS)
    state = solver.init(mine)
    first = [each for name, each in theirs.parameters.items() if ".layers.0." in name]
    others = [each for name, each in theirs.parameters.items() if ".layers.0." not in name]
    groups = [{"params": first, "lr": 5e-3}, {"params": others, "lr": 1e-2}]  # the first layer has ω₀ = 60
    optimiser = torch.optim.Adam(groups, betas=BETAS)
    start = mine.vector()
    for step, rate in enumerate((1.0, 1.0, 0.5, 0.25, 2.0, 1.0)):
        solver.step(mine, batch(step), state, rate)
        for group, full in zip(optimiser.param_groups, (5e-3, 1e-2), strict=True):
            group["lr"] = full * rate
        for own, other in zip(mine.parameters.values(), theirs.parameters.values(), strict=True):
            assert own.grad is not None
            other.grad = own.grad.clone()
        optimiser.step()
        torch.testing.assert_close(mine.vector(), theirs.vector(), rtol=1e-6, atol=1e-7)
    assert all((mine.vector() != start).tolist())


def test_the_first_step_is_the_sign_of_the_gradient() -> None:
    """m̂ = g and v̂ = g² after one step, so that θ moves by the rate, whatever the gradient is."""
    made = objective(first_omega=30.0, dtype=torch.float64)
    start = made.vector()
    solver = Adam(1e-3)
    solver.step(made, batch(0), solver.init(made), 1.0)
    gradient = torch.cat([each.grad.flatten() for each in made.parameters.values() if each.grad is not None])
    expected = start - 1e-3 * gradient / (gradient.abs() + 1e-8)
    torch.testing.assert_close(made.vector(), expected, rtol=1e-12, atol=1e-12)


def test_a_step_returns_the_terms_before_it() -> None:
    made = objective()
    solver, state = Adam(1e-2), Adam(1e-2).init(made)
    before = {name: float(term) for name, term in made.gradient(batch(0)).items()}
    found = solver.step(made, batch(0), state, 1.0)
    assert {name: float(term) for name, term in found.items()} == before
    assert float(made.gradient(batch(0))["constraint"]) != before["constraint"]


def test_parameters_without_a_gradient_are_left() -> None:
    torch.manual_seed(0)
    fields = {"u": Siren(1, 1, 8, 1), "v": Siren(1, 1, 8, 1)}
    made = Objective(fields, [Constraint(cloud(), lambda u, value: u.value - value)])
    start = {name: each.detach().clone() for name, each in made.parameters.items()}
    solver = Adam(1e-2)
    solver.step(made, batch(0), solver.init(made), 1.0)
    for name, each in made.parameters.items():
        assert torch.equal(each, start[name]) == name.startswith("v."), name


def test_gradients_of_earlier_steps_are_forgotten() -> None:
    made = objective()
    made.gradient(batch(0))
    first = [each.grad.clone() for each in made.parameters.values() if each.grad is not None]
    made.gradient(batch(0))
    again = [each.grad for each in made.parameters.values() if each.grad is not None]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("rate", "betas", "message"),
    [
        (0.0, BETAS, "learning_rate of a solver must be a positive number, got 0"),
        (float("nan"), BETAS, "learning_rate of a solver must be a positive number"),
        (float("inf"), BETAS, "learning_rate of a solver must be a positive number"),
        (1e-3, (1.0, 0.9), r"betas of Adam lie in \[0, 1\)"),
        (1e-3, (0.9, -0.1), r"betas of Adam lie in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(rate: float, betas: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adam(rate, betas)


def test_a_step_loads_no_compiler() -> None:
    script = """
import sys, torch
from sinefield import Constraint, PointCloud, Siren
from sinefield.objective import Batch, Objective
from sinefield.solvers import Adam, Muon, Soap
cloud = PointCloud(torch.zeros(3, 1))
made = Objective({"u": Siren(1, 1, 8, 1)}, [Constraint(cloud, lambda u: u.value)])
for solver in (Adam(), Muon(), Soap()):
    solver.step(made, Batch([cloud.at(torch.arange(3))]), solver.init(made), 1.0)
print(sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_first_layer_of_any_module_is_no_first_layer() -> None:
    """A rate is divided by a frequency where a sine of it follows, and nowhere else."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    made = Objective({"u": module}, [Constraint(cloud(), fit)])
    assert list(Adam().init(made).by_scale) == [1.0]
