"""How a jet is computed: one signature, several kernels, one dispatch.

A kernel is a function ``kernel(field, points, needs) -> dict`` that answers, for points ``(n, d)`` and a field
with c outputs, each quantity named in ``needs``: ``value (n, c)``, ``jacobian (n, c, d)``, ``laplacian (n, c)``,
``hessian (n, c, d, d)``. All kernels are judged by the same contract tests against :mod:`.reference` in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Set

import torch
from torch import Tensor, nn

from sinefield.kernels import compiled, forward, fused, products, reference, stacked
from sinefield.kernels.fused import executing
from sinefield.kernels.sweep import PLAIN, Execution

__all__ = [
    "BLOCK", "QUANTITIES", "Execution", "Kernel",
    "block_size", "evaluate", "executing", "execution", "memory", "work",
]  # fmt: skip

Kernel = Callable[[nn.Module, Tensor, Set[str]], dict[str, Tensor]]

QUANTITIES: dict[str, int] = {"value": 0, "jacobian": 1, "laplacian": 2, "hessian": 2}
"""What a kernel computes, and the order of derivative each is."""

BLOCK = 16_384
"""The most points whose activations are held at a time where no kernel knows better."""


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points`` by the fastest kernel that can.

    SIRENs go through :mod:`.fused`, executed as :func:`executing` says, and values of stacks of them through
    :mod:`.stacked`; other fields made of known layers through :mod:`.forward`; any other module through
    :mod:`.reference`.
    """
    kernel: Kernel
    # Transforms such as torch.func.vmap have to see every operation.
    if fused.supports(field) and not torch._C._are_functorch_transforms_active():
        kernel = fused.evaluate
    elif stacked.supports(field):
        kernel = stacked.evaluate
    elif forward.supports(field):
        kernel = forward.evaluate
    else:
        kernel = reference.evaluate
    return kernel(field, points, needs)


def execution(device: torch.device, *, compile_stages: bool, round_backward: bool) -> Execution:
    """Return how jets are to be computed on ``device``: what is asked for, as far as the machine gains by it."""
    run = compiled.run if compile_stages and compiled.available() else PLAIN.run
    if round_backward and device.type == "cpu":
        round_backward = products.trial(torch.get_num_threads()).use_rounded
    return Execution(run, round_backward)


def block_size(field: nn.Module, needs: Set[str]) -> int:
    """Return how many points of ``field`` are best evaluated and differentiated at a time."""
    return fused.block_size(field, needs) if fused.supports(field) else BLOCK


def work(field: nn.Module, dimension: int, needs: Set[str]) -> int:
    """Return the FLOP of evaluating and differentiating a point: 6 for each weight and row, sines left out."""
    # Of networks side by side, each point goes through one.
    weights = sum(each.shape[-2:].numel() for each in field.parameters() if each.ndim >= 2)
    return 6 * weights * (fused.rows(field, needs) if fused.supports(field) else _rows(dimension, needs))


def memory(field: nn.Module, dimension: int, needs: Set[str], count: int) -> int:
    """Return about how many bytes ``count`` points take while they are evaluated and differentiated."""
    if fused.supports(field):
        return fused.memory(field, needs, count)
    features = sum(each.shape[-2] for each in field.parameters() if each.ndim >= 2)
    each_kept = 4  # of each row: before and after an activation, a slope, a gradient
    return 4 * each_kept * features * _rows(dimension, needs) * min(count, BLOCK)


def _rows(dimension: int, needs: Set[str]) -> int:
    order = max(QUANTITIES[name] for name in needs)
    return (1, 1 + dimension, 1 + dimension + dimension * (dimension + 1) // 2)[order]
