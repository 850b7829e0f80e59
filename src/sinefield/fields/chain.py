"""Chains: what a field is made of, as a value.

A chain is a list of links, each with its weights in it: affine maps, pointwise functions, and the squared distances of
a radial basis. Whoever has to look inside a field (kernels, solvers, counts of work and memory, diagnostics, files)
reads its chain and no module.

Weights may be parameters, or tensors with a history of their own (the outputs of another network), and may have leading
batch axes: a chain with weights ``(B, m, n)`` is B fields of one shape side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Pointwise


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """The map x ↦ W x + b.

    Args:
        weight: W, ``(…, m, n)``.
        bias: b, ``(…, m)``; None: zero.
    """

    weight: Tensor
    bias: Tensor | None = None

    @property
    def in_features(self) -> int:
        """How many features it takes, n."""
        return self.weight.shape[-1]

    @property
    def out_features(self) -> int:
        """How many features it gives, m."""
        return self.weight.shape[-2]

    def __call__(self, x: Tensor) -> Tensor:
        """Return W x + b, from ``(…, k, n)`` to ``(…, k, m)``.

        >>> Affine(torch.tensor([[2.0, 1.0]]), torch.tensor([3.0]))(torch.tensor([[1.0, 1.0]])).tolist()
        [[6.0]]
        """
        if self.weight.ndim == 2 and (self.bias is None or self.bias.ndim == 1):
            return nn.functional.linear(x, self.weight, self.bias)
        rows = x @ self.weight.mT
        return rows if self.bias is None else rows + self.bias.unsqueeze(-2)

    def tensors(self) -> Sequence[Tensor]:
        """Return the weights."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def after(self, first: Affine) -> Affine:
        """Return this map after ``first`` as one map: W (W₁ x + b₁) + b."""
        weight = self.weight @ first.weight
        if first.bias is None:
            return Affine(weight, self.bias)
        moved = (self.weight @ first.bias.unsqueeze(-1)).squeeze(-1)
        return Affine(weight, moved if self.bias is None else moved + self.bias)


@final
@dataclass(frozen=True, eq=False)
class SquaredDistances:
    """The map q_j(x) = −σ_j² ‖x − c_j‖², with its differentials.

    Args:
        centres: c, ``(…, m, n)``.
        inverse_widths: σ, ``(…, m)``.
    """

    centres: Tensor
    inverse_widths: Tensor

    @property
    def _squares(self) -> Tensor:
        return self.inverse_widths.square().unsqueeze(-2)

    def __call__(self, x: Tensor) -> Tensor:
        """Return q(x), ``(…, k, n)`` to ``(…, k, m)``."""
        offsets = x.unsqueeze(-2) - self.centres.unsqueeze(-3)
        return -self._squares * offsets.square().sum(-1)

    def tensors(self) -> Sequence[Tensor]:
        """Return the weights."""
        return (self.centres, self.inverse_widths)

    def differential(self, x: Tensor, tangent: Tensor) -> Tensor:
        """Return Dq(x)[t] = −2 σ² (x − c)·t."""
        along = (x * tangent).sum(-1, keepdim=True) - tangent @ self.centres.mT
        return -2 * self._squares * along

    def second_differential(self, first: Tensor, second: Tensor) -> Tensor:
        """Return D²q[s, t] = −2 σ² s·t, which is the same at every point."""
        return -2 * self._squares * (first * second).sum(-1, keepdim=True)


