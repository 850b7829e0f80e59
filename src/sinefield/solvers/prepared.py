"""Fields that are solutions as they were made: what follows from the conditions in closed form needs no search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples, relative_residuals
from sinefield.solvers.least_squares import LeastSquares
from sinefield.solvers.sine_layers import sine_layers
from sinefield.solvers.solver import Solver, Tensors

_HELD_OUT = 1000  # points of each domain that fields are judged at


@final
@dataclass(frozen=True)
class Prepared(Solver):
    """Leaves fields as they are if they satisfy the constraints, or have no last layer to solve for.

    Args:
        solver: which looks for the others; None: all are left.
        enough: relative residual at points held out, see :func:`sinefield.residuals.relative_residuals`, of a solution.
    """

    solver: LeastSquares | None = field(default_factory=LeastSquares)
    enough: float = 1e-6

    @property
    def steps(self) -> int:
        """How many steps are taken at most."""
        return 1 if self.solver is None else self.solver.steps

    def init(self, objective: Objective) -> Tensors:
        """Return the state before the first step, with that of the other solver where it has something to do."""
        own = {"looked": torch.tensor(False), "done": torch.tensor(False)}
        looks = self.solver is not None and sine_layers(objective)
        inner = self._other.init(objective).tensors() if looks else {}
        return Tensors(own | {f"inner/{name}": each for name, each in inner.items()})

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:
        """Return the squares of the relative residuals by constraint, of the fields as they are or after solving."""
        if not bool(state["looked"]):
            state["looked"].fill_(True)
            samples = [
                draw_samples(group.domain, _HELD_OUT, generator_of(1, place))
                for place, group in enumerate(objective.groups)
            ]
            found = relative_residuals(objective.groups, objective.unknowns, samples)
            state["done"].fill_(found.worst <= self.enough or self._inner(state) is None)
            if bool(state["done"]):
                return {name: torch.tensor(each).double() ** 2 for name, each in found.relative.items()}
        inner = self._inner(state)
        assert inner is not None, "without a last layer to solve for it is done"
        terms = self._other.step(objective, batch, inner, rate)
        state.values |= {f"inner/{name}": each for name, each in inner.tensors().items()}
        return terms

    def is_done(self, state: Tensors) -> bool:
        """Return whether the fields are left as they are, or the other solver is done."""
        inner = self._inner(state)
        return bool(state["done"]) or (inner is not None and self._other.is_done(inner))

    def answer(self, state: Tensors) -> Mapping[str, Tensor] | None:
        """Return that of the other solver; None where the fields are left as they are."""
        inner = self._inner(state)
        return None if inner is None or bool(state["done"]) or not bool(state["looked"]) else self._other.answer(inner)

    def report(self, objective: Objective, state: Tensors) -> Mapping[str, float]:
        """Return what the other solver tells, if it was asked."""
        inner = self._inner(state)
        return {} if inner is None or bool(state["done"]) else self._other.report(objective, inner)

    @property
    def _other(self) -> LeastSquares:
        assert self.solver is not None, "without one there is nothing to look for"
        return self.solver

    @staticmethod
    def _inner(state: Tensors) -> Any:
        found = {name.removeprefix("inner/"): each for name, each in state.values.items() if name.startswith("inner/")}
        return Tensors(found) if found else None
