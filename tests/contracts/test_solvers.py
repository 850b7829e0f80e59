"""Tests of what every solver must satisfy, on problems with a solution in closed form.

A new file in ``sinefield/solvers`` is found and judged by these tests as it stands.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from sinefield import Box, Constraint, PointCloud, Siren, solve, solvers
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import Adam, Cosine, Solver, State, Tensors
from sinefield.solvers.adam import setting_of

REQUIRED: Mapping[str, Any] = {"solver": Adam(), "clip": 10.0, "average": 0.9, "make": torch.optim.NAdam}
"""What settings without a default are given, by their names."""


def found() -> dict[str, type[Solver]]:
    """Return every solver of the package by its name."""
    modules = [
        importlib.import_module(each.name) for each in pkgutil.walk_packages(solvers.__path__, "sinefield.solvers.")
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, Solver)
        and not inspect.isabstract(value)
        and value.__module__ == module.__name__
    }


def made(kind: type[Solver]) -> Solver:
    """Return a solver with its usual settings."""
    missing = [
        each.name
        for each in dataclasses.fields(kind)  # type: ignore[arg-type]  # solvers are dataclasses
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    return kind(**{name: REQUIRED[name] for name in missing})


SOLVERS = {name: made(kind) for name, kind in found().items()}

ITERATIVE = {name: each for name, each in SOLVERS.items() if setting_of(each, "learning_rate") is not None}
"""Those that take steps by a rate, from what the gradient is; the others solve for some parameters at once."""


def test_all_are_found() -> None:
    assert SOLVERS.keys() >= {"Adam", "Muon", "Soap", "TorchOptimiser", "Clipped", "Averaged", "BestSoFar"}
    public = {
        name
        for name in solvers.__all__
        if inspect.isclass(value := getattr(solvers, name)) and issubclass(value, Solver)
    }
    assert public == {*SOLVERS, "Solver"}


# Problems


def small(outputs: int = 1) -> Siren:
    torch.manual_seed(1)
    return Siren(1, outputs, hidden_features=12, hidden_layers=1, first_omega=5.0)


def direct(outputs: int = 1) -> Siren:
    """A field whose last layer can be solved for."""
    torch.manual_seed(1)
    return Siren(1, outputs, hidden_features=40, hidden_layers=0, first_omega=5.0).double()


def field_for(name: str, outputs: int = 1) -> Siren:
    return small(outputs) if name in ITERATIVE else direct(outputs)


def rated(name: str, rate: float) -> Solver:
    """Return a solver with a learning rate, where it has one."""
    return SOLVERS[name].changed(learning_rate=rate) if name in ITERATIVE else SOLVERS[name]


def parabola() -> list[Constraint]:
    """u = x²."""
    points = torch.linspace(-1, 1, 64)[:, None]
    return [Constraint(PointCloud(points, {"value": points.square()}), lambda u, value: u.value - value)]


def poisson() -> list[Constraint]:
    """−u'' = π² sin(πx) with u(±1) = 0: u = sin(πx)."""

    def inside(u: Jet) -> Tensor:
        return (u.laplacian + math.pi**2 * torch.sin(math.pi * u.points)) / math.pi**2

    omega = PointCloud(torch.linspace(-1, 1, 64)[:, None])
    ends = PointCloud(torch.tensor([[-1.0], [1.0]]))
    return [Constraint(omega, inside, name="inside"), Constraint(ends, lambda u: u.value, name="ends", weight=3.0)]


PROBLEMS: Mapping[str, tuple[Callable[[], list[Constraint]], Callable[[Tensor], Tensor], float]] = {
    "values": (parabola, torch.square, 0.03),
    "Poisson": (poisson, lambda x: torch.sin(math.pi * x), 0.1),
}
"""Constraints, the solution, and the largest error that is allowed after a few hundred steps."""


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", SOLVERS)
def test_a_solution_in_closed_form(name: str, problem: str) -> None:
    constraints, wanted, most = PROBLEMS[problem]
    u = field_for(name)
    passes = 500 if name in ITERATIVE else 60
    recipe = Recipe("contract", rated(name, 2e-3), Cosine(0.01), batch=None, passes=passes)
    solution = solve(u, constraints(), recipe)
    points = torch.linspace(-1, 1, 201)[:, None].to(next(u.parameters()))
    with torch.no_grad():
        error = float((u(points) - wanted(points)).abs().max())
    assert error < most
    assert solution.history[-1].loss < 1e-2 * solution.history[0].loss or solution.history[-1].loss < 1e-4


@final
class Vector(nn.Module):
    """θ ``(3,)`` as a field: a quadratic problem where its value is constrained."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(3))

    def forward(self, points: Tensor) -> Tensor:
        return points @ self.theta[:, None]


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_quadratic(name: str) -> None:
    """‖A θ − A θ₀‖² has its least value at θ₀."""
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 0.5])
    wanted = torch.tensor([0.3, -0.2, 0.1])
    cloud = PointCloud(points, {"value": points @ wanted[:, None]})
    field = Vector()
    solver = SOLVERS[name].changed(learning_rate=1e-2)
    constraints = [Constraint(cloud, lambda u, value: u.value - value)]
    solve(field, constraints, Recipe("contract", solver, Cosine(0.0), batch=None, passes=300))
    assert float((field.theta.detach() - wanted).abs().max()) < 0.01


