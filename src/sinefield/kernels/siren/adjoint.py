"""Derivatives of SIRENs carried back from the outputs; their backward derived by hand.

With p_l the phases of sine layer l, s_l = sin p_l, c_l = cos p_l, and for each output Φ_k the adjoints

    g_l = ∂Φ_k/∂s_l      q_l = ∂Φ_k/∂p_l = g_l c_l      g_{l−1} = q_l W_l      ∇Φ_k = q_0 W_0

that is c rows a point, where forward the Jacobian takes d. With P_l,i = ∂p_l/∂x_i carried forward, second ones are

    ∂²Φ_k/∂x_i∂x_j = −Σ_l Σ (g_l s_l P_l,i P_l,j)

the inner sum over features: 1 + d + c rows in all, where forward alone the Hessian takes 1 + d + d(d+1)/2. A form is a
sum of some of these.

Backward goes up the layers and then down. Up, with the gradient q̄_0 = J̄ W_0ᵀ by the Jacobian, and with
F_i = Σ_j (H̄_ij + H̄_ji) P_j, H̄ the gradient by second derivatives, and E = ½ Σ_i P_i F_i,

    ḡ_l = c_l q̄_l − s_l E      q̄_{l+1} = ḡ_l W_{l+1}ᵀ      c̄_l = Σ_k g_l q̄_l

and down, with h̄_l and T̄_l,i the gradients by s_l and by T_l,i = c_l P_l,i,

    p̄_l = c_l (h̄_l − Σ_k g_l E) − s_l (c̄_l + Σ_i T̄_i P_i)      P̄_i = c_l T̄_i − s_l Σ_k g_l F_i
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
class AdjointSweep(Sweep):
    """Value and Jacobian, and forms of second derivatives where the plan carries first ones forward.

    Args:
        plan: what is carried.
        count: n.
        like: the kind of number, and where.
        keep: whether to have the memory that :meth:`differentiate` needs.
        execution: how it is computed.
    """

    def __init__(self, plan: Plan, count: int, like: Tensor, *, keep: bool, execution: Execution = PLAIN) -> None:
        shape, rows = plan.shape, plan.forward_rows
        super().__init__(shape, count, like, execution, max(rows, shape.outputs))
        self.plan = plan

        def forward(width: int) -> Rows:
            return Rows(self.room(rows, width=width))

        def outputs(width: int) -> Tensor:
            return self.room(shape.outputs, width=width)

        self.before = self.layers(forward)  # p, then c; P
        self.after = self.layers(forward)  # s, T
        apart = 0 if keep else 1
        self.above, self.below = self.layers(outputs, apart=apart), self.layers(outputs, apart=apart)  # g, q
        self.scratch = self.spare(3) if plan.forms else []
        if keep:
            self.rising = self.layers(outputs, apart=2)  # q̄, then ḡ
            self.falling = self.layers(forward, apart=2)  # h̄, T̄, then p̄, P̄
            self.turns = self.layers(lambda width: self.room(width=width))  # c̄
            self.bends = self.layers(forward) if plan.forms else []  # Σ_k g E, Σ_k g F

    # ---- forward

    def evaluate(self, points: Tensor, maps: Sequence[Phase]) -> Outputs:
        """Return the value, first derivatives along all axes, and the forms; see :class:`Sweep`."""
        *hidden, last = maps
        for index, phase in enumerate(hidden):
            before, after = self.before[index], self.after[index]
            if index == 0:
                self.map(points.unsqueeze(0), phase, before.all[:1])
            else:
                self.multiply(self.after[index - 1].all, phase.weight.mT, before.all)
            bias = phase.bias.unsqueeze(-2) if index else None
            if self.plan.forms and phase is not hidden[-1]:
                slopes = self._slopes(index, hidden[0])
                self.run(elementwise.first_order, before.value, bias, slopes, after.value, after.first)
            else:
                if bias is not None:
                    before.value.add_(bias)
                self.run(elementwise.value, before.value, after.value)
        value = self._like.new_empty(1, *points.shape[:-1], self.shape.outputs)
        self.map(self.after[-1].all[:1], last, value)
        return Outputs(value[0], *self._descend(maps))

    def _descend(self, maps: Sequence[Phase]) -> tuple[Tensor, Tensor]:
        """Return first derivatives and forms, carrying adjoints back."""
        shape = (*self.shape.side_by_side, self.count)
        second = self._like.new_zeros(self.shape.outputs, len(self.plan.forms), *shape)
        for index in reversed(range(len(self.after))):
            below, adjoint = self.below[index], self._adjoint(index, maps)
            cosine = self.before[index].value
            if self.plan.forms:
                slopes, sine = self._slopes(index, maps[0]), self.after[index].value
                forms, scratch = self.plan.forms, self.scratch[index]
                self.run(elementwise.contract, adjoint, below, cosine, sine, slopes, second, forms, scratch)
            else:
                torch.mul(adjoint, cosine, out=below)
            if index > 0:
                self.multiply(below, maps[index].weight, self.above[index - 1])
        first = self._like.new_empty(self.shape.outputs, *shape, self.shape.inputs)
        self.multiply(self.below[0], maps[0].weight, first)
        return first.movedim((0, -1), (-1, 0)), second.movedim(0, -1)

    def _adjoint(self, index: int, maps: Sequence[Phase]) -> Tensor:
        """Return g, ``(c, …, n or 1, h)``."""
        if index == len(self.after) - 1:
            return maps[-1].weight.movedim(-2, 0).unsqueeze(-2)
        return self.above[index]

    def _slopes(self, index: int, first: Phase) -> Tensor:
        """Return P, ``(axes, …, n or 1, h)``."""
        return self.slopes_of(first, self.plan.axes) if index == 0 else self.before[index].first

    # ---- backward

    def differentiate(self, gradient: Outputs, points: Tensor, maps: Sequence[Phase], sums: Sequence[Phase]) -> Tensor:
        """Add the gradient by the maps to ``sums``; see :class:`Sweep`.

        Returns:
            The gradient by the phases of the first sine.
        """
        self._rise(gradient, maps, sums)
        return self._fall(gradient.value, points, maps, sums)

    def _rise(self, gradient: Outputs, maps: Sequence[Phase], sums: Sequence[Phase]) -> None:
        """Go up the layers, back through what came down."""
        jacobian = gradient.first.movedim((0, -1), (-1, 0)).contiguous()  # (c, …, n, d)
        self.multiply(jacobian, maps[0].weight.mT, self.rising[0])
        self.accumulate(sums[0].weight, self.below[0], jacobian)
        curvature = gradient.second.movedim(-1, 0).contiguous().unsqueeze(-1)  # (c, forms, …, n, 1)
        for index, turn in enumerate(self.turns):
            rising, adjoint = self.rising[index], self._adjoint(index, maps)
            if index > 0:
                factor = self.factor(self.rising[index - 1])
                self.back(factor, maps[index].weight.mT, rising)
                self.add(sums[index].weight, self.factor(self.below[index], 1), factor)
            cosine = self.before[index].value
            if self.plan.forms:
                slopes, sine = self._slopes(index, maps[0]), self.after[index].value
                forms, bends, scratch = self.plan.forms, self.bends[index].all, self.scratch[index]
                self.run(
                    elementwise.rise_bent,
                    *(rising, adjoint, cosine, turn, sine, slopes, curvature, forms, bends, scratch),
                )
            else:
                self.run(elementwise.rise, rising, adjoint, cosine, turn)
        sums[-1].weight.add_(rising.sum(-2).movedim(0, -2))

    def _fall(self, gradient: Tensor, points: Tensor, maps: Sequence[Phase], sums: Sequence[Phase]) -> Tensor:
        """Return the gradient by the first phases, going down the layers, back through what went up."""
        falling, top = self.falling[-1], len(self.after) - 1
        self.multiply(gradient.unsqueeze(0), maps[-1].weight, falling.all[:1])
        self.accumulate(sums[-1].weight, gradient.unsqueeze(0), self.after[-1].all[:1])
        sums[-1].bias.add_(gradient.sum(-2))
        for index in range(top, -1, -1):
            falling, turn = self.falling[index], self.turns[index]
            cosine, sine = self.before[index].value, self.after[index].value
            if index < top:
                factor = self.factor(self.falling[index + 1].all)
                self.back(factor, maps[index + 1].weight, falling.all)
                self.add(sums[index + 1].weight, factor, self.factor(self.after[index].all, 1))
            if self.plan.forms:
                slopes = self._slopes(index, maps[0]) if index < top else None
                bends = self.bends[index].all
                self.run(elementwise.fall_bent, falling.value, falling.first, cosine, sine, turn, slopes, bends)
            else:
                self.run(elementwise.fall, falling.value, cosine, sine, turn)
            sums[index].bias.add_(falling.value.sum(-2))
        self.accumulate(sums[0].weight, falling.all[:1], points.unsqueeze(0))
        if self.plan.forms:
            for axis, row in zip(self.plan.axes, falling.first, strict=True):
                sums[0].weight[..., axis].add_(row.sum(-2))
        return falling.value
