"""Modulated SIRENs: one network for all, of which a latent moves the phases or the amplitudes.

Both are SIRENs with plain weights once the latent is known: a shift is part of a bias, an amplitude of the columns of
the next layer's weight.
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields import Siren
from sinefield.priors.hypernetwork import Generator


def _affines_of(member: Siren) -> list[str]:
    """Return the names of the affine maps, from the input to the output."""
    return [name.removesuffix(".weight") for name, _ in member.named_parameters() if name.endswith(".weight")]


@final
class Shifts(Generator):
    """Layers sin(ω₀ (W x + b + V z)): the latent shifts the phases of all hidden layers, linearly.

    Args:
        member: the SIREN that is shared.
        latent: k.

    Source: Dupont et al., "From data to functa", ICML 2022, arXiv 2201.12204, section 3.1.
    """

    def __init__(self, member: Siren, latent: int) -> None:
        super().__init__(member, latent)
        self.names = _affines_of(member)[:-1]
        width = int(member.settings["hidden_features"])
        self.shifts = nn.ModuleList([nn.Linear(latent, width, bias=False) for _ in self.names])
        for each in self.shifts:
            assert isinstance(each, nn.Linear), "as it was made"
            nn.init.normal_(each.weight, std=0.3 / (30.0 * latent**0.5))  # a third of a radian of the phase at ω₀ = 30

    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the biases of the sine layers; see :class:`Generator`."""
        return {
            f"{name}.bias": self.member.get_parameter(f"{name}.bias") + shift(latents)
            for name, shift in zip(self.names, self.shifts, strict=True)
        }


@final
class Amplitudes(Generator):
    """Layers a_i ⊙ sin(ω₀ (W_i x + b_i)) with a_0 = ρ(V_0 z), a_i = ρ(V_i [a_{i−1}, z]): a modulator beside the SIREN.

    Layer i + 1 has W_{i+1} diag(a_i) for its weight then. ρ is the rectifier; biases of 1 have amplitudes start at 1.

    Args:
        member: the SIREN that is shared, the synthesiser.
        latent: k.

    Source: Mehta et al., "Modulated periodic activations for generalizable local functional representations", ICCV
    2021, arXiv 2104.03960, section 3.
    """

    def __init__(self, member: Siren, latent: int) -> None:
        super().__init__(member, latent)
        self.names = _affines_of(member)
        width = int(member.settings["hidden_features"])
        sizes = [latent] + [width + latent] * (len(self.names) - 2)
        self.modulator = nn.ModuleList([nn.Linear(inputs, width) for inputs in sizes])
        for each in self.modulator:
            assert isinstance(each, nn.Linear), "as it was made"
            nn.init.normal_(each.weight, std=0.1 / each.in_features**0.5)
            nn.init.ones_(each.bias)

    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the weights of the layers after the first; see :class:`Generator`."""
        found: dict[str, Tensor] = {}
        amplitudes = latents[:, :0]
        for layer, (_, after) in zip(self.modulator, pairwise(self.names), strict=True):
            amplitudes = torch.relu(layer(torch.cat([amplitudes, latents], dim=1)))
            found[f"{after}.weight"] = self.member.get_parameter(f"{after}.weight") * amplitudes.unsqueeze(1)
        return found
