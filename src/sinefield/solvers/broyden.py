"""Self-scaled quasi-Newton methods of Broyden's family: a whole inverse Hessian, scaled before each change.

With a step s of the length a along d, the change y of the gradient g, and H the inverse Hessian so far

    H ← (H − H y yᵀH / yᵀHy + φ v vᵀ) / τ + s sᵀ / yᵀs,    v = √(yᵀHy) (s / yᵀs − H y / yᵀHy)
    b = −a sᵀg / yᵀs,    h = yᵀHy / yᵀs,    α = h b − 1

BFGS has φ = 1, and its scaled form τ = min(1, 1/b). The scaled form of Broyden's family takes

    ρ = min(1, h (1 − √(α / (1 + α)))),    θ = max((ρ − 1) / α, min(1 / ρ, (1 − b) / b)),    σ = 1 + α θ
    φ = (1 − θ) / σ,    τ = min(1, 1/b) · min(σ^(−1/(p−1)), 1/θ) for θ > 0, else min(min(1, 1/b) σ^(−1/(p−1)), σ)

Sources: Al-Baali & Khalfan, "Wide interval for efficient self-scaling quasi-Newton algorithms", 2005, section 3; Urbán,
Stefanou & Pons, "Unveiling the optimization process of physics informed neural networks", 2024, arXiv 2405.04230,
section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.quasi_newton import take_iterations
from sinefield.solvers.second_order import first_state, is_settled
from sinefield.solvers.solver import Solver, Tensors


@final
@dataclass(frozen=True)
class Broyden(Solver):
    """Self-scaled Broyden or BFGS in double precision; p² numbers are kept for p parameters.

    Args:
        tolerance: the root of the objective that is good enough.
        kind: ``"broyden"`` or ``"bfgs"``.
        iterations: at the points of a step.
        settled: the decrease of the objective, as a part of its least value, that does not count as one.
        patience: steps without decrease after which nothing more is expected.
    """

    tolerance: float = 1e-9
    kind: Literal["broyden", "bfgs"] = "broyden"
    iterations: int = 10
    settled: float = 1e-3
    patience: int = 30

    def init(self, objective: Objective) -> Tensors:
        """Return H = I, and what second-order solvers keep.

        Raises:
            ValueError: the parameters are not in double precision.
        """
        own = {"inverse": torch.eye(len(objective.vector()), dtype=torch.float64, device=objective.device)}
        return Tensors(first_state(objective, "Broyden") | own)

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
        """Return −H g."""
        return -(state["inverse"] @ gradient)

    def learn(self, state: Tensors, step: Tensor, change: Tensor, gradient: Tensor, length: float) -> None:
        """Change H; see the module."""
        inverse = state["inverse"]
        mapped = inverse @ change
        along, across = float(change @ step), float(change @ mapped)
        b, h = -length * float(step @ gradient) / along, across / along
        mixed, scale = self._mixing(b, h, len(step))
        if not (scale > 0 and math.isfinite(mixed + scale)):
            mixed, scale = 1.0, 1.0
        turned = math.sqrt(across) * (step / along - mapped / across)
        inverse.addr_(mapped, mapped, alpha=-1 / across).addr_(turned, turned, alpha=mixed)
        inverse.div_(scale).addr_(step, step, alpha=1 / along)

    def _mixing(self, b: float, h: float, count: int) -> tuple[float, float]:
        """Return φ and τ."""
        least = min(1.0, 1 / b)
        alpha = max(h * b - 1, 0.0)  # by the inequality of Cauchy and Schwarz
        if self.kind == "bfgs" or alpha < 1e-14:
            return 1.0, least
        low = min(1.0, h * (1 - math.sqrt(alpha / (1 + alpha))))
        theta = max((low - 1) / alpha, min(1 / low, (1 - b) / b))
        sigma = 1 + alpha * theta
        power = sigma ** (-1 / max(count - 1, 1))
        scale = least * min(power, 1 / theta) if theta > 0 else min(least * power, sigma)
        return (1 - theta) / sigma, scale

    def forget(self, state: Tensors) -> None:
        """Put H back to I."""
        state["inverse"].zero_().fill_diagonal_(1.0)
