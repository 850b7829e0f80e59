"""The networks a SIREN is compared with, under one interface.

Every network here, and :class:`~sinefield.siren.Siren`, is an ``nn.Module`` with ``in_features``,
``out_features``, an ``architecture`` name, the JSON-able ``settings`` that rebuild it, and its ``layers`` in
order. A layer is an affine map, a pointwise activation that knows its derivatives, or the squared distance
of a radial basis; jets are carried through any sequence of these.

Source of the choice and of the initialisations: Sitzmann et al., arXiv 2006.09661, section 4 and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sinefield.siren import Sine, Siren
from sinefield.tiled import TiledSiren


@runtime_checkable
class Pointwise(Protocol):
    """An activation σ applied to each number, which can tell σ, σ' and σ''."""

    def derivatives(self, a: Tensor, order: int) -> tuple[Tensor, ...]:
        """Return σ(a), σ'(a), … up to ``order`` (0 to 2), each of the shape of ``a``."""
        ...


class Activation(nn.Module):
    """A pointwise activation σ, defined by its derivatives.

    Args:
        derivatives: maps ``a`` and an order (0 to 2) to σ(a), σ'(a), … of the shape of ``a``.
        name: shown in the module's repr.
    """

    def __init__(self, derivatives: Callable[[Tensor, int], tuple[Tensor, ...]], name: str) -> None:
        super().__init__()
        self.derivatives = derivatives
        self.name = name

    def forward(self, a: Tensor) -> Tensor:
        """Return σ(a)."""
        return self.derivatives(a, 0)[0]

    def extra_repr(self) -> str:
        """Return which activation this is, for the module's repr."""
        return self.name


def _relu(a: Tensor, order: int) -> tuple[Tensor, ...]:
    return (torch.relu(a), (a > 0).to(a.dtype), torch.zeros_like(a))[: order + 1]


def _tanh(a: Tensor, order: int) -> tuple[Tensor, ...]:
    tanh = torch.tanh(a)
    if order == 0:
        return (tanh,)
    slope = 1 - tanh.square()
    return (tanh, slope, -2 * tanh * slope)[: order + 1]


def _sigmoid(a: Tensor, order: int) -> tuple[Tensor, ...]:
    sigmoid = torch.sigmoid(a)
    if order == 0:
        return (sigmoid,)
    slope = sigmoid * (1 - sigmoid)
    return (sigmoid, slope, slope * (1 - 2 * sigmoid))[: order + 1]


def _softplus(a: Tensor, order: int) -> tuple[Tensor, ...]:
    softplus = torch.logaddexp(a, torch.zeros_like(a))
    return (softplus, *_sigmoid(a, order - 1))[: order + 1] if order else (softplus,)


def _elu(a: Tensor, order: int, scale: float = 1.0, alpha: float = 1.0) -> tuple[Tensor, ...]:
    exponential = (scale * alpha) * torch.exp(a.clamp(max=0))
    value = torch.where(a > 0, scale * a, exponential - scale * alpha)
    slope = torch.where(a > 0, torch.full_like(a, scale), exponential)
    curvature = torch.where(a > 0, torch.zeros_like(a), exponential)
    return (value, slope, curvature)[: order + 1]


def _exponential(a: Tensor, order: int) -> tuple[Tensor, ...]:
    return (torch.exp(a),) * (order + 1)


# The constants that give SELU activations a fixed point of mean 0 and variance 1: Klambauer et al., 2017,
# "Self-Normalizing Neural Networks", arXiv 1706.02515, equation 14.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_DERIVATIVES: Mapping[str, Callable[[Tensor, int], tuple[Tensor, ...]]] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "elu": _elu,
    "selu": partial(_elu, scale=_SELU_SCALE, alpha=_SELU_ALPHA),
    "exponential": _exponential,
}

# Standard deviation of the normal weights, as gain / √n with n inputs, or √(2 / (n + m)) (Glorot) for None.
_GAINS: Mapping[str, float | None] = {
    "relu": math.sqrt(2),  # He et al., 2015: keeps the variance through ReLU
    "softplus": math.sqrt(2),
    "elu": math.sqrt(1.55),  # keeps the variance through ELU
    "selu": 1.0,  # LeCun, as SELU's fixed point assumes
    "tanh": None,
    "sigmoid": None,
}


