"""Φ: the sinusoidal representation network, its initialisation and its frequencies ω₀.

A SIREN composes layers ``sin(ω₀ (W x + b))`` and ends in an affine map. Every frequency and every
initial weight of such a network is decided in this file and nowhere else.

Source: Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic
Activation Functions", NeurIPS 2020, arXiv 2006.09661, section 3.2 and supplement 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine
from sinefield.fields.field import Layered, register

Initialiser = Callable[[Sequence[Affine], Sequence[float]], None]
"""Sets the weights of affine maps in place, given the frequency ω₀ of each."""


def siren_initialisation(affines: Sequence[Affine], omegas: Sequence[float]) -> None:
    """Draw the weights of a SIREN so that activations keep one distribution at every depth.

    First layer: W ~ U(−1/n, 1/n). Later layers, the last affine one included: W ~ U(−√(6/n)/ω, √(6/n)/ω),
    where n counts the layer's inputs. Biases: U(−1/√n, 1/√n).

    The biases matter. Pre-activations ω(Wx + b) tend to N(0, 1) in the paper's limit. With zero biases
    their variance settles at the fixed point v = 1 − e^(−2v) ≈ 0.80 instead, and the activations stay
    measurably off the arcsine law; these biases, multiplied by ω, spread the phase over half a period.

    The paper prints another bound for the first layer; its author states that the one of the released
    code, used here, is right (vsitzmann/siren, issue 4).

    Args:
        affines: the affine maps, from the input to the output; those of several networks have leading axes.
        omegas: the frequency ω₀ of each; that of the last map, which no sine follows, is the hidden one.
    """
    with torch.no_grad():
        for index, (affine, omega) in enumerate(zip(affines, omegas, strict=True)):
            fan_in = affine.in_features
            bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in) / omega
            affine.weight.uniform_(-bound, bound)
            if affine.bias is not None:
                affine.bias.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


@register("siren")
class Siren(Layered):
    """The field Φ(x) = W_L(φ_{L−1} ∘ … ∘ φ_0)(x) + b_L with φ_i(x) = sin(ω_i (W_i x + b_i)).

    As everywhere in the literature, "256 x 3" is one sine layer from the input, three hidden sine layers
    and one affine layer: ``hidden_features=256, hidden_layers=3``.

    Args:
        in_features: d, the dimension of the points.
        out_features: c, the number of values at a point.
        hidden_features: the width of every hidden layer.
        hidden_layers: how many sine layers follow the first one; zero or more.
        first_omega: ω₀ of the first layer: how high the frequencies are that the network starts from.
        hidden_omega: ω₀ of the other layers: a change of scale of their weights, and so of their rate.
        initialise: sets the weights, in place of :func:`siren_initialisation`.
        final_activation: a layer after the last affine map, such as ``activation("tanh")``.
        dropout: the probability that a hidden activation is dropped in training.

    Raises:
        ValueError: a size below one, a frequency that is not positive, a dropout outside [0, 1).

    Source: arXiv 2006.09661, section 3.

    >>> field = Siren(2, 1, hidden_features=16, hidden_layers=1)
    >>> field(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """

    architecture = "siren"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: int = 256,
        hidden_layers: int = 3,
        first_omega: float = 30.0,
        hidden_omega: float = 30.0,
        *,
        initialise: Initialiser = siren_initialisation,
        final_activation: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(in_features, out_features, hidden_features) < 1 or hidden_layers < 0:
            raise ValueError(
                "a SIREN needs in_features, out_features, hidden_features ≥ 1 and hidden_layers ≥ 0, got "
                f"{in_features}, {out_features}, {hidden_features} and {hidden_layers}"
            )
        if not (first_omega > 0 and hidden_omega > 0):
            raise ValueError(f"frequencies ω₀ must be positive, got first {first_omega} and hidden {hidden_omega}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be a probability in [0, 1), got {dropout}")
        self.in_features = in_features
        self.out_features = out_features
        self.settings: dict[str, int | float | str] = {
            "hidden_features": hidden_features,
            "hidden_layers": hidden_layers,
            "first_omega": float(first_omega),
            "hidden_omega": float(hidden_omega),
            "dropout": float(dropout),
        }
        omegas = [first_omega] + [hidden_omega] * (hidden_layers + 1)
        widths = [in_features] + [hidden_features] * (hidden_layers + 1) + [out_features]
        linears = [nn.Linear(n, m) for n, m in pairwise(widths)]
        initialise([Affine(each.weight, each.bias) for each in linears], omegas)
        layers: list[nn.Module] = []
        for linear, omega in zip(linears[:-1], omegas, strict=False):
            layers += [linear, Sine(omega)]
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(linears[-1])
        if final_activation is not None:
            layers.append(final_activation)
            self.settings["final_activation"] = str(getattr(final_activation, "name", type(final_activation).__name__))
        self.layers = nn.Sequential(*layers)
