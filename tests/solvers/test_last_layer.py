"""Tests of residuals as a linear function of last maps: beside the dense Jacobian, for every way fields are made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import Constraint
from sinefield.domains import Box
from sinefield.fields.compose import Formula, Product, Sum
from sinefield.fields.coordinates import AffineMap, Periodic
from sinefield.fields.expansion import Expansion
from sinefield.fields.siren import Siren
from sinefield.objective import Batch, Objective
from sinefield.solvers.last_layer import is_linear, linearise_last_layer

SQUARE = Box([0.0, 0.0], [1.0, 2.0], axes="tx")


def network(inputs: int = 2, outputs: int = 1, layers: int = 1) -> Siren:
    return Siren(inputs, outputs, hidden_features=7, hidden_layers=layers, first_omega=3, hidden_omega=3).double()


def inside() -> nn.Module:
    """A field that is 0 on two sides and sin x on the others, whatever the network is."""
    bubble = Formula(lambda x: x[:, :1] * x[:, 1:], 2, 1)
    return Sum(Formula(lambda x: torch.sin(x[:, 1:]), 2, 1), Product(bubble, network()))


FIELDS: dict[str, Callable[[], nn.Module]] = {
    "one sine layer": lambda: network(layers=0),
    "two sine layers": network,
    "two outputs": lambda: network(outputs=2),
    "conditions built in": inside,
    "other coordinates": lambda: AffineMap(network(), torch.tensor([[2.0, 0.5], [0.0, 1.0]]).double()),
    "periodic": lambda: Periodic(network(inputs=4), [1.0, 2.0]),
}


def constraints() -> list[Constraint]:
    def equation(u: object) -> Tensor:
        found: Tensor = u.d("t") * (1 + u.points[:, :1]) - 0.1 * u.laplacian + 3 * u.d("xxx") - u.value  # type: ignore[attr-defined]
        return found - torch.cos(u.points[:, 1:])  # type: ignore[attr-defined]

    return [
        Constraint(SQUARE, equation, name="equation", weight=3.0),
        Constraint(SQUARE.boundary, lambda u: u.jacobian[..., 1] + u.value, name="robin"),
    ]


def samples(objective: Objective) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch([each.domain.draw(9, generator, torch.float64) for each in objective.groups])  # type: ignore[union-attr]


@pytest.mark.parametrize("name", FIELDS)
def test_the_columns_are_those_of_the_whole_jacobian(name: str) -> None:
    torch.manual_seed(0)
    field = FIELDS[name]()
    found = linearise_last_layer(objective := Objective({"u": field}, constraints()), samples(objective))
    (last,) = found.maps
    ours = {id(last.weight), id(last.bias)}
    for parameter in field.parameters():
        parameter.requires_grad_(id(parameter) in ours)
    alone = Objective({"u": field}, constraints())
    dense = alone.linearise(samples(alone)).dense()
    outputs, features = last.weight.shape
    weights, biases = dense[:, : outputs * features], dense[:, outputs * features :]
    expected = torch.cat([weights.unflatten(1, (outputs, features)), biases[..., None]], -1).flatten(1)
    torch.testing.assert_close(found.jacobian, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.residuals, alone.residuals(samples(alone)), rtol=1e-12, atol=1e-12)
    assert found.rows == {"equation": 9 * outputs, "robin": 9 * outputs}


def test_what_is_assigned_gives_the_residuals_that_were_foretold() -> None:
    torch.manual_seed(0)
    objective = Objective({"u": inside()}, constraints())
    found = linearise_last_layer(objective, samples(objective))
    new = torch.randn(found.jacobian.shape[1], dtype=torch.float64)
    old = torch.cat([torch.cat([each.weight, each.bias[:, None]], 1).flatten() for each in found.maps])  # type: ignore[index]
    found.assign(new)
    expected = found.residuals + found.jacobian @ (new - old)
    torch.testing.assert_close(objective.residuals(samples(objective)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("residual", "linear"),
    [
        (lambda u: u.laplacian + 3 * u.value - 1, True),
        (lambda u: u.laplacian + 1e-3 * u.value.square(), False),
        (lambda u: u.d("t") + u.value * u.d("x"), False),
        (lambda u: u.gradient.norm(dim=1, keepdim=True) - 1, False),
    ],
)
def test_linear_equations_are_told_by_trying(residual: Callable[..., Tensor], linear: bool) -> None:
    torch.manual_seed(0)
    field = network()
    before = [each.clone() for each in field.parameters()]
    objective = Objective({"u": field}, [Constraint(SQUARE, residual)])
    assert is_linear(objective, samples(objective)) == linear
    assert all(torch.equal(*each) for each in zip(before, field.parameters(), strict=True))


def test_functions_in_closed_form_are_one_more_block_of_columns() -> None:
    """Each of their columns is the change of the residuals when its weight is raised by 1."""
    torch.manual_seed(0)
    terms = torch.tensor([[-1.0, -1, 0.7, 1.3, 2 / 3, 0, 0, 0.4], [-2, 0, 0, 2, -1, 0, 0, 0.3]], dtype=torch.float64)
    closed = Expansion.of("powers", terms, 2)
    bubble = Formula(lambda x: x[:, :1] * x[:, 1:], 2, 1)
    objective = Objective({"u": Sum(network(layers=0), Product(bubble, closed))}, constraints())
    batch = samples(objective)
    found = linearise_last_layer(objective, batch)
    assert [each.weight.shape[1] for each in found.maps] == [7, 2]
    before = objective.residuals(batch)
    for place in range(2):
        with torch.no_grad():
            closed.weight.zero_()[0, place] = 1.0
        torch.testing.assert_close(found.jacobian[:, 8 + place], objective.residuals(batch) - before)
    assert is_linear(objective, batch)
    assert closed.weight.tolist() == [[0.0, 1.0]]


def test_two_unknowns_have_columns_of_their_own() -> None:
    torch.manual_seed(0)
    unknowns = {"u": network(), "v": network()}
    objective = Objective(
        unknowns,
        [
            Constraint(SQUARE, lambda u, v: u.laplacian - v.value, name="first"),
            Constraint(SQUARE.boundary, lambda v: v.value, name="second"),
        ],
    )
    found = linearise_last_layer(objective, samples(objective))
    assert found.jacobian.shape == (18, 16)
    assert bool((found.jacobian[9:, :8] == 0).all())
    assert bool((found.jacobian[:9, :8] != 0).any())
    assert bool((found.jacobian[9:, 8:] != 0).any())


def test_a_field_without_a_last_map_is_refused() -> None:
    whole = Sum(Formula(lambda x: x[:, :1], 2, 1), _Scaled())
    closed = Objective({"u": whole}, [Constraint(SQUARE, lambda u: u.value)])
    with pytest.raises(ValueError, match="an unknown that ends in an affine map"):
        linearise_last_layer(closed, samples(closed))


class _Scaled(nn.Module):
    """A field that cannot be looked into."""

    in_features, out_features = 2, 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, points: Tensor) -> Tensor:
        return self.scale * points[:, :1]


def test_residuals_around_another_field() -> None:
    """Φ² − x around a network Ψ with other features: r(Ψ) + 2 Ψ (Φ − Ψ), whatever the weights of Φ are."""
    torch.manual_seed(0)
    field, other = network(layers=0), Siren(2, 1, hidden_features=4, hidden_layers=0, first_omega=5).double()
    objective = Objective({"u": field}, [Constraint(SQUARE, lambda u: u.value**2 - u.points[:, 1:], name="square")])
    batch = samples(objective)
    last = field.layers[-1]
    assert isinstance(last, nn.Linear)
    found = linearise_last_layer(objective, batch, {last.weight: other})
    with torch.no_grad():
        points = batch.samples[0].points
        here, there, x = field(points)[:, 0], other(points)[:, 0], points[:, 1]
        expected = there**2 - x + 2 * there * (here - there)
    linear = found.residuals + found.jacobian @ found.columns() - found.images
    torch.testing.assert_close(linear * len(points) ** 0.5, expected)