# Steps


def objective(name: str = "Adam", outputs: int = 1) -> Objective:
    constraints = poisson()
    return Objective({"u": field_for(name, outputs)}, constraints if outputs == 1 else constraints[1:])


def batch(owner: Objective, step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    domains = [group.domain for group in owner.groups]
    return Batch(
        [
            each.at(torch.randint(0, each.size, (9,), generator=generator))
            for each in domains
            if isinstance(each, PointCloud)
        ]
    )


@pytest.mark.parametrize("name", ITERATIVE)
def test_a_step_tells_the_terms_before_it(name: str) -> None:
    owner = objective()
    state = SOLVERS[name].init(owner)
    for step in range(3):
        expected = {key: float(each) for key, each in owner.gradient(batch(owner, step)).items()}
        terms = SOLVERS[name].step(owner, batch(owner, step), state, 1.0)
        assert {key: float(each) for key, each in terms.items()} == pytest.approx(expected, rel=1e-6)
        assert not any(each.requires_grad for each in terms.values())


@pytest.mark.parametrize("name", ITERATIVE)
def test_parameters_move_by_the_rate(name: str) -> None:
    owner = objective()
    state, start = SOLVERS[name].init(owner), owner.vector()
    for step in range(3):
        SOLVERS[name].step(owner, batch(owner, step), state, 1e-9)
    assert float((owner.vector() - start).abs().max()) < 1e-6
    for step in range(3):
        SOLVERS[name].step(owner, batch(owner, step), state, 1.0)
    assert float((owner.vector() - start).abs().max()) > 1e-5
    assert all(bool(torch.isfinite(each).all()) and each.requires_grad for each in owner.parameters.values())


@pytest.mark.parametrize("name", SOLVERS)
def test_the_same_steps_give_the_same_bits_and_nothing_is_drawn(name: str) -> None:
    ends = []
    for seed in (1, 2):
        owner = objective(name)
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        run(SOLVERS[name], owner, range(5))
        assert torch.equal(torch.get_rng_state(), before)
        ends.append(owner.vector())
    assert torch.equal(*ends)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_keeps_nothing_but_its_settings(name: str) -> None:
    """Two searches by one solver do not know of each other."""
    owners = objective(name), objective(name)
    states = [SOLVERS[name].init(each) for each in owners]
    for step in range(4):
        for owner, state in zip(owners, states, strict=True):
            SOLVERS[name].step(owner, batch(owner, step), state, 1.0)
    assert torch.equal(owners[0].vector(), owners[1].vector())


@pytest.mark.parametrize("name", SOLVERS)
def test_answers_are_parameters(name: str) -> None:
    owner = objective(name)
    answer = SOLVERS[name].answer(run(SOLVERS[name], owner, range(3)))
    if answer is not None:
        assert {key: each.shape for key, each in answer.items()} == {
            key: each.shape for key, each in owner.parameters.items()
        }


# States


def run(solver: Solver, owner: Objective, steps: Sequence[int] | range, state: State | None = None) -> State:
    """Take steps, each with a batch of its own; return the state."""
    state = solver.init(owner) if state is None else state
    for step in steps:
        solver.step(owner, batch(owner, step), state, 1.0)
    return state


def check_goes_on(solver: Solver, name: str = "Adam") -> None:
    """Check that a state that is written and read at any step goes on with the same bits."""
    whole = objective(name)
    end = run(solver, whole, range(12)).tensors()
    for stop in (0, 1, 4, 11):
        first = objective(name)
        written = save({key: each.contiguous() for key, each in run(solver, first, range(stop)).tensors().items()})
        second = objective(name)
        second.assign(first.vector())
        state = solver.init(second)
        state.load(load(written))
        run(solver, second, range(stop, 12), state)
        assert torch.equal(second.vector(), whole.vector()), f"another end after a stop at step {stop}"
        found = state.tensors()
        assert found.keys() == end.keys()
        assert all(torch.equal(found[key], end[key]) and found[key].dtype == end[key].dtype for key in end)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_state_that_is_written_and_read_goes_on_with_the_same_bits(name: str) -> None:
    check_goes_on(SOLVERS[name], name)


@final
@dataclasses.dataclass(frozen=True)
class Forgetful(Solver):
    """Adam that forgets its averages, or how many there were, when it is saved."""

    loses: str

    def init(self, objective: Objective) -> Any:
        state = Adam(1e-2).init(objective)
        remember = state.load

        def forget(tensors: Mapping[str, Tensor]) -> None:
            remember(
                {key: torch.zeros_like(each) if key.endswith(self.loses) else each for key, each in tensors.items()}
            )

        state.load = forget  # type: ignore[method-assign]  # it is made to be caught
        return state

    def step(self, objective: Objective, batch: Batch, state: Any, rate: float) -> Mapping[str, Tensor]:
        return Adam(1e-2).step(objective, batch, state, rate)


@pytest.mark.parametrize("loses", ["mean", "square", "steps"])
def test_a_solver_that_forgets_is_caught(loses: str) -> None:
    check_goes_on(Forgetful("nothing"))
    with pytest.raises(AssertionError, match="another end after a stop"):
        check_goes_on(Forgetful(loses))


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: each.shape for key, each in tensors.items()}


