"""What sweeps through SIRENs have in common: their maps, their shape, and memory that is used again.

A sweep computes derivatives for a block of points, keeps what their gradients need, and goes back through it. Its
memory is allocated once: large arrays are otherwise mapped, and page-faulted, anew at each step.

Rows are ``(R, n, h)`` for one network, and ``(R, K, n, h)`` for K of one shape side by side: a layer is then one
batched product a row, and its sines are computed as if there were one network.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeVar, final

import torch
from torch import Tensor

from sinefield.kernels.siren.elementwise import run_plainly
from sinefield.kernels.siren.plan import Outputs, Shape

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Execution:
    """How a sweep computes what it computes.

    Args:
        run: runs an elementwise function of :mod:`.elementwise` with its arguments.
        rounded: whether backward products of hidden layers take factors rounded to bfloat16. A gradient is then
            right to some thousandths of its size; values and jets are not touched.
    """

    run: Callable[..., None] = run_plainly
    rounded: bool = False


IDLE_BYTES: Final = 192 << 20
"""How much memory idle sweeps may hold together."""

REMEMBERED: Final = 64
"""After how many loans of others an idle sweep is freed: more than any step takes."""


PLAIN: Final = Execution()


@final
@dataclass(frozen=True)
class Phase:
    """The map x ↦ ω (W x + b), the ω of the sine that follows in its weights; or the gradient of a loss by both."""

    weight: Tensor  # (…, m, h)
    bias: Tensor  # (…, m)


class Sweep(ABC):
    """Memory for a block of ``count`` points of SIRENs, and the way through it.

    Args:
        shape: of the networks.
        count: n, how many points of each network.
        like: a tensor of the same kind on the same device.
        execution: how it is computed.
        rows: the most rows that a point has, and with them products.
    """

    def __init__(self, shape: Shape, count: int, like: Tensor, execution: Execution, rows: int) -> None:
        self.shape, self.count, self._like, self.execution = shape, count, like.new_empty(0), execution
        self.run = execution.run
        self.nbytes = 0
        self._rounds = execution.rounded and shape.networks is None
        part = rows * count * max(shape.widths) if self._rounds else 0
        self._rounded = [self._allocated((part,), torch.bfloat16) for _ in range(3)]

    def room(self, *rows: int, width: int) -> Tensor:
        """Return memory ``(*rows, …, n, width)`` with arbitrary contents."""
        return self._allocated((*rows, *self.shape.side_by_side, self.count, width), self._like.dtype)

    def _allocated(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        memory = torch.empty(shape, dtype=dtype, device=self._like.device)
        self.nbytes += memory.nbytes
        return memory

    def layers(self, make: Callable[[int], T], apart: int = 0) -> list[T]:
        """Return memory for each sine layer; layers ``apart`` of each other share theirs, 0 for none."""
        made: list[T] = []
        for index, width in enumerate(self.shape.widths):
            shared = apart and index >= apart and self.shape.widths[index - apart] == width
            made.append(made[index - apart] if shared else make(width))
        return made

    def spare(self, rows: int) -> list[Tensor | None]:
        """Return memory for intermediate results, shared by the layers; compiled functions need none."""
        if self.execution.run is not run_plainly:
            return [None] * len(self.shape.widths)
        return list(self.layers(lambda width: self.room(rows, width=width), apart=1))

    def multiply(self, rows: Tensor, weight: Tensor, out: Tensor) -> None:
        """Write ``rows @ weight``, of ``(R, …, n, h)`` and ``(…, h, m)``."""
        if self.shape.networks is None:
            torch.mm(rows.flatten(0, 1), weight, out=out.view(-1, out.shape[-1]))
            return
        for each, product in zip(rows, out, strict=True):
            torch.bmm(each, weight, out=product)

    def map(self, rows: Tensor, phase: Phase, out: Tensor) -> None:
        """Write ``rows @ Wᵀ + b`` of rows that are all values, ``(R, …, n, h)``."""
        weight = phase.weight.mT
        if self.shape.networks is None:
            torch.addmm(phase.bias, rows.flatten(0, 1), weight, out=out.view(-1, out.shape[-1]))
            return
        for each, product in zip(rows, out, strict=True):
            torch.baddbmm(phase.bias.unsqueeze(-2), each, weight, out=product)

    def back(self, rows: Tensor, weight: Tensor, out: Tensor) -> None:
        """Write ``rows @ weight``, ``rows`` from :meth:`factor`."""
        if not self._rounds:
            self.multiply(rows, weight, out)
            return
        product = self._rounded[2][: out.numel()].view(-1, out.shape[-1])
        torch.mm(rows.flatten(0, 1), weight.bfloat16(), out=product)
        out.copy_(product.view(out.shape))

    def factor(self, rows: Tensor, place: int = 0) -> Tensor:
        """Return ``rows`` as a factor of products on the way back, valid until another takes its ``place``: 0 or 1."""
        if not self._rounds:
            return rows
        return self._rounded[place][: rows.numel()].view(rows.shape).copy_(rows)

    def add(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``leftᵀ @ right``, both from :meth:`factor`, to the gradient of a hidden map's weights."""
        if self._rounds:
            total.add_(torch.mm(left.flatten(0, 1).t(), right.flatten(0, 1)))
        else:
            self.accumulate(total, left, right)

    def accumulate(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``leftᵀ @ right`` over all rows, of ``(R, …, n, m)`` and ``(R, …, n, h)``, to ``(…, m, h)``."""
        if self.shape.networks is None:
            total.addmm_(left.flatten(0, 1).t(), right.flatten(0, 1))
            return
        for one, other in zip(left, right, strict=True):
            total.baddbmm_(one.mT, other)

    def slopes_of(self, first: Phase, axes: Sequence[int]) -> Tensor:
        """Return the derivatives of the first phases along some axes, ``(d, …, 1, h)``: the same at all points."""
        columns = first.weight.movedim(-1, 0)
        if len(axes) < self.shape.inputs:
            columns = columns[list(axes)]
        return columns.unsqueeze(-2)

    @abstractmethod
    def evaluate(self, points: Tensor, maps: Sequence[Phase]) -> Outputs:
        """Return what is planned at points ``(…, n, d)``; what :meth:`differentiate` needs stays in memory."""

    @abstractmethod
    def differentiate(self, gradient: Outputs, points: Tensor, maps: Sequence[Phase], sums: Sequence[Phase]) -> Tensor:
        """Go back through the points last evaluated.

        Args:
            gradient: of a loss by what :meth:`evaluate` returned.
            points: those evaluated.
            maps: those evaluated.
            sums: to which the gradient by ``maps`` is added.

        Returns:
            The gradient by the phases of the first sine ``(…, n, h)``; times its weights, that by the points. It is
            valid until the sweep is used again.
        """


@final
class Rows:
    """Memory ``(R, …, n, h)`` for rows of each point: the value first, then what is carried with it."""

    def __init__(self, memory: Tensor, first: int | None = None) -> None:
        first = len(memory) - 1 if first is None else first
        self.all, self.value = memory, memory[0]
        self.first, self.second = memory[1 : 1 + first], memory[1 + first :]


_idle: list[tuple[object, Sweep, int]] = []  # with the number of the loan that each was given back from
_returned: deque[tuple[object, Sweep, int]] = deque()  # given back, and not yet among those that lie idle
_loans = itertools.count()
_lock = Lock()


@final
class Loan:
    """A sweep out of those that lie idle, or a new one, given back when the loan is forgotten.

    Args:
        key: sweeps of equal keys can stand for each other.
        make: a new one.
    """

    def __init__(self, key: object, make: Callable[[], Sweep]) -> None:
        self._key = key
        with _lock:
            self._number = next(_loans)
            _put_by(self._number)
            position = next((k for k, (known, *_) in enumerate(_idle) if known == key), None)
            found = None if position is None else _idle.pop(position)[1]
        self.sweep: Any = make() if found is None else found

    def __del__(self) -> None:
        """Give the sweep back; those that have been idle for long are freed, and the oldest where there are many.

        It may be called anywhere, as Python collects what refers to itself in the middle of anything: also by a thread
        that holds the lock, so that nothing may wait for that here.
        """
        if not hasattr(self, "sweep"):
            return
        _returned.append((self._key, self.sweep, self._number))
        if _lock.acquire(blocking=False):
            try:
                _put_by(self._number)
            finally:
                _lock.release()


def _put_by(number: int) -> None:
    """Put what was given back by the loan of a number among what lies idle, by a thread that holds the lock."""
    while _returned:
        _idle.append(_returned.popleft())
    _idle[:] = [each for each in _idle if each[2] > number - REMEMBERED]
    total = sum(each.nbytes for _, each, _ in _idle)
    while total > IDLE_BYTES:
        total -= _idle.pop(0)[1].nbytes
