"""Tests of equations on shapes, with conditions that are constraints and conditions that are built in; on closed forms.

Users of other tools complain of conditions that cannot be built in on shapes, of a condition on the velocity whose loss
is always 0, and of units that have to be scaled by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, Siren, jet, problems, solve
from sinefield.conditions import built_in, interpolated, mirrored, periodic, vanishing_on
from sinefield.domains import Ball, Box, Difference, Polygon, SpaceTime
from sinefield.fields import Expansion, Sum
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples
from sinefield.sampler import Sampler
from sinefield.solution import Solution

RING = Difference(Ball([0, 0], 2, axes="xy"), Ball([0, 0], 1, axes="xy"))
ELL = Difference(Box([-1, -1], [1, 1]), Box([0, -1], [1, 0]))


def column(x: Tensor, axis: int) -> Tensor:
    return x[:, axis : axis + 1]


def flux(u: Jet, normal: Tensor) -> Tensor:
    return (u.gradient * normal).sum(1, keepdim=True)


def harmonic(x: Tensor) -> Tensor:
    return torch.exp(column(x, 0)) * torch.cos(column(x, 1))


def harmonic_flux(x: Tensor, normal: Tensor) -> Tensor:
    return harmonic(x) * column(normal, 0) - torch.exp(column(x, 0)) * torch.sin(column(x, 1)) * column(normal, 1)


def waves(x: Tensor) -> Tensor:
    return torch.sin(math.pi * column(x, 0)) * torch.sin(math.pi * column(x, 1))


def harmonics_around_a_hole(orders: int) -> Expansion:
    """Re and Im of z^(−n) around the origin."""
    phases = (0.0, math.pi / 2)
    terms = [[0, 0, 0, 1, -n, 0, 0, phase] for n in range(1, orders + 1) for phase in phases]
    return Expansion.of("powers", torch.tensor(terms, dtype=torch.float64), 2)


def solved(solution: Solution, error: float) -> None:
    assert solution.converged, solution.verdict
    assert solution.metrics["error"] < error


def test_a_smooth_solution_on_an_ell() -> None:
    """Δu = −2π² sin πx sin πy with u = 0 on an L: the walls are where the sines are 0."""
    problem = problems.equation(
        [
            Constraint(ELL, lambda u: u.laplacian + 2 * math.pi**2 * waves(u.points), name="poisson"),
            Constraint(ELL.boundary, lambda u: u.value, name="dirichlet"),
        ],
        exact=waves,
        features=160,
    )
    solved(solve(problem), 1e-7)


@pytest.mark.parametrize("kind", ["robin", "neumann and dirichlet"])
def test_fluxes_through_the_boundary_of_a_ring(kind: str) -> None:
    """Δu = 0 with the flux of eˣ cos y through the inner circle, outward from the ring; the normal is the domain's."""
    outer, inner = RING.boundary_of(RING.whole), RING.boundary_of(RING.removed[0])
    conditions = [Constraint(inner, lambda u, normal: flux(u, normal) - harmonic_flux(u.points, normal), name="flux")]
    if kind == "robin":

        def robin(u: Jet, normal: Tensor) -> Tensor:
            return 2 * u.value + flux(u, normal) - 2 * harmonic(u.points) - harmonic_flux(u.points, normal)

        conditions = [Constraint(RING.boundary, robin, name="robin")]
    else:
        conditions.append(Constraint(outer, lambda u: u.value - harmonic(u.points), name="dirichlet"))
    problem = problems.equation(
        [Constraint(RING, lambda u: u.laplacian, name="laplace"), *conditions], exact=harmonic, features=110
    )
    solved(solve(problem), 1e-6)


def test_a_normal_of_the_wrong_sign_is_another_problem() -> None:
    """The test before is active: with normals turned, the solution is off by far."""
    problem = problems.equation(
        [
            Constraint(RING, lambda u: u.laplacian, name="laplace"),
            Constraint(
                RING.boundary,
                lambda u, normal: (
                    2 * u.value - flux(u, normal) - 2 * harmonic(u.points) - harmonic_flux(u.points, normal)
                ),
                name="robin",
            ),
        ],
        exact=harmonic,
        features=60,
    )
    assert solve(problem).metrics["error"] > 0.1