def activation(name: str) -> Activation:
    """Return the activation called ``name``.

    Args:
        name: relu, tanh, sigmoid, softplus, elu, selu or exponential.

    Raises:
        ValueError: no activation has that name.

    >>> activation("sigmoid")(torch.zeros(1)).item()
    0.5
    """
    if name not in _DERIVATIVES:
        raise ValueError(f"unknown activation {name!r}; choose one of {', '.join(sorted(_DERIVATIVES))}")
    return Activation(_DERIVATIVES[name], name)


class SquaredDistance(nn.Module):
    """The radial layer q_j(x) = −σ_j² ‖x − c_j‖², with centres ``(m, d)`` and inverse widths σ ``(m,)`` learnt.

    Args:
        in_features: d, the dimension of the points.
        out_features: m, the number of centres, drawn from U(−1, 1)^d.
        inverse_width: the initial σ of every centre.
    """

    def __init__(self, in_features: int, out_features: int, inverse_width: float) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.rand(out_features, in_features) * 2 - 1)
        self.inverse_widths = nn.Parameter(torch.full((out_features,), float(inverse_width)))

    def forward(self, x: Tensor) -> Tensor:
        """Return q(x), ``(…, d)`` to ``(…, m)``."""
        offsets = x.unsqueeze(-2) - self.centres
        return -self.inverse_widths.square() * offsets.square().sum(-1)

    def differential(self, x: Tensor, tangent: Tensor) -> Tensor:
        """Return Dq(x)[t] = −2 σ² (x − c)·t."""
        along = (x * tangent).sum(-1, keepdim=True) - tangent @ self.centres.mT
        return -2 * self.inverse_widths.square() * along

    def second_differential(self, first: Tensor, second: Tensor) -> Tensor:
        """Return D²q[s, t] = −2 σ² s·t, which is the same at every point."""
        return -2 * self.inverse_widths.square() * (first * second).sum(-1, keepdim=True)


class Perceptron(nn.Module):
    """A multilayer perceptron with one activation, behind an optional fixed or radial encoding.

    Shapes as for :class:`~sinefield.siren.Siren`: one layer from the input (or the encoding), then
    ``hidden_layers`` more, then an affine one.

    Args:
        in_features: d, the dimension of the points.
        out_features: c, the number of values at a point.
        hidden_features: the width of every hidden layer.
        hidden_layers: how many hidden layers follow the first one.
        activation_name: see :func:`activation`.
        encoding: ``"none"``; ``"nerf"``: sin and cos of 2^k π x, k < ``frequencies`` (Mildenhall et al., 2020,
            arXiv 2003.08934, equation 4); ``"fourier"``: sin and cos of 2π B x with B ~ N(0, ``scale``²)
            (Tancik et al., 2020, arXiv 2006.10739); ``"rbf"``: exp(−σ² ‖x − c‖²).
        frequencies: octaves of ``nerf`` (0: 8), rows of B of ``fourier`` (0: 128), centres of ``rbf`` (0: 1024).
        scale: the standard deviation of B for ``fourier`` (0: 10), the initial σ for ``rbf`` (0: 10).

    Raises:
        ValueError: a size below one, or an unknown encoding or activation.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: int = 256,
        hidden_layers: int = 3,
        *,
        activation_name: str = "relu",
        encoding: str = "none",
        frequencies: int = 0,
        scale: float = 0.0,
    ) -> None:
        super().__init__()
        if min(in_features, out_features, hidden_features) < 1 or min(hidden_layers, frequencies) < 0:
            raise ValueError(
                "a perceptron needs in_features, out_features, hidden_features ≥ 1, hidden_layers, frequencies ≥ 0, "
                f"got {in_features}, {out_features}, {hidden_features}, {hidden_layers} and {frequencies}"
            )
        self.in_features = in_features
        self.out_features = out_features
        self.architecture = activation_name if encoding == "none" else f"{activation_name}-{encoding}"
        self.settings: dict[str, int | float] = {"hidden_features": hidden_features, "hidden_layers": hidden_layers}
        layers, width = _encoding(encoding, in_features, frequencies, scale)
        if layers:
            self.settings |= {"frequencies": frequencies, "scale": float(scale)}
        for _ in range(hidden_layers + 1):
            layers += [_linear(width, hidden_features, activation_name), activation(activation_name)]
            width = hidden_features
        layers.append(_linear(width, out_features, activation_name))
        self.layers = nn.Sequential(*layers)

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(…, d)`` as values ``(…, c)``."""
        values: Tensor = self.layers(points)
        return values


