"""Value, Jacobian and Hessian of a SIREN, derivatives carried back from the outputs; their backward derived by hand.

With p_l the phases of sine layer l, s_l = sin p_l, c_l = cos p_l, and for each output Φ_k the adjoints

    g_l = ∂Φ_k/∂s_l      q_l = ∂Φ_k/∂p_l = g_l c_l      g_{l−1} = q_l W_l      ∇Φ_k = q_0 W_0

that is c rows a point, where forward the Jacobian takes d. With P_l,i = ∂p_l/∂x_i carried forward, the Hessian is

    ∂²Φ_k/∂x_i∂x_j = −Σ_l Σ (g_l s_l P_l,i P_l,j)

the inner sum over features: 1 + d + c rows in all, where forward alone it takes 1 + d + d(d+1)/2.

Backward goes up the layers and then down. Up, with the gradient q̄_0 = J̄ W_0ᵀ by the Jacobian, and with
F_i = Σ_j (H̄_ij + H̄_ji) P_j and E = ½ Σ_i P_i F_i,

    ḡ_l = c_l q̄_l − s_l E      q̄_{l+1} = ḡ_l W_{l+1}ᵀ      c̄_l = Σ_k g_l q̄_l

and down, with h̄_l and T̄_l,i the gradients by s_l and by T_l,i = c_l P_l,i,

    p̄_l = c_l (h̄_l − Σ_k g_l E) − s_l (c̄_l + Σ_i T̄_i P_i)      P̄_i = c_l T̄_i − s_l Σ_k g_l F_i
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from sinefield.kernels import stages
from sinefield.kernels.sweep import PLAIN, Affine, Execution, Rows, Shape, Sweep


class AdjointSweep(Sweep):
    """Value and Jacobian, and the Hessian too where ``tangents`` are carried.

    Args:
        shape: of the network.
        count: n.
        like: the kind of number, and where.
        tangents: whether P is.
        keep: whether to have the memory that :meth:`differentiate` needs.
        execution: how it is computed.
    """

    def __init__(
        self, shape: Shape, count: int, like: Tensor, *, tangents: bool, keep: bool, execution: Execution = PLAIN
    ) -> None:
        rows = 1 + (shape.inputs if tangents else 0)
        super().__init__(shape, count, like, execution, max(rows, shape.outputs))
        self.tangents = tangents
        self.pairs = list(combinations_with_replacement(range(shape.inputs), 2)) if tangents else []

        def forward(width: int) -> Rows:
            return Rows(self.room(rows, width=width))

        def outputs(width: int) -> Rows:
            return Rows(self.room(shape.outputs, width=width))

        self.before = self.layers(forward)  # p, then c; P
        self.after = self.layers(forward)  # s, T
        apart = 0 if keep else 1
        self.above, self.below = self.layers(outputs, apart=apart), self.layers(outputs, apart=apart)  # g, q
        self.scratch = self.spare(3) if tangents else []
        if keep:
            self.rising = self.layers(outputs, apart=2)  # q̄, then ḡ
            self.falling = self.layers(forward, apart=2)  # h̄, T̄, then p̄, P̄
            self.turns = self.layers(lambda width: self.room(width=width))  # c̄
            self.bends = self.layers(forward) if tangents else []  # Σ_k g E, Σ_k g F

    @classmethod
    def numbers_per_point(cls, shape: Shape, *, tangents: bool) -> int:
        """Return how many numbers are in memory for a point, if they are kept."""
        rows = 1 + (shape.inputs if tangents else 0)
        kept = 2 * rows + 2 * shape.outputs + 1 + (rows if tangents else 0)
        spare = 3 if tangents else 0
        return kept * sum(shape.widths) + (2 * shape.outputs + 2 * rows + spare) * max(shape.widths)

    # ---- forward

    def evaluate(self, points: Tensor, maps: Sequence[Affine]) -> dict[str, Tensor]:
        """Return value and Jacobian, and with tangents Hessian and Laplacian; see :class:`Sweep`."""
        *hidden, last = maps
        for index, affine in enumerate(hidden):
            before, after = self.before[index], self.after[index]
            if index == 0:
                torch.addmm(affine.bias, points, affine.weight.t(), out=before.value)
            else:
                torch.mm(self.after[index - 1].flat, affine.weight.t(), out=before.flat)
            if self.tangents and affine is not hidden[-1]:
                bias = affine.bias if index else None
                self.run(stages.jacobian, before.value, bias, self._slopes(index, hidden[0]), after.value, after.rest)
            else:
                if index:
                    before.value.add_(affine.bias)
                self.run(stages.value, before.value, after.value)
        answer = {"value": torch.addmm(last.bias, self.after[-1].value, last.weight.t())}
        answer["jacobian"], curvature = self._descend(maps)
        if self.tangents:
            number = {pair: k for k, pair in enumerate(self.pairs)}
            inputs = range(self.shape.inputs)
            order = [number[min(i, j), max(i, j)] for i in inputs for j in inputs]
            answer["hessian"] = curvature[:, order].unflatten(1, (len(inputs), len(inputs))).permute(3, 0, 1, 2)
            answer["laplacian"] = answer["hessian"].diagonal(dim1=2, dim2=3).sum(-1)
        return answer

    def _descend(self, maps: Sequence[Affine]) -> tuple[Tensor, Tensor]:
        """Return the Jacobian and the second derivatives ``(c, pairs, n)``, carrying adjoints back."""
        curvature = self._like.new_zeros(self.shape.outputs, len(self.pairs), self.count)
        for index in reversed(range(len(self.after))):
            below, adjoint = self.below[index], self._adjoint(index, maps)
            if self.tangents:
                slopes, scratch = self._slopes(index, maps[0]), self.scratch[index]
                before, sine = self.before[index].value, self.after[index].value
                self.run(stages.hessian, adjoint, below.all, before, sine, slopes, curvature, scratch)
            else:
                torch.mul(adjoint, self.before[index].value, out=below.all)
            if index > 0:
                torch.mm(below.flat, maps[index].weight, out=self.above[index - 1].flat)
        return torch.matmul(below.all, maps[0].weight).permute(1, 0, 2), curvature

    def _adjoint(self, index: int, maps: Sequence[Affine]) -> Tensor:
        """Return g, ``(c, n or 1, h)``."""
        return maps[-1].weight.unsqueeze(1) if index == len(self.after) - 1 else self.above[index].all

    def _slopes(self, index: int, first: Affine) -> Tensor:
        """Return P, ``(d, n or 1, h)``."""
        return first.weight.t().unsqueeze(1) if index == 0 else self.before[index].rest

    # ---- backward

    def differentiate(
        self, gradients: Mapping[str, Tensor], points: Tensor, maps: Sequence[Affine], sums: Sequence[Affine]
    ) -> Tensor:
        """Add the gradient by the maps to ``sums``; see :class:`Sweep`.

        Returns:
            The gradient by the phases of the first sine.
        """
        self._rise(gradients, maps, sums)
        return self._fall(gradients.get("value"), points, maps, sums)

    def _rise(self, gradients: Mapping[str, Tensor], maps: Sequence[Affine], sums: Sequence[Affine]) -> None:
        """Go up the layers, back through what came down."""
        rising = self.rising[0]
        if "jacobian" in gradients:
            jacobian = gradients["jacobian"].permute(1, 0, 2).reshape(-1, self.shape.inputs)
            torch.mm(jacobian, maps[0].weight.t(), out=rising.flat)
            sums[0].weight.addmm_(self.below[0].flat.t(), jacobian)
        else:
            rising.all.zero_()
        curvature = self._curvature(gradients)
        for index, turn in enumerate(self.turns):
            rising, adjoint = self.rising[index], self._adjoint(index, maps)
            if index > 0:
                factor = self.factor(self.rising[index - 1].flat)
                self.back(factor, maps[index].weight.t(), out=rising.flat)
                self.add(sums[index].weight, self.factor(self.below[index].flat, 1), factor)
            cosine = self.before[index].value
            if self.tangents:
                slopes, sine, scratch = self._slopes(index, maps[0]), self.after[index].value, self.scratch[index]
                self.run(
                    stages.rise_bent,
                    rising.all, adjoint, cosine, turn, sine, slopes, curvature, self.bends[index].all, scratch,
                )  # fmt: skip
            else:
                self.run(stages.rise, rising.all, adjoint, cosine, turn)
        sums[-1].weight.add_(rising.all.sum(1))

    def _curvature(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Return H̄_ij + H̄_ji as ``(c, d, d, n, 1)``."""
        inputs = self.shape.inputs
        total = self._like.new_zeros(self.count, self.shape.outputs, inputs, inputs)
        if "hessian" in gradients:
            total += gradients["hessian"]
        if "laplacian" in gradients:
            total.diagonal(dim1=2, dim2=3).add_(gradients["laplacian"].unsqueeze(-1))
        return (total + total.mT).permute(1, 2, 3, 0).contiguous().unsqueeze(-1)

    def _fall(self, gradient: Tensor | None, points: Tensor, maps: Sequence[Affine], sums: Sequence[Affine]) -> Tensor:
        """Return the gradient by the first phases, going down the layers, back through what went up."""
        falling, top = self.falling[-1], len(self.after) - 1
        if gradient is None:
            falling.value.zero_()
        else:
            torch.mm(gradient, maps[-1].weight, out=falling.value)
            sums[-1].weight.addmm_(gradient.t(), self.after[-1].value)
            sums[-1].bias.add_(gradient.sum(0))
        for index in range(top, -1, -1):
            falling, turn = self.falling[index], self.turns[index]
            cosine, sine = self.before[index].value, self.after[index].value
            if index < top:
                factor = self.factor(self.falling[index + 1].flat)
                self.back(factor, maps[index + 1].weight, out=falling.flat)
                self.add(sums[index + 1].weight, factor, self.factor(self.after[index].flat, 1))
            if self.tangents:
                slopes = self._slopes(index, maps[0]) if index < top else None
                bends = self.bends[index].all
                self.run(stages.fall_bent, falling.value, falling.rest, cosine, sine, turn, slopes, bends)
            else:
                self.run(stages.fall, falling.value, cosine, sine, turn)
            sums[index].bias.add_(falling.value.sum(0))
        sums[0].weight.addmm_(falling.value.t(), points)
        if self.tangents:
            sums[0].weight.add_(falling.rest.sum(1).t())
        return falling.value
