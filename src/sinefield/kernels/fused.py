"""Jets of a SIREN as one differentiable function, whose forward and backward are derived by hand.

Which way the derivatives are carried depends on what is cheaper: forward as in :mod:`.tangent`, or back from the
outputs as in :mod:`.adjoint`. Points are processed in blocks whose activations fit a processor's caches. A call
with many more points keeps none of them for its backward, which computes them again block by block: memory does not
grow with the points. What is differentiated twice goes through :mod:`.forward`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sinefield.kernels import forward
from sinefield.kernels.adjoint import AdjointSweep
from sinefield.kernels.products import fast_products
from sinefield.kernels.sweep import PLAIN, Affine, Execution, Loan, Shape, Sweep
from sinefield.kernels.tangent import TangentSweep
from sinefield.siren import Sine, Siren

BLOCK_BYTES = 40 << 20
"""How much memory the activations of a block may take: about what the caches of a processor hold."""

KEPT_BYTES = 160 << 20
"""How much memory a call may keep for its backward; one with more points computes their activations again."""


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


@dataclass(frozen=True)
class _Way:
    """How the quantities asked for are computed."""

    shape: Shape
    order: int  # of derivatives carried forward
    adjoint: bool  # whether derivatives are carried back too
    execution: Execution

    @classmethod
    def to(cls, shape: Shape, needs: Set[str]) -> _Way:
        """Return the cheapest way to ``needs``, executed as :func:`executing` says."""
        how = execution()
        if "hessian" in needs:
            return cls(shape, 1, True, how)
        if "laplacian" in needs:
            return cls(shape, 2, False, how)
        if "jacobian" in needs:  # c rows back, or d rows forward
            back = shape.outputs < shape.inputs
            return cls(shape, 0 if back else 1, back, how)
        return cls(shape, 0, False, how)

    @property
    def rows(self) -> int:
        """How many rows are carried for a point."""
        forward_rows = (1, 1 + self.shape.inputs, 2 + self.shape.inputs)[self.order]
        return forward_rows + (self.shape.outputs if self.adjoint else 0)

    def bytes_per_point(self, like: Tensor) -> int:
        """Return how much memory a point takes while it is evaluated and differentiated."""
        if self.adjoint:
            numbers = AdjointSweep.numbers_per_point(self.shape, tangents=self.order == 1)
        else:
            numbers = TangentSweep.numbers_per_point(self.shape, self.order)
        return numbers * like.element_size()

    def block(self, like: Tensor) -> int:
        """Return how many points a block has."""
        return self._fitting(BLOCK_BYTES, like)

    def most(self, like: Tensor) -> int:
        """Return of how many points the activations are kept."""
        return self._fitting(KEPT_BYTES, like)

    def _fitting(self, room: int, like: Tensor) -> int:
        if like.device.type != "cpu":  # where memory is plenty, and small blocks leave most of the device idle
            room *= 32
        return max(64, room // self.bytes_per_point(like) // 64 * 64)

    def sweep(self, count: int, like: Tensor, *, keep: bool) -> Loan:
        """Return the loan of a sweep for ``count`` points."""

        def make() -> Sweep:
            if self.adjoint:
                tangents = self.order == 1
                return AdjointSweep(self.shape, count, like, tangents=tangents, keep=keep, execution=self.execution)
            return TangentSweep(self.shape, count, like, self.order, keep=keep, execution=self.execution)

        return Loan((self, count, like.dtype, like.device, keep, torch.is_inference_mode_enabled()), make)


def _taken_apart(field: nn.Module) -> tuple[list[Any], list[float]] | None:
    """Return the affine maps of a SIREN and the ω that each is multiplied by, or None for any other field."""
    if type(field).forward is not Siren.forward:
        return None
    # Dropout that drops nothing leaves everything as it is.
    layers = [each for each in forward.layers_of(field) if each.training or not isinstance(each, nn.Dropout)]
    maps = [each for each in layers[::2] if type(each).forward is nn.Linear.forward and each.bias is not None]
    sines = [each for each in layers[1::2] if type(each).forward is Sine.forward]
    if len(maps) < 2 or len(maps) != len(sines) + 1 or len(maps) + len(sines) != len(layers):
        return None
    return maps, [*(float(each.omega) for each in sines), 1.0]  # type: ignore[arg-type]  # they are sines


def supports(field: nn.Module) -> bool:
    """Return whether ``field`` is a SIREN that drops nothing and ends in its affine map."""
    return _taken_apart(field) is not None


def block_size(field: nn.Module, needs: Set[str]) -> int:
    """Return how many points are best differentiated at a time; more are computed twice.

    Raises:
        TypeError: this kernel does not take such a field.
    """
    maps, _ = _checked(field)
    return _Way.to(_shape(maps), needs).block(maps[0].weight)


def memory(field: nn.Module, needs: Set[str], count: int) -> int:
    """Return how many bytes ``count`` points take while they are evaluated and differentiated.

    Raises:
        TypeError: this kernel does not take such a field.
    """
    maps, _ = _checked(field)
    way, like = _Way.to(_shape(maps), needs), maps[0].weight
    return min(count, way.block(like)) * way.bytes_per_point(like)


def rows(field: nn.Module, needs: Set[str]) -> int:
    """Return how many rows of features are carried for each point.

    Raises:
        TypeError: this kernel does not take such a field.
    """
    maps, _ = _checked(field)
    return _Way.to(_shape(maps), needs).rows


def _checked(field: nn.Module) -> tuple[list[nn.Linear], list[float]]:
    apart = _taken_apart(field)
    if apart is None:
        raise TypeError(
            f"the fused kernel takes a SIREN of sines and affine maps alone, got a {type(field).__name__} of other "
            "layers; kernels.evaluate chooses a kernel that fits"
        )
    return apart


def _shape(maps: Sequence[nn.Linear]) -> Shape:
    *hidden, last = maps
    return Shape(maps[0].in_features, tuple(each.out_features for each in hidden), last.out_features)


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes.

    Raises:
        TypeError: this kernel does not take such a field.
    """
    maps, omegas = _checked(field)
    names, way = sorted(needs), _Way.to(_shape(maps), needs)
    parameters = [each for one in maps for each in (one.weight, one.bias)]
    if torch.is_grad_enabled() and any(each.requires_grad for each in (points, *parameters)):
        found: Sequence[Tensor] = _Jet.apply(points, way, names, omegas, *parameters)  # type: ignore[no-untyped-call]
    else:
        with torch.no_grad():
            found = _in_blocks(points, _folded(parameters, omegas), way, names)
    return dict(zip(names, found, strict=True))


