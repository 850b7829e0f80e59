"""Pointwise functions σ: activations and the derivatives that carry jets through them.

An activation is a name, and a function that tells σ(a), σ'(a), … up to fourth order; jets, kernels, files and the
command line read no more of it. A new one is one line of :data:`ACTIVATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

ORDERS = 4
"""The highest derivative that activations know."""

Derivatives = Callable[[Tensor, int], tuple[Tensor, ...]]
"""Maps ``a`` and an order from 0 to :data:`ORDERS` to σ(a), σ'(a), … of the shape of ``a``."""


@runtime_checkable
class Pointwise(Protocol):
    """A function σ applied to each number, with its derivatives."""

    def __call__(self, a: Tensor) -> Tensor:
        """Return σ(a)."""
        ...

    def derivatives(self, a: Tensor, order: int) -> tuple[Tensor, ...]:
        """Return σ(a), σ'(a), … up to ``order`` (0 to 4), each of the shape of ``a``."""
        ...


@final
class Sine(nn.Module):
    """The activation σ(a) = sin(ω a), with its derivatives.

    Args:
        omega: the angular frequency ω > 0 that multiplies the pre-activation.
    """

    def __init__(self, omega: float = 1.0) -> None:
        super().__init__()
        self.omega = float(omega)

    def forward(self, a: Tensor) -> Tensor:
        """Return sin(ω a), of the shape of ``a``."""
        return torch.sin(self.omega * a)

    def derivatives(self, a: Tensor, order: int) -> tuple[Tensor, ...]:
        """Return σ(a), σ'(a), … up to ``order`` (0 to 4), each of the shape of ``a``.

        >>> sine, slope, curvature = Sine(2.0).derivatives(torch.tensor([torch.pi / 12]), 2)
        >>> [round(float(each), 4) for each in (sine, slope, curvature)]  # sin, 2 cos, −4 sin of π/6
        [0.5, 1.7321, -2.0]
        """
        phase = self.omega * a
        sine = torch.sin(phase)
        if order == 0:
            return (sine,)
        slope = self.omega * torch.cos(phase)
        square = self.omega**2
        # The derivatives of a sine repeat: σ^(k+2) = −ω² σ^(k).
        return (sine, slope, -square * sine, -square * slope, square**2 * sine)[: order + 1]

    def extra_repr(self) -> str:
        """Return ω, for the module's repr."""
        return f"omega={self.omega:g}"


@final
class Activation(nn.Module):
    """A pointwise activation σ, defined by its derivatives.

    Args:
        derivatives: maps ``a`` and an order (0 to 4) to σ(a), σ'(a), … of the shape of ``a``.
        name: shown in the module's repr.
    """

    def __init__(self, derivatives: Derivatives, name: str) -> None:
        super().__init__()
        self.derivatives = derivatives
        self.name = name

    def forward(self, a: Tensor) -> Tensor:
        """Return σ(a)."""
        return self.derivatives(a, 0)[0]

    def extra_repr(self) -> str:
        """Return which activation this is, for the module's repr."""
        return self.name


def _identity(a: Tensor, order: int) -> tuple[Tensor, ...]:
    zero = torch.zeros_like(a)
    return (a, torch.ones_like(a), zero, zero, zero)[: order + 1]


def _relu(a: Tensor, order: int) -> tuple[Tensor, ...]:
    zero = torch.zeros_like(a)
    return (torch.relu(a), (a > 0).to(a.dtype), zero, zero, zero)[: order + 1]


def _tanh(a: Tensor, order: int) -> tuple[Tensor, ...]:
    tanh = torch.tanh(a)
    if order == 0:
        return (tanh,)
    slope = 1 - tanh.square()
    found = [tanh, slope, -2 * tanh * slope]
    if order > 2:  # σ''' = σ' (6σ² − 2), σ'''' = σσ' (16 − 24σ²)
        found += [slope * (6 * tanh.square() - 2), tanh * slope * (16 - 24 * tanh.square())]
    return tuple(found[: order + 1])


def _sigmoid(a: Tensor, order: int) -> tuple[Tensor, ...]:
    sigmoid = torch.sigmoid(a)
    if order == 0:
        return (sigmoid,)
    slope = sigmoid * (1 - sigmoid)
    found = [sigmoid, slope, slope * (1 - 2 * sigmoid)]
    if order > 2:  # σ''' = σ' (1 − 6σ'), σ'''' = σ'' (1 − 12σ')
        found += [slope * (1 - 6 * slope), found[2] * (1 - 12 * slope)]
    return tuple(found[: order + 1])


def _softplus(a: Tensor, order: int) -> tuple[Tensor, ...]:
    softplus = torch.logaddexp(a, torch.zeros_like(a))
    return (softplus, *_sigmoid(a, order - 1)) if order else (softplus,)


def _elu(a: Tensor, order: int, scale: float = 1.0, alpha: float = 1.0) -> tuple[Tensor, ...]:
    exponential = (scale * alpha) * torch.exp(a.clamp(max=0))
    value = torch.where(a > 0, scale * a, exponential - scale * alpha)
    slope = torch.where(a > 0, torch.full_like(a, scale), exponential)
    higher = torch.where(a > 0, torch.zeros_like(a), exponential)
    return (value, slope, higher, higher, higher)[: order + 1]


def _exponential(a: Tensor, order: int) -> tuple[Tensor, ...]:
    return (torch.exp(a),) * (order + 1)


# The constants that give SELU activations a fixed point of mean 0 and variance 1: Klambauer et al., 2017,
# "Self-Normalizing Neural Networks", arXiv 1706.02515, equation 14.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

ACTIVATIONS: Mapping[str, Derivatives] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "elu": _elu,
    "selu": partial(_elu, scale=_SELU_SCALE, alpha=_SELU_ALPHA),
    "exponential": _exponential,
    "identity": _identity,
}
"""The derivatives of each activation, by its name."""


def activation(name: str) -> Activation:
    """Return the activation called ``name``.

    Args:
        name: a key of :data:`ACTIVATIONS`.

    Raises:
        ValueError: no activation has that name.

    >>> activation("sigmoid")(torch.zeros(1)).item()
    0.5
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; choose one of {', '.join(sorted(ACTIVATIONS))}")
    return Activation(ACTIVATIONS[name], name)
