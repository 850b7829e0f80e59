"""The perceptrons a SIREN is compared with.

Source of the choice and of the initialisations: Sitzmann et al., arXiv 2006.09661, section 4 and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from torch import nn

from sinefield.fields.activations import activation
from sinefield.fields.encodings import encoding as layers_of
from sinefield.fields.field import Layered, register

# Standard deviation of the normal weights, as gain / √n with n inputs, or √(2 / (n + m)) (Glorot) for None.
_GAINS: Mapping[str, float | None] = {
    "relu": math.sqrt(2),  # He et al., 2015: keeps the variance through ReLU
    "softplus": math.sqrt(2),
    "elu": math.sqrt(1.55),  # keeps the variance through ELU
    "selu": 1.0,  # LeCun, as SELU's fixed point assumes
    "tanh": None,
    "sigmoid": None,
}


class Perceptron(Layered):
    """A multilayer perceptron with one activation, behind an optional fixed or radial encoding.

    Shapes as for :class:`~sinefield.fields.siren.Siren`: one layer from the input (or the encoding), then
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
        layers, width = layers_of(encoding, in_features, frequencies, scale)
        if layers:
            self.settings |= {"frequencies": frequencies, "scale": float(scale)}
        for _ in range(hidden_layers + 1):
            layers += [_linear(width, hidden_features, activation_name), activation(activation_name)]
            width = hidden_features
        layers.append(_linear(width, out_features, activation_name))
        self.layers = nn.Sequential(*layers)


def _linear(fan_in: int, fan_out: int, activation_name: str) -> nn.Linear:
    linear = nn.Linear(fan_in, fan_out)  # biases stay at PyTorch's U(−1/√n, 1/√n), as in the published baselines
    gain = _GAINS.get(activation_name)
    deviation = math.sqrt(2 / (fan_in + fan_out)) if gain is None else gain / math.sqrt(fan_in)
    nn.init.normal_(linear.weight, std=deviation)
    return linear


for _name in ("relu", "tanh", "sigmoid", "softplus", "elu", "selu"):
    register(_name)(partial(Perceptron, activation_name=_name))
for _name in ("nerf", "fourier", "rbf"):
    register(f"relu-{_name}")(partial(Perceptron, activation_name="relu", encoding=_name))
