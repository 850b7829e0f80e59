"""Tests of equations solved to the digits, on closed forms, with every kind of condition; and of the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, problems, solve
from sinefield.conditions import built_in, vanishing_on
from sinefield.domains import Ball, Box
from sinefield.fields.compose import Formula, Product, Sum
from sinefield.objective import Objective
from sinefield.problem import Problem
from sinefield.problems.equation import UnderResolved
from sinefield.residuals import relative_residuals
from sinefield.solution import Solution

SQUARE = Box([0.0, 0.0], [1.0, 1.0])
LINE = Box([0.0], [2.0])


def column(x: Tensor, axis: int) -> Tensor:
    return x[:, axis : axis + 1]


def edge(axis: int, at: float, other: tuple[float, float], count: int = 200, axes: str | None = None) -> PointCloud:
    """Points on a side of a rectangle."""
    along = torch.linspace(*other, count, dtype=torch.float64)
    fixed = torch.full_like(along, at)
    return PointCloud(torch.stack([fixed, along] if axis == 0 else [along, fixed], 1), axes=axes)


def poisson() -> Problem:
    def exact(x: Tensor) -> Tensor:
        return torch.sin(math.pi * column(x, 0)) * torch.exp(column(x, 1))

    return problems.equation(
        [
            Constraint(SQUARE, lambda u: u.laplacian - (1 - math.pi**2) * exact(u.points), name="equation"),
            Constraint(SQUARE.boundary, lambda u: u.value - exact(u.points), name="dirichlet"),
        ],
        exact=exact,
        features=300,
    )


def robin_on_a_disc() -> Problem:
    """Δu = 4 with u + ∂u/∂n = 3 on the unit circle: u = r²."""
    disc = Ball([0.0, 0.0], 1.0)
    return problems.equation(
        [
            Constraint(disc, lambda u: u.laplacian - 4, name="equation"),
            Constraint(
                disc.boundary, lambda u: u.value + (u.gradient * u.points).sum(1, keepdim=True) - 3, name="robin"
            ),
        ],
        exact=lambda x: x.square().sum(1, keepdim=True),
        features=250,
    )


def neumann() -> Problem:
    """u″ − u = 0 with u′(0) = 0 and u(2) = cosh 2: u = cosh x."""
    start, end = (PointCloud(torch.tensor([[at]], dtype=torch.float64)) for at in (0.0, 2.0))
    return problems.equation(
        [
            Constraint(LINE, lambda u: u.laplacian - u.value, name="equation"),
            Constraint(start, lambda u: u.gradient, name="neumann"),
            Constraint(end, lambda u: u.value - math.cosh(2), name="dirichlet"),
        ],
        exact=torch.cosh,
        features=60,
    )


def wave() -> Problem:
    """u_tt = c² u_xx, from a value and a velocity: u = sin(x − c t), in seconds and metres."""
    speed, space_time = 300.0, Box([0.0, 0.0], [0.01, 4.0], axes="tx")

    def exact(x: Tensor) -> Tensor:
        return torch.sin(column(x, 1) - speed * column(x, 0))

    start = edge(0, 0.0, (0.0, 4.0), axes="tx")
    return problems.equation(
        [
            Constraint(space_time, lambda u: u.d("tt") / speed**2 - u.d("xx"), name="equation"),
            Constraint(start, lambda u: u.value - exact(u.points), name="value"),
            Constraint(start, lambda u: u.d("t") / speed + torch.cos(column(u.points, 1)), name="velocity"),
            *(
                Constraint(edge(1, at, (0.0, 0.01), axes="tx"), lambda u: u.value - exact(u.points), name=f"end {at}")
                for at in (0.0, 4.0)
            ),
        ],
        exact=exact,
        features=300,
    )


def heat_built_in() -> Problem:
    """u_t = u_xx with u(0, x) = sin πx and u = 0 at the ends, both built in: u = e^(−π² t) sin πx."""
    space_time = Box([0.0, 0.0], [0.2, 1.0], axes="tx")
    start = Formula(lambda x: torch.sin(math.pi * column(x, 1)), 2, 1)
    bubble = Formula(lambda x: column(x, 0) * column(x, 1) * (1 - column(x, 1)), 2, 1)
    return problems.equation(
        [Constraint(space_time, lambda u: u.d("t") - u.d("xx"), name="heat")],
        exact=lambda x: torch.exp(-(math.pi**2) * column(x, 0)) * torch.sin(math.pi * column(x, 1)),
        features=250,
        around=lambda network: Sum(start, Product(bubble, network)),
    )


def complex_helmholtz() -> Problem:
    """Δu + k² u = 0 with the values of a plane wave: u = e^(ikx)."""
    k = 6.0

    def exact(x: Tensor) -> Tensor:
        return torch.exp(1j * k * column(x, 0))

    return problems.equation(
        [
            Constraint(SQUARE, lambda u: u.complex.laplacian + k**2 * u.complex.value, name="equation"),
            Constraint(SQUARE.boundary, lambda u: u.complex.value - exact(u.points), name="dirichlet"),
        ],
        complex=True,
        exact=exact,
        features=250,
    )


def nonlinear() -> Problem:
    """u″ = 6 u² with the values of u = 1/(1 + x)²."""

    def exact(x: Tensor) -> Tensor:
        return (1 + x) ** -2

    return problems.equation(
        [
            Constraint(LINE, lambda u: u.laplacian - 6 * u.value.square(), name="equation"),
            Constraint(LINE.boundary, lambda u: u.value - exact(u.points), name="ends"),
        ],
        exact=exact,
        features=80,
    )


def fourth_order() -> Problem:
    """u'''' = 1, clamped at both ends: u = x² (2 − x)² / 24."""
    return problems.equation(
        [
            Constraint(Box([0.0], [2.0], axes="x"), lambda u: u.d("xxxx") - 1, name="beam"),
            Constraint(LINE.boundary, lambda u: u.value, name="place"),
            Constraint(LINE.boundary, lambda u: u.gradient, name="slope"),
        ],
        exact=lambda x: x**2 * (2 - x) ** 2 / 24,
        features=60,
    )


def two_materials() -> Problem:
    """κ u″ = −1 with κ = 1 left of x = 1 and 4 right of it, u and the flux κ u′ continuous there, u = 0 at both ends.

    The main field is that of the left; the flux is κ u′ = q − x with q = 7/10 everywhere.
    """
    ends = [PointCloud(torch.tensor([[at]], dtype=torch.float64)) for at in (0.0, 1.0, 2.0)]
    return problems.equation(
        [
            Constraint(Box([0.0], [1.0]), lambda u: u.laplacian + 1, name="left"),
            Constraint(Box([1.0], [2.0]), lambda v: 4 * v.laplacian + 1, name="right"),
            Constraint(ends[0], lambda u: u.value, name="left end"),
            Constraint(ends[1], lambda u, v: u.value - v.value, name="value"),
            Constraint(ends[1], lambda u, v: u.gradient - 4 * v.gradient, name="flux"),
            Constraint(ends[2], lambda v: v.value, name="right end"),
        ],
        unknowns={"v": Siren(1, 1, hidden_features=60, hidden_layers=0)},
        exact=lambda x: 0.7 * x - x**2 / 2,
        features=60,
    )


@pytest.mark.parametrize(
    "make",
    [poisson, robin_on_a_disc, neumann, wave, heat_built_in, complex_helmholtz, nonlinear, fourth_order, two_materials],
)
def test_closed_forms_to_the_digits(make: Any) -> None:
    solution = solve(make())
    assert solution.metrics["error"] <= 1e-9
    assert solution.converged
    assert solution.verdict.startswith("solved: every constraint holds to ")


def test_the_seed_decides_and_repeats() -> None:
    first, again, other = (solve(neumann(), seed=seed) for seed in (0, 0, 1))
    points = torch.linspace(0, 2, 9, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert torch.equal(first.field(points), again.field(points))
        assert not torch.equal(first.field(points), other.field(points))


def test_it_ends_as_soon_as_the_tolerance_is_reached() -> None:
    assert len(solve(neumann()).history) < 4


def unsolved(conditions: list[Constraint]) -> Solution:
    return solve(problems.equation(conditions, features=60))


def test_contradicting_conditions_are_no_solution() -> None:
    solution = unsolved(
        [
            Constraint(LINE, lambda u: u.laplacian, name="equation"),
            Constraint(LINE.boundary, lambda u: u.value, name="zero"),
            Constraint(LINE.boundary, lambda u: u.value - 1, name="one"),
        ]
    )
    assert not solution.converged
    assert solution.verdict.startswith("not solved: ")
    assert solution.metrics["residual"] > 0.1


def test_a_kink_is_not_resolved_and_said_so() -> None:
    """u′ = sign(x − 1): the solution has a kink, which sines of one bandwidth approach slowly."""
    solution = unsolved(
        [
            Constraint(LINE, lambda u: u.gradient - torch.sign(u.points - 1), name="slope"),
            Constraint(LINE.boundary, lambda u: u.value, name="ends"),
        ]
    )
    assert not solution.converged
    assert "'slope' holds to" in solution.verdict


def test_a_wrong_sign_is_no_solution() -> None:
    """The truth of Δu − k² u = f is none of Δu + k² u = f: the error tells, and the residual does not."""
    solution = solve(
        problems.equation(
            [
                Constraint(LINE, lambda u: u.laplacian + u.value, name="equation"),
                Constraint(LINE.boundary, lambda u: u.value - torch.cosh(u.points), name="ends"),
            ],
            exact=torch.cosh,
            features=60,
        )
    )
    assert solution.converged
    assert solution.metrics["error"] > 0.1


def residual_of(function: Callable[[Tensor], Tensor], condition: Callable[..., Tensor]) -> float:
    """Return the relative residual of a function in closed form on an interval of one period."""
    domain = Box([0.0], [2 * math.pi])
    problem = problems.equation([Constraint(domain, condition)], features=8)
    groups = Objective(problem.build(1.0), problem.constraints).groups
    points = [domain.draw(20_000, torch.Generator().manual_seed(0), torch.float64)]
    return relative_residuals(groups, {"u": Formula(function, 1, 1)}, points).worst


def test_residuals_are_relative_to_the_terms_of_the_equation() -> None:
    """Of u = x² in u″ = 2.02, relative to 2.02; of u = sin 3x in u″ + 9.09 u = 0 to waves of about that frequency."""
    assert residual_of(torch.square, lambda u: u.laplacian - 2.02) == pytest.approx(0.02 / 2.02, rel=0.5)
    found = residual_of(lambda x: torch.sin(3 * x), lambda u: u.laplacian + 9.09 * u.value)
    assert 0.09 / 9 / 3 < found < 3 * 0.09 / 9


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_units_do_not_change_relative_residuals(factor: float) -> None:
    def found(times: float) -> float:
        return residual_of(lambda x: times * torch.sin(3 * x), lambda u: factor * (u.laplacian + 9.09 * u.value))

    assert found(factor) == pytest.approx(
        residual_of(lambda x: torch.sin(3 * x), lambda u: u.laplacian + 9.09 * u.value)
    )


def test_values_that_are_zero_but_for_rounding_are_no_size() -> None:
    """The condition u = sin πx at x = 0 and 1 has a right side of 1e-16, beside which nothing would be small."""
    line = Box([0.0], [1.0])
    problem = problems.equation(
        [
            Constraint(line, lambda u: u.laplacian + math.pi**2 * torch.sin(math.pi * u.points), name="equation"),
            Constraint(line.boundary, lambda u: u.value - torch.sin(math.pi * u.points), name="ends"),
        ],
        exact=lambda x: torch.sin(math.pi * x),
        features=60,
    )
    assert solve(problem).metrics["residual_ends"] < 1e-9


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"constraints on domains of one dimension, got 2 constraints of dimensions \[1, 2\]"
    ):
        problems.equation([Constraint(LINE, lambda u: u.value), Constraint(SQUARE, lambda u: u.value, name="b")])
    with pytest.raises(ValueError, match="got 0 constraints"):
        problems.equation([])
    picture = problems.image(torch.rand(8, 8).numpy(), hidden_features=8, hidden_layers=0)
    with pytest.raises(ValueError, match="the problem 'image' is no equation"):
        _ = solve(picture, passes=1).converged


def test_further_unknowns_are_copies_in_double_precision() -> None:
    given = Siren(1, 1, hidden_features=60, hidden_layers=0)
    before = [each.clone() for each in given.parameters()]
    flux = Constraint(LINE, lambda u, q: q.value - u.gradient, name="flux")
    equation = Constraint(LINE, lambda q: q.gradient - 1, name="equation")
    ends = Constraint(LINE.boundary, lambda u: u.value, name="ends")
    solution = solve(problems.equation([flux, equation, ends], unknowns={"q": given}, features=60))
    points = torch.linspace(0, 2, 9, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert torch.allclose(solution.fields["q"](points), points - 1, atol=1e-9)
        assert torch.allclose(solution.field(points), points**2 / 2 - points, atol=1e-9)
    assert all(torch.equal(*pair) for pair in zip(before, given.parameters(), strict=True))
    with pytest.raises(ValueError, match="has the name 'u'"):
        problems.equation([ends], unknowns={"u": given})


def test_least_squares_needs_one_sine_layer_in_double_precision() -> None:
    from sinefield.recipe import named
    from sinefield.solvers import LeastSquares

    recipe = named("fast").changed(solver=LeastSquares(), batch=None)
    for field in (Siren(1, 1, hidden_features=8, hidden_layers=0), Siren(1, 1, hidden_features=8).double()):
        with pytest.raises(ValueError, match="one sine layer in double precision"):
            solve(field, [Constraint(LINE, lambda u: u.value - 1)], recipe)


# ---- too few features or points


def helmholtz(domain: Any, k: float, **settings: Any) -> Problem:
    """Return Δu + k² u = −1 with u = 0 on the square."""
    return problems.equation(
        [
            Constraint(domain, lambda u: u.laplacian + k**2 * u.value + 1, name="helmholtz"),
            Constraint(Box([0.0, 0.0], [1.0, 1.0]).boundary, lambda u: u.value, name="wall"),
        ],
        **settings,
    )


def test_too_few_features_for_the_waves_of_an_equation_are_told_before_it_is_solved() -> None:
    square = Box([0.0, 0.0], [1.0, 1.0])
    waves = 50**2 / (4 * math.pi)  # π k² A / (2π)²
    with pytest.warns(UnderResolved, match=f"^150 features are too few .* has {waves:.0f}; .* give at least 398$"):
        helmholtz(square, 50.0, features=150)
    with pytest.warns(UnderResolved, match="^4800 features are too few .*, or windows=18$"):
        helmholtz(square, 300.0)


def test_too_few_points_for_the_waves_of_an_equation_are_told_before_it_is_solved() -> None:
    points = torch.rand(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with pytest.warns(UnderResolved, match="^100 points are too few"):
        helmholtz(PointCloud(points), 50.0)


def test_conditions_that_are_built_in_and_lines_are_told_of_too() -> None:
    square, line = Box([0.0, 0.0], [1.0, 1.0]), Box([0.0], [1.0])
    with pytest.warns(UnderResolved, match="^150 features are too few"):
        helmholtz(square, 50.0, features=150, around=built_in(0.0, vanishing_on(square.boundary)))
    with pytest.warns(UnderResolved, match="^20 features are too few .* has 32"):  # k h 2 / π
        problems.equation([Constraint(line, lambda u: u.laplacian + 100**2 * u.value + 1)], features=20)


@pytest.mark.filterwarnings("error")
def test_enough_features_are_not_told_of() -> None:
    helmholtz(Box([0.0, 0.0], [1.0, 1.0]), 50.0, features=400)
    points = torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    helmholtz(PointCloud(points), 50.0)


def test_a_verdict_on_points_given_one_by_one_says_so() -> None:
    """Walls with more points than the inside, where the field is 0: its size is that inside."""
    generator = torch.Generator().manual_seed(0)
    square = Box([0.0, 0.0], [1.0, 1.0])
    inside = PointCloud(square.draw(200, generator, torch.float64).points)
    wall = PointCloud(square.boundary.draw(300, generator, torch.float64).points)

    def exact(p: Tensor) -> Tensor:
        return torch.sin(math.pi * p[:, :1]) * torch.sin(math.pi * p[:, 1:])

    solution = solve(
        problems.equation(
            [
                Constraint(inside, lambda u: u.laplacian + 2 * math.pi**2 * exact(u.points), name="poisson"),
                Constraint(wall, lambda u: u.value, name="wall"),
            ],
            exact=exact,
        )
    )
    assert solution.metrics["error"] <= 1e-9
    assert solution.verdict.endswith(
        "of its terms at the points given, 200 of 'poisson', 300 of 'wall': between those it is not tested"
    )
