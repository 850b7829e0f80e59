"""What quasi-Newton methods share: some iterations at the points of a step, each along a direction made of gradients.

Differences of gradients tell of curvature only where both are taken at the same points; so the points of a step are
used for several iterations. Near the end gradients are differences of nearly equal numbers, which single precision does
not hold: line searches fail there, and the search looks converged where it is not. Single precision is refused.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.line_search import Place, search_strongly
from sinefield.solvers.second_order import first_state, is_settled, note_objective
from sinefield.solvers.solver import Solver, Tensors


class QuasiNewton(Solver):
    """A solver whose iterations go down along −H g; subclasses tell H."""

    tolerance: float
    iterations: int
    settled: float
    patience: int

    @abstractmethod
    def curvature(self, objective: Objective) -> dict[str, Tensor]:
        """Return what H is made of, before the first iteration."""

    @abstractmethod
    def direction(self, gradient: Tensor, state: Tensors) -> Tensor:
        """Return −H g."""

    @abstractmethod
    def learn(self, state: Tensors, step: Tensor, change: Tensor, gradient: Tensor, length: float) -> None:
        """Change H by a step s and the change y of the gradient along it; s·y is positive.

        Args:
            state: that H is in.
            step: s.
            change: y.
            gradient: before the step.
            length: of the step, in directions.
        """

    @abstractmethod
    def forget(self, state: Tensors) -> None:
        """Put H back to what it was before the first iteration."""

    def init(self, objective: Objective) -> Tensors:
        """Return what H is made of, and the parameters to go back to.

        Raises:
            ValueError: the parameters are not in double precision.
        """
        return Tensors(first_state(objective, type(self).__name__) | self.curvature(objective))

    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - a line search decides
        """Return the terms of the objective; take iterations down at the points of the batch."""
        theta = objective.vector()
        state["start"].copy_(theta)
        terms, here = _evaluate(objective, batch, theta)
        first = here.value
        for _ in range(self.iterations):
            if not math.isfinite(here.value) or here.value <= self.tolerance**2:
                break
            there = self._iterate(objective, batch, state, theta, here)
            if there is None:
                break
            theta, here = there
        objective.assign(theta)
        note_objective(state, first, here.value, self.settled)
        return terms

    def _iterate(
        self, objective: Objective, batch: Batch, state: Tensors, theta: Tensor, here: Place
    ) -> tuple[Tensor, Place] | None:
        """Return the parameters and the place after an iteration; None: none goes down."""
        direction = self.direction(here.gradient, state)
        slope = float(direction @ here.gradient)
        if not (math.isfinite(slope) and slope < 0):
            self.forget(state)
            direction = self.direction(here.gradient, state)
            slope = float(direction @ here.gradient)
        if not (math.isfinite(slope) and slope < 0):
            return None

        def at(length: float) -> Place:
            found = _evaluate(objective, batch, theta + length * direction)[1]
            return Place(length, found.value, float(found.gradient @ direction), found.gradient)

        start = Place(0.0, here.value, slope, here.gradient)
        found = search_strongly(at, start, 1.0)
        if not found.value < here.value:
            self.forget(state)
            return None
        step, change = found.step * direction, found.gradient - here.gradient
        if float(step @ change) > 1e-14 * float(step.norm() * change.norm()):
            self.learn(state, step, change, here.gradient, found.step)
        return theta + step, Place(0.0, found.value, 0.0, found.gradient)

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or the last steps gained nothing."""
        return is_settled(state, self.tolerance, self.patience)

    def retreat(self, objective: Objective, state: Any) -> None:
        """Put back the parameters before the last step."""
        objective.assign(state["start"])


def _evaluate(objective: Objective, batch: Batch, theta: Tensor) -> tuple[Mapping[str, Tensor], Place]:
    """Return the terms at parameters, their sum and its gradient; the parameters are left there."""
    objective.assign(theta)
    with torch.enable_grad():
        terms = objective.gradient(batch)
    value = float(torch.stack(list(terms.values())).sum())
    parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in objective.parameters.values()]
    return terms, Place(0.0, value, 0.0, torch.cat([each.flatten() for each in parts]))
