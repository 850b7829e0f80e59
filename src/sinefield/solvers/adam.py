"""Adam: θ ← θ − rate · m̂ / (√v̂ + 1e-8), m and v averages of the gradient g and of g², corrected for their start.

Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from sinefield.objective import Batch, Objective
from sinefield.solvers.roles import Roles
from sinefield.solvers.solver import Solver, Tensors


@final
@dataclass(frozen=True)
class Adam(Solver):
    """Adam on all parameters.

    Args:
        learning_rate: of all but first layers, which take 30/ω₀ of it, see :class:`~sinefield.solvers.roles.Roles`.
        betas: how slowly m and v forget, each in [0, 1).

    Raises:
        ValueError: a rate that is not positive, or a beta outside its range.
    """

    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.99)

    def __post_init__(self) -> None:
        """Refuse settings out of their range.

        Raises:
            ValueError: as the class says.
        """
        check_rate("learning_rate", self.learning_rate)
        if not all(0 <= each < 1 for each in self.betas):
            raise ValueError(f"the betas of Adam lie in [0, 1), got {self.betas}")

    def init(self, objective: Objective) -> AdamState:
        """Return averages of zero."""
        return AdamState(objective, list(objective.parameters))

    def step(self, objective: Objective, batch: Batch, state: AdamState, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective; change all parameters by the gradient at a batch: see :class:`Solver`."""
        losses = objective.gradient(batch)
        self.update(objective, state, rate)
        return losses

    @torch.no_grad()
    def update(self, objective: Objective, state: AdamState, rate: float) -> None:
        """Change the parameters of a state by their gradients; those without one are left."""
        for scale, names in state.by_scale.items():
            moving = [name for name in names if objective.parameters[name].grad is not None]
            if not moving:
                continue
            parameters = [objective.parameters[name] for name in moving]
            adam(
                list[Tensor](parameters),
                [each.grad for each in parameters if each.grad is not None],
                [state[f"{name}.mean"] for name in moving],
                [state[f"{name}.square"] for name in moving],
                [],
                [state[f"{name}.steps"] for name in moving],
                foreach=False,
                # The fused kernel of a CPU takes floats and doubles, on which it is several times faster.
                fused=all(each.is_floating_point() for each in parameters),
                grad_scale=None,
                found_inf=None,
                amsgrad=False,
                maximize=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=self.learning_rate * scale * rate,
                weight_decay=0.0,
                eps=1e-8,
            )


@final
class AdamState:
    """The averages of some parameters of an objective.

    Args:
        objective: whose parameters.
        names: which.
    """

    def __init__(self, objective: Objective, names: Sequence[str]) -> None:
        roles = Roles.of(objective)
        self.by_scale: dict[float, list[str]] = {}
        for name in names:
            self.by_scale.setdefault(roles.scales[name], []).append(name)
        self._tensors = Tensors(
            {f"{name}.{part}": each for name in names for part, each in _zeros(objective.parameters[name]).items()}
        )

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor: ``NAME.mean``, ``NAME.square`` or ``NAME.steps``."""
        return self._tensors[name]

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the averages by name."""
        return self._tensors.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take averages that were saved; see :class:`~sinefield.solvers.solver.State`."""
        self._tensors.load(tensors)


def _zeros(parameter: nn.Parameter) -> dict[str, Tensor]:
    mean, square = torch.zeros_like(parameter).detach(), torch.zeros_like(parameter).detach()
    return {"mean": mean, "square": square, "steps": torch.zeros((), dtype=torch.float32, device=parameter.device)}


def check_rate(name: str, rate: float) -> None:
    """Check a setting that must be a positive number.

    Raises:
        ValueError: it is not.
    """
    if not 0 < rate < math.inf:
        raise ValueError(f"{name} of a solver must be a positive number, got {rate!r}")


def learning_rate_of(solver: Solver) -> float:
    """Return the learning rate of a solver, or of that within it; NaN where there is none."""
    found = setting_of(solver, "learning_rate")
    return math.nan if found is None else float(found)


def setting_of(solver: Solver, name: str) -> Any:
    """Return a setting of a solver, or of that within it; None where there is none."""
    inner: list[Solver] = []
    for each in fields(solver):  # type: ignore[arg-type]  # solvers are dataclasses
        value = getattr(solver, each.name)
        if each.name == name:
            return value
        inner += [value] if isinstance(value, Solver) else []
    return next((found for each in inner if (found := setting_of(each, name)) is not None), None)
