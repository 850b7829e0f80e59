"""Tests of fields in other coordinates: turned, scaled, restricted to some axes, periodic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sinefield import jet
from sinefield.fields.compose import Formula, Sum
from sinefield.fields.coordinates import AffineMap, Periodic, Restriction
from sinefield.fields.field import Layered, build
from sinefield.fields.siren import Siren


def points_of(count: int = 9, inputs: int = 2) -> Tensor:
    return torch.rand(count, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def siren(inputs: int = 2, outputs: int = 1) -> Siren:
    torch.manual_seed(0)
    return Siren(inputs, outputs, 8, 1, 3.0, 2.0).double()


def power(k: int, axis: int = 0, inputs: int = 2) -> Formula:
    return Formula(lambda x: x[:, axis : axis + 1] ** k, inputs, 1)


@pytest.mark.parametrize("chained", [True, False])
def test_a_turned_field_has_the_same_laplacian(*, chained: bool) -> None:
    """The Laplacian does not change under a rotation R, and the gradient turns with it: ∇(Ψ∘R) = Rᵀ ∇Ψ."""
    angle = 0.7
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    field = siren() if chained else Sum(siren(), power(3))
    u, there = jet(AffineMap(field, turn), points_of()), jet(field, points_of() @ turn.T)
    torch.testing.assert_close(u.laplacian, there.laplacian, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(u.gradient, there.gradient @ turn, rtol=1e-10, atol=1e-10)


def test_units_are_an_affine_map() -> None:
    """Φ(x/2): each derivative is halved once more."""
    u = jet(AffineMap(power(4, inputs=1), torch.tensor([[0.5]]).double()), points_of(inputs=1))
    x = points_of(inputs=1) / 2
    for order, expected in enumerate((x**4, 4 * x**3, 12 * x**2, 24 * x, 24 * torch.ones_like(x))):
        torch.testing.assert_close(u.d(*(0,) * order), expected / 2**order)


def test_a_restricted_field_sees_its_axes_alone() -> None:
    u = jet(Restriction(power(3, 0, 1), (1,), 3), points_of(inputs=3))
    y = points_of(inputs=3)[:, 1:2]
    torch.testing.assert_close(u.value, y**3)
    torch.testing.assert_close(u.d(1, 1, 1), torch.full_like(y, 6.0))
    torch.testing.assert_close(u.laplacian, 6 * y)
    for zero in (u.d(0), u.d(0, 1), u.d(2, 2), u.laplacian_along(0, 2)):
        assert zero.shape == y.shape
        assert not bool(zero.any())
    assert torch.equal(u.hessian.count_nonzero(dim=(0, 1)), torch.tensor([[0, 0, 0], [0, 9, 0], [0, 0, 0]]))


@pytest.mark.parametrize("made", ["siren", "relu", "tanh"])
def test_a_periodic_field_repeats_with_all_its_derivatives(made: str) -> None:
    """In double precision, though it is built in single precision: a rounded period would be another one."""
    torch.manual_seed(0)
    settings = {"first_omega": 3.0, "hidden_omega": 2.0} if made == "siren" else {}
    field = Periodic(build(made, 4, 1, hidden_features=8, hidden_layers=1, **settings), (2.0, 0.3)).double()
    shift = torch.tensor([3 * 2.0, -5 * 0.3], dtype=torch.float64)
    u, there = jet(field, points_of()), jet(field, points_of() + shift)
    for one, other in (
        (u.value, there.value),
        (u.gradient, there.gradient),
        (u.laplacian, there.laplacian),
        (u.d(0, 0, 1), there.d(0, 0, 1)),
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * (1 + float(one.detach().abs().max())))
    torch.testing.assert_close(field(points_of()), u.value)
    assert not torch.allclose(field(points_of()), field(points_of() + 0.1))
    single = field.float()
    torch.testing.assert_close(single(points_of().float()), jet(single, points_of().float()).value)


class First(Layered):
    """Ψ(s, c) = s."""

    def __init__(self) -> None:
        super().__init__()
        affine = nn.Linear(2, 1)
        with torch.no_grad():
            affine.weight.copy_(torch.tensor([[1.0, 0.0]]))
            affine.bias.zero_()
        self.in_features, self.out_features, self.layers = 2, 1, nn.Sequential(affine)


def test_periodic_functions_in_closed_form() -> None:
    """Ψ(s, c) = s of period T is sin(2πx/T)."""
    u, x, k = jet(Periodic(First(), [0.5]).double(), points_of(inputs=1)), points_of(inputs=1), 2 * math.pi / 0.5
    torch.testing.assert_close(u.value, (k * x).sin())
    torch.testing.assert_close(u.gradient, k * (k * x).cos())
    torch.testing.assert_close(u.d(0, 0, 0, 0), k**4 * (k * x).sin())


def test_a_periodic_module_without_a_chain_has_none() -> None:
    field = Periodic(Sum(siren(2), siren(2)), (1.0,))
    with pytest.raises(TypeError, match="a Sum has no chain"):
        field.chain()
