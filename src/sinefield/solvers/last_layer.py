"""The last affine maps of fields: residuals as a linear function of their weights.

With Φ = W φ(x) + b a field is linear in W and b, whatever its features φ are; and so is the residual of a linear
equation. Its Jacobian is the residual's own derivative applied to each feature in turn, so that the features' jets are
computed once for all of them.
"""

from __future__ import annotations

import itertools
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
_TOGETHER = 2**19  # entries of a block of features: of the size of a cache
_LEAST = 64  # points of a block
_PLAIN: Set[Derivative] = {"value", Partial(())}

Answer = Callable[[Affine, nn.Module | Chain, Tensor, Set[Derivative]], Mapping[Derivative, Tensor]]
"""Gives derivatives of a field whose last map is looked for, given that map and what it is the map of."""


Around = Mapping[Tensor, nn.Module]
"""Fields that residuals are linearised around in place of networks as they are, by the weights of their last maps."""


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
        if isinstance(part, Expansion) and part.weight.requires_grad:
            return self.answer(part.last, part.columns, points, needs)
        if isinstance(part, Composite):
            return part.derivatives(points, needs, self._evaluate)
        chain = part if isinstance(part, Chain) else part.chain() if isinstance(part, Field) else None
        last = chain.links[-1] if chain is not None else None
        known = isinstance(last, Affine) and isinstance(last.weight, nn.Parameter) and last.weight.requires_grad
        if chain is None or not isinstance(last, Affine) or not known:
            return kernels.evaluate(part, points, needs)
        return self.answer(last, Chain(chain.links[:-1]), points, needs)


def _features(
    leaves: list[_Leaf],
    around: Around,
    last: Affine,
    before: nn.Module | Chain,
    points: Tensor,
    needs: Set[Derivative],
) -> Mapping[Derivative, Tensor]:
    """Return the derivatives of a last map of features, or of the field in its place; note those of the features."""
    with torch.no_grad():
        features = kernels.evaluate(before, points, needs)
        if last.weight in around:
            values = dict(kernels.evaluate(around[last.weight], points, needs))
        else:
            values = {need: (each.movedim(1, -1) @ last.weight.mT).movedim(-1, 1) for need, each in features.items()}
            if last.bias is not None:
                values |= {need: values[need] + last.bias for need in values.keys() & _PLAIN}
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
        images: J c for the coefficients c of the field that residuals are linearised around, ``(m,)``; it may be
            another field, which none of these maps has coefficients for.
    """

    maps: Sequence[Affine]
    residuals: Tensor
    jacobian: Tensor
    rows: Mapping[str, int]
    images: Tensor

    @torch.no_grad()
    def columns(self) -> Tensor:
        """Return the weights and biases as they are, ``(p,)``."""
        parts = [
            each.weight if each.bias is None else torch.cat([each.weight, each.bias[:, None]], 1) for each in self.maps
        ]
        return torch.cat([each.flatten() for each in parts])

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


def linearise_last_layer(objective: Objective, batch: Batch, around: Around | None = None) -> LastLayer:
    """Return the residuals of an objective as a function of the last maps of its unknowns.

    Args:
        objective: its unknowns are chains that end in affine maps, or expansions, or are made of such.
        batch: where.
        around: fields in place of networks, such as networks with other features, that residuals are those of.

    Raises:
        ValueError: no unknown ends in an affine map with parameters.
    """
    maps, shapes = _maps_and_shapes(objective, batch)
    if not maps:
        raise ValueError(
            "least squares needs an unknown that ends in an affine map with parameters, such as a Siren without a "
            "final activation"
        )
    counts = {name: len(samples.points) * width for (name, width), samples in shapes}
    residuals, images = maps[0].weight.new_zeros(2, sum(counts.values()))
    jacobian = maps[0].weight.new_zeros(len(residuals), sum(map(_size, maps)))
    places = dict(zip(counts, itertools.accumulate((0, *counts.values())), strict=False))
    together = max(_LEAST, _TOGETHER // max(each.weight.shape[1] for each in maps))
    for group, samples in zip(objective.groups, batch.samples, strict=True):
        count, granule = len(samples.points), group.domain.granule
        for start in range(0, count, max(granule, together // granule * granule)):
            block = objective.moved(samples.rows(start, start + max(granule, together // granule * granule)))
            leaves, parts, scales = _evaluated(objective, group, block, batch, around or {})
            share = (len(block.points) / count) ** 0.5  # norms are averages over all points
            starts = [
                places[each.constraint.name] + start * part.shape[1]
                for each, part in zip(group.members, parts, strict=True)
            ]
            places_of = [slice(first, first + part.numel()) for first, part in zip(starts, parts, strict=True)]
            for place, part in zip(places_of, parts, strict=True):
                residuals[place] = share * part.flatten()
            apply = partial(_residuals_of, objective, group, block, [share * each for each in scales])
            rows, seen = (
                [whole[place].unflatten(0, part.shape) for place, part in zip(places_of, parts, strict=True)]
                for whole in (jacobian, images)
            )
            _fill(rows, seen, maps, leaves, apply)
    return LastLayer(maps, residuals, jacobian, counts, images)


@torch.no_grad()
def linearise_values(maps: Sequence[Affine], unknown: nn.Module, group: Group, name: str, block: Samples) -> Tensor:
    """Return the values ``(n c, p)`` of an unknown at points of a group as linear functions of the last maps."""
    leaves: list[_Leaf] = []
    values = group.jets({name: _Through(unknown, partial(_features, leaves, {}))}, block.points)[name].value

    def apply(given: Sequence[Mapping[Derivative, Tensor]]) -> list[Tensor]:
        left = iter(given)
        stub = _Through(unknown, lambda *_: next(left))
        return [group.jets({name: stub}, block.points)[name].value]

    rows = values.new_zeros(*values.shape, sum(map(_size, maps)))
    _fill([rows], [torch.zeros_like(values)], maps, leaves, apply)
    return rows.flatten(0, 1)


def _maps_and_shapes(objective: Objective, batch: Batch) -> tuple[list[Affine], list[tuple[tuple[str, int], Samples]]]:
    """Return the last maps that residuals depend on; and each constraint's name, width and samples."""
    maps: dict[int, Affine] = {}
    shapes = []
    for group, samples in zip(objective.groups, batch.samples, strict=True):
        leaves, parts, _ = _evaluated(
            objective, group, objective.moved(samples.rows(0, group.domain.granule)), batch, {}
        )
        maps |= {id(each.last.weight): each.last for each in leaves}
        pairs = zip(group.members, parts, strict=True)
        shapes += [((each.constraint.name, part.shape[1]), samples) for each, part in pairs]
    return list(maps.values()), shapes


