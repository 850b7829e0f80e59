"""Tests of the jet: what it answers, when it computes, and what it refuses."""

from __future__ import annotations

from collections.abc import Set

import pytest
import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields.siren import Siren
from sinefield.jet import Jet, jet


class Cubic(nn.Module):
    """Φ = x³ + 2y², or with two outputs (x³ + 2y², xy)."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, points: Tensor) -> Tensor:
        x, y = points[:, :1], points[:, 1:]
        return torch.cat([x**3 + 2 * y**2, x * y], dim=1)[:, : self.outputs]


POINTS = torch.tensor([[1.0, 2.0], [-0.5, 0.25], [0.0, -3.0]], dtype=torch.float64)


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """What each evaluation of a kernel was asked for."""
    asked: list[set[str]] = []
    evaluate = kernels.evaluate

    def watched(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
        asked.append(set(needs))
        return evaluate(field, points, needs)

    monkeypatch.setattr(kernels, "evaluate", watched)
    return asked


def test_quantities_in_closed_form() -> None:
    u = jet(Cubic(2), POINTS)
    x, y = POINTS.unbind(1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    torch.testing.assert_close(u.value, torch.stack([x**3 + 2 * y**2, x * y], dim=1))
    rows = [torch.stack([3 * x**2, 4 * y], dim=1), torch.stack([y, x], dim=1)]
    torch.testing.assert_close(u.jacobian, torch.stack(rows, dim=1))
    torch.testing.assert_close(u.laplacian, torch.stack([6 * x + 4, zero], dim=1))
    first, second = torch.stack([6 * x, zero, zero, 4 * one], dim=1), torch.stack([zero, one, one, zero], dim=1)
    torch.testing.assert_close(u.hessian, torch.stack([first, second], dim=1).reshape(3, 2, 2, 2))


def test_the_gradient_of_one_output() -> None:
    x, y = POINTS.unbind(1)
    torch.testing.assert_close(jet(Cubic(), POINTS).gradient, torch.stack([3 * x**2, 4 * y], dim=1))


def test_the_gradient_of_several_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"this one has 2; read jet\.jacobian"):
        _ = jet(Cubic(2), POINTS).gradient


@pytest.mark.parametrize("shape", [(2,), (1, 3, 2), ()])
def test_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"points must have shape \(n, d\), got"):
        jet(Cubic(), torch.zeros(shape))


def test_nothing_is_computed_before_it_is_read(sweeps: list[set[str]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["value", "laplacian"])
    assert sweeps == []
    assert u.read == set()
    assert torch.equal(u.points, torch.zeros(3, 2))
    assert sweeps == []


def test_what_is_known_to_be_needed_comes_in_one_sweep(sweeps: list[set[str]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["jacobian", "laplacian"])
    _ = u.value, u.laplacian, u.jacobian, u.gradient, u.value
    assert sweeps == [{"value", "jacobian", "laplacian"}]


def test_what_was_not_announced_is_computed_when_it_is_read(sweeps: list[set[str]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2))
    _ = u.value
    assert sweeps == [{"value"}]
    _ = u.laplacian, u.value
    assert sweeps == [{"value"}, {"value", "laplacian"}]


@pytest.mark.parametrize(
    ("attribute", "quantity"),
    [
        ("value", "value"),
        ("gradient", "jacobian"),
        ("jacobian", "jacobian"),
        ("laplacian", "laplacian"),
        ("hessian", "hessian"),
    ],
)
def test_what_was_read_is_remembered(attribute: str, quantity: str) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["laplacian"])
    _ = getattr(u, attribute)
    assert u.read == {quantity}  # not what else was announced or computed
    assert isinstance(u, Jet)


def test_everything_read_can_be_differentiated_again() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 8, 1, first_omega=3.0, hidden_omega=3.0).double()
    points = POINTS.clone().requires_grad_()
    u = jet(field, points)
    (gradient,) = torch.autograd.grad(u.value.sum(), points, create_graph=True)
    torch.testing.assert_close(gradient, u.gradient, rtol=1e-10, atol=1e-12)
    (divergence,) = torch.autograd.grad(u.gradient[:, 0].sum(), points, create_graph=True)
    torch.testing.assert_close(divergence, u.hessian[:, 0, 0], rtol=1e-10, atol=1e-12)
    for quantity in (u.value, u.jacobian, u.laplacian, u.hessian):
        weights = [*field.parameters()][:-1]  # derivatives do not see the last bias
        gradients = torch.autograd.grad(quantity.square().sum(), weights, retain_graph=True)
        assert all(bool(torch.isfinite(each).all()) and bool(each.any()) for each in gradients)
