"""Constraints C(x, a(x), Φ, ∇Φ, ∇²Φ, …) = 0.

A constraint is a value: no loop, no input or output, no plot in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from sinefield.domains import ContinuousDomain, Domain, FiniteDomain, Samples
from sinefield.fields.derivatives import WHOLE, Derivative
from sinefield.jet import Jet, jet
from sinefield.jet_views import Derivatives
from sinefield.norms import MeanSquare, Norm


@final
@dataclass(frozen=True)
class Fading:
    """A weight that is constant at first and then falls along a straight line to 0, where it stays.

    Args:
        weight: at first.
        start: the part of the budget that is used when it begins to fall.
        stop: the part that is used when it is 0.

    >>> [Fading(100.0, 0.5, 0.75)(fraction) for fraction in (0.2, 0.625, 0.9)]
    [100.0, 50.0, 0.0]
    """

    weight: float
    start: float
    stop: float

    def __call__(self, fraction: float) -> float:
        """Return the weight when this part of the budget is used."""
        left = (self.stop - fraction) / (self.stop - self.start)
        return self.weight * min(max(left, 0.0), 1.0)


@final
@dataclass(frozen=True, eq=False)
class Constraint:
    """C(x, a(x), Φ, ∇Φ, ∇²Φ, …) = 0 for x in Ω.

    The residual's parameters are bound by name: one that names a target of the domain gets that target at
    the sampled points; any other gets the jet of the unknown of that name. With a single unknown, it may have any
    name: ``lambda u, value: u.value - value``.

    Args:
        domain: Ω, and the targets a(x) on it.
        residual: C, a tensor with one row for each point, zero where the constraint holds; it may be complex.
        name: under which its loss is reported.
        weight: the factor of its norm in the sum: a number, or a function of the part of the budget that is used,
            from 0 to 1, see :class:`Fading`.
        norm: makes a number of a residual.
        order: computes all derivatives up to this order, in place of those the residual is seen to read.
    """

    domain: Domain
    residual: Callable[..., Tensor]
    name: str = "constraint"
    weight: float | Callable[[float], float] = 1.0
    norm: Norm = field(default_factory=MeanSquare)
    order: int | None = None

    def weight_at(self, fraction: float) -> float:
        """Return the weight when this part of the budget is used."""
        return self.weight(fraction) if callable(self.weight) else self.weight

    def bound(self, unknowns: Mapping[str, nn.Module]) -> BoundConstraint:
        """Return this constraint on unknowns by name, its residual called to see what it reads of them.

        Raises:
            ValueError: a parameter names neither an unknown nor a target, an unknown has the name of a target, or the
                residual does not give one row for each point, mixes points, or reads nothing.
        """
        jets, targets = self._arguments(unknowns)
        return BoundConstraint(self, jets, targets, self._reads(unknowns, jets, targets))

    def _arguments(self, unknowns: Mapping[str, nn.Module]) -> tuple[dict[str, str], list[str]]:
        """Return the unknown that each parameter of the residual gets, and the targets that parameters name.

        Raises:
            ValueError: a parameter names neither, or both.
        """
        known = self.domain.target_names
        both = known & unknowns.keys()
        if both:
            raise ValueError(
                f"{', '.join(sorted(both))} names both an unknown and a target of the domain of constraint "
                f"{self.name!r}; rename one of them"
            )
        jets: dict[str, str] = {}
        targets: list[str] = []
        for parameter in inspect.signature(self.residual).parameters.values():
            if parameter.name in known:
                targets.append(parameter.name)
            elif parameter.name in unknowns:
                jets[parameter.name] = parameter.name
            elif parameter.default is not inspect.Parameter.empty:
                continue
            elif len(unknowns) == 1 and not jets:
                jets[parameter.name] = next(iter(unknowns))
            else:
                raise ValueError(
                    f"the residual of constraint {self.name!r} asks for {parameter.name!r}, which is neither an "
                    f"unknown ({', '.join(unknowns)}) nor a target of its domain ({', '.join(sorted(known)) or 'none'})"
                )
        return jets, targets

    def _reads(
        self, unknowns: Mapping[str, nn.Module], bound: Mapping[str, str], targets: list[str]
    ) -> dict[str, frozenset[Derivative]]:
        """Return which derivatives of each unknown the residual reads.

        It is called twice, with different counts of points, of which one is the beginning of the other: its rows must
        be the same.

        Raises:
            ValueError: they are not, there is not one for each point, or it reads nothing.
        """
        granule = self.domain.granule
        most = first_samples(self.domain, 7 * granule, looked_for(unknowns))
        count = len(most.points)
        shapes, rows = [], []
        jets: dict[str, Jet] = {}
        for some in dict.fromkeys((max(granule, count // (2 * granule) * granule), count)):
            samples = Samples(most.points[:some], {name: each[:some] for name, each in most.targets.items()})
            jets = {name: jet(each, samples.points, axes=self.domain.axes) for name, each in unknowns.items()}
            given = {name: samples.targets[name] for name in targets} | {k: jets[v] for k, v in bound.items()}
            with torch.no_grad():
                residual = self.residual(**given)
            shape = getattr(residual, "shape", None)
            if not shape or shape[0] != some:
                got = f"a {type(residual).__name__}" if shape is None else f"shape {tuple(shape)}"
                raise ValueError(
                    f"the residual of constraint {self.name!r} must have one row for each of the {some} points, "
                    f"got {got}"
                )
            shapes.append(tuple(residual.shape[1:]))
            rows.append(residual)
        same = len(set(shapes)) == 1 and torch.allclose(
            rows[0], rows[-1][: len(rows[0])], rtol=1e-3, atol=1e-5, equal_nan=True
        )
        if not same and not any(each.training and _drops(each) for each in unknowns.values()):
            raise ValueError(
                f"the residual of constraint {self.name!r} mixes points: its rows at {len(rows[0])} points, of shape "
                f"{(len(rows[0]), *shapes[0])}, are others when more points follow; give everything in it a last axis, "
                "as u.value has with (n, 1), and take no averages over points"
            )
        if not any(each.read for each in jets.values()):
            raise ValueError(
                f"the residual of constraint {self.name!r} reads nothing of any field; "
                "it must depend on u.value, u.gradient or another derivative"
            )
        if self.order is not None:
            upto: frozenset[Derivative] = frozenset(name for name, order in WHOLE.items() if order <= self.order)
            return {name: upto | each.read if each.read else frozenset() for name, each in jets.items()}
        return {name: frozenset(each.read) for name, each in jets.items()}


@final
@dataclass(frozen=True, eq=False)
class BoundConstraint:
    """A constraint whose residual's parameters are bound to unknowns and targets, once.

    Args:
        constraint: which.
        jets: the unknown that each parameter gets the jet of.
        targets: the targets that parameters name.
        reads: the derivatives that it reads of each unknown.
    """

    constraint: Constraint
    jets: Mapping[str, str]
    targets: list[str]
    reads: Mapping[str, frozenset[Derivative]]

    def residual(self, jets: Mapping[str, Derivatives], targets: Mapping[str, Tensor]) -> Tensor:
        """Return C, one row for each point."""
        given = {name: targets[name] for name in self.targets}
        return self.constraint.residual(**given, **{name: jets[unknown] for name, unknown in self.jets.items()})

    def loss(self, jets: Mapping[str, Derivatives], targets: Mapping[str, Tensor], fraction: float) -> Tensor:
        """Return weight · norm(C), a scalar.

        Args:
            jets: of the unknowns by name.
            targets: of the domain by name, at the same points.
            fraction: the part of the budget that is used.
        """
        return self.constraint.weight_at(fraction) * self.constraint.norm.loss(self.residual(jets, targets))


def _drops(field: nn.Module) -> bool:
    return any(isinstance(each, nn.Dropout) and each.p > 0 for each in field.modules())


def looked_for(unknowns: Mapping[str, nn.Module]) -> nn.Module:
    """Return the first unknown that has parameters, which points and targets have the device and the precision of."""
    fields = list(unknowns.values())
    return next((each for each in fields if next(each.parameters(), None) is not None), fields[0])


def precision_of(field: nn.Module) -> torch.dtype:
    """Return the precision in which points are given to a field."""
    parameter = next(field.parameters(), torch.empty(0))
    found: torch.dtype = getattr(field, "point_dtype", parameter.dtype)
    return found


def first_samples(domain: Domain, count: int, like: nn.Module) -> Samples:
    """Return a few points of a domain, always the same, on the device and in the precision of the field ``like``."""
    match domain:
        case FiniteDomain():
            return moved(domain.at(torch.arange(min(count, domain.size))), like)
        case ContinuousDomain():
            return moved(domain.draw(count, torch.Generator().manual_seed(0), precision_of(like)), like)


def moved(samples: Samples, like: nn.Module) -> Samples:
    """Return samples on the device and in the precision of the field ``like``; targets that are no floats stay so."""
    parameter = next(like.parameters(), None)
    if parameter is None:
        return samples
    place, values = precision_of(like), parameter.dtype
    return Samples(
        samples.points.to(parameter.device, place),
        {
            name: each.to(parameter.device, values) if each.is_floating_point() else each.to(parameter.device)
            for name, each in samples.targets.items()
        },
    )
