"""What quasi-Newton methods share: some iterations at the points of a step, each along a direction made of gradients.

Differences of gradients tell of curvature only where both are taken at the same points; so the points of a step are
used for several iterations. Near the end gradients are differences of nearly equal numbers, which single precision does
not hold: line searches fail there, and the search looks converged where it is not. Single precision is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.line_search import Place, search_strongly
from sinefield.solvers.second_order import note_objective
from sinefield.solvers.solver import Tensors


class Method(Protocol):
    """A method whose iterations go down along −H g, and what it tells of H."""

    @property
    def tolerance(self) -> float:
        """The root of the objective that is good enough."""
        ...

    @property
    def iterations(self) -> int:
        """How many at the points of a step."""
        ...

    @property
    def settled(self) -> float:
        """The decrease of the objective that does not count as one."""
        ...

    def direction(self, gradient: Tensor, state: Tensors) -> Tensor:
        """Return −H g."""
        ...

    def learn(self, state: Tensors, step: Tensor, change: Tensor, gradient: Tensor, length: float) -> None:
        """Change H by a step s and the change y of the gradient along it; s·y is positive.

        Args:
            state: that H is in.
            step: s.
            change: y.
            gradient: before the step.
            length: of the step, in directions.
        """
        ...

    def forget(self, state: Tensors) -> None:
        """Put H back to what it was before the first iteration."""
        ...


@torch.no_grad()
def take_iterations(method: Method, objective: Objective, batch: Batch, state: Tensors) -> Mapping[str, Tensor]:
    """Return the terms of the objective, and take iterations down at the points of a batch.

    Args:
        method: which.
        objective: what is made small.
        batch: at which points.
        state: that :func:`sinefield.solvers.second_order.first_state` began, with H.
    """
    theta = objective.vector()
    state["start"].copy_(theta)
    terms, here = _evaluate(objective, batch, theta)
    first = here.value
    for _ in range(method.iterations):
        if not math.isfinite(here.value) or here.value <= method.tolerance**2:
            break
        there = _iterate(method, objective, batch, state, theta, here)
        if there is None:
            break
        theta, here = there
    objective.assign(theta)
    note_objective(state, first, here.value, method.settled)
    return terms


def _iterate(
    method: Method, objective: Objective, batch: Batch, state: Tensors, theta: Tensor, here: Place
) -> tuple[Tensor, Place] | None:
    """Return the parameters and the place after an iteration; None: none goes down."""
    direction = method.direction(here.gradient, state)
    slope = float(direction @ here.gradient)
    if not (math.isfinite(slope) and slope < 0):
        method.forget(state)
        direction = method.direction(here.gradient, state)
        slope = float(direction @ here.gradient)
    if not (math.isfinite(slope) and slope < 0):
        return None

    def at(length: float) -> Place:
        found = _evaluate(objective, batch, theta + length * direction)[1]
        return Place(length, found.value, float(found.gradient @ direction), found.gradient)

    found = search_strongly(at, Place(0.0, here.value, slope, here.gradient), 1.0)
    if not found.value < here.value:
        method.forget(state)
        return None
    step, change = found.step * direction, found.gradient - here.gradient
    if float(step @ change) > 1e-14 * float(step.norm() * change.norm()):
        method.learn(state, step, change, here.gradient, found.step)
    return theta + step, Place(0.0, found.value, 0.0, found.gradient)


def _evaluate(objective: Objective, batch: Batch, theta: Tensor) -> tuple[Mapping[str, Tensor], Place]:
    """Return the terms at parameters, their sum and its gradient; the parameters are left there."""
    objective.assign(theta)
    with torch.enable_grad():
        terms = objective.gradient(batch)
    value = float(torch.stack(list(terms.values())).sum())
    parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in objective.parameters.values()]
    return terms, Place(0.0, value, 0.0, torch.cat([each.flatten() for each in parts]))
