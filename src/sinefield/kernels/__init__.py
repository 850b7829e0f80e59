"""How a jet is computed: one signature, several kernels, one dispatch.

A kernel is a function ``kernel(field, points, needs) -> dict`` that answers, for points ``(n, d)`` and a field
with c outputs, each quantity named in ``needs``: ``value (n, c)``, ``jacobian (n, c, d)``, ``laplacian (n, c)``,
``hessian (n, c, d, d)``. All kernels are judged by the same contract tests against :mod:`.reference` in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from torch import Tensor, nn

from sinefield.kernels import forward, fused, reference

Kernel = Callable[[nn.Module, Tensor, Set[str]], dict[str, Tensor]]

QUANTITIES: dict[str, int] = {"value": 0, "jacobian": 1, "laplacian": 2, "hessian": 2}
"""What a kernel computes, and the order of derivative each is."""


BLOCK = 16_384
"""The most points whose activations are held at a time where no kernel knows better."""


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points`` by the fastest kernel that can.

    SIRENs go through :mod:`.fused`; other fields made of known layers through :mod:`.forward`; any other module
    through :mod:`.reference`.
    """
    kernel: Kernel
    if fused.supports(field):
        kernel = fused.evaluate
    elif forward.supports(field):
        kernel = forward.evaluate
    else:
        kernel = reference.evaluate
    return kernel(field, points, needs)


def block_size(field: nn.Module, needs: Set[str]) -> int:
    """Return how many points of ``field`` are best evaluated and differentiated at a time."""
    return fused.block_size(field, needs) if fused.supports(field) else BLOCK
