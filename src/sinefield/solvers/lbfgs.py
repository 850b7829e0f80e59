"""L-BFGS: the inverse Hessian from the last steps and changes of the gradient.

With pairs s_k = θ_{k+1} − θ_k, y_k = g_{k+1} − g_k and ρ_k = 1 / y_kᵀ s_k

    H_{k+1} = (I − ρ s yᵀ) H_k (I − ρ y sᵀ) + ρ s sᵀ,    H_0 = (sᵀy / yᵀy) I of the last pair

Source: Nocedal & Wright, "Numerical optimization", 2006, algorithm 7.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.quasi_newton import take_iterations
from sinefield.solvers.second_order import first_state, is_settled
from sinefield.solvers.solver import Solver, Tensors


@final
@dataclass(frozen=True)
class LBFGS(Solver):
    """L-BFGS in double precision, with a line search by the strong conditions of Wolfe.

    Args:
        tolerance: the root of the objective that is good enough.
        pairs: how many are kept.
        iterations: at the points of a step.
        settled: the decrease of the objective, as a part of its least value, that does not count as one.
        patience: steps without decrease after which nothing more is expected.
    """

    tolerance: float = 1e-9
    pairs: int = 50
    iterations: int = 10
    settled: float = 1e-3
    patience: int = 30

    def init(self, objective: Objective) -> Tensors:
        """Return places for the pairs, the last one last, and what second-order solvers keep.

        Raises:
            ValueError: the parameters are not in double precision.
        """
        empty = torch.zeros(self.pairs, len(objective.vector()), dtype=torch.float64, device=objective.device)
        own = {"steps": empty, "changes": empty.clone(), "count": torch.tensor(0)}
        return Tensors(first_state(objective, "L-BFGS") | own)

    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - a line search decides
        """Return the terms of the objective; take iterations down at the points of the batch."""
        return take_iterations(self, objective, batch, state)

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or the last steps gained nothing."""
        return is_settled(state, self.tolerance, self.patience)

    def retreat(self, objective: Objective, state: Tensors) -> None:
        """Put back the parameters before the last step."""
        objective.assign(state["start"])

    def direction(self, gradient: Tensor, state: Tensors) -> Tensor:
        """Return −H g by the loop over all pairs and back."""
        count = int(state["count"])
        if count == 0:
            return gradient / -float(gradient.norm().clamp(min=1.0))
        steps, changes = state["steps"][-count:], state["changes"][-count:]
        products = (steps * changes).sum(1)
        left: Tensor = -gradient
        shares: list[Tensor] = []
        for s, y, product in zip(reversed(steps), reversed(changes), reversed(products), strict=True):
            shares.append(s @ left / product)
            left = left - shares[-1] * y
        left = left * (products[-1] / changes[-1].square().sum())
        for s, y, product, share in zip(steps, changes, products, reversed(shares), strict=True):
            left = left + (share - y @ left / product) * s
        return left

    def learn(self, state: Tensors, step: Tensor, change: Tensor, gradient: Tensor, length: float) -> None:  # noqa: ARG002 - pairs are enough
        """Keep a pair, in the place of the oldest."""
        for name, each in (("steps", step), ("changes", change)):
            state[name].copy_(torch.cat([state[name][1:], each[None]]))
        state["count"].add_(1).clamp_(max=self.pairs)

    def forget(self, state: Tensors) -> None:
        """Keep no pair."""
        state["count"].zero_()
