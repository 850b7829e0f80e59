"""SPRING: natural gradients in the space of samples, which remember the step before.

    δ = μ δ' + Jᵀ (J Jᵀ + λ I)⁻¹ (−r − μ J δ')

is, of all steps, the one nearest to μ times the one before that solves the damped linear problem; with μ = 0 it is the
natural gradient of energies, ENGD-W. J Jᵀ is put together by layers where J is large. The length of the step is the
best of a grid.

Sources: Goldshlager, Abrahamsen & Lin, "A Kaczmarz-inspired approach to accelerate the optimization of neural network
wavefunctions", 2024, arXiv 2401.10190, equation 18; Guzmán-Cordero et al., "Improving energy natural gradient descent
through Woodbury, momentum, and randomization", 2025, arXiv 2505.12149, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.linearisation import Linearisation
from sinefield.objective import Batch, Objective
from sinefield.residuals import named_residuals
from sinefield.solvers.second_order import first_state, is_settled, note_objective
from sinefield.solvers.solver import Solver, Tensors

_LENGTHS = 15  # of a step that are tried: 1, 1/2, 1/4, …


@final
@dataclass(frozen=True)
class Spring(Solver):
    """SPRING; ENGD-W without a memory. It is made for batches of fewer points than there are parameters.

    Args:
        tolerance: the root of the objective that is good enough.
        damping: λ, as a part of the mean of the diagonal of J Jᵀ.
        memory: μ in [0, 1).
        settled: the decrease of the objective, as a part of its least value, that does not count as one.
        patience: steps without decrease after which nothing more is expected.

    Raises:
        ValueError: a damping that is not positive, or a memory out of its range.
    """

    tolerance: float = 1e-9
    damping: float = 1e-8
    memory: float = 0.8
    settled: float = 1e-3
    patience: int = 60

    def __post_init__(self) -> None:
        """Refuse settings out of their range.

        Raises:
            ValueError: as the class says.
        """
        if not (self.damping > 0 and 0 <= self.memory < 1):
            raise ValueError(f"SPRING has a damping > 0 and a memory in [0, 1), got {self.damping} and {self.memory}")

    def init(self, objective: Objective) -> Tensors:
        """Return the step before: none.

        Raises:
            ValueError: the parameters are not in double precision.
        """
        return Tensors(first_state(objective, "SPRING") | {"step": torch.zeros_like(objective.vector())})

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - the best length is searched for
        """Return the terms of the objective, and take the step of the best length; none, if none goes down."""
        rows = named_residuals(objective, batch)
        terms = {name: each.square().sum() for name, each in rows.items()}
        linear = Linearisation(objective, batch, torch.cat(list(rows.values())))
        start, before = objective.vector(), float(linear.residuals.square().sum())
        state["start"].copy_(start)
        note_objective(state, before, before, self.settled)
        if not math.isfinite(before) or before <= self.tolerance**2:
            return terms
        remembered = self.memory * state["step"]
        gram = linear.gram()
        gram.diagonal().add_(self.damping * float(gram.diagonal().mean()))
        factor, wrong = torch.linalg.cholesky_ex(gram)
        right = -linear.residuals - linear.apply(remembered)
        step = remembered + linear.adjoint(torch.cholesky_solve(right[:, None], factor)[:, 0])
        if int(wrong) or not bool(torch.isfinite(step).all()):
            state["step"].zero_()
            return terms
        least, best = before, 0.0
        for length in (0.5**k for k in range(_LENGTHS)):
            objective.assign(start + length * step)
            value = float(objective.residuals(batch).square().sum())
            if value < least:
                least, best = value, length
            elif best:
                break  # past the bottom
        objective.assign(start + best * step)
        state["step"].copy_(best * step)
        state["objective"].fill_(least)
        return terms

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or the last steps gained nothing."""
        return is_settled(state, self.tolerance, self.patience)

    def retreat(self, objective: Objective, state: Tensors) -> None:
        """Put back the parameters before the last step."""
        objective.assign(state["start"])
