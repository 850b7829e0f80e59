"""Jets of any module by nested reverse-mode differentiation: slow, general, and the oracle of the others."""

from __future__ import annotations

from collections.abc import Callable, Set

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial


def _gradient(scalars: Tensor, points: Tensor) -> Tensor:
    """Return ∂(Σ scalars)/∂points ``(…, n, d)``: row by row the gradient, as each scalar depends on its own point."""
    if not scalars.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        scalars.sum(), points, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _jacobian(values: Tensor, points: Tensor) -> Tensor:
    """Return the derivatives of values ``(…, n, c)`` by each coordinate, ``(…, n, c, d)``."""
    return torch.stack([_gradient(values[..., k], points) for k in range(values.shape[-1])], dim=-2)


def evaluate(field: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
    """Return the derivatives ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes.

    The field must treat each point alone (no batch statistics). Where gradients are disabled the result is
    detached, otherwise it can be differentiated again, by the points and by the parameters.
    """
    recording = torch.is_grad_enabled()
    try:
        inputs = points.detach().requires_grad_()
    except RuntimeError:  # within a transform of torch.func, where derivatives have to be transforms too
        return _transformed(field, points, needs)
    with torch.enable_grad():
        inputs = points if points.requires_grad and recording else inputs
        if isinstance(field, Chain) and field.batch and points.ndim == 2:  # a point of each network is one of its own
            inputs = inputs.expand(*field.batch, *points.shape)
        value: Tensor = field(inputs)
        known: dict[tuple[int, ...], Tensor] = {(): value}  # single derivatives by their axes

        def single(axes: tuple[int, ...]) -> Tensor:
            if axes not in known:
                rows = _jacobian(single(axes[:-1]), inputs)
                known.update({(*axes[:-1], i): rows[..., i] for i in range(points.shape[-1])})
            return known[axes]

        answer = {need: _read(need, single, points.shape[-1]) for need in needs}
    return {need: each if recording else each.detach() for need, each in answer.items()}


def _transformed(field: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
    """Return the same by transforms within transforms, which evaluate the field anew for each derivative."""
    if isinstance(field, Chain) and field.batch and points.ndim == 2:
        points = points.expand(*field.batch, *points.shape)

    def along(axes: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
        if not axes:
            return field
        lower = along(axes[:-1])

        def derivative(at: Tensor) -> Tensor:
            values, pull, *_ = torch.func.vjp(lower, at)
            outputs = torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
            return torch.stack([pull(each.expand_as(values))[0][..., axes[-1]] for each in outputs], dim=-1)

        return derivative

    return {need: _read(need, lambda axes: along(axes)(points), points.shape[-1]) for need in needs}


def _read(need: Derivative, single: Callable[[tuple[int, ...]], Tensor], dimension: int) -> Tensor:
    axes = range(dimension)
    match need:
        case "value":
            return single(())
        case "jacobian":
            return torch.stack([single((i,)) for i in axes], dim=-1)
        case "hessian":
            return torch.stack([torch.stack([single((i, j)) for j in axes], dim=-1) for i in axes], dim=-2)
        case Partial():
            return single(need.axes)
        case LaplacianAlong():
            return torch.stack([single((i, i)) for i in need.axes]).sum(0)
    return torch.stack([single((i, i)) for i in axes]).sum(0)
