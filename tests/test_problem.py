"""Tests of problems: unknowns by name, what is measured of them, and what a problem of one unknown is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from sinefield.constraint import Constraint
from sinefield.domains import Box, PointCloud
from sinefield.fields.compose import Constant
from sinefield.fields.siren import Siren
from sinefield.problem import Part, Problem
from sinefield.recipe import named
from sinefield.solution import Progress
from sinefield.solve import solve

LINE = Box([-1.0], [1.0])


def siren(first_omega: float) -> Siren:
    return Siren(1, 1, 16, 1, first_omega=first_omega)


def pair() -> Problem:
    """Return the problem u' = k with u(0) = 0 and u(1) = 0.5, k being unknown too."""
    ends = PointCloud(torch.tensor([[0.0], [1.0]]), {"value": torch.tensor([[0.0], [0.5]])})
    return Problem(
        "slope",
        [
            Constraint(LINE, lambda u, k: u.gradient - k.value, name="equation"),
            Constraint(ends, lambda u, value: u.value - value, name="ends"),
        ],
        {"u": siren, "k": lambda _omega: Constant(value=0.25)},
    )


def test_fields_are_built_by_name_with_their_frequency() -> None:
    fields = pair().build(17.0)
    assert list(fields) == ["u", "k"]
    assert isinstance(fields["u"], Siren)
    assert fields["u"].settings["first_omega"] == 17.0
    assert isinstance(fields["k"], Constant)


def test_measures_and_observers_see_all_unknowns_by_name() -> None:
    measured: list[tuple[list[str], int | None]] = []
    seen: list[Progress] = []

    def measure(fields: Mapping[str, nn.Module], count: int | None) -> dict[str, float]:
        measured.append((list(fields), count))
        return {"k": float(fields["k"](torch.zeros(1, 1)).detach())}

    slope = pair()
    problem = Problem(slope.name, slope.constraints, slope.unknowns, measure=measure)
    solution = solve(problem, passes=0.05, batch=64, observe=seen.append)
    assert list(solution.fields) == ["u", "k"]
    assert solution.field is solution.fields["u"]
    assert {tuple(names) for names, _ in measured} == {("u", "k")}
    assert measured[-1][1] is None  # the solution's metrics are of all points
    assert solution.metrics["k"] == pytest.approx(float(solution.fields["k"](torch.zeros(1, 1)).detach()))
    assert all(list(each.fields) == ["u", "k"] for each in seen)
    assert all(each.field is each.fields["u"] for each in seen)
    assert seen[-1].fields["k"] is solution.fields["k"]


def test_a_problem_of_one_unknown_measures_its_field() -> None:
    found: list[tuple[nn.Module, int | None]] = []

    def measure(field: nn.Module, count: int | None) -> dict[str, float]:
        found.append((field, count))
        return {"psnr": 1.0}

    problem = Problem.of_one("p", [Constraint(LINE, lambda u: u.value)], siren, measure, omega=12.0)
    assert (list(problem.unknowns), problem.omega) == (["u"], 12.0)
    fields = problem.build(30.0)
    assert problem.measure(fields, 7) == {"psnr": 1.0}
    assert found == [(fields["u"], 7)]


def test_a_problem_without_a_measure_measures_nothing() -> None:
    problem = pair()
    assert problem.measure(problem.build(30.0), None) == {}
    assert problem.signal is None
    assert problem.reference is None
    assert problem.tuning == {}


def test_a_problem_chooses_its_frequency_unless_the_recipe_does() -> None:
    problem = Problem("p", [Constraint(LINE, lambda u: u.value)], {"u": siren}, omega=55.0)
    assert named("fast").first_omega is None
    open_recipe = named("fast").changed(passes=0.01, batch=64)
    for recipe, expected in ((open_recipe, 55.0), (open_recipe.changed(first_omega=20.0), 20.0)):
        solution = solve(problem, recipe=recipe)
        assert isinstance(solution.field, Siren)
        assert solution.field.settings["first_omega"] == expected
        assert solution.omega_found == (expected == 55.0)


def test_parts_are_solved_apart_and_the_whole_learns_with_them() -> None:
    """u and v on their own: parts share no parameter, and their fields are those of the whole."""

    def parts(fields: Mapping[str, nn.Module]) -> list[Part]:
        return [
            Part({name: fields[name]}, Problem(name, [constraint], {name: siren}))
            for name, constraint in zip(fields, constraints, strict=True)
        ]

    values = torch.linspace(-1, 1, 20)[:, None]
    clouds = [PointCloud(values, {"value": target}) for target in (values, -values)]
    constraints = [
        Constraint(clouds[0], lambda u, value: u.value - value, name="u"),
        Constraint(clouds[1], lambda v, value: v.value - value, name="v"),
    ]
    seen: list[Progress] = []
    problem = Problem("both", constraints, {"u": siren, "v": siren}, parts=parts)
    solution = solve(problem, passes=300, batch=None, learning_rate=3e-3, first_omega=5.0, observe=seen.append)
    for name, sign in (("u", 1), ("v", -1)):
        with torch.no_grad():
            assert float((solution.fields[name](values) - sign * values).abs().max()) < 0.05
    assert [each.step for each in seen] == list(range(1, 601))
    assert [each.fraction for each in seen] == sorted(each.fraction for each in seen)
    assert seen[-1].fraction == 1.0
    assert seen[-1].passes == pytest.approx(300)