@final
@dataclass(frozen=True)
class Dropped:
    """Features are dropped with a probability, drawn anew at every evaluation; the others are scaled up."""

    probability: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return x with some features set to zero."""
        return nn.functional.dropout(x, self.probability)

    def tensors(self) -> Sequence[Tensor]:
        """Return no weights."""
        return ()


Link = Affine | SquaredDistances | Dropped | Pointwise


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """Links one after the other: Φ(x) = (l_k ∘ … ∘ l_1)(x).

    Args:
        links: l_1 … l_k; the first and the last that changes the number of features are affine or radial.

    Raises:
        ValueError: there is no link with weights, so that nothing tells the number of inputs.

    >>> double = Affine(torch.tensor([[2.0]]))
    >>> Chain([double, double])(torch.ones(3, 1)).flatten().tolist()
    [4.0, 4.0, 4.0]
    """

    links: Sequence[Link]

    def __post_init__(self) -> None:
        """Refuse a chain without weights.

        Raises:
            ValueError: as the class says.
        """
        if not any(isinstance(each, Affine | SquaredDistances) for each in self.links):
            raise ValueError("a chain needs an affine or radial map, which tells how many inputs it has; got none")

    def __call__(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(…, n, d)`` as values ``(…, n, c)``, one link after the other."""
        for link in self.links:
            points = link(points)
        return points

    @property
    def affines(self) -> Sequence[Affine]:
        """The affine maps, from the input to the output."""
        return [each for each in self.links if isinstance(each, Affine)]

    @property
    def in_features(self) -> int:
        """The number of inputs, d."""
        return self._features(0)[1]

    @property
    def out_features(self) -> int:
        """The number of outputs, c."""
        return self._features(-1)[0]

    @property
    def widths(self) -> Sequence[int]:
        """How many features each map gives."""
        return [features[0] for features in self._maps()]

    @property
    def batch(self) -> torch.Size:
        """The leading axes of the weights: how many fields there are side by side; empty for one."""
        shapes = [shape for each in self.links for shape in _leading(each)]
        longest = max(map(len, shapes))
        padded = [(1,) * (longest - len(each)) + tuple(each) for each in shapes]
        # As torch.broadcast_shapes, which imports SymPy.
        return torch.Size(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))

    @property
    def products(self) -> int:
        """How many multiplications of a weight by a feature a point takes in one of the fields."""
        return sum(m * n for m, n in self._maps())

    def tensors(self) -> Iterator[Tensor]:
        """Yield the weights, from the input to the output."""
        for each in self.links:
            if isinstance(each, Affine | SquaredDistances):
                yield from each.tensors()

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Chain:
        """Return this chain with each of its weights changed: moved, cast, or replaced."""
        return Chain([_mapped(each, change) for each in self.links])

    def then(self, *links: Link) -> Chain:
        """Return this chain with links after it."""
        return Chain([*self.links, *links])

    def after(self, *links: Link) -> Chain:
        """Return this chain with links before it."""
        return Chain([*links, *self.links])

    def merged(self) -> Chain:
        """Return the same function with neighbouring affine maps made one."""
        links: list[Link] = []
        for each in self.links:
            if isinstance(each, Affine) and links and isinstance(last := links[-1], Affine):
                links[-1] = each.after(last)
            else:
                links.append(each)
        return Chain(links)

    def _maps(self) -> list[tuple[int, int]]:
        found = [_matrix(each) for each in self.links]
        return [(each.shape[-2], each.shape[-1]) for each in found if each is not None]

    def _features(self, position: int) -> tuple[int, int]:
        return self._maps()[position]


def _mapped(link: Link, change: Callable[[Tensor], Tensor]) -> Link:
    match link:
        case Affine():
            return Affine(change(link.weight), None if link.bias is None else change(link.bias))
        case SquaredDistances():
            return SquaredDistances(change(link.centres), change(link.inverse_widths))
    return link


def _leading(link: Link) -> Sequence[torch.Size]:
    """Return the leading axes of each weight of a link."""
    match link:
        case Affine():
            return [link.weight.shape[:-2], *(() if link.bias is None else (link.bias.shape[:-1],))]
        case SquaredDistances():
            return [link.centres.shape[:-2], link.inverse_widths.shape[:-1]]
    return []


def _matrix(link: Link) -> Tensor | None:
    match link:
        case Affine():
            return link.weight
        case SquaredDistances():
            return link.centres
    return None
