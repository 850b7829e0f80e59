"""Tests of fields made of others: closed forms, exact constraints, and what is refused.

That their jets are those of nested differentiation is judged by tests/contracts/test_fields.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import jet, kernels
from sinefield.fields.activations import activation
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Constant, Formula, Product, Readout, Sum, leibniz_needs
from sinefield.fields.coordinates import AffineMap, Periodic, Restriction
from sinefield.fields.derivatives import LaplacianAlong, Partial
from sinefield.fields.field import build
from sinefield.fields.siren import Siren


def points_of(count: int = 9, inputs: int = 2) -> Tensor:
    return torch.rand(count, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def siren(inputs: int = 2, outputs: int = 1) -> Siren:
    torch.manual_seed(0)
    return Siren(inputs, outputs, 8, 1, 3.0, 2.0).double()


def power(k: int, axis: int = 0, inputs: int = 2) -> Formula:
    return Formula(lambda x: x[:, axis : axis + 1] ** k, inputs, 1)


def test_sums_and_products_of_powers() -> None:
    """Φ = x³ y² + y²: every derivative in closed form."""
    u = jet(Sum(Product(power(3), power(2, 1)), power(2, 1)), points_of())
    x, y = points_of().split(1, dim=1)
    torch.testing.assert_close(u.value, x**3 * y**2 + y**2)
    torch.testing.assert_close(u.gradient, torch.cat([3 * x**2 * y**2, 2 * x**3 * y + 2 * y], dim=1))
    torch.testing.assert_close(u.laplacian, 6 * x * y**2 + 2 * x**3 + 2)
    torch.testing.assert_close(u.d(0, 1), 6 * x**2 * y)
    torch.testing.assert_close(u.d(0, 0, 1, 1), 12 * x)
    torch.testing.assert_close(u.d(0, 0, 0), 6 * y**2)
    torch.testing.assert_close(u.d(1, 1, 1, 1), torch.zeros_like(x))
    torch.testing.assert_close(u.laplacian_along(1), 2 * x**3 + 2)


def test_a_boundary_condition_holds_by_construction() -> None:
    """g + d Φ with d = (1 − x²)(1 − y²): on the boundary it is g, and its tangential derivatives are those of g."""
    g = Formula(lambda p: p[:, :1] ** 2 - p[:, 1:], 2, 1)
    d = Formula(lambda p: (1 - p[:, :1] ** 2) * (1 - p[:, 1:] ** 2), 2, 1)
    u = jet(Sum(g, Product(d, siren())), torch.tensor([[1.0, 0.3], [-1.0, -0.7], [0.2, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(u.value, g(u.points), rtol=0, atol=1e-15)
    torch.testing.assert_close(u.d(1)[:2], torch.full((2, 1), -1.0, dtype=torch.float64), rtol=0, atol=1e-13)
    assert bool((u.laplacian - 2).abs().min() > 1e-3)  # inside, Φ is free


def test_a_read_out_is_linear() -> None:
    field, matrix = siren(2, 3), torch.tensor([[1.0, -1.0, 0.0], [0.0, 2.0, 0.5]], dtype=torch.float64)
    u, whole = jet(Readout(field, matrix, torch.tensor([3.0, 4.0]).double()), points_of()), jet(field, points_of())
    torch.testing.assert_close(u.value[:, 0], whole.value[:, 0] - whole.value[:, 1] + 3)
    torch.testing.assert_close(u.jacobian[:, 1], 2 * whole.jacobian[:, 1] + 0.5 * whole.jacobian[:, 2])
    torch.testing.assert_close(u.hessian, torch.einsum("ck,nkij->ncij", matrix, whole.hessian))
    torch.testing.assert_close(u.d(0, 1, 1), whole.d(0, 1, 1) @ matrix.T)


def test_a_constant_is_learnt() -> None:
    field = Constant(out_features=2, value=0.5)
    u = jet(field, points_of().float())
    assert torch.equal(u.value, torch.full((9, 2), 0.5))
    for zero, shape in ((u.jacobian, (9, 2, 2)), (u.hessian, (9, 2, 2, 2)), (u.laplacian, (9, 2)), (u.d(0), (9, 2))):
        assert zero.shape == shape
        assert not bool(zero.any())
    u.value.sum().backward()
    assert field.theta.grad is not None
    assert torch.equal(field.theta.grad, torch.full((2,), 9.0))
    with torch.no_grad():
        assert not jet(field, points_of().float()).value.requires_grad
    assert build("constant", 0, 3).out_features == 3


def test_a_formula_has_nothing_to_learn() -> None:
    u = jet(Formula(lambda x: x.square(), 2, 2), points_of())
    assert not u.laplacian.requires_grad
    watched = points_of().requires_grad_()
    torch.testing.assert_close(
        torch.autograd.grad(jet(power(3), watched).d(0).sum(), watched)[0][:, :1], 6 * watched[:, :1]
    )


def test_parts_are_asked_for_no_more_than_the_rule_needs() -> None:
    assert leibniz_needs({"value"}) == {"value"}
    assert leibniz_needs({"laplacian"}) == {"value", "jacobian", "laplacian"}
    assert leibniz_needs({LaplacianAlong((1,))}) == {"value", Partial((1,)), LaplacianAlong((1,))}
    assert leibniz_needs({Partial((0, 0, 1))}) == {
        "value",
        *(Partial(axes) for axes in ((0,), (1,), (0, 0), (0, 1), (0, 0, 1))),
    }
    ((part, needs),) = AffineMap(siren(), torch.eye(2).double()).parts({"laplacian"})
    assert isinstance(part, Chain)  # which takes the map into itself
    assert needs == {"laplacian"}
    ((part, needs),) = Restriction(siren(1), (1,), 3).parts({Partial((0,)), Partial((1, 1)), "laplacian"})
    assert needs == {Partial((0, 0)), "laplacian"}


def test_work_is_that_of_the_parts() -> None:
    field = siren()
    one = kernels.work(field, {"laplacian", "jacobian", "value"})
    d = power(2)
    assert kernels.work(Sum(power(1), Product(d, field)), {"laplacian"}) == one
    assert kernels.work(AffineMap(field, torch.eye(2).double()), {"value"}) == kernels.work(field, {"value"})
    doubled = field.chain().after(Affine(torch.eye(2).double()), activation("tanh"))
    assert kernels.work(doubled, {"value"}) > kernels.work(field, {"value"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sum(siren(2), siren(3)), r"in_features and out_features that fit, got 2 → 1, 3 → 1"),
        (lambda: Sum(siren(2, 1), siren(2, 3)), "got 2 → 1, 2 → 3"),
        (lambda: Product(siren(2, 2), siren(2, 3)), "got 2 → 2, 2 → 3"),
        (lambda: Sum(), "got none"),
        (lambda: Sum(siren(), nn.Tanh()), r"give functions as Formula\(function, in_features, out_features\)"),
        (lambda: Readout(siren(), torch.eye(2)), r"a read-out of 1 outputs needs a matrix \(c, 1\), got \(2, 2\)"),
        (lambda: AffineMap(siren(), torch.eye(3)), r"a map to 2 coordinates needs a matrix \(2, d\), got \(3, 3\)"),
        (lambda: Restriction(siren(), (0,), 3), "a field of 2 inputs is restricted to 2 different axes of 3, got"),
        (lambda: Restriction(siren(), (0, 0), 3), "restricted to 2 different axes"),
        (lambda: Restriction(siren(), (0, 3), 3), "restricted to 2 different axes"),
        (lambda: Periodic(siren(2), (1.0, 2.0)), "a field of 2 inputs is made periodic along 1 axes"),
        (lambda: Periodic(siren(2), (0.0,)), "by a positive period for each"),
        (lambda: Constant(out_features=0), "needs at least one output, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
