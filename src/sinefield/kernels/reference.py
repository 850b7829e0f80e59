"""Jets of any module by nested reverse-mode differentiation: slow, general, and the oracle of the others."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor, nn


def _gradient(scalars: Tensor, points: Tensor) -> Tensor:
    """Return ∂(Σ scalars)/∂points ``(n, d)``: row by row the gradient, as each scalar depends on its own point."""
    if not scalars.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        scalars.sum(), points, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes.

    The field must treat each point alone (no batch statistics). Where gradients are disabled the result is
    detached, otherwise it can be differentiated again, by the points and by the parameters.
    """
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = points if points.requires_grad and recording else points.detach().requires_grad_()
        value: Tensor = field(inputs)
        answer = {"value": value}
        if needs - {"value"}:
            jacobian = torch.stack([_gradient(value[:, k], inputs) for k in range(value.shape[1])], dim=1)
            answer["jacobian"] = jacobian  # (n, c, d)
        if needs & {"laplacian", "hessian"}:
            outputs, dimension = value.shape[1], points.shape[1]
            hessian = torch.stack(
                [
                    torch.stack([_gradient(jacobian[:, k, i], inputs) for i in range(dimension)], dim=1)
                    for k in range(outputs)
                ],
                dim=1,
            )
            answer["hessian"] = hessian  # (n, c, d, d)
            answer["laplacian"] = hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    return {name: answer[name] if recording else answer[name].detach() for name in needs}