def _linear(fan_in: int, fan_out: int, activation_name: str) -> nn.Linear:
    linear = nn.Linear(fan_in, fan_out)  # biases stay at PyTorch's U(−1/√n, 1/√n), as in the published baselines
    gain = _GAINS.get(activation_name)
    deviation = math.sqrt(2 / (fan_in + fan_out)) if gain is None else gain / math.sqrt(fan_in)
    nn.init.normal_(linear.weight, std=deviation)
    return linear


def _encoding(kind: str, dimension: int, frequencies: int, scale: float) -> tuple[list[nn.Module], int]:
    """Return the layers of an encoding and how many features they give.

    A Fourier encoding is a fixed affine map and a sine, since cos(a) = sin(a + π/2).

    Raises:
        ValueError: an unknown kind.
    """
    if kind == "none":
        return [], dimension
    if kind == "rbf":
        centres = frequencies or 1024
        return [SquaredDistance(dimension, centres, scale or 10.0), activation("exponential")], centres
    if kind == "nerf":
        octaves = math.pi * 2.0 ** torch.arange(frequencies or 8)
        angular = torch.kron(octaves[:, None], torch.eye(dimension))
    elif kind == "fourier":
        angular = 2 * math.pi * (scale or 10.0) * torch.randn(frequencies or 128, dimension)
    else:
        raise ValueError(f"unknown encoding {kind!r}; choose none, nerf, fourier or rbf")
    projection = nn.Linear(dimension, 2 * len(angular)).requires_grad_(False)
    projection.weight.copy_(torch.cat([angular, angular]))
    projection.bias[: len(angular)] = 0.0
    projection.bias[len(angular) :] = math.pi / 2
    return [projection, Sine()], 2 * len(angular)


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "siren": Siren,
    "relu": partial(Perceptron, activation_name="relu"),
    "tanh": partial(Perceptron, activation_name="tanh"),
    "sigmoid": partial(Perceptron, activation_name="sigmoid"),
    "softplus": partial(Perceptron, activation_name="softplus"),
    "elu": partial(Perceptron, activation_name="elu"),
    "selu": partial(Perceptron, activation_name="selu"),
    "relu-nerf": partial(Perceptron, activation_name="relu", encoding="nerf"),
    "relu-fourier": partial(Perceptron, activation_name="relu", encoding="fourier"),
    "relu-rbf": partial(Perceptron, activation_name="relu", encoding="rbf"),
    "tiled": TiledSiren,
}
"""Every network by name; all take ``in_features, out_features, hidden_features, hidden_layers``, and their own."""


def build(name: str, in_features: int, out_features: int, **settings: int | float | str) -> nn.Module:
    """Return a freshly initialised network by name.

    Args:
        name: a key of :data:`NETWORKS`.
        in_features: d, the dimension of the points.
        out_features: c, the number of values at a point.
        **settings: the network's own settings, ``hidden_features`` and the like; ``final_activation`` by name.

    Raises:
        ValueError: an unknown name, or a setting that this network does not have.

    >>> build("relu-nerf", 2, 3, hidden_features=32)(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    arguments: dict[str, int | float | str | Activation] = dict(settings)
    if isinstance(final := settings.get("final_activation"), str):
        arguments["final_activation"] = activation(final)
    try:
        return NETWORKS[name](in_features, out_features, **arguments)
    except TypeError as error:
        raise ValueError(f"network {name!r} does not take these settings: {', '.join(settings)} ({error})") from error
