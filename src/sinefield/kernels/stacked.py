"""Values of SIRENs side by side, and the gradient of a loss by their parameters, derived by hand.

What :mod:`.tangent` does for one network, for K of them at once: a layer is one batched product and its sines one
stage. Derivatives by points go through :mod:`.reference`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

from sinefield.kernels import fused, reference, stages
from sinefield.kernels.products import fast_products
from sinefield.tiled import SirenStack


def supports(field: nn.Module) -> bool:
    """Return whether ``field`` is a stack of SIRENs."""
    return isinstance(field, SirenStack)


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes.

    Raises:
        TypeError: the field is no stack.
    """
    if not isinstance(field, SirenStack):
        raise TypeError(f"the stacked kernel takes a SirenStack, got a {type(field).__name__}")
    if needs != {"value"} or points.requires_grad:
        return reference.evaluate(field, points, needs)
    parameters = [each for affine in field.maps for each in (affine.weight, affine.bias)]
    found: Tensor = _Value.apply(points, (*field.omegas, 1.0), *parameters)  # type: ignore[no-untyped-call]
    return {"value": found}


class _Value(torch.autograd.Function):
    """Φ_k at the points of tile k, ``(n, d)`` in turn, as ``(n, c)``."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, omegas: Sequence[float], *parameters: Tensor) -> Tensor:
        maps = [(omega * w, omega * b) for w, b, omega in zip(parameters[::2], parameters[1::2], omegas, strict=True)]
        tiles = len(parameters[1])
        rows = points.unflatten(0, (-1, tiles)).transpose(0, 1).contiguous()
        run = fused.execution().run
        inputs, cosines = [rows], []
        with fast_products(points.device):
            for weight, bias in maps[:-1]:
                phase = torch.baddbmm(bias.unsqueeze(1), inputs[-1], weight.transpose(1, 2))
                sine = torch.empty_like(phase)
                run(stages.value, phase, sine)
                cosines.append(phase)
                inputs.append(sine)
            weight, bias = maps[-1]
            values = torch.baddbmm(bias.unsqueeze(1), inputs[-1], weight.transpose(1, 2))
        ctx.omegas, ctx.maps, ctx.inputs, ctx.cosines = omegas, maps, inputs, cosines
        return values.transpose(0, 1).flatten(0, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        tiles = len(ctx.maps[0][1])
        adjoint = gradient.unflatten(0, (-1, tiles)).transpose(0, 1).contiguous()
        found: list[Tensor] = []
        with fast_products(gradient.device):
            for index in reversed(range(len(ctx.maps))):
                omega = ctx.omegas[index]
                found += [adjoint.sum(1).mul_(omega), torch.bmm(adjoint.transpose(1, 2), ctx.inputs[index]).mul_(omega)]
                if index:
                    adjoint = torch.bmm(adjoint, ctx.maps[index][0]).mul_(ctx.cosines[index - 1])
        return None, None, *reversed(found)
