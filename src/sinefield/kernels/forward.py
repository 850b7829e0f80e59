"""Jets by forward-mode Taylor series: derivatives ride through the layers beside the value.

At each layer the series of a point is its value v, its first derivatives J_i = ∂v/∂x_i, and either the
Laplacian Σ_i ∂²v/∂x_i² or every second derivative S_ij = ∂²v/∂x_i∂x_j, i ≤ j. All of them are rows of one
matrix product at an affine layer; at an activation σ

    v ← σ(v)    J_i ← σ'(v) J_i    S_ij ← σ''(v) J_i J_j + σ'(v) S_ij    Δ ← σ''(v) Σ_i J_i² + σ'(v) Δ

so that sin and cos are computed once and a Laplacian costs d + 2 rows, not d(d+1)/2 + d + 1. The operations
are ordinary tensor operations: the result can be differentiated again, as often as needed.

Source of the collapsed Laplacian: Li et al., "Forward Laplacian", 2023, arXiv 2307.08214, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sinefield.networks import Perceptron, Pointwise, SquaredDistance
from sinefield.siren import Sine, Siren


@dataclass(frozen=True)
class _Series:
    """A truncated Taylor series in x at n points, of h features.

    Rows that are the same at every point are kept once (a 1 in place of n): so are the derivatives of the
    input and of the first affine layer. ``second is None`` stands for second derivatives that are zero.
    """

    value: Tensor  # (n, h)
    first: Tensor | None  # (d, n or 1, h)
    second: Tensor | None  # (1, n or 1, h) the Laplacian, or (d(d+1)/2, n or 1, h)
    pairs: tuple[tuple[int, int], ...]  # the (i, j) of the rows of `second`; empty for the Laplacian


def supports(field: nn.Module) -> bool:
    """Return whether ``field`` is a sequence of layers, and nothing more, that series can be carried through."""
    if type(field).forward not in (Siren.forward, Perceptron.forward):
        return False
    return all(
        type(layer).forward is nn.Linear.forward or isinstance(layer, nn.Dropout | SquaredDistance | Pointwise)
        for layer in layers_of(field)
    )


def layers_of(field: nn.Module) -> nn.Sequential:
    """Return the layers of one of our networks.

    Raises:
        TypeError: they are no sequence.
    """
    layers = field.layers
    if not isinstance(layers, nn.Sequential):
        raise TypeError(f"the layers of a {type(field).__name__} are no nn.Sequential")
    return layers


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes."""
    series, order = _start(points, needs)
    for layer in layers_of(field):
        series = _push(layer, series, order)
    return _answer(series, needs, *points.shape)


def of_siren(
    points: Tensor, maps: Sequence[tuple[Tensor, Tensor]], omegas: Sequence[float], needs: Set[str]
) -> dict[str, Tensor]:
    """Return the same of sin(ω (W x + b)) for each of ``maps`` in turn but the last, which no sine follows."""
    series, order = _start(points, needs)
    *hidden, last = zip(maps, omegas, strict=True)
    for (weight, bias), omega in hidden:
        series = _push(Sine(omega), _push_affine(weight, bias, series), order)
    return _answer(_push_affine(*last[0], series), needs, *points.shape)


def _start(points: Tensor, needs: Set[str]) -> tuple[_Series, int]:
    """Return the series of x itself, and the order that is needed."""
    dimension = points.shape[1]
    order = 2 if needs & {"laplacian", "hessian"} else 1 if "jacobian" in needs else 0
    pairs = tuple((i, j) for i in range(dimension) for j in range(i, dimension)) if "hessian" in needs else ()
    first = torch.eye(dimension, dtype=points.dtype, device=points.device).unsqueeze(1) if order else None  # (d, 1, d)
    return _Series(points, first, None, pairs), order


def _push(layer: nn.Module, series: _Series, order: int) -> _Series:
    match layer:
        case nn.Linear():
            return _push_affine(layer.weight, layer.bias, series)
        case nn.Dropout():
            mask = layer(torch.ones_like(series.value))
            return _chain(series, series.value * mask, mask, None)
        case SquaredDistance():
            return _push_squared_distance(layer, series, order)
        case Pointwise():
            return _chain(series, *_padded(layer.derivatives(series.value, order)))
    raise TypeError(f"no rule carries a jet through {type(layer).__name__}")


