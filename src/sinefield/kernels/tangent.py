"""Value, Jacobian and Laplacian of a SIREN, derivatives carried forward with the value; backward derived by hand.

R rows of h features are carried for each point: the value, d first derivatives P_i and the Laplacian Q. An affine
map is one matrix product of all rows. At a sine of pre-activation p, with s = sin p and c = cos p,

    h = s          H_i = c P_i                     S = c Q − s Σ_i P_i²

and backward, with h̄, H̄, S̄ the gradients of a loss by these,

    p̄ = c (h̄ − S̄ Σ_i P_i²) − s (Σ_i P_i H̄_i + Q S̄)      P̄_i = c H̄_i − 2 s P_i S̄      Q̄ = c S̄

so that sin and cos are computed once for both. At the first layer P_i is a column of the weights and Q is zero,
the same for all points.

Source of the collapsed Laplacian: Li et al., "Forward Laplacian", 2023, arXiv 2307.08214, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sinefield.kernels import stages
from sinefield.kernels.sweep import PLAIN, Affine, Execution, Rows, Shape, Sweep


class _Taylor(Rows):
    """Rows that are a value, its first derivatives and its Laplacian."""

    def __init__(self, memory: Tensor, first: slice) -> None:
        super().__init__(memory)
        self.first, self.laplacian = memory[first], memory[first.stop :]


class TangentSweep(Sweep):
    """The quantities up to an order.

    Args:
        shape: of the network.
        count: n.
        like: the kind of number, and where.
        order: 0 for the value, 1 for the Jacobian too, 2 for the Laplacian too.
        keep: whether to keep what :meth:`differentiate` needs; otherwise all layers share their memory.
        execution: how it is computed.
    """

    def __init__(
        self, shape: Shape, count: int, like: Tensor, order: int, *, keep: bool, execution: Execution = PLAIN
    ) -> None:
        super().__init__(shape, count, like, execution, self.rows_of(shape, order)[1])
        self.order, self.keep = order, keep
        first, rows = self.rows_of(shape, order)

        def memory(width: int) -> _Taylor:
            return _Taylor(self.room(rows, width=width), first)

        self.before = self.layers(memory, apart=0 if keep else 1)  # the value's row holds p, then c
        self.after = self.layers(memory, apart=0 if keep else 1)
        self.adjoints = self.layers(memory, apart=2) if keep else []
        self.scratch = self.spare(shape.inputs + 1) if order else []

    @staticmethod
    def rows_of(shape: Shape, order: int) -> tuple[slice, int]:
        """Return where the first derivatives are, and R."""
        first = slice(1, 1 + shape.inputs if order else 1)
        return first, first.stop + (order == 2)

    @classmethod
    def numbers_per_point(cls, shape: Shape, order: int) -> int:
        """Return how many numbers are in memory for a point, if they are kept."""
        _, rows = cls.rows_of(shape, order)
        scratch = shape.inputs + 1 if order else 0
        return 2 * rows * sum(shape.widths) + (2 * rows + scratch) * max(shape.widths)

    def evaluate(self, points: Tensor, maps: Sequence[Affine]) -> dict[str, Tensor]:
        """Return value, Jacobian and Laplacian up to the order; see :class:`Sweep`."""
        *hidden, last = maps
        for index, affine in enumerate(hidden):
            before, weight = self.before[index], affine.weight.t()
            if index == 0:
                torch.addmm(affine.bias, points, weight, out=before.value)
            elif self.order == 0:
                torch.addmm(affine.bias, self.after[index - 1].flat, weight, out=before.flat)
            else:
                torch.mm(self.after[index - 1].flat, weight, out=before.flat)
            self._forward_sine(index, maps)
        outputs = torch.mm(self.after[-1].flat, last.weight.t()).unflatten(0, (-1, self.count))
        answer = {"value": outputs[0] + last.bias}
        if self.order:
            answer["jacobian"] = outputs[1 : 1 + self.shape.inputs].permute(1, 2, 0)
        if self.order == 2:
            answer["laplacian"] = outputs[-1]
        return answer

    def _slopes(self, index: int, first: Affine) -> Tensor:
        """Return P, ``(d, n or 1, h)``."""
        return first.weight.t().unsqueeze(1) if index == 0 else self.before[index].first

    def _forward_sine(self, index: int, maps: Sequence[Affine]) -> None:
        before, after = self.before[index], self.after[index]
        if self.order == 0:
            self.run(stages.value if self.keep else stages.value_alone, before.value, after.value)
            return
        slopes, bias = self._slopes(index, maps[0]), maps[index].bias if index else None
        if self.order == 1:
            self.run(stages.jacobian, before.value, bias, slopes, after.value, after.first)
            return
        curvature, second = before.laplacian[0] if index else None, after.laplacian[0]
        scratch = self.scratch[index]
        self.run(stages.laplacian, before.value, bias, slopes, curvature, after.value, after.first, second, scratch)

    def differentiate(
        self, gradients: Mapping[str, Tensor], points: Tensor, maps: Sequence[Affine], sums: Sequence[Affine]
    ) -> Tensor:
        """Add the gradient by the maps to ``sums``; see :class:`Sweep`.

        Returns:
            The gradient by the phases of the first sine.
        """
        incoming = self._incoming(gradients)
        sums[-1].bias.add_(incoming[0].sum(0))
        outgoing = incoming.flatten(0, 1)
        for index in reversed(range(len(self.after))):
            adjoint = self.adjoints[index]
            if index + 1 == len(self.after):  # the outputs are few
                sums[-1].weight.addmm_(outgoing.t(), self.after[-1].flat)
                torch.mm(outgoing, maps[-1].weight, out=adjoint.flat)
            else:
                outgoing = self.factor(outgoing)
                self.add(sums[index + 1].weight, outgoing, self.factor(self.after[index].flat, 1))
                self.back(outgoing, maps[index + 1].weight, out=adjoint.flat)
            self._back_through_sine(index, maps[0])
            sums[index].bias.add_(adjoint.value.sum(0))
            outgoing = adjoint.flat
        sums[0].weight.addmm_(adjoint.value.t(), points)
        if self.order:
            sums[0].weight.add_(adjoint.first.sum(1).t())
        return adjoint.value

    def _incoming(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Return the gradient by the rows of the outputs ``(R, n, c)``."""
        _, rows = self.rows_of(self.shape, self.order)
        incoming = self._like.new_zeros(rows, self.count, self.shape.outputs)
        if "value" in gradients:
            incoming[0] = gradients["value"]
        if "jacobian" in gradients:
            incoming[1 : 1 + self.shape.inputs] = gradients["jacobian"].permute(2, 0, 1)
        if "laplacian" in gradients:
            incoming[-1] = gradients["laplacian"]
        return incoming

    def _back_through_sine(self, index: int, first: Affine) -> None:
        before, adjoint, sine = self.before[index], self.adjoints[index], self.after[index].value
        if self.order == 0:
            adjoint.value.mul_(before.value)  # a single operation, which compiling only slows down
            return
        slopes, scratch = self._slopes(index, first), self.scratch[index]
        if self.order == 1:
            self.run(stages.jacobian_back, adjoint.value, adjoint.first, before.value, sine, slopes, scratch)
            return
        curvature, second = before.laplacian[0] if index else None, adjoint.laplacian[0]
        self.run(
            stages.laplacian_back,
            adjoint.value, adjoint.first, second, before.value, sine, slopes, curvature, scratch,
        )  # fmt: skip
