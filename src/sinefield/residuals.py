"""How well an equation is solved: residuals at points that no solver has seen, relative to the size of their terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.constraint import looked_for, moved
from sinefield.domains import ContinuousDomain, Domain, FiniteDomain, Samples
from sinefield.jet import Jet, jet
from sinefield.linearisation import to_real_rows
from sinefield.objective import Batch, Group, Objective

_PROBES = 6  # plane waves that the size of terms is estimated by


def draw_samples(domain: Domain, count: int, generator: torch.Generator) -> Samples:
    """Return samples of a domain in double precision: drawn, or all of a finite domain that has no more.

    Args:
        domain: where.
        count: how many, at most of a finite domain.
        generator: source of randomness.
    """
    match domain:
        case ContinuousDomain():
            return domain.draw(count, generator, torch.float64)
        case FiniteDomain():
            some = torch.randperm(domain.size, generator=generator)[:count].sort().values
            found = domain.at(some)
            return Samples(found.points.double(), found.targets)


def named_residuals(objective: Objective, batch: Batch) -> dict[str, Tensor]:
    """Return the residuals r of an objective, as :meth:`Objective.residuals` stacks them, by name of the constraint."""
    found: dict[str, Tensor] = {}
    for group, samples in zip(objective.groups, batch.samples, strict=True):
        values = objective.evaluate_group(group, objective.unknowns, objective.moved(samples))
        for member, value, scale in zip(group.members, values, objective.scales(group, values, batch), strict=True):
            found[member.constraint.name] = (scale * to_real_rows(value)).flatten()
    return found


@final
@dataclass(frozen=True)
class Residuals:
    """Relative residuals of the constraints of an objective.

    Args:
        relative: by the name of the constraint: the root mean square of C over that of its terms.
        size: root mean square of the main unknown, over all points.
    """

    relative: Mapping[str, float]
    size: float

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self.relative.values())


@torch.no_grad()
def relative_residuals(
    groups: Sequence[Group], unknowns: Mapping[str, nn.Module], samples: Sequence[Samples]
) -> Residuals:
    """Return how large residuals are beside what they are made of.

    The size of the terms of C is the larger of two: that of C where the unknowns are 0, which is the right side of the
    equation; and by how much C differs from that for plane waves of the size and the mean frequencies of the solution,
    κ_i = ‖∂u/∂x_i‖ / ‖u‖, at which terms do not cancel as they do for the solution.

    Args:
        groups: of constraints, see :class:`sinefield.objective.Objective`.
        unknowns: fields by name, as they are.
        samples: of each group; best at points that no solver has seen.
    """
    blocks = [moved(each, looked_for(unknowns)) for each in samples]
    jets = {name: _widest_jet(name, each, groups, blocks) for name, each in unknowns.items()}
    nothing = {name: _Waves(each, jets[name], None) for name, each in unknowns.items()}
    probes = [{name: _Waves(each, jets[name], seed) for name, each in unknowns.items()} for seed in range(_PROBES)]
    found: dict[str, float] = {}
    for group, block in zip(groups, blocks, strict=True):
        residuals = Objective.evaluate_group(group, unknowns, block)
        sources = Objective.evaluate_group(group, nothing, block)
        probed = [Objective.evaluate_group(group, each, block) for each in probes]
        for place, (member, residual, source) in enumerate(zip(group.members, residuals, sources, strict=True)):
            terms = [_rms(each[place] - source) ** 2 for each in probed]
            size = max(_rms(source), math.sqrt(sum(terms) / len(terms)))
            found[member.constraint.name] = _rms(residual) / (size or 1.0)
    return Residuals(found, _rms(next(iter(jets.values())).value))


def _widest_jet(name: str, field: nn.Module, groups: Sequence[Group], blocks: Sequence[Samples]) -> Jet:
    """Return the jet of an unknown at the points of the largest group that reads it: elsewhere it means nothing."""
    reading = [each for each in zip(groups, blocks, strict=True) if each[0].reads[name]]
    group, block = max(reading or zip(groups, blocks, strict=True), key=lambda each: len(each[1].points))
    return jet(field, block.points, ["value", "jacobian"], group.domain.axes)


def _rms(values: Tensor) -> float:
    return float(to_real_rows(values).double().square().sum(1).mean().sqrt())


@final
class _Waves(nn.Module):
    """A field like another, of one plane wave in each output: u_k = √2 ‖u‖ sin(Σ κ_i r_i x_i + φ_k); 0 without a seed.

    The factors r of the frequencies are from ½ to 3/2, so that waves are none that the equation is solved by.
    """

    def __init__(self, like: nn.Module, u: Jet, seed: int | None) -> None:
        super().__init__()
        self.in_features = getattr(like, "in_features", 0)
        self.out_features = int(getattr(like, "out_features", 1))
        self.axes = getattr(like, "axes", None)
        size = _rms(u.value) / self.out_features**0.5
        generator = torch.Generator().manual_seed(seed or 0)
        self.amplitude = 0.0 if seed is None else 2**0.5 * size
        factors = 0.5 + torch.rand(u.jacobian.shape[-1], generator=generator)
        slopes = u.jacobian.square().sum(1).mean(0).sqrt() / self.out_features**0.5
        self.frequencies = slopes * factors.to(slopes) / (size or 1.0)
        self.phases = 2 * math.pi * torch.rand(self.out_features, generator=generator).to(slopes)

    def forward(self, points: Tensor) -> Tensor:
        """Return the waves, ``(n, c)``."""
        return self.amplitude * torch.sin((points @ self.frequencies)[:, None] + self.phases)
