"""What takes a step: Adam, and Muon for hidden matrices.

They hold groups of parameters with rates of their own as PyTorch's optimisers do, whose classes load a compiler that
takes longer than many a fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Optimiser(Protocol):
    """What a descent needs of an optimiser; those of PyTorch have it."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """Change the parameters by their gradients."""

    def zero_grad(self) -> None:
        """Forget the gradients."""


class _Groups:
    """Groups of parameters, each with its rate ``lr``."""

    def __init__(self, groups: Iterable[Mapping[str, Any]]) -> None:
        self.param_groups: list[dict[str, Any]] = [{**group, "params": list(group["params"])} for group in groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for each in group["params"]:
                each.grad = None


class Adam(_Groups):
    """Adam: θ ← θ − rate · m̂ / (√v̂ + 1e-8), m and v averages of the gradient g and of g², corrected for their start.

    Args:
        groups: each with ``params`` and ``lr``.
        betas: how slowly m and v forget.

    Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], betas: tuple[float, float]) -> None:
        super().__init__(groups)
        self.betas = betas
        self._state: dict[nn.Parameter, tuple[Tensor, Tensor, Tensor]] = {}

    def step(self) -> None:
        """Change the parameters by their gradients; those without one are left."""
        for group in self.param_groups:
            moving = [each for each in group["params"] if each.grad is not None]
            for each in moving:
                if each not in self._state:
                    count = torch.zeros((), dtype=torch.float32, device=each.device)
                    self._state[each] = (torch.zeros_like(each), torch.zeros_like(each), count)
            states = [self._state[each] for each in moving]
            if not moving:
                continue
            with torch.no_grad():
                adam(
                    moving,
                    [each.grad for each in moving],
                    [m for m, _, _ in states],
                    [v for _, v, _ in states],
                    [],
                    [count for *_, count in states],
                    foreach=False,
                    fused=True,
                    grad_scale=None,
                    found_inf=None,
                    amsgrad=False,
                    maximize=False,
                    beta1=self.betas[0],
                    beta2=self.betas[1],
                    lr=group["lr"],
                    weight_decay=0.0,
                    eps=1e-8,
                )
