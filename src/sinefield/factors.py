"""The Jacobian of residuals in factors, layer by layer.

An affine map takes rows a_k of each point, its value and derivatives, to z_k = W a_k, with b added to the value z_0. A
residual r_n of a point n has slopes g_k = ∂r_n/∂z_k there, and

    ∂r_n/∂W = Σ_k g_nk a_nkᵀ        ∂r_n/∂b = g_n0

One sweep back gives the slopes of all points at once, as each residual is of one point. The Gram matrix follows without
the Jacobian, which of large networks does not fit in memory:

    (J Jᵀ)_nm = Σ_maps Σ_kl (a_nk · a_ml) (g_nk · g_ml) + g_n0 · g_m0

Source: the layer-wise Gram identity of Novak, Sohl-Dickstein & Schoenholz, "Fast finite width neural tangent kernel",
2022, arXiv 2206.08720, section 3.2, with rows of derivatives as further samples of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Composite, Evaluate
from sinefield.fields.derivatives import Derivative
from sinefield.fields.field import Field
from sinefield.kernels import taylor


@final
@dataclass(frozen=True, eq=False)
class Factors:
    """What the residuals of one constraint are by one affine map.

    Args:
        inputs: a, ``(n, k, i)``.
        slopes: g, ``(n, c, k, o)``, of c residuals at each point.
        of_value: which of the rows k are values, that the bias is added to.
    """

    inputs: Tensor
    slopes: Tensor
    of_value: Sequence[int]

    def by_bias(self) -> Tensor:
        """Return ∂r/∂b, ``(n, c, o)``."""
        return self.slopes[:, :, list(self.of_value)].sum(2)

    def scaled(self, scales: Tensor) -> Factors:
        """Return the factors of residuals that are multiplied by scales ``(n, c)``."""
        return Factors(self.inputs, self.slopes * scales[:, :, None, None], self.of_value)

    def gram(self, other: Factors, *, weight: bool, bias: bool) -> Tensor:
        """Return J J'ᵀ by the map of both, ``(n c, m c')``.

        Args:
            other: J', of other residuals by the same map.
            weight: whether its weight is looked for.
            bias: whether its bias is.
        """
        mine, theirs = self.slopes.flatten(0, 1), other.slopes.flatten(0, 1)
        total = mine.new_zeros(len(mine), len(theirs))
        repeats = self.slopes.shape[1], other.slopes.shape[1]
        for k in range(self.inputs.shape[1]) if weight else ():
            for row in range(other.inputs.shape[1]):
                inner = self.inputs[:, k] @ other.inputs[:, row].mT
                inner = inner.repeat_interleave(repeats[0], 0).repeat_interleave(repeats[1], 1)
                total.addcmul_(inner, mine[:, k] @ theirs[:, row].mT)
        if bias:
            total.addmm_(self.by_bias().flatten(0, 1), other.by_bias().flatten(0, 1).mT)
        return total


@final
class _Tap:
    """The rows before a map, and zeros that are added after it, by which residuals are differentiated."""

    def __init__(self, link: Affine, series: taylor.Series, count: int) -> None:
        self.keys = list(series)
        with torch.no_grad():
            self.inputs = torch.stack([row.expand(count, -1) for row in series.values()], 1)
        self.offsets = self.inputs.new_zeros(count, len(series), link.out_features).requires_grad_()


@final
class _Tapped(Composite):
    """A field whose chains are evaluated with taps behind those of their maps that are looked for."""

    def __init__(self, whole: nn.Module, learnt: Set[int], taps: list[tuple[Affine, _Tap]]) -> None:
        super().__init__()
        self.whole, self.learnt, self.taps = whole, learnt, taps
        self.in_features = getattr(whole, "in_features", 0)
        self.out_features = getattr(whole, "out_features", 0)
        self.axes = getattr(whole, "axes", None)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the field."""
        return [(self.whole, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:  # noqa: ARG002 - it evaluates by itself
        """Return the derivatives, those of chains with taps in them."""
        return dict(self._evaluate(self.whole, points, needs))

    def _evaluate(self, part: nn.Module | Chain, points: Tensor, needs: Set[Derivative]) -> Mapping[Derivative, Tensor]:
        if isinstance(part, Composite):
            return part.derivatives(points, needs, self._evaluate)
        if not isinstance(part, Chain | Field):
            return kernels.evaluate(part, points, needs)
        try:
            chain = part if isinstance(part, Chain) else part.chain()
        except TypeError:  # a layer that is no link
            return kernels.evaluate(part, points, needs)

        def through(link: Affine, series: taylor.Series) -> taylor.Series:
            pushed = taylor.push_affine(link, series)
            if not {id(each) for each in link.tensors()} & self.learnt:
                return pushed
            tap = _Tap(link, series, len(points))
            self.taps.append((link, tap))
            return {key: row + tap.offsets[:, place] for place, (key, row) in enumerate(pushed.items())}

        return taylor.evaluate(chain, points, needs, through)


Map = tuple[int, int]
"""An affine map, by the ``id`` of its weight and that of its bias."""

Residuals = Callable[[Mapping[str, nn.Module]], Sequence[Tensor]]
"""Gives the residuals ``(n, c)`` of some constraints at the same n points, of given unknowns."""


def factorise(unknowns: Mapping[str, nn.Module], learnt: Set[int], residuals: Residuals) -> list[dict[Map, Factors]]:
    """Return the factors of some constraints at points by each affine map.

    Args:
        unknowns: fields by name.
        learnt: the ``id`` of each parameter that is looked for; maps that have none of them are left out.
        residuals: called once.
    """
    taps: list[tuple[Affine, _Tap]] = []
    with torch.enable_grad():
        found = residuals({name: _Tapped(each, learnt, taps) for name, each in unknowns.items()})
        slopes = [_slopes(each, [tap.offsets for _, tap in taps]) for each in found]
    maps: dict[Map, list[int]] = {}  # one map may be evaluated several times
    for place, (link, _) in enumerate(taps):
        maps.setdefault((id(link.weight), id(link.bias)), []).append(place)
    return [
        {
            name: Factors(
                torch.cat([taps[place][1].inputs for place in places], 1),
                torch.cat([each[place] for place in places], 2),
                [k for k, key in enumerate(key for place in places for key in taps[place][1].keys) if key == ()],
            )
            for name, places in maps.items()
        }
        for each in slopes
    ]


def gram_of(one: Mapping[Map, Factors], other: Mapping[Map, Factors], learnt: Set[int]) -> Tensor:
    """Return the products ``(n c, m c')`` of the rows of two constraints, over the maps that both depend on.

    Args:
        one: the factors of a constraint.
        other: those of the other.
        learnt: the ``id`` of each parameter that is looked for.
    """
    parts = [
        each.gram(other[name], weight=name[0] in learnt, bias=name[1] in learnt)
        for name, each in one.items()
        if name in other
    ]
    assert parts, "residuals depend on the fields that are looked for"
    return torch.stack(parts).sum(0)


def _slopes(residual: Tensor, offsets: Sequence[Tensor]) -> list[Tensor]:
    """Return the slopes ``(n, c, k, o)`` of a residual ``(n, c)`` by each of the offsets ``(n, k, o)``."""
    columns: list[list[Tensor]] = []
    for column in residual.unbind(1):
        found: Sequence[Tensor | None] = [None] * len(offsets)
        if column.requires_grad and offsets:
            found = torch.autograd.grad(column.sum(), list(offsets), retain_graph=True, allow_unused=True)
        columns.append(
            [torch.zeros_like(one) if each is None else each for each, one in zip(found, offsets, strict=True)]
        )
    return [torch.stack(each, 1) for each in zip(*columns, strict=True)]
