"""Fields as the page evaluates them: a description as JSON, and their weights as numbers one after the other.

A description is a tree. Its leaves are chains of layers x ↦ σ(W x + b), in which ω₀ is part of W and b, since
sin(ω (W x + b)) = sin((ωW) x + ωb); a layer without an activation ends a network. What stands above leaves is a grid
of tiles, a sum or a product.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.fields import Affine, Field, Product, Sine, Sum, TiledSiren
from sinefield.fields.activations import ACTIVATIONS, Activation
from sinefield.fields.chain import Chain

Doubles = NDArray[np.float64]


class NotShownError(ValueError):
    """The page cannot evaluate a field; the message tells why."""


@final
class Weights:
    """Numbers one after the other, in double precision until they are stored."""

    def __init__(self) -> None:
        self._parts: list[Doubles] = []
        self.count = 0

    def add(self, numbers: Tensor) -> int:
        """Return where numbers begin that are added, in C order."""
        start = self.count
        self._parts.append(numbers.detach().to("cpu", torch.float64).numpy().ravel())
        self.count += self._parts[-1].size
        return start

    def stored(self) -> NDArray[np.float32]:
        """Return all numbers in single precision."""
        return np.concatenate([np.empty(0), *self._parts]).astype("<f4")


def describe(field: nn.Module, weights: Weights) -> dict[str, Any]:
    """Return the description of a field, whose weights are added to those that are stored.

    Raises:
        NotShownError: it is made of something that the page cannot evaluate.
    """
    match field:
        case TiledSiren():
            return {
                "type": "tiled",
                "counts": list(field.counts),
                "extent": list(field.extent),
                "overlap": field.overlap,
                "layers": _layers(_of_places(field), weights),
            }
        case Sum():
            return {"type": "sum", "parts": [describe(each, weights) for each in field.terms]}
        case Product():
            return {"type": "product", "parts": [describe(each, weights) for each in (field.first, field.second)]}
        case Field():
            return {"type": "chain", "layers": _layers(field.chain(), weights)}
    raise NotShownError(f"the page cannot evaluate a {type(field).__name__}")


def _of_places(field: TiledSiren) -> Chain:
    """Return the tiles as networks of the place from their middles, in the coordinates of the whole field."""
    first, *others = field.tiles.chain().links
    assert isinstance(first, Affine), "a SIREN begins with an affine map"
    scales = [count / ((1 + field.overlap) * e) for count, e in zip(field.counts, field.extent, strict=True)]
    weight = first.weight.detach().double()
    return Chain([Affine(weight * weight.new_tensor(scales), first.bias), *others])


def _layers(chain: Chain, weights: Weights) -> list[dict[str, Any]]:
    """Return the layers of a chain; those of networks side by side have the weights of each in turn.

    Raises:
        NotShownError: it has links that are no layers.
    """
    found: list[dict[str, Any]] = []
    maps: list[Affine] = []
    names: list[str] = []
    for link in chain.merged().links:
        match link:
            case Affine():
                bias = link.weight.new_zeros(link.weight.shape[:-1]) if link.bias is None else link.bias
                maps.append(Affine(link.weight.detach().double(), bias.detach().double()))
                names.append("identity")
            case Sine() if names and names[-1] == "identity":
                last = maps[-1]
                assert last.bias is not None, "every map was given one"
                maps[-1], names[-1] = Affine(last.weight * link.omega, last.bias * link.omega), "sine"
            case Activation() if names and names[-1] == "identity" and link.name in ACTIVATIONS:
                names[-1] = link.name
            case _:
                raise NotShownError(f"the page cannot evaluate a layer of the type {type(link).__name__}")
    for each, name in zip(maps, names, strict=True):
        assert each.bias is not None, "every map was given one"
        found.append(
            {
                "inputs": each.in_features,
                "outputs": each.out_features,
                "weight": weights.add(each.weight),
                "bias": weights.add(each.bias),
                "activation": name,
            }
        )
    return found
