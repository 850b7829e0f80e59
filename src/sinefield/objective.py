"""The objective Σ_m w_m ‖C_m‖, evaluated as its gradient, as residuals, or as residuals with their Jacobian.

What is evaluated is all that a solver knows of a problem: the gradient for first-order solvers; the residuals

    r = ( √(w_m ω_mk / n_m) C_mk )        over constraints m and the n_m entries k of each

stacked, ω the weights of the norm, so that ‖r‖² is the objective; and J = ∂r/∂θ, as an operator, and dense where it is
small. Constraints on one domain share one evaluation of each unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.constraint import BoundConstraint, Constraint, axes_of, moved
from sinefield.domains import Domain, Samples
from sinefield.fields.derivatives import Derivative, highest_order
from sinefield.jet import Jet, jet


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
        return {name: jet(each, points, self.reads[name], axes_of(self.domain)) for name, each in unknowns.items()}


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
        domains = {id(each.domain): each.domain for each in constraints}
        self.groups: list[Group] = []
        for key, domain in domains.items():
            members = [each.bound(self.unknowns) for each in constraints if id(each.domain) == key]
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
                block = self._moved(samples.rows(start, start + size))
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

    def _moved(self, samples: Samples) -> Samples:
        return moved(samples, next(iter(self.unknowns.values())))

    # ---- as residuals

    def residuals(self, batch: Batch) -> Tensor:
        """Return r, ``(m,)``: real and imaginary parts one after the other where a residual is complex."""
        parts: list[Tensor] = []
        for group, samples in zip(self.groups, batch.samples, strict=True):
            block = self._moved(samples)
            found = self._found(group, self.unknowns, block)
            parts += [
                (scale * _real(each)).flatten()
                for scale, each in zip(self._scales(group, found, batch), found, strict=True)
            ]
        return torch.cat(parts)

    def linearise(self, batch: Batch) -> Linearisation:
        """Return r and J = ∂r/∂θ at the parameters as they are."""
        with torch.no_grad():
            residuals = self.residuals(batch)
        return Linearisation(self, batch, residuals)

    @staticmethod
    def _found(group: Group, unknowns: Mapping[str, nn.Module], samples: Samples) -> list[Tensor]:
        """Return C of each constraint of a group."""
        jets = group.jets(unknowns, samples.points)
        return [each.residual(jets, samples.targets) for each in group.members]

    @staticmethod
    def _scales(group: Group, found: Sequence[Tensor], batch: Batch) -> list[Tensor]:
        """Return √(weight · ω / n) for each entry of C as real rows, not differentiated."""
        scales = []
        for each, residual in zip(group.members, found, strict=True):
            constraint = each.constraint
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


def _real(residual: Tensor) -> Tensor:
    """Return a residual as real rows ``(n, k)``."""
    parts = torch.view_as_real(residual) if residual.is_complex() else residual
    return parts.reshape(len(parts), -1)


@final
class _Unknowns(nn.Module):
    """Fields by name as one module, whose call calls a function with them."""

    def __init__(self, unknowns: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = list(unknowns)
        self.fields = nn.ModuleList(unknowns.values())  # a dictionary of modules takes no name like type or u.v

    def forward(self, function: Any) -> Any:
        """Return ``function(fields by name)``."""
        return function(dict(zip(self.names, self.fields, strict=True)))


@final
@dataclass(frozen=True, eq=False)
class Linearisation:
    """Residuals r and their Jacobian J at parameters θ, so that r(θ + δ) ≈ r + J δ.

    Args:
        objective: of which.
        batch: where.
        residuals: r, ``(m,)``.
    """

    objective: Objective
    batch: Batch
    residuals: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of residuals and of parameters, m and p."""
        return len(self.residuals), sum(each.numel() for each in self.objective.parameters.values())

    def apply(self, vector: Tensor) -> Tensor:
        """Return J v, ``(p,)`` to ``(m,)``, by one sweep forward."""
        primals = {name: each.detach() for name, each in self.objective.parameters.items()}
        found: Tensor = torch.func.jvp(self._of_parameters, (primals,), (self.objective.split(vector),))[1]
        return found

    def adjoint(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, ``(m,)`` to ``(p,)``, by one sweep back."""
        primals = {name: each.detach() for name, each in self.objective.parameters.items()}
        _, pull, *_ = torch.func.vjp(self._of_parameters, primals)
        return torch.cat([each.flatten() for each in pull(vector)[0].values()])

    def dense(self) -> Tensor:
        """Return J as a matrix ``(m, p)``: the gradients at all points side by side, as each row is of one point."""
        parts: list[Tensor] = []
        objective = self.objective
        primals = {name: each.detach() for name, each in objective.parameters.items()}
        modules = [part for each in objective.unknowns.values() for part in each.modules()]
        tiled = any(getattr(each, "chosen_by_points", False) for each in modules)
        for group, samples in zip(objective.groups, self.batch.samples, strict=True):
            block = objective._moved(samples)
            with torch.no_grad():
                scales = objective._scales(group, objective._found(group, objective.unknowns, block), self.batch)

            def at_points(weights: Mapping[str, Tensor], some: Samples, group: Group = group) -> tuple[Tensor, ...]:
                found = self._called(weights, lambda fields: Objective._found(group, fields, some))
                return tuple(_real(each) for each in found)

            if group.domain.granule > 1 or tiled:  # rows of fields that take turns, or are chosen by the points
                jacobians = torch.func.jacrev(at_points)(primals, block)
            else:

                def at_one(weights: Mapping[str, Tensor], point: Tensor, targets: Mapping[str, Tensor]) -> Any:
                    one = Samples(point[None], {name: each[None] for name, each in targets.items()})
                    return tuple(row[0] for row in at_points(weights, one))

                each_alone = torch.func.vmap(torch.func.jacrev(at_one), in_dims=(None, 0, 0))
                jacobians = each_alone(primals, block.points, dict(block.targets))
            for scale, jacobian in zip(scales, jacobians, strict=True):
                rows = torch.cat([each.reshape(*each.shape[:2], -1) for each in jacobian.values()], dim=-1)
                parts.append((scale.unsqueeze(-1) * rows).flatten(0, 1))
        return torch.cat(parts)

    def _of_parameters(self, weights: Mapping[str, Tensor]) -> Tensor:
        objective = self.objective
        parts = []
        for group, samples in zip(objective.groups, self.batch.samples, strict=True):
            block = objective._moved(samples)
            with torch.no_grad():
                scales = objective._scales(group, objective._found(group, objective.unknowns, block), self.batch)
            found = self._called(weights, lambda fields, g=group, b=block: Objective._found(g, fields, b))
            parts += [(scale * _real(each)).flatten() for scale, each in zip(scales, found, strict=True)]
        return torch.cat(parts)

    def _called(self, weights: Mapping[str, Tensor], function: Any) -> Any:
        module = _Unknowns(self.objective.unknowns)
        places = {id(each): place for place, each in module.named_parameters()}
        named = {places[id(each)]: weights[name] for name, each in self.objective.parameters.items()}
        return torch.func.functional_call(module, named, (function,), strict=False)
