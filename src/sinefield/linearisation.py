"""Residuals and their Jacobian at parameters as they are: what second-order solvers see of an objective."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from sinefield.domains import Samples
from sinefield.factors import Factors, Map, factorise, gram_of

if TYPE_CHECKING:
    from sinefield.objective import Batch, Group, Objective


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

    @torch.enable_grad()  # where no gradient is recorded kernels see no transform of torch.func
    def apply(self, vector: Tensor) -> Tensor:
        """Return J v, ``(p,)`` to ``(m,)``, by one sweep forward."""
        primals = {name: each.detach() for name, each in self.objective.parameters.items()}
        found: Tensor = torch.func.jvp(self._of_parameters, (primals,), (self.objective.split(vector),))[1]
        return found

    @torch.enable_grad()
    def adjoint(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, ``(m,)`` to ``(p,)``, by one sweep back."""
        primals = {name: each.detach() for name, each in self.objective.parameters.items()}
        _, pull, *_ = torch.func.vjp(self._of_parameters, primals)
        return torch.cat([each.flatten() for each in pull(vector)[0].values()])

    @torch.enable_grad()
    def dense(self) -> Tensor:
        """Return J as a matrix ``(m, p)``: the gradients at all points side by side, as each row is of one point."""
        parts: list[Tensor] = []
        objective = self.objective
        primals = {name: each.detach() for name, each in objective.parameters.items()}
        modules = [part for each in objective.unknowns.values() for part in each.modules()]
        tiled = any(getattr(each, "chosen_by_points", False) for each in modules)
        for group, samples in zip(objective.groups, self.batch.samples, strict=True):
            block = objective.moved(samples)
            with torch.no_grad():
                scales = objective.scales(group, objective.evaluate_group(group, objective.unknowns, block), self.batch)

            def at_points(weights: Mapping[str, Tensor], some: Samples, group: Group = group) -> tuple[Tensor, ...]:
                found = self._called(weights, lambda fields: objective.evaluate_group(group, fields, some))
                return tuple(to_real_rows(each) for each in found)

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

    @torch.enable_grad()
    def gram(self, dense_up_to: int = 1 << 26) -> Tensor:
        """Return J Jᵀ, ``(m, m)``; where J is large, from the factors of affine maps, see :mod:`sinefield.factors`.

        Args:
            dense_up_to: numbers of J that are held; so many take less time than products by layers.
        """
        factors = None if math.prod(self.shape) <= dense_up_to else self._factors()
        if factors is None:
            jacobian = self.dense()
            return jacobian @ jacobian.mT
        learnt = {id(each) for each in self.objective.parameters.values()}
        return torch.cat([torch.cat([gram_of(one, other, learnt) for other in factors], 1) for one in factors])

    def _factors(self) -> list[dict[Map, Factors]] | None:
        """Return the factors of each constraint, its weight in them; None: parameters are elsewhere, or rows mixed."""
        objective = self.objective
        learnt, blocks = {id(each) for each in objective.parameters.values()}, []
        modules = [part for each in objective.unknowns.values() for part in each.modules()]
        if any(getattr(each, "chosen_by_points", False) for each in modules):
            return None
        for group, samples in zip(objective.groups, self.batch.samples, strict=True):
            if group.domain.granule > 1:
                return None
            block = objective.moved(samples)
            with torch.no_grad():
                scales = objective.scales(group, objective.evaluate_group(group, objective.unknowns, block), self.batch)

            def rows(fields: Mapping[str, nn.Module], group: Group = group, block: Samples = block) -> list[Tensor]:
                return [to_real_rows(each) for each in objective.evaluate_group(group, fields, block)]

            found = factorise(objective.unknowns, learnt, rows)
            blocks += [
                {name: each.scaled(scale) for name, each in one.items()}
                for one, scale in zip(found, scales, strict=True)
            ]
        maps = {name for each in blocks for name in each}
        owners = Counter(one for name in maps for one in name)
        return blocks if all(owners[each] == 1 for each in learnt) else None

    def _of_parameters(self, weights: Mapping[str, Tensor]) -> Tensor:
        objective = self.objective
        parts = []
        for group, samples in zip(objective.groups, self.batch.samples, strict=True):
            block = objective.moved(samples)
            with torch.no_grad():
                scales = objective.scales(group, objective.evaluate_group(group, objective.unknowns, block), self.batch)
            found = self._called(weights, lambda fields, g=group, b=block: objective.evaluate_group(g, fields, b))
            parts += [(scale * to_real_rows(each)).flatten() for scale, each in zip(scales, found, strict=True)]
        return torch.cat(parts)

    def _called(self, weights: Mapping[str, Tensor], function: Any) -> Any:
        module = _Unknowns(self.objective.unknowns)
        given = {id(self.objective.parameters[name]): each for name, each in weights.items()}
        # Each module once, whatever it is part of: PyTorch's own search for ties would leave the weights given here in
        # a module that is there twice.
        named = {
            f"{place}.{name}": given[id(each)]
            for place, part in module.named_modules()
            for name, each in part.named_parameters(recurse=False)
            if id(each) in given
        }
        return torch.func.functional_call(module, named, (function,), tie_weights=False, strict=False)


def to_real_rows(residual: Tensor) -> Tensor:
    """Return a residual as real rows ``(n, k)``."""
    parts = torch.view_as_real(residual) if residual.is_complex() else residual
    return parts.reshape(len(parts), -1)
