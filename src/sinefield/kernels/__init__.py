"""How a jet is computed: one signature, several kernels, one dispatch.

A kernel is a function ``evaluate(chain, points, needs) -> dict`` that answers, for points ``(…, n, d)`` and a chain
with c outputs, each derivative in ``needs``: ``value (…, n, c)``, ``jacobian (…, n, c, d)``, ``laplacian (…, n, c)``,
``hessian (…, n, c, d, d)``, and single ones ``(…, n, c)``; and a function ``supports(chain)``. Leading axes are those
of the chain's weights, and of the points. All kernels are judged by the same contract tests against :mod:`.reference`
in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.compose import Composite
from sinefield.fields.derivatives import Derivative
from sinefield.fields.field import Field
from sinefield.kernels import matmul, reference, separable, taylor
from sinefield.kernels.siren import compiled, fused
from sinefield.kernels.siren.fused import executing
from sinefield.kernels.siren.workspace import PLAIN, Execution

__all__ = [
    "BLOCK",
    "PLAIN",
    "Execution",
    "Kernel",
    "block_size",
    "evaluate",
    "executing",
    "execution",
    "memory",
    "work",
]

Kernel = Callable[[Chain, Tensor, Set[Derivative]], Mapping[Derivative, Tensor]]

BLOCK = 16_384
"""The most points whose activations are held at a time where no kernel knows better."""


def evaluate(field: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
    """Return the derivatives ``needs`` of a field at ``points`` by the fastest kernel that can.

    Sums of sines on a lattice go through :mod:`.separable` where nothing is recorded; other SIRENs through
    :mod:`.siren.fused`, executed as :func:`executing` says; other chains through :mod:`.taylor`;
    fields that are made of others by the rules of calculus; any other module through :mod:`.reference`.
    """
    if isinstance(field, Composite):
        return field.derivatives(points, needs, evaluate)
    chain = _chain_of(field)
    if chain is None:
        assert isinstance(field, nn.Module), "a chain is its own chain"
        return reference.evaluate(field, points, needs)
    waves = separable.sum_of(chain, points, needs)
    if waves is not None:
        return waves.evaluate(points, needs)
    kernel = fused.evaluate if fused.supports(chain, needs) else taylor.evaluate
    return kernel(chain, points, needs)


def _chain_of(field: nn.Module | Chain) -> Chain | None:
    """Return what a field is made of; None: it cannot tell."""
    if isinstance(field, Chain):
        return field.merged()
    if not isinstance(field, Field):
        return None
    try:
        return field.chain().merged()
    except TypeError:  # a layer that is no link
        return None


def execution(device: torch.device, *, compiling: bool, rounding: bool) -> Execution:
    """Return how jets are to be computed on ``device``: what is asked for, as far as the machine gains by it.

    Args:
        device: where.
        compiling: compile elementwise functions.
        rounding: round the factors of backward products to bfloat16.
    """
    run = compiled.run if compiling and compiled.available() else PLAIN.run
    if rounding and device.type == "cpu":
        rounding = matmul.trial(torch.get_num_threads()).use_rounded
    return Execution(run, rounding)


def block_size(field: nn.Module | Chain, needs: Set[Derivative]) -> int:
    """Return how many points of ``field`` are best evaluated and differentiated at a time."""
    if isinstance(field, Composite):
        return min((block_size(part, each) for part, each in field.parts(needs)), default=BLOCK)
    chain = _chain_of(field)
    if chain is None or not fused.supports(chain, needs):
        return BLOCK
    networks = chain.batch.numel()
    return fused.plan_of(chain, needs).block(next(chain.tensors()), networks) * networks


def work(field: nn.Module | Chain, needs: Set[Derivative]) -> int:
    """Return the FLOP of evaluating and differentiating a point: 6 for each weight and row, sines left out."""
    if isinstance(field, Composite):
        return sum(work(part, each) for part, each in field.parts(needs))
    chain = _chain_of(field)
    if chain is not None:
        return 6 * chain.products * _rows(chain, needs)
    assert isinstance(field, nn.Module), "a chain is its own chain"
    return 6 * sum(each.numel() for each in field.parameters())  # of what cannot be looked into, a guess


def memory(field: nn.Module | Chain, needs: Set[Derivative], count: int) -> int:
    """Return about how many bytes ``count`` points take while they are evaluated and differentiated."""
    if isinstance(field, Composite):
        return sum(memory(part, each, count) for part, each in field.parts(needs))
    chain = _chain_of(field)
    if chain is not None and fused.supports(chain, needs):
        plan, like, networks = fused.plan_of(chain, needs), next(chain.tensors()), chain.batch.numel()
        return min(count, plan.block(like, networks) * networks) * plan.bytes_per_point(like)
    kept = 4  # of each row: before and after an activation, a slope, a gradient
    features = sum(chain.widths) * _rows(chain, needs) if chain is not None else 0
    return 4 * kept * features * min(count, BLOCK)


def _rows(chain: Chain, needs: Set[Derivative]) -> int:
    if fused.supports(chain, needs):
        return fused.plan_of(chain, needs).rows
    return len(taylor.rows_for(needs, chain.in_features))
