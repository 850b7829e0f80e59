"""Tests of activations and their derivatives up to fourth order, against PyTorch's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from sinefield.fields.activations import ACTIVATIONS, ORDERS, Activation, Pointwise, Sine, activation

# What each activation is called elsewhere.
TORCH: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": nn.functional.softplus,
    "elu": nn.functional.elu,
    "selu": nn.functional.selu,
    "exponential": torch.exp,
    "identity": lambda a: 1.0 * a,
}


def differentiated(value: Tensor, a: Tensor) -> list[Tensor]:
    """Return σ(a) and its derivatives up to order 4 by differentiating again and again."""
    found = [value]
    for _ in range(ORDERS):
        last = found[-1]
        if not last.requires_grad:
            found.append(torch.zeros_like(a))
            continue
        found += torch.autograd.grad(last.sum(), a, create_graph=True, materialize_grads=True)
    return found


def test_all_have_a_name_elsewhere() -> None:
    assert ACTIVATIONS.keys() == TORCH.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_what_they_are_called(name: str) -> None:
    a = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(activation(name)(a), TORCH[name](a), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_know_their_derivatives(name: str) -> None:
    a = torch.linspace(-6, 6, 100, dtype=torch.float64, requires_grad=True)  # no point at the kink
    one = activation(name)
    assert isinstance(one, Pointwise)
    expected = differentiated(TORCH[name](a), a)
    for order in range(ORDERS + 1):
        found = one.derivatives(a, order)
        assert len(found) == order + 1
        for mine, theirs in zip(found, expected, strict=False):
            assert mine.shape == a.shape
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "exponential"])
def test_derivatives_can_be_differentiated(name: str) -> None:
    """The k-th differentiated is the next one."""
    a = torch.linspace(-3, 3, 25, dtype=torch.float64, requires_grad=True)
    found = activation(name).derivatives(a, ORDERS)
    for order in range(ORDERS):
        (slope,) = torch.autograd.grad(found[order].sum(), a, retain_graph=True)
        torch.testing.assert_close(slope, found[order + 1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", range(ORDERS + 1))
def test_activations_stay_finite_where_they_saturate(name: str, order: int) -> None:
    a = torch.tensor([-80.0, -40.0, 40.0, 80.0])  # e^80 is still a float32
    assert all(bool(torch.isfinite(each).all()) for each in activation(name).derivatives(a, order))


@pytest.mark.parametrize("omega", [1.0, 30.0])
def test_the_sine_knows_its_derivatives(omega: float) -> None:
    """σ^(k) = ω^k sin(ωa + kπ/2)."""
    a = torch.linspace(-2, 2, 9, dtype=torch.float64)
    sine = Sine(omega)
    assert isinstance(sine, Pointwise)
    for order in range(ORDERS + 1):
        found = sine.derivatives(a, order)
        assert len(found) == order + 1
        for k, one in enumerate(found):
            torch.testing.assert_close(one, omega**k * torch.sin(omega * a + k * torch.pi / 2), rtol=1e-9, atol=1e-7)
    torch.testing.assert_close(sine(a), torch.sin(omega * a))


def test_names() -> None:
    assert repr(activation("elu")) == "Activation(elu)"
    assert isinstance(activation("elu"), Activation)
    assert repr(Sine(3)) == "Sine(omega=3)"
    with pytest.raises(ValueError, match=r"unknown activation 'swish'; choose one of .*tanh"):
        activation("swish")
