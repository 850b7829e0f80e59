"""Jets of chains by forward-mode Taylor series: derivatives ride through the links beside the value.

The series of a point is its value v and those derivatives v_α = ∂^α v that are asked for, with all that these are made
of; α is a list of axes. All of them are rows of one matrix product at an affine map. At a pointwise function σ

    v ← σ(v)        v_α ← Σ_π σ^(|π|)(v) Π_{B ∈ π} v_B        (Faà di Bruno; π the partitions of α into blocks B)

so that ∂_i v ← σ' v_i and ∂_ij v ← σ'' v_i v_j + σ' v_ij; a Laplacian Δ = Σ_i ∂_ii is one row by itself,

    Δ ← σ''(v) Σ_i v_i² + σ'(v) Δ

which costs d + 2 rows, not d(d+1)/2 + d + 1. sin and cos are computed once for all rows. The operations are ordinary
tensor operations: the result can be differentiated again, as often as needed, and goes through ``torch.func``.

Sources: the collapsed Laplacian, Li et al., "Forward Laplacian", 2023, arXiv 2307.08214, section 3; series of higher
order, Bettencourt, Johnson, Duvenaud, "Taylor-mode automatic differentiation for higher-order derivatives", 2019.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import torch
from torch import Tensor

from sinefield.fields.chain import Affine, Chain, Dropped, Link, SquaredDistances
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial, highest_order

Axes = tuple[int, ...]
Key = Axes | LaplacianAlong
"""Of a row: the axes of a derivative, none of them for the value; or those of a Laplacian."""

Series = Mapping[Key, Tensor]
"""Rows ``(…, n, h)`` by what they are. Where a row is the same at all points it has a 1 in place of n; one that is not
there is zero. So are the derivatives of the points themselves and of the first affine map kept."""


def supports(chain: Chain) -> bool:  # noqa: ARG001 - every kernel says which chains it takes
    """Return that all chains are supported."""
    return True


def evaluate(
    chain: Chain,
    points: Tensor,
    needs: Set[Derivative],
    affine: Callable[[Affine, Series], Series] | None = None,
) -> dict[Derivative, Tensor]:
    """Return the derivatives ``needs`` of a chain at ``points``; see :mod:`sinefield.kernels` for shapes.

    Args:
        chain: which.
        points: where.
        needs: which derivatives.
        affine: what is done at affine maps, to look at the rows there; None: :func:`push_affine`.
    """
    dimension = points.shape[-1]
    keys = rows_for(needs, dimension)
    identity = torch.eye(dimension, dtype=points.dtype, device=points.device)
    series: Series = {key: identity[key[0]].unsqueeze(0) for key in keys if isinstance(key, tuple) and len(key) == 1}
    series = {(): points, **series}
    order = highest_order(needs)
    for link in chain.links:
        if affine is not None and isinstance(link, Affine):
            series = affine(link, series)
        else:
            series = _push(link, series, keys, order)
    return assembled(series, needs, dimension)


@functools.cache
def _rows_for(needs: frozenset[Derivative], dimension: int) -> tuple[Key, ...]:
    found: dict[Key, None] = {(): None}
    for need in needs:
        match need:
            case Partial():
                wanted: list[Key] = list(_parts(need.axes))
            case LaplacianAlong():
                wanted = [*((i,) for i in need.axes), need]
            case "jacobian":
                wanted = [(i,) for i in range(dimension)]
            case "hessian":
                pairs = itertools.combinations_with_replacement(range(dimension), 2)
                wanted = [*((i,) for i in range(dimension)), *pairs]
            case "laplacian":
                every = tuple(range(dimension))
                wanted = [*((i,) for i in every)]
                # The trace of a Hessian that is there anyway costs nothing.
                wanted += [] if "hessian" in needs else [LaplacianAlong(every)]
            case _:
                wanted = []
        found |= dict.fromkeys(wanted)
    return tuple(sorted(found, key=lambda key: (not isinstance(key, tuple), len(_axes(key)), _axes(key))))


def rows_for(needs: Set[Derivative], dimension: int) -> tuple[Key, ...]:
    """Return which rows are carried for some derivatives, the value first and lower orders before higher ones.

    >>> rows_for({Partial((0, 0, 1))}, 2)
    ((), (0,), (1,), (0, 0), (0, 1), (0, 0, 1))
    """
    return _rows_for(frozenset(needs), dimension)


def assembled(series: Series, needs: Set[Derivative], dimension: int) -> dict[Derivative, Tensor]:
    """Return derivatives put together from the rows of a series of d coordinates, its value among them."""
    value = series[()]

    def row(key: Key) -> Tensor:
        return series[key].expand_as(value) if key in series else torch.zeros_like(value)

    answer: dict[Derivative, Tensor] = {}
    axes = range(dimension)
    for need in needs:
        match need:
            case "value":
                answer[need] = value
            case "jacobian":
                answer[need] = torch.stack([row((i,)) for i in axes], dim=-1)
            case "hessian":
                rows = [torch.stack([row((min(i, j), max(i, j))) for j in axes], dim=-1) for i in axes]
                answer[need] = torch.stack(rows, dim=-2)
            case "laplacian":
                every = LaplacianAlong(tuple(axes))
                traced = "hessian" in needs
                answer[need] = torch.stack([row((i, i)) for i in axes]).sum(0) if traced else row(every)
            case Partial():
                answer[need] = row(need.axes)
            case LaplacianAlong():
                answer[need] = row(need)
    return answer


def _axes(key: Key) -> Axes:
    return key if isinstance(key, tuple) else key.axes


def _parts(axes: Axes) -> Iterator[Axes]:
    """Yield every derivative that this one is made of, itself included."""
    for size in range(1, len(axes) + 1):
        yield from dict.fromkeys(itertools.combinations(axes, size))


@functools.cache
def _partitions(axes: Axes) -> Sequence[tuple[int, tuple[Axes, ...]]]:
    """Return how often each list of blocks occurs among the partitions of a list of axes.

    >>> _partitions((0, 0, 1))
    [(1, ((0, 0, 1),)), (1, ((0, 0), (1,))), (2, ((0,), (0, 1))), (1, ((0,), (0,), (1,)))]
    """
    found: list[list[list[int]]] = [[]]
    for position in range(len(axes)):
        found = [
            extended
            for blocks in found
            for extended in (
                *([*blocks[:k], [*blocks[k], position], *blocks[k + 1 :]] for k in range(len(blocks))),
                [*blocks, [position]],
            )
        ]
    counted = Counter(tuple(sorted(tuple(axes[k] for k in block) for block in blocks)) for blocks in found)
    return [(count, blocks) for blocks, count in sorted(counted.items(), key=lambda item: len(item[0]))]


def _push(link: Link, series: Series, keys: Sequence[Key], order: int) -> Series:
    match link:
        case Affine():
            return push_affine(link, series)
        case Dropped():
            mask = link(torch.ones_like(series[()]))
            return {key: mask * row for key, row in series.items()}
        case SquaredDistances():
            return _push_squared_distances(link, series, keys)
    derivatives = link.derivatives(series[()], order)
    pushed: dict[Key, Tensor] = {(): derivatives[0]}
    for key in keys:
        if key != () and (row := _chain_rule(derivatives, series, key)) is not None:
            pushed[key] = row
    return pushed


def push_affine(link: Affine, series: Series) -> Series:
    """Return W v + b and W v_α, as one matrix product."""
    if len(series) == 1:
        return {(): link(series[()])}
    value = series[()]
    batch = value.shape[:-2]
    stacked = torch.cat([row.expand(*batch, *row.shape[-2:]) for row in series.values()], dim=-2)
    rows = Affine(link.weight)(stacked).split([row.shape[-2] for row in series.values()], dim=-2)
    pushed: dict[Key, Tensor] = dict(zip(series, rows, strict=True))
    if link.bias is not None:
        bias = link.bias if link.bias.ndim == 1 else link.bias.unsqueeze(-2)
        pushed[()] = pushed[()] + bias
    return pushed


def _chain_rule(derivatives: Sequence[Tensor], series: Series, key: Key) -> Tensor | None:
    """Return a row after a pointwise function whose value and derivatives are given; None: it is zero."""
    total: Tensor | None = None
    if isinstance(key, LaplacianAlong):
        bend = _sum([series[i,].square() for i in key.axes if (i,) in series])
        total = None if bend is None else derivatives[2] * bend
        return _sum([total, derivatives[1] * series[key] if key in series else None])
    for count, blocks in _partitions(key):
        if all(block in series for block in blocks):
            term = derivatives[len(blocks)] * count if count > 1 else derivatives[len(blocks)]
            for block in blocks:
                term = term * series[block]
            total = term if total is None else total + term
    return total


def _push_squared_distances(link: SquaredDistances, series: Series, keys: Sequence[Key]) -> Series:
    """Return q, and of each row Dq[v_α] and D²q[v_B, v_C] for α in two blocks B and C: third derivatives are zero."""
    pushed: dict[Key, Tensor] = {(): link(series[()])}
    for key in keys:
        if key == ():
            continue
        terms = [link.differential(series[()], series[key])] if key in series else []
        if isinstance(key, LaplacianAlong):
            terms += [link.second_differential(series[i,], series[i,]) for i in key.axes if (i,) in series]
        else:
            terms += [
                count * link.second_differential(*(series[block] for block in blocks))
                for count, blocks in _partitions(key)
                if len(blocks) == 2 and all(block in series for block in blocks)
            ]
        if (total := _sum(terms)) is not None:
            pushed[key] = total
    return pushed


def _sum(terms: Sequence[Tensor | None]) -> Tensor | None:
    """Return the sum of those that are there; None: there are none."""
    total: Tensor | None = None
    for each in terms:
        if each is not None:
            total = each if total is None else total + each
    return total
