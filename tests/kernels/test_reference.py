"""Tests of the reference kernel within transforms of torch.func; its derivatives are tested with all kernels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import Siren
from sinefield.fields.derivatives import WHOLE, LaplacianAlong, Partial
from sinefield.kernels import reference

NEEDS = frozenset({*WHOLE, Partial((0, 0, 1)), LaplacianAlong((1,))})


class Module(nn.Module):
    """Φ = (w x²y³, sin(w xy)), of which no kernel knows anything."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, points: Tensor) -> Tensor:
        x, y = points[..., 0], points[..., 1]
        return torch.stack([self.w * x**2 * y**3, torch.sin(self.w * x * y)], dim=-1)


def points() -> Tensor:
    return torch.rand(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def derivatives(field: nn.Module, weights: dict[str, Tensor], at: Tensor) -> dict[str, Tensor]:
    class Called(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = torch.func.functional_call(field, weights, (x,))
            return found

    return {str(need): each for need, each in reference.evaluate(Called(), at, NEEDS).items()}


def fields() -> list[nn.Module]:
    torch.manual_seed(0)
    return [Module(), Siren(2, 2, 5, 1, first_omega=3.0).double()]


@pytest.mark.parametrize("field", fields(), ids=lambda each: type(each).__name__)
def test_derivatives_by_parameters_are_those_of_autograd(field: nn.Module) -> None:
    weights = {name: each.detach() for name, each in field.named_parameters()}
    plain = {str(need): each for need, each in reference.evaluate(field, points(), NEEDS).items()}
    jacobians = torch.func.jacrev(lambda given: derivatives(field, given, points()))(weights)
    tangents = {name: torch.ones_like(each) for name, each in weights.items()}
    values, moved, *_ = torch.func.jvp(lambda given: derivatives(field, given, points()), (weights,), (tangents,))
    for need, each in plain.items():
        torch.testing.assert_close(values[need], each.detach(), rtol=1e-10, atol=1e-12)
        along = torch.zeros_like(each)
        for name, parameter in field.named_parameters():
            for index in range(each.numel()):
                own = torch.autograd.grad(each.flatten()[index], parameter, retain_graph=True, allow_unused=True)[0]
                wanted = torch.zeros_like(parameter) if own is None else own
                found = jacobians[need][name].flatten(0, each.ndim - 1)[index]
                torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
            along = (
                along + jacobians[need][name].flatten(each.ndim).sum(-1)
                if parameter.ndim
                else (along + jacobians[need][name])
            )
        torch.testing.assert_close(moved[need], along.detach(), rtol=1e-9, atol=1e-11)


TRANSFORMS: dict[str, Callable[[nn.Module, Tensor], dict[str, Tensor]]] = {
    "vmap": lambda field, at: torch.func.vmap(lambda one: derivatives(field, dict(field.named_parameters()), one))(at),
    "vmap of vjp": lambda field, at: torch.func.vmap(
        lambda one: torch.func.vjp(lambda x: derivatives(field, dict(field.named_parameters()), x), one)[0]
    )(at),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("field", fields(), ids=lambda each: type(each).__name__)
def test_points_may_be_mapped_over(field: nn.Module, name: str) -> None:
    found = TRANSFORMS[name](field, points()[:, None])
    for need, each in reference.evaluate(field, points(), NEEDS).items():
        torch.testing.assert_close(found[str(need)].squeeze(1), each, rtol=1e-10, atol=1e-12)