def test_normals_reach_solvers_of_single_precision() -> None:
    """Of u = x on a ring the flux is the first component of the normal, at every batch that a sampler takes."""
    network = Siren(2, 1, hidden_features=8, hidden_layers=1)
    flux_of_x = Constraint(RING.boundary, lambda u, normal: flux(u, normal) - column(normal, 0), name="flux")
    objective = Objective({"u": network}, [flux_of_x])
    samples = [Sampler(RING.boundary, 64, seed=0).take(step) for step in range(2)]
    assert not torch.equal(samples[0].points, samples[1].points)
    for each in samples:
        assert each.targets["normal"].dtype == torch.float32
        assert float(objective.gradient(Batch([each]))["flux"]) > 0.01
    known = Objective({"u": _Linear()}, [flux_of_x])
    assert float(known.residuals(Batch(samples[:1])).detach().abs().max()) < 1e-6


class _Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor([[1.0], [0.0]]))

    def forward(self, points: Tensor) -> Tensor:
        return points @ self.slope


TRIANGLE = Polygon([(0, 0), (2, 0), (0, 1)])


def in_a_triangle(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return u = xy (2 − x − 2y) and Δu = −2y − 4x."""
    return column(x, 0) * column(x, 1) * (2 - column(x, 0) - 2 * column(x, 1)), -2 * column(x, 1) - 4 * column(x, 0)


def in_a_ring(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return u = (4 − r²)(r² − 1) eˣ and Δu."""
    squares = x.square().sum(1, keepdim=True)
    bubble = (4 - squares) * (squares - 1)
    terms = bubble + 20 - 16 * squares + 2 * column(x, 0) * (10 - 4 * squares)
    return bubble * torch.exp(column(x, 0)), terms * torch.exp(column(x, 0))


@pytest.mark.parametrize(
    ("region", "known"), [(TRIANGLE, in_a_triangle), (RING, in_a_ring)], ids=["triangle", "disc with a hole"]
)
def test_built_in_and_fitted_conditions_agree(
    region: Polygon | Difference, known: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> None:
    """Δu = f with u = 0: both ways give the same field, the built-in one 0 at the boundary for every network."""
    equation = Constraint(region, lambda u: u.laplacian - known(u.points)[1], name="poisson")
    dirichlet = Constraint(region.boundary, lambda u: u.value, name="dirichlet")
    around = built_in(0.0, vanishing_on(region.boundary))
    edge = region.boundary.draw(300, torch.Generator().manual_seed(0), torch.float64).points
    for constraints, outer, error in [([equation], around, 1e-8), ([equation, dirichlet], None, 1e-6)]:
        problem = problems.equation(constraints, exact=lambda x: known(x)[0], features=140, around=outer)
        solution = solve(problem)
        solved(solution, error)
        assert float(solution.field(edge).detach().abs().max()) < (1e-13 if outer else 1e-5)


def test_values_on_both_circles_of_a_ring_are_built_in() -> None:
    """Δu = 4 with 1 on the inner and 4 on the outer circle: u = r²."""
    values = interpolated((RING.boundary_of(RING.whole), 4.0), (RING.boundary_of(RING.removed[0]), 1.0))
    problem = problems.equation(
        [Constraint(RING, lambda u: u.laplacian - 4, name="poisson")],
        exact=lambda x: x.square().sum(1, keepdim=True),
        features=200,
        accuracy=1e-2,
        around=built_in(values, vanishing_on(RING.boundary)),
    )
    solved(solve(problem), 1e-4)


STRING = SpaceTime(Box([0.0], [1.0]), (0.0, 0.5))


def standing(x: Tensor, velocity: float) -> Tensor:
    """u_tt = u_xx with u = sin πx and u_t = v sin πx at t = 0."""
    t = math.pi * column(x, 0)
    return torch.sin(math.pi * column(x, 1)) * (torch.cos(t) + velocity / math.pi * torch.sin(t))


@pytest.mark.parametrize("velocity", [2.0, -2.0])
@pytest.mark.parametrize("hard", [True, False], ids=["built in", "fitted"])
def test_velocities_are_active(velocity: float, hard: bool) -> None:
    wave = Constraint(STRING, lambda u: u.d("tt") - u.d("xx"), name="wave")

    def start(p: Tensor) -> Tensor:
        return torch.sin(math.pi * column(p, 1)) * (1 + velocity * column(p, 0))

    soft = [
        Constraint(STRING.walls, lambda u: u.value, name="walls"),
        Constraint(STRING.start, lambda u: u.value - start(u.points), name="value"),
        Constraint(
            STRING.start, lambda u: u.d("t") - velocity * torch.sin(math.pi * column(u.points, 1)), name="velocity"
        ),
    ]
    around = built_in(start, vanishing_on(STRING.walls), vanishing_on(STRING.start, order=2))
    problem = problems.equation(
        [wave] if hard else [wave, *soft],
        exact=lambda x: standing(x, velocity),
        features=100,
        around=around if hard else None,
    )
    solved(solve(problem), 1e-7)


def test_the_loss_of_a_velocity_is_not_always_zero() -> None:
    network = Siren(2, 1, hidden_features=20, hidden_layers=1).double()
    constraint = Constraint(STRING.start, lambda u: u.d("t"), name="velocity")
    objective = Objective({"u": network}, [constraint])
    drawn = [draw_samples(each.domain, 64, generator_of(0)) for each in objective.groups]
    residual = objective.residuals(Batch(drawn))
    assert float(residual.detach().square().sum().sqrt()) > 1e-2


@pytest.mark.parametrize("metre", [1.0, 1e-3], ids=["metres", "kilometres"])
def test_units_are_scaled_for_the_user(metre: float) -> None:
    """The same heated plate in other units, conditions of three orders in it: the same digits."""
    plate = Box([0.0, 0.0], [2 * metre, 1 * metre])

    def exact(x: Tensor) -> Tensor:
        return 1 + torch.sin(column(x, 0) / metre) * torch.exp(column(x, 1) / metre)

    def robin(u: Jet, normal: Tensor) -> Tensor:
        x, y = (u.points / metre).split(1, dim=1)
        slope = torch.cat([torch.cos(x) * torch.exp(y), torch.sin(x) * torch.exp(y)], 1) / metre
        return flux(u, normal) + 3 / metre * (u.value - exact(u.points)) - (slope * normal).sum(1, keepdim=True)

    problem = problems.equation(
        [
            Constraint(plate, lambda u: u.laplacian, name="laplace"),
            Constraint(plate.boundary, robin, name="robin"),
        ],
        exact=exact,
        features=110,
    )
    solved(solve(problem), 1e-8)


def test_a_periodic_solution() -> None:
    """u″ − u = f on a period: u = e^(sin x), with its value and slope alike at both ends, and none given anywhere."""
    period = 2 * math.pi
    line = Box([0.0], [period], axes="x")
    end = line.face("x", "lower")

    def exact(x: Tensor) -> Tensor:
        return torch.exp(torch.sin(x))

    problem = problems.equation(
        [
            Constraint(
                line,
                lambda u: (
                    u.laplacian - u.value - exact(u.points) * (torch.cos(u.points) ** 2 - torch.sin(u.points) - 1)
                ),
                name="equation",
            ),
            Constraint(end, lambda u: u.value - u.at(u.points + period).value, name="value"),
            Constraint(end, lambda u: u.d("x") - u.at(u.points + period).d("x"), name="slope"),
        ],
        exact=exact,
        features=80,
    )
    solved(solve(problem), 1e-10)


def test_some_sides_are_built_in_and_others_fitted() -> None:
    """Δu = 0 with u = 0 on three sides, built in, and sin πx on the fourth: u = sin πx sinh πy / sinh π."""
    square = Box([0.0, 0.0], [1.0, 1.0], axes="xy")
    lid = square.face("y", "upper")
    others = [square.face("x", "lower"), square.face("x", "upper"), square.face("y", "lower")]

    def exact(p: Tensor) -> Tensor:
        return torch.sin(math.pi * column(p, 0)) * torch.sinh(math.pi * column(p, 1)) / math.sinh(math.pi)

    problem = problems.equation(
        [
            Constraint(square, lambda u: u.laplacian, name="laplace"),
            Constraint(lid, lambda u: u.value - torch.sin(math.pi * column(u.points, 0)), name="lid"),
        ],
        exact=exact,
        features=100,
        around=built_in(0.0, vanishing_on(*others)),
    )
    solved(solve(problem), 1e-7)


def test_a_flux_of_zero_that_is_built_in() -> None:
    """u_t = u_xx with u_x(1) = 0 by a mirror and u(−1) = 0: u = e^(−π²t/16) sin(π(x + 1)/4)."""
    rod = SpaceTime(Box([-1.0], [1.0]), (0.0, 1.0))
    cold = rod.bounding_box.face("x", "lower")

    def exact(p: Tensor) -> Tensor:
        return torch.exp(-(math.pi**2) / 16 * column(p, 0)) * torch.sin(math.pi / 4 * (column(p, 1) + 1))

    problem = problems.equation(
        [
            Constraint(rod, lambda u: u.d("t") - u.d("xx"), name="heat"),
            Constraint(cold, lambda u: u.value, name="cold"),
            Constraint(rod.start, lambda u: u.value - exact(u.points), name="start"),
        ],
        exact=exact,
        features=100,
        around=mirrored(1, 1.0),
    )
    solution = solve(problem)
    solved(solution, 1e-7)
    insulated = rod.bounding_box.face("x", "upper").draw(50, torch.Generator().manual_seed(0), torch.float64).points
    slope = jet(solution.field, insulated, axes="tx").d("x")
    assert float(slope.detach().abs().max()) < 1e-9


def test_a_period_that_is_built_in() -> None:
    """u_t + 2 u_x = 0 from e^(½ sin x), nothing said at the ends: u = e^(½ sin(x − 2t)), periodic."""
    circle = SpaceTime(Box([0.0], [2 * math.pi]), (0.0, 0.5))

    def exact(x: Tensor) -> Tensor:
        return torch.exp(0.5 * torch.sin(column(x, 1) - 2 * column(x, 0)))

    problem = problems.equation(
        [
            Constraint(circle, lambda u: u.d("t") + 2 * u.d("x"), name="convection"),
            Constraint(circle.start, lambda u: u.value - exact(u.points), name="start"),
        ],
        exact=exact,
        features=200,
        around=periodic(None, 2 * math.pi),
    )
    solution = solve(problem)
    solved(solution, 1e-6)
    points = circle.draw(50, torch.Generator().manual_seed(0), torch.float64).points
    later = points + torch.tensor([0.0, 2 * math.pi], dtype=torch.float64)
    torch.testing.assert_close(solution.field(later), solution.field(points), rtol=0, atol=1e-9)


def test_two_layers_of_other_conductivity() -> None:
    """−(k u′)′ = 1 with k = 1 on [0, 1] and 5 on [1, 2], u = 0 at the ends: a parabola in each, and the same flux."""
    left, right = Box([0.0], [1.0], axes="x"), Box([1.0], [2.0], axes="x")
    between = left.face("x", "upper")
    a, b, c = torch.linalg.solve(
        torch.tensor([[1.0, -1.0, -1.0], [1.0, -5.0, 0.0], [0.0, 2.0, 1.0]], dtype=torch.float64),
        torch.tensor([0.4, 0.0, 0.4], dtype=torch.float64),
    ).tolist()
    problem = problems.equation(
        [
            Constraint(left, lambda u: u.laplacian + 1, name="left"),
            Constraint(right, lambda v: 5 * v.laplacian + 1, name="right"),
            Constraint(left.face("x", "lower"), lambda u: u.value, name="start"),
            Constraint(right.face("x", "upper"), lambda v: v.value, name="end"),
            Constraint(between, lambda u, v: u.value - v.value, name="continuity"),
            Constraint(between, lambda u, v: u.d("x") - 5 * v.d("x"), name="flux"),
        ],
        unknowns={"v": Siren(1, 1, hidden_features=50, hidden_layers=0)},
        exact=lambda x: a * x - x.square() / 2,
        features=50,
    )
    solution = solve(problem)
    solved(solution, 1e-10)
    x = torch.linspace(1, 2, 20, dtype=torch.float64)[:, None]
    torch.testing.assert_close(solution.fields["v"](x).detach(), b * x - x.square() / 10 + c, rtol=0, atol=1e-11)


def test_a_disc_of_other_conductivity() -> None:
    """u = (r + B/r) cos θ around a disc of conductivity k, where v = A r cos θ: A = 2/(1 + k), B = A − 1."""
    k = 3.0
    whole, disc = RING.whole, Ball([0, 0], 1, axes="xy")
    inner, outer = 2 / (1 + k), 2 / (1 + k) - 1

    def exact(x: Tensor) -> Tensor:
        return column(x, 0) * (1 + outer / x.square().sum(1, keepdim=True))

    problem = problems.equation(
        [
            Constraint(RING, lambda u: u.laplacian, name="around"),
            Constraint(disc, lambda v: v.laplacian, name="inside"),
            Constraint(whole.boundary, lambda u: u.value - exact(u.points), name="far"),
            Constraint(disc.boundary, lambda u, v: u.value - v.value, name="continuity"),
            Constraint(disc.boundary, lambda u, v, normal: flux(u, normal) - k * flux(v, normal), name="flux"),
        ],
        unknowns={"v": Siren(2, 1, hidden_features=90, hidden_layers=0)},
        exact=exact,
        features=90,
        around=lambda network: Sum(network, harmonics_around_a_hole(3)),
    )
    solution = solve(problem)
    solved(solution, 1e-6)
    points = disc.draw(200, torch.Generator().manual_seed(0), torch.float64).points
    torch.testing.assert_close(solution.fields["v"](points).detach(), inner * column(points, 0), rtol=0, atol=1e-6)
