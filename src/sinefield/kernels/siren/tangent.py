"""Derivatives of SIRENs carried forward with the value; their backward derived by hand.

R rows of h features are carried for each point: the value, first derivatives P_i along some axes, and sums of second
ones, Q = Σ ∂_ij over the pairs of a form. An affine map is one matrix product of all rows. At a sine of pre-activation
p, with s = sin p and c = cos p,

    h = s          H_i = c P_i                     S = c Q − s Σ P_i P_j

and backward, with h̄, H̄, S̄ the gradients of a loss by these, and B_i = Σ S̄ P_j, half of it for each end of a pair,

    p̄ = c (h̄ − Σ_i P_i B_i) − s (Σ_i P_i H̄_i + Σ Q S̄)      P̄_i = c H̄_i − 2 s B_i      Q̄ = c S̄

so that sin and cos are computed once for both. Of a Laplacian, whose pairs are (i, i), B_i = S̄ P_i. At the first layer
P_i is a column of the weights and Q is zero, the same for all points.

Source of the collapsed Laplacian: Li et al., "Forward Laplacian", 2023, arXiv 2307.08214, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from sinefield.kernels.siren import elementwise
from sinefield.kernels.siren.plan import Outputs, Plan
from sinefield.kernels.siren.workspace import PLAIN, Execution, Phase, Rows, Sweep


@final
class TangentSweep(Sweep):
    """Values, first derivatives and forms of second ones, all carried forward.

    Args:
        plan: what is carried.
        count: n.
        like: the kind of number, and where.
        keep: whether to keep what :meth:`differentiate` needs; otherwise all layers share their memory.
        execution: how it is computed.
    """

    def __init__(self, plan: Plan, count: int, like: Tensor, *, keep: bool, execution: Execution = PLAIN) -> None:
        super().__init__(plan.shape, count, like, execution, plan.forward_rows)
        self.plan, self.keep = plan, keep

        def memory(width: int) -> Rows:
            return Rows(self.room(plan.forward_rows, width=width), len(plan.axes))

        self.before = self.layers(memory, apart=0 if keep else 1)  # the value's row holds p, then c
        self.after = self.layers(memory, apart=0 if keep else 1)
        self.adjoints = self.layers(memory, apart=2) if keep else []
        self.scratch = self.spare(2) if plan.axes else []

    def evaluate(self, points: Tensor, maps: Sequence[Phase]) -> Outputs:
        """Return what the plan says; see :class:`Sweep`."""
        *hidden, last = maps
        for index, phase in enumerate(hidden):
            before = self.before[index]
            if index == 0:
                self.map(points.unsqueeze(0), phase, before.all[:1])
            elif not self.plan.axes:
                self.map(self.after[index - 1].all, phase, before.all)
            else:
                self.multiply(self.after[index - 1].all, phase.weight.mT, before.all)
            self._forward_sine(index, maps)
        rows = self._like.new_empty(self.plan.forward_rows, *points.shape[:-1], self.shape.outputs)
        self.multiply(self.after[-1].all, last.weight.mT, rows)
        outputs = Rows(rows, len(self.plan.axes))
        return Outputs(outputs.value + last.bias.unsqueeze(-2), outputs.first, outputs.second)

    def _slopes(self, index: int, first: Phase) -> Tensor:
        """Return P, ``(axes, …, n or 1, h)``."""
        return self.slopes_of(first, self.plan.axes) if index == 0 else self.before[index].first

    def _forward_sine(self, index: int, maps: Sequence[Phase]) -> None:
        before, after = self.before[index], self.after[index]
        if not self.plan.axes:
            function = elementwise.value if self.keep else elementwise.value_alone
            self.run(function, before.value, after.value)
            return
        slopes, bias = self._slopes(index, maps[0]), maps[index].bias.unsqueeze(-2) if index else None
        if not self.plan.forms:
            self.run(elementwise.first_order, before.value, bias, slopes, after.value, after.first)
            return
        self.run(
            elementwise.second_order,
            before.value,
            bias,
            slopes,
            before.second if index else None,
            after.value,
            after.first,
            after.second,
            self.plan.forms,
            self.scratch[index],
        )

    def differentiate(self, gradient: Outputs, points: Tensor, maps: Sequence[Phase], sums: Sequence[Phase]) -> Tensor:
        """Add the gradient by the maps to ``sums``; see :class:`Sweep`.

        Returns:
            The gradient by the phases of the first sine.
        """
        outgoing = torch.cat([gradient.value.unsqueeze(0), gradient.first, gradient.second])
        sums[-1].bias.add_(outgoing[0].sum(-2))
        for index in reversed(range(len(self.after))):
            adjoint = self.adjoints[index]
            if index + 1 == len(self.after):  # the outputs are few
                self.accumulate(sums[-1].weight, outgoing, self.after[-1].all)
                self.multiply(outgoing, maps[-1].weight, adjoint.all)
            else:
                outgoing = self.factor(outgoing)
                self.add(sums[index + 1].weight, outgoing, self.factor(self.after[index].all, 1))
                self.back(outgoing, maps[index + 1].weight, adjoint.all)
            self._back_through_sine(index, maps[0])
            sums[index].bias.add_(adjoint.value.sum(-2))
            outgoing = adjoint.all
        self.accumulate(sums[0].weight, adjoint.all[:1], points.unsqueeze(0))
        for axis, row in zip(self.plan.axes, adjoint.first, strict=True):
            sums[0].weight[..., axis].add_(row.sum(-2))
        return adjoint.value

    def _back_through_sine(self, index: int, first: Phase) -> None:
        before, adjoint, sine = self.before[index], self.adjoints[index], self.after[index].value
        if not self.plan.axes:
            adjoint.value.mul_(before.value)  # a single operation, which compiling only slows down
            return
        slopes, scratch = self._slopes(index, first), self.scratch[index]
        if not self.plan.forms:
            self.run(elementwise.first_order_back, adjoint.value, adjoint.first, before.value, sine, slopes, scratch)
            return
        self.run(
            elementwise.second_order_back,
            adjoint.value,
            adjoint.first,
            adjoint.second,
            before.value,
            sine,
            slopes,
            before.second if index else None,
            self.plan.forms,
            scratch,
        )
