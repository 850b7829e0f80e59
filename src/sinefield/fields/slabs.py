"""A field in slabs: one field for each interval of an axis, such as time."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.compose import Composite, Evaluate, sizes_of
from sinefield.fields.derivatives import Derivative


@final
class Slabs(Composite):
    """Φ(x) = Φ_k(x) where e_k < x_i ≤ e_{k+1}; before the first edge Φ_0, after the last one the last field.

    Args:
        fields: Φ_0, Φ_1, …
        edges: e_0 < e_1 < …, one more than there are fields.
        axis: i.

    Raises:
        ValueError: edges that do not rise, or not one more than fields.

    >>> from sinefield.fields.compose import Formula
    >>> early, late = (Formula(lambda x, k=k: k + 0 * x, 1, 1) for k in (1, 2))
    >>> Slabs([early, late], [0.0, 0.5, 1.0])(torch.tensor([[0.2], [0.5], [0.7]])).flatten().tolist()
    [1.0, 1.0, 2.0]
    """

    chosen_by_points = True  # which fields are evaluated: PyTorch cannot map that over points
    edges: Tensor

    def __init__(self, fields: Sequence[nn.Module], edges: Sequence[float], axis: int = 0) -> None:
        super().__init__()
        if len(edges) != len(fields) + 1 or sorted(set(edges)) != list(edges):
            raise ValueError(f"{len(fields)} slabs have {len(fields) + 1} rising edges, got {list(edges)}")
        self.in_features, self.out_features = sizes_of(*fields)
        self.fields, self.axis = nn.ModuleList(fields), axis
        self.register_buffer("edges", torch.tensor(edges, dtype=torch.float64))

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the fields."""
        return [(each, needs) for each in self.fields]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives of the field that each point is in the slab of."""
        place = torch.bucketize(points.detach()[:, self.axis].contiguous(), self.edges[1:-1].to(points))
        answer: dict[Derivative, Tensor] = {}
        for number in place.unique().tolist() or [0]:
            some = (place == number).nonzero()[:, 0]
            for need, each in evaluate(self.fields[number], points[some], needs).items():
                if need in needs:
                    empty = answer.get(need, each.new_zeros(len(points), *each.shape[1:]))
                    answer[need] = empty.index_copy(0, some, each)
        return answer
