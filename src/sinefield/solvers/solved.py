"""Which columns of last maps are solved for, and what solving for them by orthogonal factors gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.solvers.last_layer import LastLayer
from sinefield.solvers.orthogonal import OrthogonalFactors
from sinefield.solvers.sine_layers import SineLayer

_COMPLEX = 1e-12  # of the entries of a matrix: rounding


@final
@dataclass(frozen=True, eq=False)
class Solved:
    """The last maps, their columns that are solved for, and the factors of the matrix that these make.

    With real and imaginary parts in turn, rows and outputs of an equation that is linear over the complex numbers are

        ( Re A  −Im A )
        ( Im A   Re A )

    and A takes half the work. Whether the matrix is of this form is seen by looking.

    Args:
        linear: the last maps.
        used: the columns.
        blocks: of each last map how many outputs it has, and how many columns each of them.
        factors: None: there are fewer rows than columns.
    """

    linear: LastLayer
    used: Tensor
    blocks: Sequence[tuple[int, int]]
    factors: OrthogonalFactors | None

    @classmethod
    def of(
        cls, linear: LastLayer, used: Tensor, blocks: Sequence[tuple[int, int]], matrix: Tensor, right: Tensor
    ) -> tuple[Solved, Tensor, float]:
        """Return the factors of a matrix ``(m, p)``, which is overwritten, the solution and the residual it leaves."""
        halved = _complex_matrix(matrix, blocks)
        if len(matrix) < matrix.shape[1]:  # too few points for any layer: the shortest solution
            shortest: Tensor = torch.linalg.lstsq(matrix, right[:, None], driver="gelsd").solution[:, 0]
            solved = cls(linear, used, blocks, None)
            return solved, solved._expanded(shortest), 0.0
        factors = OrthogonalFactors.of(matrix if halved is None else halved)
        found, left = factors.solve(right if halved is None else torch.complex(right[::2], right[1::2]))
        solved = cls(linear, used, blocks, factors)
        return solved, solved._expanded(found), left

    def weakest(self, values: Tensor) -> Tensor | None:
        """Return coefficients that the matrix sees least beside values ``(n, p)``; None: that is not known."""
        used: Tensor | None = values[:, self.used]
        if self.factors is None or used is None:
            return None
        if self.factors.reflections.is_complex():
            used = _complex_matrix(used, self.blocks)
        return None if used is None else self._expanded(self.factors.weakest(used))

    def _expanded(self, found: Tensor) -> Tensor:
        """Return coefficients of all columns, 0 of those that were not used."""
        if found.is_complex():
            parts = found.split([outputs // 2 * columns for outputs, columns in self.blocks])
            pairs = [part.view(outputs // 2, -1) for part, (outputs, _) in zip(parts, self.blocks, strict=True)]
            found = torch.cat([torch.stack([each.real, each.imag], 1).flatten() for each in pairs])
        whole = found.new_zeros(self.linear.jacobian.shape[1])
        whole[self.used] = found
        return whole


def _complex_matrix(matrix: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor | None:
    """Return A of a matrix as :class:`Solved` describes; None: it is not of this form."""
    if len(matrix) % 2 or any(outputs % 2 for outputs, _ in blocks):
        return None
    parts, start = [], 0
    for outputs, columns in blocks:
        block = matrix[:, start : start + outputs * columns].view(len(matrix) // 2, 2, outputs // 2, 2, columns)
        real, imaginary = block[:, 0, :, 0], block[:, 1, :, 0]
        size = _COMPLEX * float(block[:, :, :, 0].abs().max())
        if (real - block[:, 1, :, 1]).abs().max() > size or (imaginary + block[:, 0, :, 1]).abs().max() > size:
            return None
        parts.append(torch.complex(real, imaginary).flatten(1))
        start += outputs * columns
    return torch.cat(parts, 1)


def used_columns(
    linear: LastLayer, count: int, layers: Sequence[SineLayer]
) -> tuple[Tensor, Sequence[tuple[int, int]]]:
    """Return the columns of the first features of each sine layer and output, of other maps, and of the biases.

    Returns:
        the columns; and of each map how many outputs it has, and how many of the columns each.
    """
    used, blocks, start = [], [], 0
    sines = {id(each.last.weight) for each in layers if not each.stays}
    for each in linear.maps:
        outputs, features = each.weight.shape
        wide = features + (each.bias is not None)
        some = min(count, features) if id(each.weight) in sines else features
        for output in range(outputs):
            begin = start + output * wide
            used += [*range(begin, begin + some), *range(begin + features, begin + wide)]
        start += outputs * wide
        blocks.append((outputs, some + wide - features))
    return torch.tensor(used), blocks
