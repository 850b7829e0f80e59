"""SOAP: Adam in the eigenbasis of the averages of G Gᵀ and Gᵀ G, G the gradient of a matrix ``(m, n)``.

    L ← β L + (1 − β) G Gᵀ,   R ← β R + (1 − β) Gᵀ G,   Q_L, Q_R their eigenvectors, renewed every few steps
    G' = Q_Lᵀ G Q_R,   N' = Adam(G'),   W ← W − rate · Q_L N' Q_Rᵀ

Vectors, and matrices with a side above ``largest``, take Adam's steps.

Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, arXiv 2409.11321, algorithm 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.adam import Adam, AdamState, check_rate
from sinefield.solvers.roles import Roles
from sinefield.solvers.solver import Solver, Tensors

_EPSILON = 1e-8


@final
@dataclass(frozen=True)
class Soap(Solver):
    """SOAP on matrices, Adam on the rest.

    Args:
        learning_rate: of all but first layers, which take 30/ω₀ of it.
        betas: how slowly the averages of gradients and of squares forget, each in [0, 1).
        forgetting: β, of the averages L and R, in [0, 1).
        every: steps between renewals of the eigenvectors.
        largest: matrices with a longer side are left to Adam.

    Raises:
        ValueError: a setting out of its range.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.95, 0.95)
    forgetting: float = 0.95
    every: int = 10
    largest: int = 2048

    def __post_init__(self) -> None:
        """Refuse settings out of their range.

        Raises:
            ValueError: as the class says.
        """
        check_rate("learning_rate", self.learning_rate)
        if not all(0 <= each < 1 for each in (*self.betas, self.forgetting)) or self.every < 1:
            raise ValueError(
                f"SOAP needs betas and forgetting in [0, 1) and every ≥ 1, got {self.betas}, {self.forgetting}, "
                f"{self.every}"
            )

    def init(self, objective: Objective) -> SoapState:
        """Return averages of zero, and eigenvectors to be found at the first step."""
        return SoapState(objective, self.largest)

    def step(self, objective: Objective, batch: Batch, state: SoapState, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective; change all parameters by the gradient at a batch: see :class:`Solver`."""
        losses = objective.gradient(batch)
        Adam(self.learning_rate, self.betas).update(objective, state.rest, rate)
        with torch.no_grad():
            for name in state.matrices:
                gradient = objective.parameters[name].grad
                if gradient is not None:
                    size = self.learning_rate * state.scales[name] * rate
                    objective.parameters[name].sub_(self._step(state.of(name), gradient), alpha=size)
        return losses

    def _step(self, own: Mapping[str, Tensor], gradient: Tensor) -> Tensor:
        own["left"].lerp_(gradient @ gradient.mT, 1 - self.forgetting)
        own["right"].lerp_(gradient.mT @ gradient, 1 - self.forgetting)
        if not bool(own["left_basis"].any()):
            # In the basis of one gradient that gradient is diagonal, and the rest of it rounding errors, of which Adam
            # would make whole steps: the first tells the basis, and nothing moves.
            for side in ("left", "right"):
                vectors = torch.linalg.eigh(own[side].double()).eigenvectors.flip(-1)  # largest first
                own[f"{side}_basis"].copy_(vectors.to(gradient.dtype))
            return torch.zeros_like(gradient)
        rotated = own["left_basis"].mT @ gradient @ own["right_basis"]
        own["mean"].lerp_(gradient, 1 - self.betas[0])
        own["square"].lerp_(rotated.square(), 1 - self.betas[1])
        own["steps"].add_(1)
        count = int(own["steps"])
        mean = own["left_basis"].mT @ own["mean"] @ own["right_basis"] / (1 - self.betas[0] ** count)
        deviation = (own["square"] / (1 - self.betas[1] ** count)).sqrt() + _EPSILON
        step: Tensor = own["left_basis"] @ (mean / deviation) @ own["right_basis"].mT
        if count % self.every == 0:
            for axis, side in enumerate(("left", "right")):
                # One step of the power iteration keeps up with a basis that changes slowly. It finds the vectors of the
                # largest eigenvalues first, so that these have to come first, and the squares with them.
                basis = own[f"{side}_basis"]
                turned = own[side] @ basis
                order = (basis * turned).sum(0).argsort(descending=True)
                own["square"].copy_(own["square"].index_select(axis, order))
                basis.copy_(torch.linalg.qr(turned[:, order].double()).Q.to(gradient.dtype))
        return step


@final
class SoapState:
    """The averages and eigenvectors of matrices, and the state of Adam for the rest.

    Args:
        objective: whose parameters.
        largest: the longest side of matrices that are taken.
    """

    def __init__(self, objective: Objective, largest: int) -> None:
        roles = Roles.of(objective)
        self.matrices = [
            name for name, each in objective.parameters.items() if each.ndim == 2 and max(each.shape) <= largest
        ]
        self.scales = roles.scales
        values: dict[str, Tensor] = {}
        for name in self.matrices:
            like = objective.parameters[name].detach()
            rows, columns = like.shape
            values |= {f"{name}.{part}": torch.zeros_like(like) for part in ("mean", "square")}
            for side, length in (("left", rows), ("right", columns)):
                values |= {f"{name}.{side}{part}": like.new_zeros(length, length) for part in ("", "_basis")}
            values[f"{name}.steps"] = like.new_zeros(())
        self._tensors = Tensors(values)
        self.rest = AdamState(objective, [name for name in objective.parameters if name not in self.matrices])

    def of(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of a matrix by what they are."""
        parts = ("mean", "square", "left", "right", "left_basis", "right_basis", "steps")
        return {part: self._tensors[f"{name}.{part}"] for part in parts}

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the averages and eigenvectors by name."""
        return {f"soap.{name}": each for name, each in self._tensors.tensors().items()} | dict(self.rest.tensors())

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what was saved; see :class:`~sinefield.solvers.solver.State`."""
        ours = {name: each for name, each in tensors.items() if name.startswith("soap.")}
        self._tensors.load({name.removeprefix("soap."): each for name, each in ours.items()})
        self.rest.load({name: each for name, each in tensors.items() if name not in ours})
