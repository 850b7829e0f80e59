"""Generators: the weights of a field as functions of a latent, θ = H(z).

Each takes a field, the *member*, whose shape the generated ones have, and gives its weights by name for latents
``(n, k)``. What it does not generate is the member's own, and shared by all.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Final, cast, final

import torch
from torch import Tensor, nn

from sinefield.fields import Network, Siren
from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.functional import chain_with

SHARE: Final = 0.5
"""The part of the variance of a generated weight that depends on the latent, at initialisation."""


class Generator(nn.Module, ABC):
    """The weights of fields of one shape as functions of a latent.

    Args:
        member: a field of that shape.
        latent: k, how many numbers a latent has.
    """

    member: Siren

    def __init__(self, member: Siren, latent: int) -> None:
        super().__init__()
        self.member, self.latent = member, latent

    @abstractmethod
    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the weights that depend on latents ``(n, k)``, with a leading axis n, by the member's names."""

    def chain(self, latents: Tensor) -> Chain:
        """Return the chain of the fields of latents ``(n, k)``, side by side."""
        return chain_with(self.member, self.weights(latents))

    @torch.no_grad()
    def field(self, latent: Tensor) -> Siren:
        """Return the field of one latent ``(k,)``, with plain weights that are a copy."""
        field = cast("Siren", Network.of(self.member).blank())
        own = {name: each.detach() for name, each in self.member.named_parameters()}
        made = {name: each[0] for name, each in self.weights(latent.unsqueeze(0)).items()}
        field.load_state_dict({name: each.clone() for name, each in (own | made).items()}, assign=True)
        return field.eval()


