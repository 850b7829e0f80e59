"""Newton's method for last layers: a nonlinear equation as a sequence of linear least-squares problems.

With residuals r of a field Φ and their derivative J, coefficients c of features φ are those of the least

    ‖ r(Φ_k) + J(Φ_k) [φ c − Φ_k] ‖

and Φ_{k+1} = φ c. The field Φ_k need not be made of these features: a solution with fewer of them, or with others, is
as good a place to begin as its digits, and two or three steps are left of the twenty or thirty that begin at 0.

Source: Bellman & Kalaba, "Quasilinearization and nonlinear boundary-value problems", 1965, chapter 2; steps that are
halved until they go down: Deuflhard, "Newton methods for nonlinear problems", 2004, section 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.fields.derivatives import highest_order
from sinefield.fields.expansion import ComplexExpansion, Expansion
from sinefield.objective import Batch, Objective
from sinefield.solvers.last_layer import Around, LastLayer, linearise_last_layer
from sinefield.solvers.sine_layers import sine_layers
from sinefield.solvers.solved import Solved, used_columns

_HALVINGS = 16  # of a step of Newton that is no step down
_SETTLED = 0.99  # of the residual before: a step of Newton that gains less is the last
_FULL = 0.8  # of the rows: columns at most, or residuals are 0 at the points that are solved for and nowhere else
_LINEAR = 1.01  # times the residual of the linear equation: a step of Newton that reaches it is the last
_FAINT = 1e-6  # weight of constraints that are left out: the others alone may determine nothing


@final
@dataclass(frozen=True)
class Newton:
    """Sets last maps to the least-squares solution, of a nonlinear equation by steps of Newton.

    Args:
        linear: whether residuals are affine: one step is then all.
        iterations: steps at most.
        lower_order: weight of the rows of constraints that are not of the highest order.
    """

    linear: bool
    iterations: int
    lower_order: float

    @torch.no_grad()
    def solve(
        self,
        objective: Objective,
        batch: Batch,
        count: int,
        around: Around | None = None,
        left_out: Set[str] = frozenset(),
    ) -> Solved:
        """Set the last maps to the solution with the first ``count`` features of each network.

        Args:
            objective: of the residuals.
            batch: where.
            count: features of each network.
            around: fields to begin from, by the weights of last maps; None: from 0.
            left_out: names of constraints that do not count.

        Returns:
            what the last step was made of.
        """
        linear = linearise_last_layer(objective, batch, around)
        whole = torch.zeros_like(linear.columns())
        if not around:
            linear.assign(whole)
            linear = linear if self.linear else linearise_last_layer(objective, batch)
        outputs = sum(each.last.out_features for each in sine_layers(objective))
        left_over = int(_FULL * len(linear.residuals)) // outputs - closed_forms_beside(objective)
        used, blocks = used_columns(linear, max(1, min(count, left_over)), sine_layers(objective))
        rows = self._row_scales(objective, linear, used, blocks, left_out)
        right = rows * (linear.images - linear.residuals) if around else -rows * objective.residuals(batch)
        before = math.inf if around else float(right.norm())
        for _ in range(self.iterations):
            matrix = linear.jacobian if len(used) == len(whole) else linear.jacobian[:, used]
            solved, step, left = Solved.of(linear, used, blocks, matrix.mul_(rows[:, None]), right)
            if self.linear:
                linear.assign(step)
                return solved
            for length in (0.5**halvings for halvings in range(_HALVINGS)):
                linear.assign(whole + step * length)
                residuals = rows * objective.residuals(batch)
                after = float(residuals.norm())
                if after < before:
                    break
            else:
                linear.assign(whole)
                break
            whole = whole + step * length
            # A step that had to be shortened gains little, and tells little of those that follow.
            if (length == 1 and not after < _SETTLED * before) or after < _LINEAR * left:
                break
            before, right = after, -residuals
            linear = linearise_last_layer(objective, batch)
        return solved

    def _row_scales(
        self,
        objective: Objective,
        linear: LastLayer,
        used: Tensor,
        blocks: Sequence[tuple[int, int]],
        left_out: Set[str],
    ) -> Tensor:
        """Return the factor of each row: constraints are made alike, those of lower order weigh more."""
        # Functions in closed form are of any size, and say nothing about what the terms are like.
        pairs = zip(linear.maps, blocks, strict=True)
        of_sines = torch.cat([torch.full((n * m,), each.bias is not None) for each, (n, m) in pairs])
        some = used if bool(of_sines.all()) else used[of_sines]
        matrix = linear.jacobian if len(some) == linear.jacobian.shape[1] else linear.jacobian[:, some]
        orders = orders_of(objective)
        highest = max(orders.values())
        scales, start = [], 0
        weights = {
            each.constraint.name: each.constraint.weight_at(0.0) for group in objective.groups for each in group.members
        }
        for name, count in linear.rows.items():
            size = float(matrix[start : start + count].norm()) / (count * matrix.shape[1]) ** 0.5 or 1.0
            factor = math.sqrt(weights[name]) * (1.0 if orders[name] == highest else self.lower_order) / size
            scales.append(torch.full((count,), _FAINT * factor if name in left_out else factor, dtype=matrix.dtype))
            start += count
        return torch.cat(scales)


def closed_forms_beside(objective: Objective) -> int:
    """Return how many functions in closed form stand beside the features of networks."""
    modules = [each for unknown in objective.unknowns.values() for each in unknown.modules()]
    found = {each for each in modules if isinstance(each, Expansion | ComplexExpansion) and each.weight.requires_grad}
    return sum(each.weight.shape[1] for each in found)


def orders_of(objective: Objective) -> dict[str, int]:
    """Return the order of each constraint by name."""
    return {
        each.constraint.name: max(highest_order(needs) for needs in each.reads.values())
        for group in objective.groups
        for each in group.members
    }
