"""Tests of the Gram matrix by factors of affine maps, against J Jᵀ by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import Box, Constraint, PointCloud, Siren
from sinefield.fields.compose import Constant, Formula, Product, Sum
from sinefield.fields.coordinates import AffineMap
from sinefield.fields.field import build
from sinefield.fields.stretched import Stretched
from sinefield.jet_views import Derivatives
from sinefield.linearisation import Linearisation
from sinefield.objective import Batch, Objective
from sinefield.residuals import draw_samples

BOX = Box([0.0, -1.0], [1.0, 1.0], axes="tx")


def siren(outputs: int = 1) -> Siren:
    torch.manual_seed(0)
    return Siren(2, outputs, 7, 2, 3.0, 2.0).double()


def hard(network: nn.Module) -> nn.Module:
    start = Formula(lambda p: torch.sin(p[:, 1:]), 2, 1)
    return Sum(start, Product(Formula(lambda p: p[:, :1] * (1 - p[:, 1:] ** 2), 2, 1), network))


def twice() -> nn.Module:
    """One network at two places: its maps are evaluated twice."""
    network = siren()
    return Sum(network, AffineMap(network, torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)))


FIELDS: dict[str, Callable[[], nn.Module]] = {
    "siren": siren,
    "tanh": lambda: build("tanh", 2, 1, hidden_features=6, hidden_layers=1).double(),
    "built-in conditions": lambda: hard(siren()),
    "stretched": lambda: Stretched(siren(), 1, 0.0, 0.1, (-1.0, 1.0)),
    "twice": twice,
}


def burgers(u: Derivatives) -> Tensor:
    return u.d("t") + u.value * u.d("x") - 0.1 * u.d("xx")


def linearise(field: nn.Module, constraints: list[Constraint]) -> Linearisation:
    owner = Objective({"u": field}, constraints)
    generator = torch.Generator().manual_seed(1)
    samples = [draw_samples(each.domain, 9, generator) for each in owner.groups]
    return owner.linearise(Batch(samples))


def constraints() -> list[Constraint]:
    walls = PointCloud(torch.tensor([[0.1, 1.0], [0.7, 1.0], [0.3, -1.0], [0.9, -1.0]]), axes="tx")
    return [
        Constraint(BOX, burgers, name="equation"),
        Constraint(BOX, lambda u: u.gradient, name="flat", weight=0.3),
        Constraint(walls, lambda u: u.value**2 - 1, name="walls", weight=5.0),
    ]


@pytest.mark.parametrize("name", FIELDS)
def test_gram_matrices_are_the_products_of_rows(name: str) -> None:
    linear = linearise(FIELDS[name](), constraints())
    jacobian = linear.dense()
    torch.testing.assert_close(linear.gram(dense_up_to=0), jacobian @ jacobian.mT, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(linear.gram(), jacobian @ jacobian.mT, rtol=1e-12, atol=1e-14)


def test_complex_residuals_have_two_rows_a_point() -> None:
    linear = linearise(siren(2), [Constraint(BOX, lambda u: u.complex.laplacian + 2j * u.complex.value, name="wave")])
    jacobian = linear.dense()
    assert len(jacobian) == 18
    torch.testing.assert_close(linear.gram(dense_up_to=0), jacobian @ jacobian.mT, rtol=1e-10, atol=1e-12)


def test_parameters_that_are_held_do_not_count() -> None:
    field = siren()
    field.layers[0].weight.requires_grad_(False)
    field.layers[-1].bias.requires_grad_(False)
    linear = linearise(field, constraints())
    jacobian = linear.dense()
    assert jacobian.shape[1] == sum(each.numel() for each in field.parameters() if each.requires_grad)
    torch.testing.assert_close(linear.gram(dense_up_to=0), jacobian @ jacobian.mT, rtol=1e-10, atol=1e-12)


def test_parameters_elsewhere_are_counted_too() -> None:
    """An unknown number is the parameter of no affine map."""
    linear = linearise(Sum(siren(), Constant(2, 1, 0.5).double()), constraints())
    jacobian = linear.dense()
    torch.testing.assert_close(linear.gram(dense_up_to=0), jacobian @ jacobian.mT, rtol=1e-10, atol=1e-12)


def test_a_jacobian_is_there_where_no_gradient_is_recorded() -> None:
    linear = linearise(siren(), constraints())
    with torch.no_grad():
        found = linear.dense(), linear.gram(dense_up_to=0), linear.adjoint(linear.residuals)
    assert not any(each.requires_grad for each in found)
    torch.testing.assert_close(found[0], linear.dense())
    torch.testing.assert_close(found[2], found[0].mT @ linear.residuals)
