"""Encoders: from a few known pixels to a latent, without an inner loop.

Each takes contexts ``(n, pixels · (c + 1))``, see :mod:`sinefield.priors.contexts`, and gives latents ``(n, k)``.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from sinefield.priors.mixture import Mixture


@final
class SetEncoder(nn.Module):
    """z = ρ( (1/n) Σ_i φ(γ(x_i), a_i) ), whatever the order of the known pixels and their number n.

    γ are the place and its sines and cosines: of the place alone a network takes long to learn what changes fast.

    Args:
        points: of the pixels, ``(pixels, d)``.
        channels: c.
        latent: k.
        width: of the layers of φ and ρ.
        depth: hidden layers of φ.

    Source: Garnelo et al., "Conditional neural processes", ICML 2018, arXiv 1807.01613, section 2.2.
    """

    points: Tensor

    def __init__(self, points: Tensor, channels: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.register_buffer("points", points)
        sizes = [points.shape[1] * (1 + 2 * WAVES) + channels] + [width] * max(depth, 1)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.each = nn.Sequential(*layers)
        self.all = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, latent))

    def forward(self, contexts: Tensor) -> Tensor:
        """Return latents of contexts."""
        tokens, known = tokens_of(contexts, self.points)
        weight = known.unsqueeze(-1).to(tokens.dtype)
        mean = (self.each(with_waves(tokens, self.points.shape[1])) * weight).sum(1) / weight.sum(1).clamp(min=1)
        latents: Tensor = self.all(mean)
        return latents


@final
class AttentionEncoder(nn.Module):
    """z by attention over the known pixels: a few queries that are learnt look at them, again and again.

    The set encoder weighs all pixels alike; here each query asks for what it needs.

    Args:
        points: of the pixels, ``(pixels, d)``.
        channels: c.
        latent: k, shared evenly by the queries.
        width: of tokens.
        depth: how often the queries look.
        queries: how many there are.

    Source: Jaegle et al., "Perceiver", ICML 2021, arXiv 2103.03206, section 3.
    """

    points: Tensor

    def __init__(self, points: Tensor, channels: int, latent: int, width: int, depth: int, queries: int = 8) -> None:
        super().__init__()
        self.register_buffer("points", points)
        inputs = channels + points.shape[1] * (1 + 2 * WAVES)
        self.token = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.1)
        self.before = nn.ModuleList([nn.LayerNorm(width) for _ in range(max(depth, 1))])
        self.looks = nn.ModuleList(
            [nn.MultiheadAttention(width, 4, batch_first=True, dropout=0.0) for _ in range(max(depth, 1))]
        )
        self.thoughts = nn.ModuleList(
            [
                nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
                for _ in range(max(depth, 1))
            ]
        )
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(queries * width, latent)

    def forward(self, contexts: Tensor) -> Tensor:
        """Return latents of contexts."""
        raw, known = tokens_of(contexts, self.points)
        tokens = self.token(with_waves(raw, self.points.shape[1]))
        state = self.queries.expand(len(contexts), -1, -1)
        for norm, look, think in zip(self.before, self.looks, self.thoughts, strict=True):
            seen, _ = look(norm(state), tokens, tokens, key_padding_mask=~known, need_weights=False)
            state = state + seen
            state = state + think(state)
        found = self.norm(state).flatten(1)
        # By the root, as all of these numbers move a latent in a step of Adam, and none may move it by its own size.
        latents: Tensor = self.last(found) / math.sqrt(found.shape[1])
        return latents


@final
class ConvolutionalEncoder(nn.Module):
    """z by convolutions over the grid of values and mask, each halving it.

    Args:
        shape: height and width.
        channels: c.
        latent: k.
        width: channels after the last convolution.
        depth: how many convolutions.
    """

    def __init__(self, shape: tuple[int, int], channels: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.shape, self.channels = shape, channels
        depth = min(max(depth, 1), int(math.log2(max(min(shape), 2))))
        sizes = [channels + 1] + [max(8, width >> (depth - 1 - k)) for k in range(depth)]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        rows, columns = (math.ceil(each / 2**depth) for each in shape)
        self.last = nn.Linear(sizes[-1] * rows * columns, latent)

    def forward(self, contexts: Tensor) -> Tensor:
        """Return latents of contexts."""
        pixels = math.prod(self.shape)
        values, mask = contexts.split([pixels * self.channels, pixels], dim=1)
        grid = torch.cat([values.unflatten(1, (pixels, self.channels)), mask.unsqueeze(-1)], dim=2)
        features = self.layers(grid.mT.unflatten(2, self.shape))
        latents: Tensor = self.last(features.flatten(1))
        return latents


@final
class GuessEncoder(nn.Module):
    """The mean of the training pictures that agree with the context, as a mixture has it, and what a network adds.

    The mixture's mean is a closed form, so that this encoder is good before it is trained. A residual network sees
    known values, mask and that mean, and adds to it at the unknown pixels what pictures have that a mixture of
    Gaussians has not; and it tells the size of the errors. What is known is kept as it is. The latent is linear in
    the picture that comes of it.

    Args:
        points: of the pixels, ``(pixels, d)``.
        channels: c.
        latent: k; see :func:`spreads_of`.
        width: of the network.
        depth: its residual layers.
        components: of the mixture, in each clustering.
        clusterings: of the mixture.
    """

    reading: Tensor
    centre: Tensor

    def __init__(
        self,
        points: Tensor,
        channels: int,
        latent: int,
        width: int,
        depth: int,
        components: int = 1,
        clusterings: int = 1,
    ) -> None:
        super().__init__()
        self.pixels, self.channels = len(points), channels
        size = self.pixels * channels
        spreads = spreads_of(latent)
        self.mixture = Mixture(self.pixels, channels, components, clusterings)
        self.first = nn.Linear(2 * size + self.pixels, width)
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(width)
        self.more = nn.Linear(width, size)
        self.sizes = nn.Linear(width, spreads)
        for each in (self.more, self.sizes):
            nn.init.zeros_(each.weight)
            nn.init.zeros_(each.bias)
        with torch.no_grad():
            self.sizes.bias[0] = 1.0
        self.register_buffer("reading", torch.eye(latent - spreads, size))
        self.register_buffer("centre", torch.zeros(size))

    def forward(self, contexts: Tensor) -> Tensor:
        """Return latents of contexts."""
        guess = self.mixture(contexts)
        hidden = self.first(torch.cat([contexts, guess], dim=1))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        hidden = self.norm(hidden)
        mask = contexts[:, -self.pixels :]
        picture = guess + (1 - mask.repeat_interleave(self.channels, dim=1)) * self.more(hidden)
        return torch.cat([(picture - self.centre) @ self.reading.mT, self.sizes(hidden)], dim=1)


SPREADS: Final = 128
"""The most numbers of a latent that the sizes of errors depend on."""


def spreads_of(latent: int) -> int:
    """Return how many of the numbers of a latent of the method ``"forward"``, the last ones, tell the sizes of errors.

    >>> spreads_of(16), spreads_of(912)
    (4, 128)
    """
    return min(SPREADS, latent // 4)


def tokens_of(contexts: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the known pixels of contexts, ``(n, m, d + c)`` of place and value, and which of them are, ``(n, m)``.

    m is the number of known pixels where most are; the other contexts are filled up.
    """
    pixels = len(points)
    values, mask = contexts.split([contexts.shape[1] - pixels, pixels], dim=1)
    known, places = mask.topk(max(int(mask.sum(1).max()), 1), dim=1)
    rows = values.unflatten(1, (pixels, -1))
    chosen = rows.gather(1, places.unsqueeze(-1).expand(-1, -1, rows.shape[2]))
    return torch.cat([points[places], chosen], dim=2), known > 0