def _padded(derivatives: tuple[Tensor, ...]) -> tuple[Tensor, Tensor | None, Tensor | None]:
    value, slope, curvature = (*derivatives, None, None)[:3]
    return value, slope, curvature  # type: ignore[return-value]  # the first is always there


def _push_affine(weight: Tensor, bias: Tensor | None, series: _Series) -> _Series:
    """Return W v + b, W J_i, W S_ij, as one matrix product."""
    parts = [part for part in (series.first, series.second) if part is not None]
    stacked = torch.cat([series.value, *(part.flatten(0, 1) for part in parts)]) if parts else series.value
    if not parts:
        return _Series(nn.functional.linear(stacked, weight, bias), None, None, series.pairs)
    rows = nn.functional.linear(stacked, weight)
    pieces = rows.split([len(series.value), *(part.shape[0] * part.shape[1] for part in parts)])
    value = pieces[0] if bias is None else pieces[0] + bias
    first, second = (
        None if part is None else piece.unflatten(0, part.shape[:2])
        for part, piece in zip((series.first, series.second), (*pieces[1:], None)[:2], strict=True)
    )
    return _Series(value, first, second, series.pairs)


def _chain(series: _Series, value: Tensor, slope: Tensor | None, curvature: Tensor | None) -> _Series:
    """Return the series after a pointwise map whose value and derivatives at it are given: the chain rule."""
    first = None if series.first is None or slope is None else slope * series.first
    second = None if series.second is None or slope is None else slope * series.second
    if curvature is not None and series.first is not None:
        bend = curvature * _products(series.first, series.first, series.pairs)
        second = bend if second is None else second + bend
    return _Series(value, first, second, series.pairs)


def _products(left: Tensor, right: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """Return Σ_i l_i r_i as ``(1, n, h)``, or l_i r_j for each pair as ``(p, n, h)``."""
    if not pairs:
        return (left * right).sum(0, keepdim=True)
    rows, columns = zip(*pairs, strict=True)
    return left[list(rows)] * right[list(columns)]


def _push_squared_distance(layer: SquaredDistance, series: _Series, order: int) -> _Series:
    """Return q, Dq[J_i], and Dq[S_ij] + D²q[J_i, J_j]."""
    first = None if series.first is None else layer.differential(series.value, series.first)
    second = None if series.second is None else layer.differential(series.value, series.second)
    if order == 2 and series.first is not None:
        if series.pairs:
            rows, columns = (list(index) for index in zip(*series.pairs, strict=True))
            bend = layer.second_differential(series.first[rows], series.first[columns])
        else:
            bend = layer.second_differential(series.first, series.first).sum(0, keepdim=True)
        second = bend if second is None else second + bend
    return _Series(layer(series.value), first, second, series.pairs)


def _answer(series: _Series, needs: Set[str], count: int, dimension: int) -> dict[str, Tensor]:
    outputs = series.value.shape[1]
    answer = {"value": series.value}
    if series.first is not None:
        answer["jacobian"] = series.first.expand(dimension, count, outputs).permute(1, 2, 0)
    if needs & {"laplacian", "hessian"}:
        rows = max(len(series.pairs), 1)
        second = series.value.new_zeros(rows, 1, outputs) if series.second is None else series.second
        second = second.expand(rows, count, outputs)
        if series.pairs:
            position = {pair: row for row, pair in enumerate(series.pairs)}
            order = [position[min(i, j), max(i, j)] for i in range(dimension) for j in range(dimension)]
            answer["hessian"] = second[order].unflatten(0, (dimension, dimension)).permute(2, 3, 0, 1)
            answer["laplacian"] = answer["hessian"].diagonal(dim1=-2, dim2=-1).sum(-1)
        else:
            answer["laplacian"] = second[0]
    return {name: answer[name] for name in needs}