@torch.no_grad()
def _evaluated(
    objective: Objective, group: Group, block: Samples, batch: Batch, around: Around
) -> tuple[list[_Leaf], list[Tensor], list[Tensor]]:
    """Return the chains of a group that were evaluated, the rows ``(n, k)`` of its constraints and their scales."""
    leaves: list[_Leaf] = []
    recorded = {name: _Through(each, partial(_features, leaves, around)) for name, each in objective.unknowns.items()}
    found = objective.evaluate_group(group, recorded, block)
    scales = objective.scales(group, found, batch)
    return leaves, [scale * to_real_rows(each) for scale, each in zip(scales, found, strict=True)], scales


def _residuals_of(
    objective: Objective,
    group: Group,
    block: Samples,
    scales: Sequence[Tensor],
    given: Sequence[Mapping[Derivative, Tensor]],
) -> tuple[Tensor, ...]:
    """Return the rows ``(n, k)`` of each constraint of a group for given derivatives of its chains, in their order."""
    left = iter(given)
    stubs = {name: _Through(each, lambda *_asked: next(left)) for name, each in objective.unknowns.items()}
    found = objective.evaluate_group(group, stubs, block)
    return tuple(scale * to_real_rows(each) for scale, each in zip(scales, found, strict=True))


def _fill(
    rows: Sequence[Tensor],
    images: Sequence[Tensor],
    maps: Sequence[Affine],
    leaves: Sequence[_Leaf],
    apply: Callable[..., Sequence[Tensor]],
) -> None:
    """Set the rows ``(n, k, p)`` of each constraint of a group in the Jacobian, which are 0 so far, and their images.

    A residual is a function of the derivatives of its chains at its own point, r(x, Φ, ∂_αΦ, …). So the column of
    feature j is Σ_α ∂r/∂(∂_αΦ) ∂_αφ_j: the factors, one for each derivative and output, are the same for all features.
    """
    starts = dict(zip((id(each.weight) for each in maps), itertools.accumulate((0, *map(_size, maps))), strict=False))
    with torch.enable_grad():
        given = [{need: each.clone().requires_grad_() for need, each in leaf.values.items()} for leaf in leaves]
        found = apply(given)
        keys = [(place, need) for place, one in enumerate(given) for need in one]
        inputs = [given[place][need] for place, need in keys]
        for table, image, residual in zip(rows, images, found, strict=True):
            for entry in range(residual.shape[1] if residual.requires_grad else 0):
                total = residual[:, entry].sum()  # whose derivatives at a point are those of its own residual
                factors = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
                for (place, need), factor in zip(keys, factors, strict=True):
                    if factor is not None:
                        first = starts[id(leaves[place].last.weight)]
                        _add(table[:, entry, first:], leaves[place], need, factor)
                        image[:, entry] += (factor * leaves[place].values[need]).flatten(1).sum(1)


@torch.no_grad()
def _add(rows: Tensor, leaf: _Leaf, need: Derivative, factor: Tensor) -> None:
    """Add to the columns of a last map what one derivative, of all outputs, gives them."""
    features = leaf.features[need].flatten(2) if leaf.features[need].ndim > 2 else leaf.features[need].unsqueeze(2)
    factor = factor.flatten(2) if factor.ndim > 2 else factor.unsqueeze(2)
    for output in range(factor.shape[1]):
        first = output * _width(leaf.last)
        stop = first + features.shape[1]
        for component in range(factor.shape[2]):
            each = factor[:, output, component]
            if bool(each.any()):
                rows[:, first:stop].addcmul_(each[:, None], features[..., component])
                if leaf.last.bias is not None and need in _PLAIN:
                    rows[:, stop] += each


def _width(last: Affine) -> int:
    """Return how many columns each output of a last map has."""
    return last.weight.shape[1] + (last.bias is not None)


def _size(last: Affine) -> int:
    return last.out_features * _width(last)
