"""How well an equation is solved: residuals at points that no solver has seen, relative to the size of their terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from sinefield.constraint import looked_for, moved
from sinefield.domains import ContinuousDomain, Domain, FiniteDomain, Samples
from sinefield.fields.derivatives import highest_order
from sinefield.jet import Jet, jet
from sinefield.linearisation import to_real_rows
from sinefield.objective import Batch, Group, Objective

_MANY = 2**12  # times as many points as are drawn
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
            if domain.size > _MANY * count:  # so that hardly any is drawn twice
                some = torch.randint(domain.size, (count,), generator=generator).unique()
            else:
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
    shapes = {name: _Shape.of(_jet_of(name, each, groups, blocks)) for name, each in unknowns.items()}
    found: dict[str, float] = {}
    for group, block, sizes in zip(groups, blocks, _sizes(groups, unknowns, blocks, shapes), strict=True):
        residuals = Objective.evaluate_group(group, unknowns, block)
        for member, residual, (source, terms) in zip(group.members, residuals, sizes, strict=True):
            found[member.constraint.name] = _rms(residual) / (max(source, terms) or 1.0)
    return Residuals(found, _rms(next(iter(shapes.values())).value))


@final
@dataclass(frozen=True)
class Change:
    """How constraints take a change of the unknowns.

    Args:
        relative: by the name of the constraint: the root mean square of what the change makes of C over that of its
            terms.
        shares: of each unknown, by name, in the change: root mean square.
        waves: periods of the change across the domain, along the axis where it has most.
    """

    relative: Mapping[str, float]
    shares: Mapping[str, float]
    waves: float


@torch.no_grad()
def change_of_residuals(
    groups: Sequence[Group],
    unknowns: Mapping[str, nn.Module],
    samples: Sequence[Samples],
    put: Callable[[float], None],
    step: float,
) -> Change:
    """Return how constraints take a change v of the unknowns: [C(u + s v) − C(u − s v)] / 2s, beside its terms.

    Args:
        groups: of constraints.
        unknowns: fields by name.
        samples: of each group.
        put: makes the unknowns u + t v, for a number t.
        step: s; 1 where C is linear.
    """
    blocks = [moved(each, looked_for(unknowns)) for each in samples]
    sides = []
    for t in (step, -step, 0.0):  # in the end they are as they were
        put(t)
        jets = {name: _Shape.of(_jet_of(name, each, groups, blocks)) for name, each in unknowns.items()}
        sides.append((jets, [Objective.evaluate_group(*each) for each in _evaluations(groups, unknowns, blocks)]))
    (plus, above), (minus, below), _ = sides
    shapes = {name: plus[name].minus(minus[name], 2 * step) for name in unknowns}
    found: dict[str, float] = {}
    for group, one, other, sizes in zip(groups, above, below, _sizes(groups, unknowns, blocks, shapes), strict=True):
        for member, high, low, (_, terms) in zip(group.members, one, other, sizes, strict=True):
            found[member.constraint.name] = _rms(high - low) / (2 * step) / (terms or 1.0)
    periods = [each.frequencies * each.sides / (2 * math.pi) for each in shapes.values() if len(each.sides)]
    waves = max((float(each.max()) for each in periods), default=math.nan)
    return Change(found, {name: _rms(shape.value) for name, shape in shapes.items()}, waves)


def _evaluations(
    groups: Sequence[Group], unknowns: Mapping[str, nn.Module], blocks: Sequence[Samples]
) -> list[tuple[Group, Mapping[str, nn.Module], Samples]]:
    return [(group, unknowns, block) for group, block in zip(groups, blocks, strict=True)]


class _Shape(NamedTuple):
    """Values ``(n, c)`` and derivatives ``(n, c, d)`` of a field at points, and the sides of their box."""

    value: Tensor
    jacobian: Tensor
    sides: Tensor

    @classmethod
    def of(cls, u: Jet) -> _Shape:
        jacobian, sides = u.jacobian, u.points.max(0).values - u.points.min(0).values
        return cls(u.value, jacobian, sides if len(sides) == jacobian.shape[-1] else sides.new_zeros(0))

    def minus(self, other: _Shape, over: float) -> _Shape:
        return _Shape((self.value - other.value) / over, (self.jacobian - other.jacobian) / over, self.sides)

    @property
    def frequencies(self) -> Tensor:
        """The mean frequency of all outputs along each axis, ``(d,)``: ‖∂u/∂x_i‖ / ‖u‖."""
        return self.jacobian.square().sum(1).mean(0).sqrt() / (_rms(self.value) or 1.0)


def _sizes(
    groups: Sequence[Group],
    unknowns: Mapping[str, nn.Module],
    blocks: Sequence[Samples],
    shapes: Mapping[str, _Shape],
) -> list[list[tuple[float, float]]]:
    """Return the size of each constraint's right side, and of its terms for plane waves like some fields."""
    nothing = {name: _Waves(each, shapes[name], None) for name, each in unknowns.items()}
    probes = [{name: _Waves(each, shapes[name], seed) for name, each in unknowns.items()} for seed in range(_PROBES)]
    found = []
    for group, block in zip(groups, blocks, strict=True):
        sources = Objective.evaluate_group(group, nothing, block)
        probed = [Objective.evaluate_group(group, each, block) for each in probes]
        sizes = []
        for place, source in enumerate(sources):
            terms = [_rms(each[place] - source) ** 2 for each in probed]
            sizes.append((_rms(source), math.sqrt(sum(terms) / len(terms))))
        found.append(sizes)
    return found