WAVES: Final = 4
"""How many frequencies of the place an encoder sees, of 1, 2, 4, … half-waves along each axis."""


def with_waves(tokens: Tensor, dimension: int) -> Tensor:
    """Return tokens ``(…, d + c)`` of place and value with sines and cosines of the place appended.

    >>> with_waves(torch.tensor([[0.5, 7.0]]), 1)[0, :4].round(decimals=1).abs().tolist()
    [0.5, 7.0, 1.0, 0.0]
    """
    frequencies = torch.pi * 2.0 ** torch.arange(WAVES)
    phases = (tokens[..., :dimension].unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([tokens, phases.sin(), phases.cos()], dim=-1)


def encoder_named(name: str, points: Tensor, shape: tuple[int, int], channels: int, **sizes: Any) -> nn.Module:
    """Return an encoder by name.

    Args:
        name: ``"set"``, ``"attention"``, ``"convolution"`` or ``"guess"``.
        points: of the pixels.
        shape: height and width.
        channels: c.
        **sizes: ``latent``, ``width`` and ``depth``, of a guess ``components`` and ``clusterings`` too.

    Raises:
        ValueError: there is none of that name.
    """
    match name:
        case "set":
            return SetEncoder(points, channels, **sizes)
        case "attention":
            return AttentionEncoder(points, channels, **sizes)
        case "convolution":
            return ConvolutionalEncoder(shape, channels, **sizes)
        case "guess":
            return GuessEncoder(points, channels, **sizes)
    raise ValueError(f"unknown encoder {name!r}; choose one of set, attention, convolution, guess, steps, table")
