"""Muon, for hidden matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sinefield.solvers.adam import _Groups

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of a quintic that takes singular values near 1 in five steps
_STEPS = 5


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