def equation_of(name: str, groups: Sequence[Group]) -> int:
    """Return which group holds the equation of an unknown: the first that reads its highest derivatives.

    There the field is as large as it is; on walls it may be 0, however many points they have.
    """
    return max(
        range(len(groups)),
        key=lambda place: (bool(groups[place].reads[name]), highest_order(groups[place].reads[name])),
    )


def _jet_of(name: str, field: nn.Module, groups: Sequence[Group], blocks: Sequence[Samples]) -> Jet:
    """Return the jet of an unknown where its equation holds: elsewhere it may mean nothing."""
    place = equation_of(name, groups)
    return jet(field, blocks[place].points, ["value", "jacobian"], groups[place].domain.axes)


def _rms(values: Tensor) -> float:
    return float(to_real_rows(values).double().square().sum(1).mean().sqrt())


@final
class _Waves(nn.Module):
    """A field like another, of one plane wave in each output: u_k = √2 ‖u‖ sin(Σ κ_i r_i x_i + φ_k); 0 without a seed.

    The factors r of the frequencies are from ½ to 3/2, so that waves are none that the equation is solved by. No
    frequency is below that of a field that changes by its own size across the domain: terms of a constant are not 0.
    """

    def __init__(self, like: nn.Module, u: _Shape, seed: int | None) -> None:
        super().__init__()
        self.in_features = getattr(like, "in_features", 0)
        self.out_features = int(getattr(like, "out_features", 1))
        self.axes = getattr(like, "axes", None)
        size = _rms(u.value) / self.out_features**0.5
        generator = torch.Generator().manual_seed(seed or 0)
        self.amplitude = 0.0 if seed is None else 2**0.5 * size
        factors = 0.5 + torch.rand(u.jacobian.shape[-1], generator=generator)
        least = 1 / u.sides.clamp(min=1e-300) if len(u.sides) else torch.zeros_like(u.frequencies)
        self.frequencies = torch.maximum(u.frequencies, least) * factors.to(least)
        self.phases = 2 * math.pi * torch.rand(self.out_features, generator=generator).to(least)

    def forward(self, points: Tensor) -> Tensor:
        """Return the waves, ``(n, c)``."""
        return self.amplitude * torch.sin((points @ self.frequencies)[:, None] + self.phases)
