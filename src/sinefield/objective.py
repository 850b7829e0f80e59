"""The objective Σ_m w_m ‖C_m‖, evaluated as its gradient, as residuals, or as residuals with their Jacobian.

What is evaluated is all that a solver knows of a problem: the gradient for first-order solvers; the residuals

    r = ( √(w_m ω_mk / n_m) C_mk )        over constraints m and the n_m entries k of each

stacked, ω the weights of the norm, so that ‖r‖² is the objective; and J = ∂r/∂θ, as an operator, and dense where it is
small. Constraints on one domain share one evaluation of each unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.constraint import BoundConstraint, Constraint, looked_for, moved, precision_of
from sinefield.domains import Domain, Samples
from sinefield.fields.derivatives import Derivative, highest_order
from sinefield.jet import Jet, jet
from sinefield.linearisation import Linearisation, to_real_rows


@final
@dataclass(frozen=True)
class Batch:
    """What a step sees.

    Args:
        samples: of each group of constraints.
        fraction: the part of the budget that is used, which weights may depend on.
    """

    samples: Sequence[Samples]
    fraction: float = 0.0


@final
@dataclass(frozen=True, eq=False)
class Group:
    """Constraints on one domain, and the derivatives that they read of each unknown together."""

    domain: Domain
    members: Sequence[BoundConstraint]
    reads: Mapping[str, frozenset[Derivative]]

    def jets(self, unknowns: Mapping[str, nn.Module], points: Tensor) -> dict[str, Jet]:
        """Return the jets of the unknowns, which compute at once what is read."""
        return {name: jet(each, points, self.reads[name], self.domain.axes) for name, each in unknowns.items()}


@final
class Objective:
    """Σ_m w_m ‖C_m‖ over the parameters of the unknowns.

    Args:
        unknowns: fields by name, which are changed in place.
        constraints: C_1 … C_M; their residuals are called, to see what they read.

    Raises:
        ValueError: there is nothing to solve, two constraints have one name, one field two names, or a residual cannot
            be used; see :meth:`sinefield.constraint.Constraint.bound`.
    """

    def __init__(self, unknowns: Mapping[str, nn.Module], constraints: Sequence[Constraint]) -> None:
        names = [each.name for each in constraints]
        if not unknowns or not constraints or len(set(names)) < len(names):
            raise ValueError(
                f"solve needs a field and constraints of different names, got {len(unknowns)} fields and "
                f"constraints {names}; name each with Constraint(…, name=…)"
            )
        if len({id(each) for each in unknowns.values()}) < len(unknowns):
            raise ValueError(f"two of the unknowns {', '.join(unknowns)} are one field; give each a field of its own")
        self.unknowns = dict(unknowns)
        learnt = [name for name, each in unknowns.items() if any(one.requires_grad for one in each.parameters())]
        domains = {id(each.domain): each.domain for each in constraints}
        self.groups: list[Group] = []
        for key, domain in domains.items():
            members = [each.bound(self.unknowns) for each in constraints if id(each.domain) == key]
            for each in members:
                if not any(each.reads[name] for name in learnt):
                    raise ValueError(
                        f"the residual of constraint {each.constraint.name!r} reads nothing of any field that is "
                        "looked for; it must depend on u.value or a derivative of one with parameters that are learnt"
                    )
            reads = {name: frozenset().union(*(each.reads[name] for each in members)) for name in self.unknowns}
            self.groups.append(Group(domain, members, reads))
        self.parameters: dict[str, nn.Parameter] = {
            f"{name}.{inner}": parameter
            for name, each in self.unknowns.items()
            for inner, parameter in each.named_parameters()
            if parameter.requires_grad
        }
        """What is looked for, by the name of the unknown and its own."""

    @property
    def device(self) -> torch.device:
        """Where the unknowns are."""
        return next((each.device for each in self.parameters.values()), torch.device("cpu"))

    @property
    def precision(self) -> torch.dtype:
        """The precision in which points are given to the unknowns."""
        return precision_of(looked_for(self.unknowns))

    @property
    def order(self) -> int:
        """The highest derivative that any constraint reads."""
        return max(highest_order(need) for group in self.groups for need in group.reads.values())

    @property
    def work(self) -> list[int]:
        """FLOP per point of each group: evaluation and gradient."""
        return [
            sum(kernels.work(self.unknowns[name], need) for name, need in group.reads.items() if need)
            for group in self.groups
        ]

    def memory(self, counts: Sequence[int]) -> int:
        """Return about how many bytes a step takes, with that many points of each group."""
        return max(
            sum(kernels.memory(self.unknowns[name], need, count) for name, need in group.reads.items() if need)
            for group, count in zip(self.groups, counts, strict=True)
        )

    # ---- as a gradient

    def gradient(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the sum by the names of their constraints; parameters have its gradient in ``grad``."""
        for parameter in self.parameters.values():
            parameter.grad = None
        terms: dict[str, Tensor] = {}
        for group, samples in zip(self.groups, batch.samples, strict=True):
            count, granule = len(samples.points), group.domain.granule
            size = min(kernels.block_size(each, group.reads[name]) for name, each in self.unknowns.items())
            size = max(granule, size // granule * granule)
            for start in range(0, count, size):
                block = self.moved(samples.rows(start, start + size))
                share = len(block.points) / count  # norms are averages, so blocks add up by their share
                for name, loss in self._descend(group, block, share, batch.fraction).items():
                    terms[name] = terms[name] + loss if name in terms else loss
        return terms

    def _descend(self, group: Group, block: Samples, share: float, fraction: float) -> dict[str, Tensor]:
        """Return the terms of one block; their gradient is added, and all that it took is forgotten."""
        jets = group.jets(self.unknowns, block.points)
        losses = {each.constraint.name: share * each.loss(jets, block.targets, fraction) for each in group.members}
        total = torch.stack(list(losses.values())).sum()
        if total.requires_grad:  # it does not where all that is read is zero whatever the parameters are
            total.backward()
        return {name: loss.detach() for name, loss in losses.items()}

    def moved(self, samples: Samples) -> Samples:
        """Return samples on the device and in the precision of the unknowns."""
        return moved(samples, looked_for(self.unknowns))

    # ---- as residuals

    def residuals(self, batch: Batch) -> Tensor:
        """Return r, ``(m,)``: real and imaginary parts one after the other where a residual is complex."""
        parts: list[Tensor] = []
        for group, samples in zip(self.groups, batch.samples, strict=True):
            found = self.evaluate_group(group, self.unknowns, self.moved(samples))
            scales = self.scales(group, found, batch)
            parts += [(scale * to_real_rows(each)).flatten() for scale, each in zip(scales, found, strict=True)]
        return torch.cat(parts)

    def linearise(self, batch: Batch) -> Linearisation:
        """Return r and J = ∂r/∂θ at the parameters as they are."""
        with torch.no_grad():
            residuals = self.residuals(batch)
        return Linearisation(self, batch, residuals)

    @staticmethod
    def evaluate_group(group: Group, unknowns: Mapping[str, nn.Module], samples: Samples) -> list[Tensor]:
        """Return C of each constraint of a group."""
        jets = group.jets(unknowns, samples.points)
        return [each.residual(jets, samples.targets) for each in group.members]

    @staticmethod
    def scales(group: Group, found: Sequence[Tensor], batch: Batch) -> list[Tensor]:
        """Return √(weight · ω / n) for each entry of C as real rows, not differentiated."""
        scales = []
        for constraint, residual in zip((each.constraint for each in group.members), found, strict=True):
            weights = constraint.norm.weights(residual) * (constraint.weight_at(batch.fraction) / residual.numel())
            if residual.is_complex():  # real and imaginary parts share their weight
                weights = weights.unsqueeze(-1).expand(*weights.shape, 2)
            scales.append(weights.sqrt().reshape(len(residual), -1))
        return scales

    # ---- the parameters as one vector

    def vector(self) -> Tensor:
        """Return θ, ``(p,)``."""
        return torch.cat([each.detach().flatten() for each in self.parameters.values()])

    @torch.no_grad()
    def assign(self, vector: Tensor) -> None:
        """Set θ, ``(p,)``."""
        for parameter, values in zip(self.parameters.values(), self.split(vector).values(), strict=True):
            parameter.copy_(values)

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Return a vector ``(p,)`` as tensors by the names and of the shapes of the parameters."""
        parts = vector.split([each.numel() for each in self.parameters.values()])
        return {name: part.view_as(each) for (name, each), part in zip(self.parameters.items(), parts, strict=True)}
