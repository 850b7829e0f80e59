"""The last affine maps of fields: residuals as a linear function of their weights.

With Φ = W φ(x) + b a field is linear in W and b, whatever its features φ are; and so is the residual of a linear
equation. Its Jacobian is the residual's own derivative applied to each feature in turn, so that the features' jets are
computed once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.domains import Samples
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Composite, Evaluate
from sinefield.fields.derivatives import Derivative, Partial
from sinefield.fields.expansion import Expansion
from sinefield.fields.field import Field
from sinefield.linearisation import to_real_rows
from sinefield.objective import Batch, Group, Objective

_LINEAR = 1e-10  # of the residuals: rounding; the mildest nonlinearity is far above
_TOGETHER = 256  # columns that are computed at a time
_PLAIN: Set[Derivative] = {"value", Partial(())}

Answer = Callable[[Affine, nn.Module | Chain, Tensor, Set[Derivative]], Mapping[Derivative, Tensor]]
"""Gives derivatives of a field whose last map is looked for, given that map and what it is the map of."""


@final
@dataclass(frozen=True, eq=False)
class _Leaf:
    """A field that was evaluated: its last map, the derivatives of its features ``(n, k, …)`` and its own."""

    last: Affine
    features: Mapping[Derivative, Tensor]
    values: Mapping[Derivative, Tensor]


@final
class _Through(Composite):
    """A field whose parts with a last map that is looked for are answered by someone else."""

    def __init__(self, whole: nn.Module, answer: Answer) -> None:
        super().__init__()
        self.whole, self.answer = whole, answer
        self.in_features = getattr(whole, "in_features", 0)
        self.out_features = getattr(whole, "out_features", 0)
        self.axes = getattr(whole, "axes", None)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the field."""
        return [(self.whole, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:  # noqa: ARG002 - it evaluates by itself
        """Return the derivatives, those of the parts in question by the answer."""
        return dict(self._evaluate(self.whole, points, needs))

    def _evaluate(self, part: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> Mapping[Derivative, Tensor]:
        if isinstance(part, Expansion):
            return self.answer(part.last, part.columns, points, needs)
        if isinstance(part, Composite):
            return part.derivatives(points, needs, self._evaluate)
        chain = part if isinstance(part, Chain) else part.chain() if isinstance(part, Field) else None
        last = chain.links[-1] if chain is not None else None
        if chain is None or not isinstance(last, Affine) or not isinstance(last.weight, nn.Parameter):
            return kernels.evaluate(part, points, needs)
        return self.answer(last, Chain(chain.links[:-1]), points, needs)


def _features(
    leaves: list[_Leaf], last: Affine, before: nn.Module | Chain, points: Tensor, needs: Set[Derivative]
) -> Mapping[Derivative, Tensor]:
    """Return the derivatives of a last map of features, and note those of the features."""
    with torch.no_grad():
        features = kernels.evaluate(before, points, needs)
        values: dict[Derivative, Tensor] = {}
        for need, each in features.items():
            found = (each.movedim(1, -1) @ last.weight.mT).movedim(-1, 1)
            values[need] = found + last.bias if need in _PLAIN and last.bias is not None else found
    leaves.append(_Leaf(last, features, values))
    return values


@final
@dataclass(frozen=True, eq=False)
class LastLayer:
    """Residuals of an objective, and their Jacobian by the weights and biases of last maps: r(c + δ) ≈ r + J δ.

    Args:
        maps: the last maps, in the order of their columns: of each output in turn the features, then the bias.
        residuals: r, ``(m,)``.
        jacobian: J, ``(m, p)``.
        rows: how many of the rows are of each constraint, by name.
    """

    maps: Sequence[Affine]
    residuals: Tensor
    jacobian: Tensor
    rows: Mapping[str, int]

    @torch.no_grad()
    def assign(self, columns: Tensor) -> None:
        """Set the weights and biases, ``(p,)``."""
        start = 0
        for each in self.maps:
            outputs, features = each.weight.shape
            wide = features + (each.bias is not None)
            block = columns[start : start + outputs * wide].view(outputs, wide)
            each.weight.copy_(block[:, :features])
            if each.bias is not None:
                each.bias.copy_(block[:, features])
            start += outputs * wide


@torch.no_grad()
def is_linear(objective: Objective, batch: Batch) -> bool:
    """Return whether the residuals are affine in the parameters of the last maps, by trying.

    r(a) + r(b) = r(a + b) + r(0) holds for all a and b where they are; random ones tell. Parameters are left as they
    were.

    Args:
        objective: of the residuals.
        batch: a few points are enough.
    """
    linear = linearise_last_layer(objective, batch)
    kept = [(each.weight.clone(), None if each.bias is None else each.bias.clone()) for each in linear.maps]
    generator = torch.Generator().manual_seed(0)
    count = linear.jacobian.shape[1]
    a, b = torch.randn(2, count, generator=generator, dtype=torch.float64).to(linear.jacobian) / count**0.5
    rows = []
    for columns in (a, b, a + b, torch.zeros_like(a)):
        linear.assign(columns)
        rows.append(objective.residuals(batch))
    for each, (weight, bias) in zip(linear.maps, kept, strict=True):
        each.weight.copy_(weight)
        if each.bias is not None and bias is not None:
            each.bias.copy_(bias)
    size = max(float(each.norm()) for each in rows)
    return float((rows[0] + rows[1] - rows[2] - rows[3]).norm()) <= _LINEAR * size


def linearise_last_layer(objective: Objective, batch: Batch) -> LastLayer:
    """Return the residuals of an objective as a function of the last maps of its unknowns.

    Args:
        objective: its unknowns are chains that end in affine maps, or expansions, or are made of such.
        batch: where.

    Raises:
        ValueError: no unknown ends in an affine map with parameters.
    """
    residuals: list[Tensor] = []
    evaluated: list[tuple[list[_Leaf], Callable[..., Tensor], int]] = []
    maps: dict[int, Affine] = {}
    rows: dict[str, int] = {}
    for group, samples in zip(objective.groups, batch.samples, strict=True):
        block = objective.moved(samples)
        leaves: list[_Leaf] = []
        recorded = {name: _Through(each, partial(_features, leaves)) for name, each in objective.unknowns.items()}
        with torch.no_grad():
            found = objective.evaluate_group(group, recorded, block)
            scales = objective.scales(group, found, batch)
        maps |= {id(each.last.weight): each.last for each in leaves}
        parts = [(scale * to_real_rows(each)).flatten() for scale, each in zip(scales, found, strict=True)]
        rows |= {each.constraint.name: len(part) for each, part in zip(group.members, parts, strict=True)}
        residuals += parts
        evaluated.append((leaves, partial(_residuals_of, objective, group, block, scales), sum(map(len, parts))))
    if not maps:
        raise ValueError(
            "least squares needs an unknown that ends in an affine map with parameters, such as a Siren without a "
            "final activation"
        )
    jacobian = [
        torch.cat([_columns(apply, leaves, each, height) for each in maps.values()], 1)
        for leaves, apply, height in evaluated
    ]
    return LastLayer(list(maps.values()), torch.cat(residuals), torch.cat(jacobian), rows)


def _residuals_of(
    objective: Objective,
    group: Group,
    block: Samples,
    scales: Sequence[Tensor],
    given: Sequence[Mapping[Derivative, Tensor]],
) -> Tensor:
    """Return the rows of a group for given derivatives of its chains, in the order that these are evaluated in."""
    left = iter(given)
    stubs = {name: _Through(each, lambda *_asked: next(left)) for name, each in objective.unknowns.items()}
    found = objective.evaluate_group(group, stubs, block)
    return torch.cat([(scale * to_real_rows(each)).flatten() for scale, each in zip(scales, found, strict=True)])


def _columns(apply: Callable[..., Tensor], leaves: Sequence[_Leaf], last: Affine, height: int) -> Tensor:
    """Return the columns ``(height, c (k + 1))`` of a last map; zeros where it was not evaluated."""
    primal = [dict(each.values) for each in leaves]
    own = [each.last.weight is last.weight for each in leaves]
    if not any(own):
        return last.weight.new_zeros(height, last.weight.numel() + (0 if last.bias is None else last.out_features))
    columns = []
    for output in range(last.out_features):
        unit = torch.zeros(last.out_features).to(last.weight)
        unit[output] = 1.0

        def of_column(features: Sequence[Mapping[Derivative, Tensor]], unit: Tensor = unit) -> Tensor:
            tangents = [
                {
                    need: _in_output(features[place][need], unit) if mine else torch.zeros_like(each)
                    for need, each in primal[place].items()
                }
                for place, mine in enumerate(own)
            ]
            found: Tensor = torch.func.jvp(apply, (primal,), (tangents,))[1]
            return found

        stacked = [
            {need: _with_bias(each, need, last).movedim(1, 0) for need, each in leaf.features.items()} if mine else {}
            for leaf, mine in zip(leaves, own, strict=True)
        ]
        mapped = torch.func.vmap(of_column, chunk_size=_TOGETHER)(stacked)
        columns.append(mapped.mT)
    return torch.cat(columns, 1)


def _with_bias(features: Tensor, need: Derivative, last: Affine) -> Tensor:
    """Return derivatives of features with that of the constant 1 after them, if the map has a bias."""
    if last.bias is None:
        return features
    constant = torch.full_like(features[:, :1], 1.0 if need in _PLAIN else 0.0)
    return torch.cat([features, constant], 1)


def _in_output(feature: Tensor, unit: Tensor) -> Tensor:
    """Return derivatives ``(n, …)`` of one feature as those ``(n, c, …)`` of a field whose other outputs are 0."""
    return feature.unsqueeze(1) * unit.view(-1, *[1] * (feature.ndim - 1))
