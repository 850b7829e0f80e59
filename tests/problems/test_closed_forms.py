"""Tests of functions in closed form chosen for equations: what is seen of them, and solutions sines do not reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, jet, problems, solve
from sinefield.domains import Ball, Box, Difference, Polygon
from sinefield.fields import Columns, Expansion, Siren, Sum
from sinefield.objective import Objective
from sinefield.problems.closed_forms import closed_forms, corners_of, exponents_at, holes_of
from sinefield.problems.symbols import Symbol, symbol_of
from sinefield.randomness import generator_of
from sinefield.solvers.least_squares import LeastSquares
from sinefield.solvers.particular_solutions import ParticularSolutions

SQUARE = Box([-1.0, -1.0], [1.0, 1.0], axes="xy")
TIME = Box([0.0, 0.0], [0.5, 2.0], axes="tx")
ELL = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)], axes="xy")


def objective(residual: Callable[..., Tensor], domain: Any = SQUARE, outputs: int = 1) -> Objective:
    field = Siren(domain.dimension, outputs, hidden_features=4, hidden_layers=0).double()
    value = Constraint(domain.boundary, lambda u: u.value, name="value")
    return Objective({"u": field}, [Constraint(domain, residual, name="equation"), value])


def symbol(residual: Callable[..., Tensor], domain: Any = SQUARE, *, complex_field: bool = False) -> Symbol | None:
    return symbol_of(objective(residual, domain, 2 if complex_field else 1), complex_field=complex_field)


# ---- symbols


@pytest.mark.parametrize(
    ("residual", "numbers", "homogeneous"),
    [
        (lambda u: u.laplacian, (1.0, 0.0), True),
        (lambda u: u.laplacian - 1, (1.0, 0.0), False),
        (lambda u: -2 * u.laplacian + 128 * u.value, (-2.0, 128.0), True),
        (lambda u: u.d("xx") + u.d("yy") + 1e4 * u.value - u.points[:, :1], (1.0, 1e4), False),
    ],
)
def test_isotropic_equations_are_told(
    residual: Callable[..., Tensor], numbers: tuple[float, float], homogeneous: bool
) -> None:
    found = symbol(residual)
    assert found is not None
    assert found.isotropic == pytest.approx(numbers, rel=1e-10)
    assert found.homogeneous == homogeneous


@pytest.mark.parametrize(
    "residual",
    [
        lambda u: u.laplacian + u.value.square(),
        lambda u: u.laplacian + u.points[:, :1] * u.value,
        lambda u: u.gradient.norm(dim=1, keepdim=True) - 1,
    ],
)
def test_other_equations_have_no_symbol(residual: Callable[..., Tensor]) -> None:
    assert symbol(residual) is None


@pytest.mark.parametrize("residual", [lambda u: u.laplacian + u.d("xy"), lambda u: u.d("xx") + 2 * u.d("yy")])
def test_what_is_not_isotropic_is_not_taken_for_it(residual: Callable[..., Tensor]) -> None:
    found = symbol(residual)
    assert found is not None
    assert found.isotropic is None


WAVES: dict[str, tuple[Callable[..., Tensor], Box, str]] = {
    "Helmholtz": (lambda u: u.laplacian + 400 * u.value, SQUARE, "waves"),
    "anisotropic": (lambda u: u.d("xx") + 4 * u.d("yy") + u.d("xy") + 100 * u.value, SQUARE, "waves"),
    "wave": (lambda u: u.d("tt") - 9 * u.d("xx"), TIME, "standing"),
    "Klein-Gordon": (lambda u: u.d("tt") - u.d("xx") + 16 * u.value, TIME, "standing"),
    "wave in the plane": (
        lambda u: u.d("tt") - u.laplacian_along("xy"),
        Box([0.0, 0, 0], [1.0, 2, 2], axes="txy"),
        "standing",
    ),
    "convection": (lambda u: u.d("t") + 40 * u.d("x"), TIME, "waves"),
}  # fmt: no


@pytest.mark.parametrize("name", WAVES)
def test_waves_solve_the_equation_and_do_not_grow(name: str) -> None:
    residual, box, family = WAVES[name]
    found = symbol(residual, box)
    assert found is not None
    waves = found.waves(60, generator_of(0))
    assert waves is not None
    assert waves[0] == family
    field = Expansion.of(*waves, box.dimension, len(waves[1]))
    torch.nn.init.eye_(field.weight)
    u = jet(field, box.draw(40, generator_of(1), torch.float64).points, axes=box.axes)
    with torch.no_grad():
        assert float(residual(u).abs().max()) <= 1e-10 * float(u.hessian.abs().max() + u.jacobian.abs().max())
        assert float(u.value.abs().max()) <= 1 + 1e-9


def test_where_waves_grow_or_decay_or_none_is_there_none_are_given() -> None:
    heat = [lambda u, sign=sign: u.d("t") + sign * u.d("xx") for sign in (1, -1)]
    for residual in (*heat, lambda u: u.d("xx") + u.d("tt")):
        found = symbol(residual, TIME)
        assert found is not None
        assert found.waves(20, generator_of(0)) is None


# ---- corners and holes


def test_corners_of_an_ell() -> None:
    found = {each.place: (each.opening / math.pi, each.middle / math.pi % 2) for each in corners_of(ELL)}
    assert found[0.0, 0.0] == pytest.approx((1.5, 0.75))
    assert found[1.0, 1.0] == pytest.approx((0.5, 1.25))
    assert len(found) == 6


def test_corners_of_what_is_cut_out_are_turned() -> None:
    plate = Difference(Box([0, 0], [3, 3]), Box([1, 1], [2, 2]), Ball([0, 0], 0.5))
    found = {each.place: (each.opening / math.pi, each.middle / math.pi % 2) for each in corners_of(plate)}
    assert found[1.0, 1.0] == pytest.approx((1.5, 1.25))
    assert found[3.0, 3.0] == pytest.approx((0.5, 1.25))
    assert (0.0, 0.0) not in found  # it was cut off
    assert {(each.centre, each.radius) for each in holes_of(plate)} == {((1.5, 1.5), 0.5), ((0, 0), 0.5)}


def test_exponents_are_those_of_the_conditions() -> None:
    assert exponents_at(1.5 * math.pi, False)[:4] == pytest.approx([2 / 3, 4 / 3, 2, 8 / 3])
    assert exponents_at(2 * math.pi, True)[:4] == pytest.approx([1 / 4, 1 / 2, 3 / 4, 1])


def families(residual: Callable[..., Tensor], domain: Any) -> tuple[set[str], bool]:
    posed, of_it = objective(residual, domain), symbol(residual, domain)
    assert of_it is not None
    found = closed_forms(of_it, posed, 100, complex_field=False)
    return {each.columns.family for each in found.expansions if isinstance(each.columns, Columns)}, found.alone


def test_functions_follow_from_the_equation_and_its_domain() -> None:
    ring = Difference(Ball([0, 0], 2), Ball([0.5, 0], 0.5))
    assert families(lambda u: u.laplacian, ring) == ({"powers"}, True)
    assert families(lambda u: u.laplacian - 9 * u.value, ring) == ({"bessel-i", "bessel-k"}, True)
    assert families(lambda u: u.laplacian - 9 * u.value - 1, ring) == ({"bessel-i", "bessel-k"}, False)
    assert families(lambda u: u.laplacian + 9 * u.value, ring) == ({"bessel-y", "waves"}, True)
    assert families(lambda u: u.laplacian + 9 * u.value, ELL) == ({"bessel-j", "waves"}, True)
    assert families(lambda u: u.laplacian + 9 * u.value - 1, ELL) == ({"powers"}, False)
    assert families(lambda u: u.d("tt") - u.d("xx"), TIME) == ({"standing"}, True)
    value = Constraint(ELL.boundary, lambda u: u.value, name="value")
    nonlinear = problems.equation([Constraint(ELL, lambda u: u.laplacian + u.value.square(), name="equation"), value])
    assert not any(isinstance(each, Expansion) for each in nonlinear.build(1.0)["u"].modules())


# ---- solutions


def corner(x: Tensor) -> Tensor:
    angle = torch.atan2(x[:, 1:], x[:, :1]) % (2 * math.pi)
    found: Tensor = x.norm(dim=1, keepdim=True) ** (2 / 3) * torch.sin(2 / 3 * angle)
    return found


def of_a_point_source(x: Tensor, k: float = 30.0) -> Tensor:
    """i/4 H₀(k|x − s|) with s = (2, 0.2)."""
    radius = k * (x - x.new_tensor([2.0, 0.2])).norm(dim=1, keepdim=True)
    return torch.complex(-torch.special.bessel_y0(radius), torch.special.bessel_j0(radius)) / 4


def test_the_corner_function_of_an_ell() -> None:
    conditions = [
        Constraint(ELL, lambda u: u.laplacian, name="laplace"),
        Constraint(ELL.boundary, lambda u: u.value - corner(u.points), name="value"),
    ]
    assert solve(problems.equation(conditions, exact=corner, features=100)).metrics["error"] <= 1e-11
    without = solve(problems.equation(conditions, exact=corner, features=100, columns=()))
    assert without.metrics["error"] >= 1e-4
    own = Columns("powers", torch.tensor([[0, 0, 0.75 * math.pi, 1, 2 / 3, 0, 0, 0]]).double(), 2)
    assert solve(problems.equation(conditions, exact=corner, features=100, columns=[own])).metrics["error"] <= 1e-8


def test_a_load_on_a_square_whose_corners_do_not_fit() -> None:
    """Δu = −2 with u = 0 on (0, 1)²: x (1 − x) − 8/π³ Σ sin(mπx) cosh(mπ(y − ½)) / (m³ cosh(mπ/2)) over odd m."""

    def exact(p: Tensor) -> Tensor:
        x, y = p[:, :1], p[:, 1:]
        m = torch.arange(1, 400, 2, dtype=p.dtype) * math.pi
        away = (y - 0.5).abs()
        ratio = (torch.exp(m * (away - 0.5)) + torch.exp(-m * (away + 0.5))) / (1 + torch.exp(-m))
        return x * (1 - x) - 8 * (torch.sin(m * x) * ratio / m**3).sum(1, keepdim=True)

    box = Box([0.0, 0.0], [1.0, 1.0])
    conditions = [
        Constraint(box, lambda u: u.laplacian + 2, name="load"),
        Constraint(box.boundary, lambda u: u.value, name="value"),
    ]
    assert solve(problems.equation(conditions, features=150)).converged
    assert solve(problems.equation(conditions, exact=exact, features=150)).metrics["error"] <= 1e-6
    assert solve(problems.equation(conditions, exact=exact, features=150, columns=())).metrics["error"] >= 1e-5


def test_a_neumann_condition_at_a_corner() -> None:
    """r^(2/3) cos 2θ/3 has the slope 0 along both edges of the corner."""

    def exact(x: Tensor) -> Tensor:
        angle = torch.atan2(x[:, 1:], x[:, :1]) % (2 * math.pi)
        found: Tensor = x.norm(dim=1, keepdim=True) ** (2 / 3) * torch.cos(2 / 3 * angle)
        return found

    def slope(u: Any, normal: Tensor) -> Tensor:
        radius = u.points.norm(dim=1, keepdim=True)
        turned = (
            torch.atan2(u.points[:, 1:], u.points[:, :1]) % (2 * math.pi) / 3
        )  # ∇ Re z^(2/3) = ⅔ r^(−1/3) (cos θ/3, sin θ/3)
        truth = 2 / 3 * radius ** (-1 / 3) * torch.cat([turned.cos(), turned.sin()], 1)
        found: Tensor = ((u.gradient - truth) * normal).sum(1, keepdim=True)
        return found

    conditions = [
        Constraint(ELL, lambda u: u.laplacian - 0.5 * u.value + 0.5 * exact(u.points), name="equation"),
        Constraint(ELL.boundary, slope, name="slope"),
    ]
    assert solve(problems.equation(conditions, exact=exact, features=200)).metrics["error"] <= 1e-6


def test_two_holes_with_a_logarithm_each() -> None:
    centres = torch.tensor([[-0.4, 0.1], [0.5, -0.2]], dtype=torch.float64)

    def exact(x: Tensor) -> Tensor:
        offsets = x[:, None] - centres
        logarithms: Tensor = (torch.tensor([1.0, -2.0]) * offsets.norm(dim=-1).log()).sum(1, keepdim=True)
        return logarithms + x[:, :1] * x[:, 1:]

    plate = Difference(SQUARE, *(Ball(each, 0.15) for each in centres.tolist()))
    problem = problems.equation(
        [
            Constraint(plate, lambda u: u.laplacian, name="laplace"),
            Constraint(plate.boundary, lambda u: u.value - exact(u.points), name="value"),
        ],
        exact=exact,
        features=100,
    )
    assert solve(problem).metrics["error"] <= 1e-11


def test_a_point_source_outside_by_plane_waves() -> None:
    problem = problems.equation(
        [
            Constraint(SQUARE, lambda u: u.complex.laplacian + 900 * u.complex.value, name="helmholtz"),
            Constraint(SQUARE.boundary, lambda u: u.complex.value - of_a_point_source(u.points), name="value"),
        ],
        complex=True,
        exact=of_a_point_source,
        features=300,
    )
    solution = solve(problem)
    assert solution.metrics["error"] <= 1e-7
    assert isinstance(solution.field, Sum)
    (network, _waves) = solution.field.terms
    assert isinstance(network, Siren)
    assert not bool(network.chain().affines[-1].weight.any())


def test_no_more_waves_are_tried_once_they_make_a_solution_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """4,800 complex waves would take minutes, and are too much alike to be more exact than 1,200."""
    sizes: list[int] = []
    solve_with = ParticularSolutions._solve

    def counted(self: ParticularSolutions, objective: Objective, some: Sequence[Tensor]) -> Any:
        sizes.append(sum(map(len, some)))
        return solve_with(self, objective, some)

    monkeypatch.setattr(ParticularSolutions, "_solve", counted)
    conditions = [
        Constraint(SQUARE, lambda u: u.complex.laplacian + 900 * u.complex.value, name="helmholtz"),
        Constraint(SQUARE.boundary, lambda u: u.complex.value - of_a_point_source(u.points), name="value"),
    ]
    solver = ParticularSolutions(tolerance=0.0)
    made = Objective(problems.equation(conditions, complex=True).build(1.0), conditions)
    state = solver.init(made)
    for _ in range(2):
        assert not solver.is_done(state)
        solver.step(made, None, state, 1.0)  # type: ignore[arg-type]  # it draws points of its own
    assert solver.is_done(state)
    assert sizes == [700, 1200]


def test_functions_are_no_more_than_given_points_tell_of() -> None:
    """Waves that fit 200 points of a start exactly are anything between these."""

    def exact(p: Tensor) -> Tensor:
        return torch.sin(p[:, 1:] - 5 * p[:, :1])

    def along(fixed: int, stop: float) -> PointCloud:
        points = torch.linspace(0, stop, 200, dtype=torch.float64)[:, None] * torch.tensor([1.0 - fixed, fixed])
        return PointCloud(points, axes="tx")

    problem = problems.equation(
        [
            Constraint(Box([0, 0], [1, 2 * math.pi], axes="tx"), lambda u: u.d("t") + 5 * u.d("x"), name="convection"),
            Constraint(along(1, 2 * math.pi), lambda u: u.value - torch.sin(u.points[:, 1:]), name="start"),
            Constraint(along(0, 1.0), lambda u: u.value - exact(u.points), name="inflow"),
        ],
        exact=exact,
        features=300,
    )
    assert solve(problem).metrics["error"] <= 1e-8


def test_a_pulse_from_rest_by_waves_that_stand() -> None:
    """u = (g(x − t) + g(x + t)) / 2, which does not reach the ends."""
    line = Box([0.0, -1.0], [0.4, 1.0], axes="tx")

    def shape(x: Tensor) -> Tensor:
        return torch.exp(-100 * x.square())

    def exact(p: Tensor) -> Tensor:
        return (shape(p[:, 1:] - p[:, :1]) + shape(p[:, 1:] + p[:, :1])) / 2

    start = line.face("t", "lower")
    problem = problems.equation(
        [
            Constraint(line, lambda u: u.d("tt") - u.d("xx"), name="wave"),
            Constraint(start, lambda u: u.value - shape(u.points[:, 1:]), name="value"),
            Constraint(start, lambda u: u.d("t"), name="velocity"),
            *(Constraint(line.face("x", side), lambda u: u.value, name=side) for side in ("lower", "upper")),
        ],
        exact=exact,
        features=100,
    )
    solution = solve(problem)
    assert solution.metrics["error"] <= 1e-8
    assert solution.metrics["residual_velocity"] == 0  # those with a velocity were left out


def test_where_waves_alone_do_not_do_sines_go_on() -> None:
    """A wave on whose ends there is a force: more than its free waves fit, if these are few."""
    solver = ParticularSolutions(LeastSquares(), enough=0.0)
    conditions = [
        Constraint(SQUARE, lambda u: u.laplacian + 4 * u.value, name="helmholtz"),
        Constraint(SQUARE.boundary, lambda u: u.value - torch.sin(2 * u.points[:, :1]), name="value"),
    ]
    problem = problems.equation(conditions, features=100)
    made = Objective(problem.build(1.0), conditions)
    state = solver.init(made)
    for _ in range(3):
        solver.step(made, None, state, 1.0)  # type: ignore[arg-type]  # it draws points of its own
    assert int(state.own["tried"]) == 3
    assert float(state.inner["residuals"].min()) < 1e-6
    (waves,) = [each for each in made.unknowns["u"].modules() if isinstance(each, Expansion)]
    assert not bool(waves.weight.any())
    assert not waves.weight.requires_grad


def test_resonance_is_told_though_every_function_solves_the_equation() -> None:
    """k² = 2π² is an eigenvalue of the square: sin πx sin πy can be added to any solution."""
    conditions = [
        Constraint(SQUARE, lambda u: u.laplacian + 2 * math.pi**2 * u.value, name="helmholtz"),
        Constraint(SQUARE.boundary, lambda u: u.value, name="value"),
    ]
    assert solve(problems.equation(conditions, features=100)).metrics["stability"] < 1e-6
    shifted = Constraint(SQUARE, lambda u: u.laplacian + 17 * u.value, name="helmholtz")
    other = Constraint(SQUARE.boundary, lambda u: u.value - torch.cos(17**0.5 * u.points[:, :1]), name="value")
    assert solve(problems.equation([shifted, other], features=100)).metrics["stability"] > 1e-3
