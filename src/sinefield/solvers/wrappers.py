"""Solvers around solvers: gradients clipped, parameters averaged, the best kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from sinefield.objective import Batch, Objective
from sinefield.solvers.adam import check_rate
from sinefield.solvers.solver import Solver, State, Tensors


class _Around:
    """The state of a solver beside that of the solver it is around."""

    def __init__(self, own: Tensors, inner: State) -> None:
        self.own, self.inner = own, inner

    def tensors(self) -> Mapping[str, Tensor]:
        """Return both by name."""
        mine = {f"own/{name}": each for name, each in self.own.tensors().items()}
        return mine | {f"inner/{name}": each for name, each in self.inner.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take both as they were saved."""
        for place, part in (("own/", self.own), ("inner/", self.inner)):
            part.load({name.removeprefix(place): each for name, each in tensors.items() if name.startswith(place)})


@final
@dataclass(frozen=True)
class Clipped(Solver):
    """A solver that sees gradients no longer than a norm.

    Args:
        solver: which.
        clip: the largest norm of the gradient by all parameters together.

    Raises:
        ValueError: a norm that is not positive.
    """

    solver: Solver
    clip: float

    def __post_init__(self) -> None:
        """Refuse a norm that is not positive.

        Raises:
            ValueError: as the class says.
        """
        check_rate("clip", self.clip)

    def init(self, objective: Objective) -> State:
        """Return the state of the solver."""
        return self.solver.init(objective)

    def step(self, objective: Objective, batch: Batch, state: Any, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective, and take a step on one whose gradients are clipped."""
        return self.solver.step(_ClippedObjective(objective, self.clip), batch, state, rate)  # type: ignore[arg-type]  # it is one in all that solvers ask for

    def answer(self, state: Any) -> Mapping[str, Tensor] | None:
        """Return that of the solver."""
        return self.solver.answer(state)

    def report(self, objective: Objective, state: Any) -> Mapping[str, float]:
        """Return that of the solver."""
        return self.solver.report(objective, state)

    def is_done(self, state: Any) -> bool:
        """Return whether the solver is done."""
        return self.solver.is_done(state)

    def retreat(self, objective: Objective, state: Any) -> None:
        """Have the solver put back what was good."""
        self.solver.retreat(objective, state)


@final
class _ClippedObjective:
    """An objective whose gradients are clipped, and which is itself in all else."""

    def __init__(self, objective: Objective, clip: float) -> None:
        self._objective, self._clip = objective, clip

    def __getattr__(self, name: str) -> Any:
        """Return what the objective has."""
        return getattr(self._objective, name)

    def gradient(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the terms; the gradient in ``grad`` is clipped."""
        losses = self._objective.gradient(batch)
        nn.utils.clip_grad_norm_(self._objective.parameters.values(), self._clip)
        return losses


@final
@dataclass(frozen=True)
class Averaged(Solver):
    """A solver whose answer is the exponential moving average of the parameters, ā ← ā + w (θ − ā).

    Args:
        solver: which.
        average: the decay, in [0, 1): w = max(1 − average, 1/(t + 1)) at step t, so that the start is forgotten.

    Raises:
        ValueError: a decay outside [0, 1).
    """

    solver: Solver
    average: float

    def __post_init__(self) -> None:
        """Refuse a decay out of its range.

        Raises:
            ValueError: as the class says.
        """
        if not 0 <= self.average < 1:
            raise ValueError(f"the decay of an average lies in [0, 1), got {self.average}")

    def init(self, objective: Objective) -> _Around:
        """Return the parameters as the average, and the state of the solver."""
        own = copy_parameters(objective) | {"steps": torch.tensor(0.0)}
        return _Around(Tensors(own), self.solver.init(objective))

    def step(self, objective: Objective, batch: Batch, state: _Around, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective; take a step of the solver, and average: see :class:`Solver`."""
        losses = self.solver.step(objective, batch, state.inner, rate)
        state.own["steps"].add_(1)
        weight = max(1 - self.average, 1 / (float(state.own["steps"]) + 1))
        for name, each in objective.parameters.items():
            state.own[name].lerp_(each.detach(), weight)
        return losses

    def answer(self, state: _Around) -> Mapping[str, Tensor]:
        """Return the averages."""
        return {name: each for name, each in state.own.tensors().items() if name != "steps"}

    def report(self, objective: Objective, state: _Around) -> Mapping[str, float]:
        """Return that of the solver."""
        return self.solver.report(objective, state.inner)

    def is_done(self, state: _Around) -> bool:
        """Return whether the solver is done."""
        return self.solver.is_done(state.inner)

    def retreat(self, objective: Objective, state: _Around) -> None:
        """Have the solver put back what was good."""
        self.solver.retreat(objective, state.inner)


@final
@dataclass(frozen=True)
class BestSoFar(Solver):
    """A solver that remembers the parameters of the least objective, to go back to after a divergence.

    The objective of some steps is that of the parameters before the first of them: these are remembered if it is the
    least so far.

    Args:
        solver: which.
        every: steps whose objective is averaged.
    """

    solver: Solver
    every: int = 1

    def init(self, objective: Objective) -> _Around:
        """Return the parameters as the best, and the state of the solver."""
        kept = copy_parameters(objective)
        values = {f"best/{name}": each for name, each in kept.items()}
        values |= {f"begun/{name}": each.clone() for name, each in kept.items()}
        values |= {"least": torch.tensor(math.inf), "steps": torch.tensor(0.0)}
        values["total"] = torch.zeros((), device=objective.device)  # looked at once in a while, so that it may wait
        return _Around(Tensors(values), self.solver.init(objective))

    def step(self, objective: Objective, batch: Batch, state: _Around, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective; take a step, and see whether those of late were the best."""
        losses = self.solver.step(objective, batch, state.inner, rate)
        own = state.own
        own["total"].add_(torch.stack(list(losses.values())).sum())
        own["steps"].add_(1)
        if int(own["steps"]) >= self.every:
            mean = float(own["total"]) / self.every
            if mean < float(own["least"]):
                own["least"].fill_(mean)
                own.values |= {f"best/{name}": own[f"begun/{name}"] for name in objective.parameters}
            # Not in place: a solver may give a network other features.
            own.values |= {f"begun/{name}": each for name, each in copy_parameters(objective).items()}
            own["total"].zero_()
            own["steps"].zero_()
        return losses

    def answer(self, state: _Around) -> Mapping[str, Tensor] | None:
        """Return that of the solver."""
        return self.solver.answer(state.inner)

    def report(self, objective: Objective, state: _Around) -> Mapping[str, float]:
        """Return that of the solver."""
        return self.solver.report(objective, state.inner)

    def is_done(self, state: _Around) -> bool:
        """Return whether the solver is done."""
        return self.solver.is_done(state.inner)

    @torch.no_grad()
    def retreat(self, objective: Objective, state: _Around) -> None:
        """Put the best parameters back."""
        for name, each in objective.parameters.items():
            each.copy_(state.own[f"best/{name}"])


@torch.no_grad()
def copy_parameters(objective: Objective) -> dict[str, Tensor]:
    """Return the parameters as they are, by name."""
    return {name: each.detach().clone() for name, each in objective.parameters.items()}
