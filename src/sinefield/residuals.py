"""How well an equation is solved: residuals at points that no solver has seen, relative to the size of their terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.constraint import looked_for, moved
from sinefield.domains import ContinuousDomain, Domain, FiniteDomain, Samples
from sinefield.fields.derivatives import highest_order
from sinefield.jet import jet
from sinefield.linearisation import to_real_rows
from sinefield.objective import Group, Objective


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
            return domain.at(some)


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

    The size of the terms of C is that of C where the unknowns are 0, which is the right side of the equation. Where
    that is zero too it is ‖u‖ κᵏ, with κ = ‖∇u‖ / ‖u‖ the mean frequency of the solution and k the order of C.

    Args:
        groups: of constraints, see :class:`sinefield.objective.Objective`.
        unknowns: fields by name, as they are.
        samples: of each group; best at points that no solver has seen.
    """
    blocks = [moved(each, looked_for(unknowns)) for each in samples]
    values, slopes = _sizes(groups, unknowns, blocks)
    nothing = {name: _Zero(each) for name, each in unknowns.items()}
    found: dict[str, float] = {}
    for group, block in zip(groups, blocks, strict=True):
        residuals = Objective.evaluate_group(group, unknowns, block)
        sources = Objective.evaluate_group(group, nothing, block)
        for member, residual, source in zip(group.members, residuals, sources, strict=True):
            size = _rms(source)
            if size == 0:
                order = max(highest_order(needs) for needs in member.reads.values())
                size = values * (slopes / values) ** order if values > 0 else 1.0
            found[member.constraint.name] = _rms(residual) / size
    return Residuals(found, values)


def _sizes(
    groups: Sequence[Group], unknowns: Mapping[str, nn.Module], blocks: Sequence[Samples]
) -> tuple[float, float]:
    """Return the root mean squares of the first unknown and of its gradient, where there are most points."""
    group, block = max(zip(groups, blocks, strict=True), key=lambda each: len(each[1].points))
    u = jet(next(iter(unknowns.values())), block.points, ["value", "jacobian"], group.domain.axes)
    return _rms(u.value), _rms(u.jacobian)


def _rms(values: Tensor) -> float:
    return float(to_real_rows(values).double().square().sum(1).mean().sqrt())


@final
class _Zero(nn.Module):
    """The field that is 0, with the inputs, outputs and axes of another."""

    def __init__(self, like: nn.Module) -> None:
        super().__init__()
        self.in_features = getattr(like, "in_features", 0)
        self.out_features = int(getattr(like, "out_features", 1))
        self.axes = getattr(like, "axes", None)

    def forward(self, points: Tensor) -> Tensor:
        """Return 0, ``(n, c)``."""
        return 0.0 * points[:, :1].expand(-1, self.out_features)