@final
class Hypernetwork(Generator):
    """All weights of a field by a network: θ_p = s_p (u_p + H(z)_p), s_p the bound that SIRENs draw parameter p within.

    At initialisation u_p is uniform with 1 − :data:`SHARE` of the variance of U(−1, 1), and H(z)_p, whose last hidden
    layer is scaled to norm 1, is Gaussian with the rest: every weight has the variance that a SIREN's has, whatever z
    is, so that activations are distributed as a SIREN's at any depth. A step of Adam at rate η changes a weight by at
    most η √m of its bound. Were it not relative to the bound, or the norm √m, it would change some by more than they
    are, and the fields of the second step would be no SIRENs any more.

    Args:
        member: a SIREN; its own weights are not used.
        latent: k.
        hidden_features: m, the width of the hidden layers of H.
        hidden_layers: how many there are; 0: H is linear.

    Source: arXiv 2006.09661, section 4.4 and supplement 9; the scale is ours.
    """

    def __init__(self, member: Siren, latent: int, hidden_features: int = 256, hidden_layers: int = 1) -> None:
        super().__init__(member, latent)
        self.__dict__["member"] = copy.deepcopy(member).to("meta")  # its shape alone, kept out of what is trained
        self._modules.pop("member", None)
        widths = [latent] + [hidden_features] * hidden_layers
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.heads = nn.ModuleDict()
        for name in bounds_of(self.member):
            shape = self.member.get_parameter(name).shape
            head = nn.Linear(widths[-1], shape.numel())
            with torch.no_grad():
                nn.init.normal_(head.weight, std=math.sqrt(SHARE / 3))
                nn.init.uniform_(head.bias, -math.sqrt(1 - SHARE), math.sqrt(1 - SHARE))
            self.heads[name.replace(".", "_")] = head
        self.bounds = bounds_of(self.member)

    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return all weights; see :class:`Generator`."""
        hidden = self.hidden(latents)
        norm = hidden.square().mean(-1, keepdim=True).add(1e-6).sqrt()
        hidden = hidden / (norm * math.sqrt(hidden.shape[-1]))  # of norm 1, whatever the latent
        return {
            name: (bound * self.heads[name.replace(".", "_")](hidden)).unflatten(
                -1, self.member.get_parameter(name).shape
            )
            for name, bound in self.bounds.items()
        }


def bounds_of(field: Siren) -> dict[str, float]:
    """Return the bound within which :func:`~sinefield.fields.siren.siren_initialisation` draws each parameter."""
    names = {id(each): name for name, each in field.named_parameters()}
    links = field.chain().links
    omega = next((each.omega for each in links[2:] if isinstance(each, Sine)), field.settings["hidden_omega"])
    bounds: dict[str, float] = {}
    for number, affine in enumerate(each for each in links if isinstance(each, Affine)):
        fan_in = affine.in_features
        bounds[names[id(affine.weight)]] = 1 / fan_in if number == 0 else math.sqrt(6 / fan_in) / float(omega)
        if affine.bias is not None:
            bounds[names[id(affine.bias)]] = 1 / math.sqrt(fan_in)
    return bounds


@final
class LastLayer(Generator):
    """The last layer of a field alone, so that it has at given points the values that are linear in a latent.

    The sines before it are the member's, drawn once and kept. The last layer that has the values y at the points is
    R y: see :mod:`sinefield.collection`, which fits pictures so. A latent is the coordinates of a picture along the
    main axes of those that are learnt from, and numbers that the sizes of errors, the second half of y, are linear in.

    Args:
        member: a SIREN without hidden layers after the first, whose features are more than the points.
        latent: k.
        points: how many points there are.
        spreads: how many numbers of a latent, its last ones, the sizes of errors depend on.
        learnt: whether axes and centre are trained, from where they are.
    """

    inverse: Tensor
    axes: Tensor
    centre: Tensor

    def __init__(self, member: Siren, latent: int, points: int, spreads: int, *, learnt: bool = False) -> None:
        super().__init__(member.requires_grad_(False), latent)
        size = points * member.out_features // 2
        features = int(member.settings["hidden_features"])
        self.register_buffer("inverse", torch.zeros(features, points))
        self.register_buffer("axes", torch.zeros(min(latent - spreads, size), size))
        self.register_buffer("centre", torch.zeros(size))
        # In tenths: a step of an axis at the rate of a network's weights would be as long as the shorter axes.
        self.turns = nn.Parameter(torch.zeros(len(self.axes) + 1, size)) if learnt else None
        self.sizes = nn.Linear(spreads, size, bias=False)
        nn.init.normal_(self.sizes.weight, std=0.02)
        nn.init.constant_(self.sizes.weight[:, 0], 0.2)

    @torch.no_grad()
    def place(self, weight: Tensor, bias: Tensor, inverse: Tensor) -> None:
        """Take a first layer, and R ``(features, points)``."""
        for own, its in zip(self.member.chain().affines[0].tensors(), (weight, bias), strict=True):
            own.copy_(its)
        self.inverse.copy_(inverse)

    def values(self, latents: Tensor) -> Tensor:
        """Return the values at the points, ``(n, points, 2c)``, that the fields of latents have up to rounding."""
        count, spreads = len(self.axes), self.sizes.in_features
        axes, centre = self.axes, self.centre
        if self.turns is not None:
            axes, centre = axes + 0.1 * self.turns[1:], centre + 0.1 * self.turns[0]
        means = latents[:, :count] @ axes + centre
        # Were they to fall below zero, the factor that makes them hold nine in ten errors would have no bound.
        sizes = nn.functional.softplus(self.sizes(latents[:, latents.shape[1] - spreads :]), beta=10.0) + 0.02
        both: Tensor = torch.stack([means, sizes], dim=-1)  # (n, points · c, 2)
        points = self.inverse.shape[1]
        values: Tensor = both.unflatten(1, (points, -1))
        return values.mT.flatten(2)

    def weights(self, latents: Tensor) -> dict[str, Tensor]:
        """Return the last layer; see :class:`Generator`."""
        return self.weights_of(self.values(latents))

    def weights_of(self, values: Tensor) -> dict[str, Tensor]:
        """Return the last layer that has these values ``(n, points, 2c)``."""
        name = list(dict(self.member.named_parameters()))[-2]
        weight = (self.inverse @ values).mT
        return {name: weight, name.replace("weight", "bias"): values.new_zeros(len(values), values.shape[-1])}
