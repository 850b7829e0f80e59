"""Fields as the page evaluates them: a description as JSON, and their weights as numbers one after the other.

A description is a tree. Its leaves are chains of layers x ↦ σ(W x + b), in which ω₀ is part of W and b, since
sin(ω (W x + b)) = sin((ωW) x + ωb); a layer without an activation ends a network; and functions in closed form. What
stands above leaves is a grid of tiles, a sum, a product, slabs, or a field in a stretched coordinate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.fields import (
    Affine,
    Chain,
    Columns,
    Constant,
    Distance,
    Expansion,
    Field,
    Product,
    Sine,
    Sum,
    TiledSiren,
    Window,
    activation,
    evaluating,
)
from sinefield.fields.activations import ACTIVATIONS, Activation
from sinefield.fields.expansion import ComplexExpansion
from sinefield.fields.slabs import Slabs
from sinefield.fields.stretched import Stretched

Doubles = NDArray[np.float64]

_ERROR: Final = 1e-4  # of the largest value: what single precision may be off

_FAMILIES: Final = ("powers", "standing", "waves", "outgoing")

_CURVES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "sine": torch.sin,
    **{name: activation(name) for name in ACTIVATIONS},
}


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

    def stored(self, *, double: bool = False) -> NDArray[Any]:
        """Return all numbers, in single precision unless double is asked for."""
        return np.concatenate([np.empty(0), *self._parts]).astype("<f8" if double else "<f4")


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
        case Slabs():
            parts = [describe(each, weights) for each in field.fields]
            return {"type": "slabs", "parts": parts, "axis": field.axis, "edges": field.edges.tolist()}
        case Stretched():
            numbers = {name: getattr(field, name) for name in ("axis", "centre", "width", "factor", "shift")}
            return {"type": "stretched", "parts": [describe(field.field, weights)], **numbers}
        case Field():
            return {"type": "chain", "layers": _layers(field.chain(), weights)}
    return _closed(field, weights)


def _closed(field: nn.Module, weights: Weights) -> dict[str, Any]:
    """Return the description of a function in closed form.

    Raises:
        NotShownError: it is none that the page knows.
    """
    match field:
        case Distance():
            return {"type": "distance", "factor": field.factor, "rounding": field.rounding, "centre": field.centre}
        case Window():
            return {"type": "window", "kind": field.settings["kind"], "numbers": [_finite(x) for x in field.numbers]}
        case Constant():
            return {"type": "constant", "values": field.theta.tolist()}
        case Expansion() | ComplexExpansion() if not bool(field.weight.any()):
            return {"type": "constant", "values": [0.0] * field.out_features}
        case Expansion(columns=Columns() as columns):
            return _expansion(columns.family, columns.terms, field.weight, weights)
        case ComplexExpansion():
            return _expansion(field.family, field.terms, field.weight, weights) | {"complex": True}
    raise NotShownError(f"the page cannot evaluate a {type(field).__name__}")


def _expansion(family: str, terms: Tensor, weight: Tensor, weights: Weights) -> dict[str, Any]:
    """Return the description of a combination of functions of a family; those whose factor is 0 are left out.

    Raises:
        NotShownError: the page does not know the family.
    """
    if family not in _FAMILIES:
        raise NotShownError(f"the page cannot evaluate functions of the family {family}")
    used = weight.detach().any(0)
    return {
        "type": "expansion",
        "family": family,
        "terms": weights.add(terms[used]),
        "count": int(used.sum()),
        "width": terms.shape[1],
        "weight": weights.add(weight[:, used]),
        "outputs": len(weight),
        "complex": False,
    }


def needs_double(field: nn.Module, node: Any, weights: Weights, points: Tensor) -> bool:
    """Return whether single precision is too little for a field, such as one of large terms that cancel.

    Args:
        field: Φ.
        node: its description.
        weights: of it.
        points: where it is looked at, ``(n, d)``.
    """
    if any(each["type"] in ("slabs", "stretched", "expansion") for each in _nodes(node)):
        return True  # what the graphics processor does not evaluate
    largest = 0.0
    single, double = torch.from_numpy(weights.stored()), torch.from_numpy(weights.stored(double=True))
    for each in _nodes(node):
        if each["type"] != "chain":
            continue
        found, truth = points.float(), points.double()
        for layer in each["layers"]:
            m, n = layer["outputs"], layer["inputs"]
            act = _CURVES[layer["activation"]]
            found, truth = (
                act(
                    nn.functional.linear(
                        x,
                        numbers[layer["weight"] : layer["weight"] + m * n].reshape(m, n),
                        numbers[layer["bias"] : layer["bias"] + m],
                    )
                )
                for x, numbers in ((found, single), (truth, double))
            )
        largest = max(largest, float((found - truth).abs().max()))
    with evaluating(field) as like:
        size = float(field(points.to(like.dtype)).abs().max())
    return largest > _ERROR * size


def _nodes(node: Any) -> Iterator[Any]:
    """Yield a description and those it is made of."""
    yield node
    for each in node.get("parts", ()):
        yield from _nodes(each)


def _finite(x: float) -> float:
    """Return a number that JSON has, for bounds that may be infinite."""
    return min(max(x, -1e30), 1e30)


def _of_places(field: TiledSiren) -> Chain:
    """Return the tiles as networks of the place from their middles, in the coordinates of the whole field."""
    first, *others = field.tiles.stored_chain().links
    assert isinstance(first, Affine), "a SIREN begins with an affine map"
    scales = [count / ((1 + field.overlap) * e) for count, e in zip(field.counts, field.extent, strict=True)]
    weight = first.weight.detach().double()
    return Chain([Affine(weight * weight.new_tensor(scales), first.bias), *others])


def _layers(chain: Chain, weights: Weights) -> list[dict[str, Any]]:
    """Return the layers of a chain; those of networks side by side have the weights of each in turn, or of all once.

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
                "shared": each.weight.ndim == 3 and len(each.weight) == 1,
            }
        )
    return found
