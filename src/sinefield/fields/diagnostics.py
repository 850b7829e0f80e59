"""What goes on inside a field: the distribution and spectrum of pre-activations and activations, layer by layer.

In a SIREN as initialised, the phases ωWx before bias and sine tend to N(0, 1) from the second layer on, and the
activations to the arcsine law, whose distribution function is F(y) = ½ + arcsin(y)/π, at any depth.

Source: Sitzmann et al., arXiv 2006.09661, supplement 1 (theorem 1.8) and figure 2 there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Pointwise, Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.field import Field


@dataclass(frozen=True, eq=False)
class LayerActivations:
    """What one activation layer receives and gives.

    Args:
        name: the layer's number, from 1, and its activation.
        before: pre-activations ``(n, h)``; of a sine its phase ωWx, before the bias is added, as theory has it.
        after: activations ``(n, h)``.
        spectrum: the mean power of the activations along a line, at 0, 1, 2, … cycles over its length.
        periodic: whether the activation is a sine, for which the theory holds.
    """

    name: str
    before: Tensor
    after: Tensor
    spectrum: Tensor
    periodic: bool

    def summary(self) -> dict[str, Any]:
        """Return mean and standard deviation before, and the distances to N(0, 1) and to the arcsine law."""
        return {
            "layer": self.name,
            "pre-activation mean": float(self.before.mean()),
            "pre-activation std": float(self.before.std()),
            "activation std": float(self.after.std()),
            "distance to N(0, 1)": kolmogorov_smirnov(self.before, normal_law),
            "distance to arcsine": kolmogorov_smirnov(self.after, arcsine_law),
            "mean frequency": float((self.spectrum * torch.arange(len(self.spectrum))).sum() / self.spectrum.sum()),
        }


def normal_law(x: Tensor) -> Tensor:
    """Return the distribution function of N(0, 1) at ``x``."""
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def arcsine_law(y: Tensor) -> Tensor:
    """Return the distribution function of the arcsine law on [−1, 1] at ``y``.

    >>> arcsine_law(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return 0.5 + torch.asin(y.clamp(-1, 1)) / math.pi


def kolmogorov_smirnov(samples: Tensor, law: Any) -> float:
    """Return the Kolmogorov-Smirnov distance sup |F_n − F| between samples and a distribution function."""
    ordered = samples.double().flatten().sort().values
    count = len(ordered)
    expected = law(ordered)
    steps = torch.arange(count + 1, dtype=torch.float64) / count
    return float(torch.maximum(steps[1:] - expected, expected - steps[:-1]).max())


def activations_of(field: nn.Module, points: Tensor | None = None, line: int = 2048) -> Sequence[LayerActivations]:
    """Return what goes on in each activation layer of a field.

    Args:
        field: a network with a chain.
        points: where to look, ``(n, d)``; None: 1,024 points uniform in [−1, 1]^d.
        line: how many samples of the first axis, from −1 to 1 through the middle, to take the spectrum of.

    Raises:
        ValueError: the field has no chain to look into.
    """
    if not isinstance(field, Field):
        raise ValueError(f"a {type(field).__name__} has no chain to look into; give a network by name")
    training = field.training
    field.eval()
    with torch.no_grad():
        chain = field.chain()
        if points is None:
            generator = torch.Generator().manual_seed(0)
            points = torch.rand(1024, chain.in_features, generator=generator) * 2 - 1
        along = torch.zeros(line, chain.in_features)
        along[:, 0] = torch.linspace(-1, 1, line)
        found = list(_through(chain, points, along))
    field.train(training)
    return found


def _through(chain: Chain, spread: Tensor, sampled: Tensor) -> Iterator[LayerActivations]:
    """Yield what each pointwise function gets and gives, of points spread out and of points along a line."""
    bias: Tensor | float = 0.0
    window = torch.hann_window(len(sampled))[:, None]
    number = 0
    for link in chain.links:
        before, spread, sampled = spread, link(spread), link(sampled)
        if isinstance(link, Affine):
            bias = 0.0 if link.bias is None else link.bias
        if isinstance(link, Sine):
            before = link.omega * (before - bias)
        if isinstance(link, Pointwise):
            number += 1
            power = torch.fft.rfft((sampled - sampled.mean(0)) * window, dim=0).abs().square().mean(1)
            name = f"{number} {getattr(link, 'name', 'sine')}"
            yield LayerActivations(name, before, spread, power, isinstance(link, Sine))
