"""Gauss-Newton with the damping of Levenberg and Marquardt: nonlinear equations to many digits.

With residuals r and their Jacobian J at θ, a step minimises ‖r + J δ‖² + λ ‖D δ‖², where D² is the diagonal of JᵀJ, so
that the scale of a parameter does not matter. It is computed in the smaller of two spaces,

    δ = −(JᵀJ + λ D²)⁻¹ Jᵀ r            of parameters, by Cholesky or, to the last digits, by orthogonal factors
    δ = −Jᵀ (J Jᵀ + λ)⁻¹ r              of samples, where there are fewer; all parameters alike

and by conjugate gradients where both are large. λ follows the gain, the decrease of ‖r‖² as part of what was predicted.

Sources: Nielsen, "Damping parameter in Marquardt's method", 1999, section 2, for λ; Wu et al., "A comprehensive study
of non-adaptive and residual-based adaptive sampling for physics-informed neural networks", 2023, equation 2 with
k = c = 1, for points by size of residual; Dangel, Müller & Zeinhofer, "Kronecker-factored approximate curvature for
physics-informed neural networks", 2024, section 2, for equations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains import ContinuousDomain, Samples
from sinefield.linearisation import Linearisation
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import named_residuals
from sinefield.solvers.second_order import first_state, is_settled, note_objective
from sinefield.solvers.solver import Solver, Tensors

_ATTEMPTS = 12  # to find a step down, each with a larger damping
_HALVINGS = 2  # of a step before the damping is raised
_NEGLIGIBLE = 1e-22  # a damping that rounding drowns
_LARGEST = 1e16  # damping: no step is left
_ITERATIONS = 200  # of conjugate gradients


@final
@dataclass(frozen=True)
class GaussNewton(Solver):
    """Steps of Levenberg and Marquardt, none of which makes the objective larger at its own points.

    Args:
        tolerance: the root of the objective that is good enough.
        damping: λ at first; 0: none until a step fails.
        share: the part of the points of continuous domains that a step takes, drawn with a chance of 1 + r²/⟨r²⟩; 1:
            all of them, whatever their residual.
        repeats: steps of Levenberg and Marquardt at the same points, before others are drawn: points that change at
            each of them leave directions free that no few points see, and weights run away along these.
        orthogonal: whether parameters are solved for by orthogonal factors, which takes several times as long and
            gives the digits that a product JᵀJ rounds away.
        largest: size of the smaller space from which on conjugate gradients take over.
        settled: the decrease of the objective, as a part of its least value, that does not count as one; where points
            are drawn anew in each step, it is seen at points that no step was made for.
        patience: steps without decrease after which nothing more is expected.

    Raises:
        ValueError: a share that is not in (0, 1], a negative damping, or no repeats.
    """

    tolerance: float = 1e-9
    damping: float = 1e-3
    share: float = 1.0
    repeats: int = 1
    orthogonal: bool = False
    largest: int = 6000
    settled: float = 1e-3
    patience: int = 60

    def __post_init__(self) -> None:
        """Refuse settings out of their range.

        Raises:
            ValueError: as the class says.
        """
        if not (0 < self.share <= 1 and self.damping >= 0 and self.repeats >= 1):
            raise ValueError(
                f"Gauss-Newton takes a share in (0, 1] of the points, a damping ≥ 0 and repeats ≥ 1, got {self.share}, "
                f"{self.damping} and {self.repeats}"
            )

    def init(self, objective: Objective) -> Tensors:
        """Return the damping, how fast it rises, the counts of steps, and the parameters to go back to.

        Raises:
            ValueError: the parameters are not in double precision.
        """
        own = {
            "damping": torch.tensor(self.damping, dtype=torch.float64),
            "rise": torch.tensor(2.0, dtype=torch.float64),
            "steps": torch.tensor(0),
        }
        return Tensors(first_state(objective, "Gauss-Newton") | own)

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - the gain decides
        """Return the terms of the objective at the points of the step, and take it if it is one down."""
        points = self._chosen(objective, batch, int(state["steps"]))
        state["steps"].add_(1)
        rows = named_residuals(objective, points)
        terms = {name: each.square().sum() for name, each in rows.items()}
        residuals = torch.cat(list(rows.values()))
        before = after = float(residuals.square().sum())
        state["start"].copy_(objective.vector())
        for _ in range(self.repeats):
            if not (math.isfinite(after) and after > self.tolerance**2):
                break
            last = after
            after = self._descend(objective, Linearisation(objective, points, residuals), objective.vector(), state)
            if self.repeats == 1 or after == last:
                break
            residuals = objective.residuals(points)
        note_objective(state, before, after, self.settled)
        return terms

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or the last steps gained nothing."""
        return is_settled(state, self.tolerance, self.patience)

    def retreat(self, objective: Objective, state: Tensors) -> None:
        """Put back the parameters before the last step."""
        objective.assign(state["start"])

    def _descend(self, objective: Objective, linear: Linearisation, start: Tensor, state: Tensors) -> float:
        """Return the objective, at the points of the step, after a step down; as it was where none is found."""
        solve = self._solver_of(linear)
        before = float(linear.residuals.square().sum())
        for _ in range(_ATTEMPTS):
            step, predicted = solve(float(state["damping"]))
            for halvings in range(_HALVINGS + 1) if bool(torch.isfinite(step).all()) else ():
                length = 0.5**halvings
                objective.assign(start + length * step)
                after = float(objective.residuals(linear.batch).square().sum())
                if after < before:
                    expected = before - predicted
                    gain = (before - after) / expected if halvings == 0 and expected > 0 else 0.25
                    state["damping"].mul_(min(max(1 / 3, 1 - (2 * min(gain, 1.0) - 1) ** 3), 2.0))
                    state["rise"].fill_(2.0)
                    return after
            state["damping"].clamp_(min=1e-12).mul_(state["rise"]).clamp_(max=_LARGEST)
            state["rise"].mul_(2)
        objective.assign(start)
        state["rise"].fill_(2.0)
        return before

    # ---- the step for a damping

    def _solver_of(self, linear: Linearisation) -> Callable[[float], tuple[Tensor, float]]:
        """Return what gives, for a damping, δ and ‖r + J δ‖²."""
        rows, columns = linear.shape
        if min(rows, columns) > self.largest:
            return self._by_conjugate_gradients(linear)
        if rows >= columns:
            return self._in_parameters(linear)
        return self._in_samples(linear)

    def _in_parameters(self, linear: Linearisation) -> Callable[[float], tuple[Tensor, float]]:
        jacobian, residuals = linear.dense(), linear.residuals
        lengths: Tensor = torch.linalg.vector_norm(jacobian, dim=0).clamp(min=1e-300)
        jacobian = jacobian.div_(lengths)
        one = torch.eye(len(lengths), dtype=jacobian.dtype, device=jacobian.device)
        if not self.orthogonal:
            gram, slope = jacobian.mT @ jacobian, jacobian.mT @ residuals

        def solve(damping: float) -> tuple[Tensor, float]:
            if self.orthogonal and damping <= _NEGLIGIBLE:
                found = torch.linalg.lstsq(jacobian, -residuals[:, None], driver="gels").solution[:, 0]
            elif self.orthogonal:
                matrix = torch.cat([jacobian, damping**0.5 * one])
                right = torch.cat([-residuals, torch.zeros_like(lengths)])
                found = torch.linalg.lstsq(matrix, right[:, None], driver="gels").solution[:, 0]
            else:
                found = _by_cholesky(gram + max(damping, 1e-16) * one, -slope)
            return found / lengths, float((residuals + jacobian @ found).square().sum())

        return solve

    def _in_samples(self, linear: Linearisation) -> Callable[[float], tuple[Tensor, float]]:
        # The scale of parameters alone would need J, which is not there where it is large.
        residuals, gram = linear.residuals, linear.gram()
        size = float(gram.diagonal().mean()) or 1.0
        one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)

        def solve(damping: float) -> tuple[Tensor, float]:
            found = _by_cholesky(gram / size + max(damping, 1e-14) * one, -residuals / size)
            return linear.adjoint(found), float((residuals + gram @ found).square().sum())

        return solve

    def _by_conjugate_gradients(self, linear: Linearisation) -> Callable[[float], tuple[Tensor, float]]:
        residuals = linear.residuals
        slope = linear.adjoint(residuals)
        size = float(slope.square().sum() / residuals.square().sum())  # of JᵀJ where it matters

        def solve(damping: float) -> tuple[Tensor, float]:
            found, left = torch.zeros_like(slope), -slope
            direction, square = left.clone(), float(left.square().sum())
            for _ in range(_ITERATIONS):
                if square <= 1e-12 * float(slope.square().sum()):
                    break
                mapped = linear.adjoint(linear.apply(direction)) + damping * size * direction
                length = square / float(direction @ mapped)
                found, left = found + length * direction, left - length * mapped
                before, square = square, float(left.square().sum())
                direction = left + square / before * direction
            return found, float((residuals + linear.apply(found)).square().sum())

        return solve

    # ---- points

    def _chosen(self, objective: Objective, batch: Batch, number: int) -> Batch:
        """Return some of the points of continuous domains, those of large residuals rather."""
        if self.share == 1:
            return batch
        rows = named_residuals(objective, batch)
        samples = []
        for place, (group, block) in enumerate(zip(objective.groups, batch.samples, strict=True)):
            count = len(block.points)
            if not isinstance(group.domain, ContinuousDomain):
                samples.append(block)
                continue
            squares = sum(rows[each.constraint.name].view(count, -1).square().sum(1) for each in group.members)
            assert isinstance(squares, Tensor), "a group has a constraint"
            chance = (1 + squares / squares.mean().clamp(min=1e-300)).nan_to_num(nan=1.0, posinf=1.0).cpu()
            some = torch.multinomial(chance, math.ceil(self.share * count), generator=generator_of(number, place))
            some = some.sort().values.to(block.points.device)
            samples.append(Samples(block.points[some], {name: each[some] for name, each in block.targets.items()}))
        return Batch(samples, batch.fraction)


def _by_cholesky(matrix: Tensor, right: Tensor) -> Tensor:
    """Return the solution of a symmetric system; NaN where the matrix is not positive."""
    factor, wrong = torch.linalg.cholesky_ex(matrix)
    if int(wrong):
        return torch.full_like(right, math.nan)
    return torch.cholesky_solve(right[:, None], factor)[:, 0]
