"""Muon: W ← W − rate · √max(1, m/n) · U Vᵀ, with U Σ Vᵀ the momentum of the gradient of W ``(m, n)``.

All singular values of a step are alike, so that rare directions are learnt as fast as frequent ones.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, final

import torch
from torch import Tensor

from sinefield.kernels.matmul import trial
from sinefield.objective import Batch, Objective
from sinefield.solvers.adam import Adam, AdamState, check_rate
from sinefield.solvers.roles import Roles
from sinefield.solvers.solver import Solver, Tensors

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of a quintic that takes singular values near 1 in five steps


@final
@dataclass(frozen=True)
class Muon(Solver):
    """Muon on the hidden matrices, Adam on the rest.

    Args:
        matrix_rate: the spectral size of a step of a hidden matrix.
        momentum: how slowly the average of the gradient forgets, in [0, 1); Nesterov's look ahead is taken.
        rest: what changes the other parameters.
        iterations: of the orthogonalisation; fewer leave directions small that the gradient hardly has, which are
            mostly noise, and take less time.

    Raises:
        ValueError: a rate that is not positive, a momentum outside its range, or no iteration.
    """

    matrix_rate: float = 5e-4
    momentum: float = 0.95
    rest: Adam = field(default_factory=Adam)
    iterations: int = 5

    def __post_init__(self) -> None:
        """Refuse settings out of their range.

        Raises:
            ValueError: as the class says.
        """
        check_rate("matrix_rate", self.matrix_rate)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"the momentum of Muon lies in [0, 1), got {self.momentum}")
        if self.iterations < 1:
            raise ValueError(f"Muon orthogonalises in at least 1 iteration, got {self.iterations}")

    def init(self, objective: Objective) -> MuonState:
        """Return averages of zero."""
        return MuonState(objective)

    def step(self, objective: Objective, batch: Batch, state: MuonState, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective; change all parameters by the gradient at a batch: see :class:`Solver`."""
        losses = objective.gradient(batch)
        self.rest.update(objective, state.rest, rate)
        self._update(objective, state, rate)
        return losses

    @torch.no_grad()
    def _update(self, objective: Objective, state: MuonState, rate: float) -> None:
        by_shape: dict[torch.Size, list[str]] = {}
        for name in state.matrices:
            if objective.parameters[name].grad is not None:
                by_shape.setdefault(objective.parameters[name].shape, []).append(name)
        for shape, names in by_shape.items():
            ahead = torch.stack([self._ahead(objective.parameters[name].grad, state.averages[name]) for name in names])
            steps = orthogonalise(ahead.flatten(0, -3), self.iterations).unflatten(0, ahead.shape[:-2])
            size = self.matrix_rate * rate * max(1.0, shape[-2] / shape[-1]) ** 0.5
            for name, step in zip(names, steps.to(ahead.dtype), strict=True):
                objective.parameters[name].sub_(step, alpha=size)

    def _ahead(self, gradient: Any, average: Tensor) -> Tensor:
        assert isinstance(gradient, Tensor), "only matrices with a gradient are moved"
        average.lerp_(gradient, 1 - self.momentum)
        return gradient.lerp(average, self.momentum)


@final
class MuonState:
    """The averages of the gradients of hidden matrices, and the state of Adam for the rest.

    Args:
        objective: whose parameters.
    """

    def __init__(self, objective: Objective) -> None:
        hidden = Roles.of(objective).hidden
        self.matrices = [name for name in objective.parameters if name in hidden]
        self.averages = Tensors({name: torch.zeros_like(objective.parameters[name]).detach() for name in self.matrices})
        self.rest = AdamState(objective, [name for name in objective.parameters if name not in hidden])

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the averages by name."""
        averages = {f"{name}.average": each for name, each in self.averages.tensors().items()}
        return averages | dict(self.rest.tensors())

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take averages that were saved; see :class:`~sinefield.solvers.solver.State`."""
        ours = {name: each for name, each in tensors.items() if name.endswith(".average")}
        self.averages.load({name.removesuffix(".average"): each for name, each in ours.items()})
        self.rest.load({name: each for name, each in tensors.items() if name not in ours})


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return U Vᵀ of each matrix U Σ Vᵀ of ``(k, m, n)``, its singular values about 1: after 5 between 0.7 and 1.2.

    Iterations X ← a X + (b X Xᵀ + c (X Xᵀ)²) X, from X scaled to norm 1; in bfloat16, or in float32 on processors
    that bfloat16 makes no faster: those without instructions for it take thirty times as long.

    >>> square = torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])
    >>> bool((orthogonalise(square)[0].float().diagonal() - 1).abs().max() < 0.35)
    True
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(_precision(matrices.device.type))
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


@cache
def _precision(device: str) -> torch.dtype:
    """Return what matrices on a kind of device are orthogonalised in: chosen once a process, however threads change."""
    slow = device == "cpu" and not trial(torch.get_num_threads()).use_rounded
    return torch.float32 if slow else torch.bfloat16
