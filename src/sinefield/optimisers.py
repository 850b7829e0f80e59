"""What takes a step: Adam, and Muon for hidden matrices.

They hold groups of parameters with rates of their own as PyTorch's optimisers do, whose classes load a compiler that
takes longer than many a fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of a quintic that takes singular values near 1 in five steps
_STEPS = 5


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
                    moving, [each.grad for each in moving],
                    [m for m, _, _ in states], [v for _, v, _ in states], [], [count for *_, count in states],
                    foreach=False, fused=True, grad_scale=None, found_inf=None, amsgrad=False, maximize=False,
                    beta1=self.betas[0], beta2=self.betas[1], lr=group["lr"], weight_decay=0.0, eps=1e-8,
                )  # fmt: skip


class Muon(_Groups):
    """Muon: W ← W − rate · √max(1, m/n) · U Vᵀ, with U Σ Vᵀ the momentum of the gradient of W ``(m, n)``.

    All singular values of a step are alike, so that rare directions are learnt as fast as frequent ones.

    Args:
        matrices: W.
        lr: the rate.
        momentum: how slowly the average of the gradient forgets; Nesterov's look ahead is taken.

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(self, matrices: Sequence[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__([{"params": matrices, "lr": lr}])
        self.momentum = momentum
        self._averages: dict[nn.Parameter, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Change the matrices by their gradients; those without one are left."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for each in group["params"]:
                if each.grad is not None:
                    by_shape.setdefault(each.shape, []).append(each)
            for (rows, columns), matrices in by_shape.items():
                steps = orthogonalised(torch.stack([self._ahead(each) for each in matrices]))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for each, step in zip(matrices, steps.to(matrices[0].dtype), strict=True):
                    each.sub_(step, alpha=rate)

    def _ahead(self, matrix: nn.Parameter) -> Tensor:
        gradient = matrix.grad
        assert gradient is not None, "only matrices with a gradient are moved"
        average = self._averages.setdefault(matrix, torch.zeros_like(matrix))
        average.lerp_(gradient, 1 - self.momentum)
        return gradient.lerp(average, self.momentum)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return U Vᵀ of each matrix U Σ Vᵀ of ``(k, m, n)``, its singular values about 1: between 0.7 and 1.2.

    Five steps X ← a X + (b X Xᵀ + c (X Xᵀ)²) X in bfloat16, from X scaled to norm 1.

    >>> square = torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])
    >>> bool((orthogonalised(square)[0].float().diagonal() - 1).abs().max() < 0.35)
    True
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