@pytest.mark.parametrize("name", SOLVERS)
def test_the_state_of_another_solver_is_refused(name: str) -> None:
    state = run(SOLVERS[name], objective(name), range(2))
    strangers = {other: run(solver, objective(other), range(2)).tensors() for other, solver in SOLVERS.items()}
    others = {other: each for other, each in strangers.items() if shapes(each) != shapes(state.tensors())}
    assert len(others) >= 4
    for tensors in others.values():
        with pytest.raises(ValueError, match="the state of the solver") as caught:
            state.load(tensors)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", SOLVERS)
def test_the_state_of_other_parameters_is_refused(name: str) -> None:
    other = objective(name, outputs=2)
    tensors = run(SOLVERS[name], other, range(2)).tensors()
    state = run(SOLVERS[name], objective(name), range(2))
    with pytest.raises(ValueError, match="the state of the solver") as caught:
        state.load(tensors)
    assert "\n" not in str(caught.value)


# Values


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_is_a_frozen_value(name: str) -> None:
    solver = SOLVERS[name]
    assert solver == made(type(solver))
    assert hash(solver) == hash(made(type(solver)))
    setting = dataclasses.fields(solver)[0].name  # type: ignore[arg-type]  # solvers are dataclasses
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(solver, setting, 3)
    assert getattr(type(solver), "__final__", False)


@pytest.mark.parametrize("name", SOLVERS)
def test_settings_can_be_changed_and_told(name: str) -> None:
    solver = SOLVERS[name]
    changed = solver.changed(**{"learning_rate" if name in ITERATIVE else "tolerance": 0.125})
    assert type(changed) is type(solver)
    assert changed != solver
    assert solver == made(type(solver))
    assert solver.changed() == solver
    stored = changed.to_json()
    assert stored["solver"] == name.lower()
    assert "0.125" in json.dumps(stored)
    assert json.loads(json.dumps(stored)) == stored
    assert stored != solver.to_json()
    settings = {each.name for each in dataclasses.fields(solver)}  # type: ignore[arg-type]  # solvers are dataclasses
    assert stored.keys() == {"solver", *("inner" if each == "solver" else each for each in settings)}


@pytest.mark.parametrize("name", SOLVERS)
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"has no setting epochs; it has .*(learning_rate|tolerance)"):
        SOLVERS[name].changed(epochs=3)


def test_tensors_are_a_state() -> None:
    state = Tensors({"a": torch.zeros(2)})
    own = state["a"]
    state.load({"a": torch.ones(2)})
    assert own.tolist() == [1, 1]  # in place
    for wrong in ({}, {"a": torch.ones(2), "b": torch.ones(2)}, {"b": torch.ones(2)}, {"a": torch.ones(3)}):
        with pytest.raises(ValueError, match="the state of the solver"):
            state.load(wrong)


def test_every_solver_takes_part_in_continuous_domains() -> None:
    """A boundary-value problem with points that are drawn afresh."""
    omega = Box([-1.0], [1.0])
    for name in SOLVERS:
        u = field_for(name)
        constraints = [
            Constraint(omega, lambda u: u.gradient - 2 * u.points, name="slope"),
            Constraint(omega.boundary, lambda u: u.value - 1, name="ends"),
        ]
        passes = 1 if name in ITERATIVE else 0.1  # others solve a linear problem in a few steps
        recipe = Recipe("contract", rated(name, 2e-3), Cosine(0.01), batch=256, passes=passes)
        solve(u, constraints, recipe)
        with torch.no_grad():
            assert abs(float(u(torch.tensor([[0.5]]).to(next(u.parameters())))) - 0.25) < 0.05, name
