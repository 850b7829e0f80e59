"""Constraints C(x, a(x), Φ, ∇Φ, ΔΦ, …) = 0, and problems: lists of them.

A constraint is a value: no loop, no input or output, no plot in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sinefield.domains import ContinuousDomain, Domain, FiniteDomain, Samples
from sinefield.fields.derivatives import WHOLE, Derivative
from sinefield.jet import Jet, jet

Norm = Callable[[Tensor], Tensor]


def mean_square(residual: Tensor) -> Tensor:
    """Return the mean of the squared residual, the default norm."""
    return residual.square().mean()


def mean_absolute(residual: Tensor) -> Tensor:
    """Return the mean of the absolute residual, which forgives outliers."""
    return residual.abs().mean()


@dataclass(frozen=True)
class Fading:
    """A weight that is constant at first and then falls along a straight line to 0, where it stays.

    Args:
        weight: at first.
        start: how much of the budget is used when it begins to fall.
        stop: when it is 0.

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


@dataclass(frozen=True, eq=False)
class Constraint:
    """C(x, a(x), Φ, ∇Φ, ΔΦ, …) = 0 for x in Ω.

    The residual's parameters are bound by name: one that names a target of the domain gets that target at
    the sampled points; any other gets the jet of the field of that name. With a single field, it may have any
    name: ``lambda u, value: u.value - value``.

    Args:
        domain: Ω, and the targets a(x) on it.
        residual: C, a tensor with one row for each point, zero where the constraint holds.
        name: under which its loss is reported.
        weight: what its norm is multiplied by in the sum: a number, or a function of how much of the budget is used,
            from 0 to 1, see :class:`Fading`.
        norm: makes a number of a residual; an average over points.
        order: computes all derivatives up to this order, in place of those the residual is seen to read.
    """

    domain: Domain
    residual: Callable[..., Tensor]
    name: str = "constraint"
    weight: float | Callable[[float], float] = 1.0
    norm: Norm = mean_square
    order: int | None = None

    def bind(self, jets: Mapping[str, Jet], targets: Mapping[str, Tensor]) -> dict[str, Jet | Tensor]:
        """Return the residual's arguments by name.

        Raises:
            ValueError: a parameter names neither a field nor a target.
        """
        bound: dict[str, Jet | Tensor] = {}
        for parameter in inspect.signature(self.residual).parameters.values():
            if parameter.name in targets:
                bound[parameter.name] = targets[parameter.name]
            elif parameter.name in jets:
                bound[parameter.name] = jets[parameter.name]
            elif parameter.default is not inspect.Parameter.empty:
                continue
            elif len(jets) == 1 and not any(isinstance(each, Jet) for each in bound.values()):
                bound[parameter.name] = next(iter(jets.values()))
            else:
                raise ValueError(
                    f"the residual of constraint {self.name!r} asks for {parameter.name!r}, which is neither a field "
                    f"({', '.join(jets)}) nor a target of its domain ({', '.join(targets) or 'none'})"
                )
        return bound

    def loss(self, jets: Mapping[str, Jet], targets: Mapping[str, Tensor], fraction: float = 0.0) -> Tensor:
        """Return weight · norm(C), a scalar, for jets and targets at the same points.

        Args:
            jets: of the fields by name.
            targets: of the domain by name.
            fraction: how much of the budget is used.
        """
        weight = self.weight(fraction) if callable(self.weight) else self.weight
        return weight * self.norm(self.residual(**self.bind(jets, targets)))

    def needs(self, fields: Mapping[str, nn.Module]) -> dict[str, frozenset[Derivative]]:
        """Return which quantities of each field's jet the residual reads: it is called once, to look.

        Raises:
            ValueError: the residual does not give one row for each point, or mixes points.
        """
        samples = first_samples(self.domain, 7 * self.domain.granule, next(iter(fields.values())))
        count = len(samples.points)
        jets = {name: jet(each, samples.points) for name, each in fields.items()}
        with torch.no_grad():
            shape = tuple(self.residual(**self.bind(jets, samples.targets)).shape)
            outputs = {each(samples.points).shape[1] for each in fields.values()}
        if not shape or shape[0] != count:
            raise ValueError(
                f"the residual of constraint {self.name!r} must have one row for each of the {count} points, got "
                f"shape {shape}"
            )
        if count == 7 and shape[1:2] == (7,) and 7 not in outputs:  # (n,) − (n, 1) is (n, n), and no error says so
            raise ValueError(
                f"the residual of constraint {self.name!r} mixes points: for 7 of them it has shape {shape}; "
                "give everything in it a last axis, as u.value has with (n, 1)"
            )
        if self.order is not None:
            upto: frozenset[Derivative] = frozenset(name for name, order in WHOLE.items() if order <= self.order)
            return {name: upto if each.read else frozenset() for name, each in jets.items()}
        return {name: frozenset(each.read) for name, each in jets.items()}


def first_samples(domain: Domain, count: int, like: nn.Module) -> Samples:
    """Return a few points of a domain, always the same, on the device of the field ``like``."""
    parameter = next(like.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    match domain:
        case FiniteDomain():
            return moved(domain.at(torch.arange(min(count, domain.size))), device)
        case ContinuousDomain():
            return moved(domain.draw(count, torch.Generator().manual_seed(0)), device)


def moved(samples: Samples, device: torch.device) -> Samples:
    """Return samples on ``device``."""
    return Samples(samples.points.to(device), {name: each.to(device) for name, each in samples.targets.items()})
