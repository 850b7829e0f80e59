"""Tests of SIRENs side by side: values and gradients are those of plain autograd, at the same precision or better."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sinefield import jet, kernels
from sinefield.fields.tiled import SirenStack, TiledSiren
from sinefield.kernels import stacked


def stack(dtype: torch.dtype) -> SirenStack:
    torch.manual_seed(0)
    return TiledSiren(2, 3, hidden_features=16, hidden_layers=2, first_omega=20.0, tiles="2x3").to(dtype).stack


def points_of(dtype: torch.dtype, count: int = 6 * 20) -> Tensor:
    return torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).mul(2).sub(1).to(dtype)


def answers(values: Tensor, field: SirenStack) -> list[Tensor]:
    """Return values and the gradient of a loss by the parameters."""
    return [values, *torch.autograd.grad(values.sin().square().mean(), list(field.parameters()))]


@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_gradients_are_as_exact_as_those_of_plain_autograd(*, compiled: bool) -> None:
    exact_field, field = stack(torch.float64), stack(torch.float32)
    exact = answers(exact_field(points_of(torch.float64)), exact_field)
    plain = answers(field(points_of(torch.float32)), field)
    execution = kernels.execution(torch.device("cpu"), compile_stages=compiled, round_backward=False)
    with kernels.executing(execution):
        found = answers(jet(field, points_of(torch.float32)).value, field)
    for one, other, truth in zip(found, plain, exact, strict=True):
        assert (one - truth).norm() <= 2 * (other - truth).norm() + 1e-7 * truth.norm()


def test_in_double_precision_gradients_are_those_of_differences() -> None:
    field, points = stack(torch.float64), points_of(torch.float64, 6)
    parameters = list(field.parameters())
    assert torch.autograd.gradcheck(
        lambda *given: stacked._Value.apply(points, (*field.omegas, 1.0), *given), parameters
    )


@pytest.mark.parametrize("quantity", ["jacobian", "laplacian", "hessian"])
def test_derivatives_by_points_are_those_of_the_reference(quantity: str) -> None:
    field, points = stack(torch.float64), points_of(torch.float64)
    expected = kernels.reference.evaluate(field, points, {quantity})[quantity]
    torch.testing.assert_close(getattr(jet(field, points), quantity), expected)


def test_points_that_are_differentiated_by_are_heeded() -> None:
    field, points = stack(torch.float64), points_of(torch.float64).requires_grad_()
    (found,) = torch.autograd.grad(jet(field, points).value.sum(), points)
    (expected,) = torch.autograd.grad(field(points).sum(), points)
    torch.testing.assert_close(found, expected)


def test_another_field_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a SirenStack, got a Linear"):
        stacked.evaluate(torch.nn.Linear(2, 1), torch.zeros(3, 2), {"value"})
