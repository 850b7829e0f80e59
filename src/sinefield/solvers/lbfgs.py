"""L-BFGS: the inverse Hessian from the last steps and changes of the gradient.

With pairs s_k = θ_{k+1} − θ_k, y_k = g_{k+1} − g_k and ρ_k = 1 / y_kᵀ s_k

    H_{k+1} = (I − ρ s yᵀ) H_k (I − ρ y sᵀ) + ρ s sᵀ,    H_0 = (sᵀy / yᵀy) I of the last pair

Source: Nocedal & Wright, "Numerical optimization", 2006, algorithm 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.objective import Objective
from sinefield.solvers.quasi_newton import QuasiNewton
from sinefield.solvers.solver import Tensors


@final
@dataclass(frozen=True)
class LBFGS(QuasiNewton):
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
    patience: int = 10

    def curvature(self, objective: Objective) -> dict[str, Tensor]:
        """Return places for the pairs, the last one last."""
        empty = torch.zeros(self.pairs, len(objective.vector()), dtype=torch.float64, device=objective.device)
        return {"steps": empty, "changes": empty.clone(), "count": torch.tensor(0)}

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
