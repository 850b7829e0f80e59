"""Networks with one sine layer and a last map: found in fields, placed in a domain, given more features.

    Φ(x) = Σ_j c_j sin(w_j·x + b_j) + c_0,     Σ_i ((|w_ji| h_i − C_i) / R_i)² ≤ 1 uniform, b_j uniform in a period

with h half the sides of the box around the points that Φ is evaluated at, R the bandwidths and C centres, 0
unless the frequencies are known to be a band. A network with an
attribute ``extent``, two rows of least and greatest coordinates, is placed in that box: one behind a window is. One
whose first weights ask for no gradient stays as it is. One with an attribute ``periods``, one or None for each
axis, has frequencies of these periods alone; see :func:`sinefield.conditions.periodic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine
from sinefield.fields.field import Field
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of

_SMALLEST = 1e-300


@final
@dataclass(frozen=True, eq=False)
class SineLayer:
    """A network whose last layer can be solved for.

    Args:
        network: it.
        unknown: the name of the unknown that it is part of.
        first: its affine map from the coordinates.
        last: its affine map to the outputs.
        omega: the frequency ω₀ of the sine between them.
    """

    network: nn.Module
    unknown: str
    first: Affine
    last: Affine
    omega: float

    @property
    def stays(self) -> bool:
        """Whether its frequencies are its own."""
        return not self.first.weight.requires_grad

    @torch.no_grad()
    def place(self, box: Tensor, centres: Sequence[float], bandwidths: Sequence[float], seed: int) -> None:
        """Draw frequencies and phases.

        Args:
            box: least and greatest coordinates, ``(2, d)``.
            centres: C, of each axis.
            bandwidths: R, of each axis.
            seed: of what is drawn.
        """
        own = getattr(self.network, "extent", None)
        inputs = self.first.in_features
        if own is not None:
            box = torch.as_tensor(own).to(box)
        if (
            box.shape[1] != inputs or len(bandwidths) != inputs
        ):  # behind a map of coordinates, whose images are moderate
            bandwidths, centres = [math.prod(bandwidths) ** (1 / len(bandwidths))] * inputs, [0.0] * inputs
            box = box if box.shape[1] == inputs else torch.tensor([[-1.0], [1.0]]).to(box).expand(2, inputs)
        centre, half = box.mean(0), ((box[1] - box[0]) / 2).clamp(min=_SMALLEST)
        generator = generator_of(seed)
        directions = torch.randn(self.first.weight.shape, generator=generator, dtype=torch.float64)
        radii = torch.rand(len(directions), 1, generator=generator, dtype=torch.float64) ** (1 / inputs)
        phases = 2 * math.pi * torch.rand(len(directions), generator=generator, dtype=torch.float64)
        signs = 1 - 2.0 * torch.randint(0, 2, directions.shape, generator=generator)
        within = (
            torch.tensor(bandwidths, dtype=torch.float64) * radii * directions / directions.norm(dim=1, keepdim=True)
        )
        frequencies = (signs * torch.tensor(centres, dtype=torch.float64) + within) / half
        for axis, period in enumerate(getattr(self.network, "periods", ())):
            if period is not None:
                step = 2 * math.pi / period
                frequencies[:, axis] = (frequencies[:, axis] / step).round() * step
        self.first.weight.copy_(frequencies / self.omega)
        assert self.first.bias is not None, "sine layers have phases"
        self.first.bias.copy_((phases - frequencies @ centre) / self.omega)

    @torch.no_grad()
    def resize(self, features: int) -> None:
        """Give the network another number of features, which have to be placed and solved for."""
        first, last = self.first, self.last
        shapes = [(first.weight, (features, first.in_features)), (last.weight, (last.out_features, features))]
        for tensor, shape in [*shapes, *([] if first.bias is None else [(first.bias, (features,))])]:
            tensor.data = tensor.new_zeros(shape)
        for each in self.network.modules():
            if isinstance(each, nn.Linear):
                each.out_features, each.in_features = each.weight.shape
        settings = getattr(self.network, "settings", {})
        if "hidden_features" in settings:
            settings["hidden_features"] = features


def sine_layers(objective: Objective) -> Sequence[SineLayer]:
    """Return the networks among the unknowns, and in what these are made of, whose last layer can be solved for."""
    found: dict[int, SineLayer] = {}
    for name, unknown in objective.unknowns.items():
        for module in unknown.modules():
            if not isinstance(module, Field) or not isinstance(module, nn.Module):
                continue
            try:
                links = module.chain().links
            except TypeError:  # a layer that is no link
                continue
            if len(links) != 3 or not isinstance(sine := links[1], Sine):
                continue
            first, last = links[0], links[2]
            if isinstance(first, Affine) and isinstance(last, Affine) and first.weight.dtype == torch.float64:
                found[id(first.weight)] = SineLayer(module, name, first, last, float(sine.omega))
    return list(found.values())


def extents(objective: Objective, batch: Batch) -> dict[str, Tensor]:
    """Return the box around the points that each unknown is evaluated at, in its own coordinates, ``(2, d)``."""
    boxes = {}
    for name, unknown in objective.unknowns.items():
        own = getattr(unknown, "axes", None)
        rows = []
        for group, samples in zip(objective.groups, batch.samples, strict=True):
            if group.reads[name]:
                axes = group.domain.axes
                taken = [list(axes).index(each) for each in own] if own and axes else ...
                rows.append(samples.points[:, taken])
        points = torch.cat(rows)
        boxes[name] = torch.stack([points.min(0).values, points.max(0).values])
    return boxes
