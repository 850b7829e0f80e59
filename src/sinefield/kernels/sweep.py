"""What sweeps through a SIREN have in common: its maps, its shape, and memory that is used again.

A sweep computes some quantities of a jet for a block of points, keeps what their derivatives need, and goes back
through it. Its memory is allocated once: large arrays are otherwise mapped, and page-faulted, anew at each step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeVar

import torch
from torch import Tensor

from sinefield.kernels.stages import plainly

T = TypeVar("T")


@dataclass(frozen=True)
class Execution:
    """How a sweep computes what it computes.

    Args:
        run: runs a stage of :mod:`.stages` with its arguments.
        rounded: whether backward products of hidden layers take factors rounded to bfloat16. A gradient is then
            right to some thousandths of its size; values and jets are not touched.
    """

    run: Callable[..., None] = plainly
    rounded: bool = False


IDLE_BYTES: Final = 192 << 20
"""How much memory idle sweeps may hold together."""


PLAIN: Final = Execution()


@dataclass(frozen=True)
class Affine:
    """x ↦ W x + b, multiplied by the ω of the sine that follows; or the gradient of a loss by both."""

    weight: Tensor  # (m, h)
    bias: Tensor  # (m,)


@dataclass(frozen=True)
class Shape:
    """d, the features of each sine layer, and c."""

    inputs: int
    widths: tuple[int, ...]
    outputs: int


class Sweep(ABC):
    """Memory for a block of ``count`` points of a SIREN, and the way through it.

    Args:
        shape: of the network.
        count: n, how many points.
        like: a tensor of the same kind on the same device.
        execution: how it is computed.
        rows: the most rows a point has, and with them products.
    """

    def __init__(self, shape: Shape, count: int, like: Tensor, execution: Execution, rows: int) -> None:
        self.shape, self.count, self._like, self.execution = shape, count, like.new_empty(0), execution
        self.run = execution.run
        self.nbytes = 0
        part = rows * count * max(shape.widths) if execution.rounded else 0
        self._rounded = [self._allocated((part,), torch.bfloat16) for _ in range(3)]

    def room(self, *rows: int, width: int) -> Tensor:
        """Return memory ``(*rows, n, width)`` with arbitrary contents."""
        return self._allocated((*rows, self.count, width), self._like.dtype)

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
        """Return memory for intermediate results, shared by the layers; compiled stages need none."""
        if self.execution.run is not plainly:
            return [None] * len(self.shape.widths)
        return list(self.layers(lambda width: self.room(rows, width=width), apart=1))

    def factor(self, rows: Tensor, place: int = 0) -> Tensor:
        """Return ``rows`` as a factor of products on the way back, valid until another takes its ``place``: 0 or 1."""
        if not self.execution.rounded:
            return rows
        return self._rounded[place][: rows.numel()].view(rows.shape).copy_(rows)

    def back(self, rows: Tensor, weight: Tensor, out: Tensor) -> None:
        """Write ``rows @ weight``, ``rows`` from :meth:`factor`."""
        if not self.execution.rounded:
            torch.mm(rows, weight, out=out)
            return
        product = self._rounded[2][: out.numel()].view(out.shape)
        torch.mm(rows, weight.bfloat16(), out=product)
        out.copy_(product)

    def add(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``leftᵀ @ right``, both from :meth:`factor`, to the gradient of a hidden map's weights."""
        if self.execution.rounded:
            total.add_(torch.mm(left.t(), right))
        else:
            total.addmm_(left.t(), right)

    @abstractmethod
    def evaluate(self, points: Tensor, maps: Sequence[Affine]) -> dict[str, Tensor]:
        """Return all quantities that the sweep knows; what :meth:`differentiate` needs stays in its memory."""

    @abstractmethod
    def differentiate(
        self, gradients: Mapping[str, Tensor], points: Tensor, maps: Sequence[Affine], sums: Sequence[Affine]
    ) -> Tensor:
        """Go back through the points last evaluated.

        Args:
            gradients: of a loss by the quantities that it depends on.
            points: those evaluated.
            maps: those evaluated.
            sums: to which the gradient by ``maps`` is added.

        Returns:
            The gradient by the phases of the first sine ``(n, h)``; times its weights, that by the points. It is
            valid until the sweep is used again.
        """


class Rows:
    """Memory ``(R, n, h)`` for rows of each point: the value first, then its derivatives or other values."""

    def __init__(self, memory: Tensor) -> None:
        self.all, self.flat = memory, memory.flatten(0, 1)
        self.value, self.rest = memory[0], memory[1:]


_idle: list[tuple[object, Sweep]] = []
_lock = Lock()


class Loan:
    """A sweep out of those that lie idle, or a new one, given back when the loan is forgotten.

    Args:
        key: sweeps of equal keys can stand for each other.
        make: a new one.
    """

    def __init__(self, key: object, make: Callable[[], Sweep]) -> None:
        self._key = key
        with _lock:
            position = next((k for k, (known, _) in enumerate(_idle) if known == key), None)
            found = None if position is None else _idle.pop(position)[1]
        self.sweep = make() if found is None else found

    def __del__(self) -> None:
        """Give the sweep back; those that have been idle longest are freed where there are many."""
        if not hasattr(self, "sweep"):
            return
        with _lock:
            _idle.append((self._key, self.sweep))
            total = sum(each.nbytes for _, each in _idle)
            while total > IDLE_BYTES:
                total -= _idle.pop(0)[1].nbytes
