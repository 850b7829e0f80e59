"""Tests of solutions: unknowns by name, what is told of them, and the file they are written to."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

import sinefield
from sinefield import problems
from sinefield.constraint import Constraint
from sinefield.domains import Box
from sinefield.fields.compose import Constant as Scalar
from sinefield.fields.siren import Siren
from sinefield.history import Record
from sinefield.problem import Problem
from sinefield.recipe import Recipe
from sinefield.solution import Progress, Solution, Speed, Stop, describe
from sinefield.solve import solve
from sinefield.solvers import Adam, Constant, Muon

LINE = Box([-1.0], [1.0])
QUICK = Recipe("quick", Muon(1e-3, rest=Adam(3e-4)), Constant(), batch=64, passes=0.01)


def pair() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {"u": Siren(1, 1, 8, 1), "k": Scalar(value=0.25)}


def solved() -> Solution:
    return solve(pair(), [Constraint(LINE, lambda u, k: u.gradient - k.value, name="equation")], QUICK, seed=3)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Return whether all weights are the same."""
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][name], states[1][name]) for name in states[0]
    )


def ended(stopped: Stop, *losses: float) -> Solution:
    history = [Record(k, float(k), 0.5 * k, loss, {}, {}) for k, loss in enumerate(losses, start=1)]
    problem = Problem("p", [], {})
    return Solution(pair(), problem, QUICK, history, {}, stopped, 0, Speed(1.0, 2.0, 8.0))


def test_the_main_unknown_is_the_first() -> None:
    solution = solved()
    assert list(solution.fields) == ["u", "k"]
    assert solution.field is solution.fields["u"]
    assert not any(each.training for each in solution.fields.values())


def test_seconds_are_those_of_the_last_record() -> None:
    assert ended("budget", 2.0, 1.0).seconds == 1.0
    assert ended("interrupted").seconds == 0.0


def test_advice_is_given_after_a_divergence_alone() -> None:
    advice = ended("diverged", 1.0, math.nan).advice
    assert "the loss became nan by step 2" in advice
    assert "lower the learning rate (it was 0.0003)" in advice
    for stopped in ("budget", "goal", "interrupted"):
        assert ended(stopped, 1.0).advice == ""


def test_speed_is_told_as_part_of_the_peak() -> None:
    assert Speed(1.0, 2.0, 8.0).fraction == 0.25
    assert math.isnan(Speed(1.0, 2.0, math.nan).fraction)


def test_every_unknown_is_saved_under_its_name(tmp_path: Path) -> None:
    solution = solved()
    path = tmp_path / "pair.safetensors"
    solution.save(path)
    loaded = sinefield.load(path)
    assert isinstance(loaded, dict)
    assert list(loaded) == ["u", "k"]
    for name, field in solution.fields.items():
        assert type(loaded[name]) is type(field)
        assert same(loaded[name], field)


def test_one_unknown_is_loaded_as_a_module(tmp_path: Path) -> None:
    solution = solve(pair()["u"], [Constraint(LINE, lambda u: u.gradient - 1)], QUICK)
    solution.save(tmp_path / "u.safetensors")
    loaded = sinefield.load(tmp_path / "u.safetensors")
    assert isinstance(loaded, Siren)
    assert same(loaded, solution.field)


def test_the_search_is_described_as_json() -> None:
    problem = problems.image("sample:camera", longest=8)
    found = describe(problem, QUICK, 7)
    assert json.loads(json.dumps(found)) == found
    assert (found["problem"], found["seed"], found["sinefield"]) == ("image", 7, sinefield.__version__)
    assert found["recipe"] == QUICK.to_json()
    assert found["signal"]["kind"] == "image"
    assert describe(Problem("p", [], {}), QUICK, 7)["signal"] is None


def test_what_is_no_signal_is_not_rendered() -> None:
    with pytest.raises(ValueError, match=r"the problem 'constraints' is not a signal; call solution.field\(points\)"):
        solved().render()


def test_a_signal_is_rendered_from_its_main_field() -> None:
    solution = solve(problems.image("sample:camera", longest=8, hidden_features=8, hidden_layers=0), passes=0.1)
    assert solution.render(scale=2).shape == (16, 16, 1)


def test_an_observer_sees_every_unknown() -> None:
    fields = pair()
    progress = Progress(fields, 1, 0.5, 0.1, 0.2, None)
    assert progress.field is fields["u"]
    assert progress.fields["k"] is fields["k"]


def test_a_chosen_frequency_is_told_from_a_given_one() -> None:
    problem = problems.image("sample:camera", longest=16, hidden_features=8, hidden_layers=0)
    assert solve(problem, passes=0.1).omega_found
    assert not solve(problem, passes=0.1, first_omega=(problem.omega or 0) + 1).omega_found
    assert not solved().omega_found