def _folded(parameters: Sequence[Tensor], omegas: Sequence[float]) -> list[Affine]:
    """Return the affine maps with the frequencies in them: sin(ω (W x + b)) = sin(ωW x + ωb)."""
    return [Affine(omega * w, omega * b) for w, b, omega in zip(parameters[::2], parameters[1::2], omegas, strict=True)]


def _in_blocks(points: Tensor, maps: Sequence[Affine], way: _Way, names: Sequence[str]) -> tuple[Tensor, ...]:
    """Return quantities, nothing kept."""
    size = way.block(points)
    with fast_products(points.device):
        parts = [way.sweep(len(each), points, keep=False).sweep.evaluate(each, maps) for each in points.split(size)]
    return tuple(parts[0][name] if len(parts) == 1 else torch.cat([each[name] for each in parts]) for name in names)


class _Jet(torch.autograd.Function):
    """Quantities of a SIREN at points ``(n, d)``, given its weights and biases in turn."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, way: _Way, names: list[str], omegas: list[float], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(points, *parameters)
        ctx.way, ctx.names, ctx.omegas, ctx.loan = way, names, omegas, None
        ctx.maps = _folded(parameters, omegas)
        if len(points) > way.most(points):
            return _in_blocks(points, ctx.maps, way, names)
        ctx.loan = way.sweep(len(points), points, keep=True)
        with fast_products(points.device):
            found = ctx.loan.sweep.evaluate(points, ctx.maps)
        return tuple(found[name] for name in names)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        points, *parameters = ctx.saved_tensors
        given = {name: each for name, each in zip(ctx.names, gradients, strict=True) if each is not None}
        if torch.is_grad_enabled():
            by_points, *by_parameters = _differentiable_gradient(ctx, given, points, parameters)
        else:
            by_points, *by_parameters = _gradient(ctx, given, points)
        return by_points, None, None, None, *by_parameters


def _gradient(ctx: Any, gradients: Mapping[str, Tensor], points: Tensor) -> list[Tensor | None]:
    """Return the gradient by the points, where it is needed, and by each parameter."""
    way, maps = ctx.way, ctx.maps
    sums = [Affine(torch.zeros_like(each.weight), torch.zeros_like(each.bias)) for each in maps]
    by_points = torch.empty_like(points) if ctx.needs_input_grad[0] else None
    size = len(points) if ctx.loan else way.block(points)
    with fast_products(points.device):
        for start in range(0, len(points), size):
            block = points[start : start + size]
            loan = ctx.loan or way.sweep(len(block), points, keep=True)
            if loan is not ctx.loan:
                loan.sweep.evaluate(block, maps)
            given = {name: each[start : start + size] for name, each in gradients.items()}
            phase = loan.sweep.differentiate(given, block, maps, sums)
            if by_points is not None:
                torch.mm(phase, maps[0].weight, out=by_points[start : start + size])
    by_parameters = [
        omega * each for affine, omega in zip(sums, ctx.omegas, strict=True) for each in (affine.weight, affine.bias)
    ]
    return [by_points, *by_parameters]


def _differentiable_gradient(
    ctx: Any, gradients: Mapping[str, Tensor], points: Tensor, parameters: Sequence[Tensor]
) -> list[Tensor | None]:
    """Return the same by ordinary operations, so that it can be differentiated again."""
    maps = list(zip(parameters[::2], parameters[1::2], strict=True))
    found = forward.of_siren(points, maps, ctx.omegas, gradients.keys())
    inputs = [points, *parameters]
    needed = [ctx.needs_input_grad[0], *ctx.needs_input_grad[4:]]
    answers = iter(
        torch.autograd.grad(
            [found[name] for name in gradients],
            [each for each, need in zip(inputs, needed, strict=True) if need],
            list(gradients.values()),
            create_graph=True,
            materialize_grads=True,
        )
    )
    return [next(answers) if need else None for need in needed]
