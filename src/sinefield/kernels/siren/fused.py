"""Jets of SIRENs as one differentiable function, whose forward and backward are derived by hand.

Which way the derivatives are carried depends on what is cheaper: forward as in :mod:`.tangent`, or back from the
outputs as in :mod:`.adjoint`. Points are processed in blocks whose activations fit a processor's caches. A call
with many more points keeps none of them for its backward, which computes them again block by block: memory does not
grow with the points. Weights with leading axes are networks side by side. What is differentiated twice, or goes through
``torch.func``, is computed by :mod:`..taylor`, whose operations those transforms see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.derivatives import Derivative, highest_order, in_order
from sinefield.kernels import taylor
from sinefield.kernels.matmul import fast_products
from sinefield.kernels.siren.adjoint import AdjointSweep
from sinefield.kernels.siren.plan import Plan, Shape
from sinefield.kernels.siren.tangent import TangentSweep
from sinefield.kernels.siren.workspace import PLAIN, Execution, Loan, Phase, Sweep

_execution: ContextVar[Execution] = ContextVar("how jets are computed", default=PLAIN)


def execution() -> Execution:
    """Return how jets are computed now; see :func:`executing`."""
    return _execution.get()


@contextmanager
def executing(execution: Execution) -> Iterator[None]:
    """Have the jets that are begun inside computed in a certain way."""
    token = _execution.set(execution)
    try:
        yield
    finally:
        _execution.reset(token)


def supports(chain: Chain, needs: Set[Derivative] = frozenset()) -> bool:
    """Return whether a chain is a SIREN that ends in its affine map, and the derivatives are of order 2 at most."""
    return highest_order(needs) <= 2 and _omegas(chain) is not None


def _omegas(chain: Chain) -> tuple[float, ...] | None:
    """Return the ω of each sine of a SIREN, or None for any other chain."""
    maps, sines = chain.links[::2], chain.links[1::2]
    alternating = len(maps) == len(sines) + 1 >= 2 and all(isinstance(each, Affine) for each in maps)
    if not alternating or not all(isinstance(each, Sine) for each in sines):
        return None
    return tuple(float(each.omega) for each in sines if isinstance(each, Sine))


def plan_of(chain: Chain, needs: Set[Derivative]) -> Plan:
    """Return how derivatives of a SIREN are computed.

    Raises:
        TypeError: this kernel does not take such a chain.
    """
    return _plan_of(chain, needs, chain.batch)


def _plan_of(chain: Chain, needs: Set[Derivative], batch: Sequence[int]) -> Plan:
    """Return how derivatives are computed of networks with these leading axes.

    Raises:
        TypeError: this kernel does not take such a chain.
    """
    if _omegas(chain) is None:
        raise TypeError(
            "the fused kernel takes affine maps with sines between them, got a chain of other links; "
            "kernels.evaluate chooses a kernel that fits"
        )
    *hidden, last = chain.widths
    networks = math.prod(batch) if batch else None
    return Plan.of(Shape(chain.in_features, tuple(hidden), last, networks), needs)


def evaluate(chain: Chain, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
    """Return the derivatives ``needs`` of a SIREN at ``points``; see :mod:`sinefield.kernels` for shapes.

    Raises:
        TypeError: this kernel does not take such a chain.
    """
    extra, batch = _leading(chain.batch, points.shape[:-2])
    plan, names = _plan_of(chain, needs, batch), in_order(needs)
    parameters: list[Tensor] = []
    for each in chain.affines:
        bias = each.weight.new_zeros(each.weight.shape[:-1]) if each.bias is None else each.bias
        parameters += (each.weight, bias) if not batch else (_flat(each.weight, batch, 2), _flat(bias, batch, 1))
    count, front = points.shape[-2], tuple(range(len(extra)))
    if batch:  # those axes of the points that no weights have are points of the same networks
        points = points.expand(*extra, *batch, *points.shape[-2:])
        points = points.movedim(front, tuple(len(batch) + axis for axis in front))
        points = points.reshape(math.prod(batch), math.prod(extra) * count, -1)
    elif extra:
        points = points.flatten(0, -2)
    omegas = _omegas(chain) or ()
    # Where nothing is recorded the function is called all the same: it is what transforms of torch.func see.
    recorded = torch.is_grad_enabled() and any(each.requires_grad for each in (points, *parameters))
    call = _Call(plan, names, omegas, execution(), keep=recorded)
    found: Sequence[Tensor] = _Derivatives.apply(points, call, *parameters)  # type: ignore[no-untyped-call]
    if extra:
        found = [each.unflatten(min(len(batch), 1), (*extra, count)) for each in found]
    if extra and batch:
        found = [each.movedim(tuple(1 + axis for axis in front), front) for each in found]
    if len(batch) > 1:
        found = [each.unflatten(len(extra), batch) for each in found]
    return dict(zip(names, found, strict=True))


def _leading(batch: torch.Size, points: torch.Size) -> tuple[torch.Size, torch.Size]:
    """Return the leading axes that points have alone, and those of the networks, given those of weights and points."""
    if not batch:
        return points, batch
    ahead = torch.broadcast_shapes(batch, points)
    return ahead[: -len(batch)], ahead[-len(batch) :]


def _flat(tensor: Tensor, batch: torch.Size, own: int) -> Tensor:
    """Return a tensor whose leading axes are broadcast to ``batch`` and made one, before its ``own`` last ones."""
    shape = tensor.shape[tensor.ndim - own :]
    return tensor.expand(*batch, *shape).reshape(-1, *shape)


@final
class _Call:
    """What a call computes, and the sweep that it keeps for its backward."""

    def __init__(
        self,
        plan: Plan,
        names: Sequence[Derivative],
        omegas: Sequence[float],
        execution: Execution,
        *,
        keep: bool,
    ) -> None:
        self.plan, self.names, self.execution, self.keep = plan, names, execution, keep
        self.omegas = (*omegas, 1.0)
        self.maps: Sequence[Phase] = ()
        self.loan: Loan | None = None

    def folded(self, parameters: Sequence[Tensor]) -> list[Phase]:
        """Return the affine maps with the frequencies in them: sin(ω (W x + b)) = sin(ωW x + ωb)."""
        pairs = zip(parameters[::2], parameters[1::2], self.omegas, strict=True)
        return [Phase(omega * w, omega * b) if omega != 1 else Phase(w, b) for w, b, omega in pairs]

    def chain(self, parameters: Sequence[Tensor]) -> Chain:
        """Return the chain with these weights."""
        maps = [Affine(w, b) for w, b in zip(parameters[::2], parameters[1::2], strict=True)]
        links = [link for affine, omega in zip(maps, self.omegas, strict=True) for link in (affine, Sine(omega))]
        return Chain(links[:-1])

    def plainly(self, points: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        """Return the same by ordinary operations, which can be differentiated and transformed."""
        found = taylor.evaluate(self.chain(parameters), points, set(self.names))
        return tuple(found[name] for name in self.names)

    def sweep(self, count: int, like: Tensor, *, keep: bool) -> Sweep:
        """Return a new sweep for ``count`` points."""
        sweep = AdjointSweep if self.plan.back else TangentSweep
        return sweep(self.plan, count, like, keep=keep, execution=self.execution)

    def loaned(self, count: int, like: Tensor, *, keep: bool) -> Loan:
        """Return the loan of a sweep for ``count`` points."""
        mode = torch.is_inference_mode_enabled()
        key = (self.plan, self.execution, count, like.dtype, like.device, keep, mode)
        return Loan(key, partial(self.sweep, count, like, keep=keep))

    def in_blocks(self, points: Tensor, maps: Sequence[Phase]) -> tuple[Tensor, ...]:
        """Return what is computed, nothing kept."""
        size = self.plan.block(points, self.plan.shape.networks or 1)
        parts = []
        for each in points.split(size, dim=-2):
            count = each.shape[-2]
            # Of some tiles of many at some points a sweep is hardly ever asked for again.
            loan = None if self.plan.shape.networks else self.loaned(count, points, keep=False)
            sweep = self.sweep(count, points, keep=False) if loan is None else loan.sweep
            parts.append(self.plan.assemble(sweep.evaluate(each, maps), self.names))
            del loan
        if len(parts) == 1:
            return parts[0]
        axis = points.ndim - 2
        return tuple(torch.cat(each, dim=axis) for each in zip(*parts, strict=True))


@final
class _Derivatives(torch.autograd.Function):
    """Derivatives of a SIREN at points ``(…, n, d)``, given its weights and biases in turn."""

    @staticmethod
    def forward(points: Tensor, call: _Call, *parameters: Tensor) -> tuple[Tensor, ...]:
        maps = call.folded(parameters)
        count, networks = points.shape[-2], call.plan.shape.networks or 1
        with fast_products(points.device):
            if not call.keep or count > call.plan.most(points, networks):
                call.maps = maps
                return call.in_blocks(points, maps)
            call.maps, call.loan = maps, call.loaned(count, points, keep=True)
            return call.plan.assemble(call.loan.sweep.evaluate(points, maps), call.names)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 - the names are PyTorch's
        points, call, *parameters = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(points, *parameters)
        ctx.save_for_forward(points, *parameters)
        ctx.call = call

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        points, *parameters = ctx.saved_tensors
        given = {k: each for k, each in enumerate(gradients) if each is not None}
        if torch.is_grad_enabled():
            by_points, *by_parameters = _differentiable_gradient(ctx, given, points, parameters)
        else:
            by_points, *by_parameters = _gradient(ctx, given, points)
        return by_points, None, *by_parameters

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        primals = ctx.saved_tensors
        given = [tangents[0], *tangents[2:]]
        moved = tuple(
            torch.zeros_like(primal) if tangent is None else tangent
            for primal, tangent in zip(primals, given, strict=True)
        )
        found: tuple[Tensor, ...] = torch.func.jvp(ctx.call.plainly, tuple(primals), moved)[1]
        return found

    @staticmethod
    def vmap(_info: Any, in_dims: Any, points: Tensor, call: _Call, *parameters: Tensor) -> Any:
        """Return a batch of calls as one call, of networks side by side or of all the points at once."""
        places = [in_dims[0], *in_dims[2:]]
        points, *weights = (
            each if place is None else each.movedim(place, 0)
            for each, place in zip((points, *parameters), places, strict=True)
        )
        if call.plan.shape.networks is not None:  # those that are not mapped over are the same for all
            points = points if places[0] is not None else points.unsqueeze(0)
        chain = call.chain(weights)
        with executing(call.execution):
            found = evaluate(chain, points, set(call.names))
        return tuple(found[name] for name in call.names), (0,) * len(call.names)


def _gradient(ctx: Any, gradients: dict[int, Tensor], points: Tensor) -> list[Tensor | None]:
    """Return the gradient by the points, where it is needed, and by each parameter."""
    call: _Call = ctx.call
    plan, maps = call.plan, call.maps
    sums = [Phase(torch.zeros_like(each.weight), torch.zeros_like(each.bias)) for each in maps]
    by_points = torch.empty_like(points) if ctx.needs_input_grad[0] else None
    count = points.shape[-2]
    size = count if call.loan else plan.block(points, plan.shape.networks or 1)
    axis = points.ndim - 2
    with fast_products(points.device):
        for start in range(0, count, size):
            length = min(size, count - start)
            block = points.narrow(axis, start, length)
            loan = call.loan or call.loaned(length, points, keep=True)
            if loan is not call.loan:
                loan.sweep.evaluate(block, maps)
            given = {call.names[k]: each.narrow(axis, start, length) for k, each in gradients.items()}
            phase = loan.sweep.differentiate(plan.gather(given, length, points), block, maps, sums)
            if by_points is not None:
                by_points.narrow(axis, start, length).copy_(torch.matmul(phase, maps[0].weight))
    by_parameters = [
        each.mul_(omega) if omega != 1 else each  # the sums are ours, and may become the gradient in place
        for phase, omega in zip(sums, call.omegas, strict=True)
        for each in (phase.weight, phase.bias)
    ]
    return [by_points, *by_parameters]


def _differentiable_gradient(
    ctx: Any, gradients: dict[int, Tensor], points: Tensor, parameters: Sequence[Tensor]
) -> list[Tensor | None]:
    """Return the same by ordinary operations, so that it can be differentiated again."""
    found, pull, *_ = torch.func.vjp(ctx.call.plainly, points, *parameters)
    by_found = tuple(gradients.get(k, torch.zeros_like(each)) for k, each in enumerate(found))
    needed = [ctx.needs_input_grad[0], *ctx.needs_input_grad[2:]]
    return [each if need else None for each, need in zip(pull(by_found), needed, strict=True)]
