"""Φ: what a field is, and the registry that builds networks by name.

Every network is an ``nn.Module`` with ``in_features``, ``out_features``, its ``architecture``, the JSON-able
``settings`` that rebuild it, and its :meth:`~Field.chain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Pointwise, activation
from sinefield.fields.chain import Affine, Chain, Dropped, Link

Setting = int | float | str
"""What a network's settings are: JSON-able."""


@runtime_checkable
class Field(Protocol):
    """Φ, a function from points ``(n, d)`` to values ``(n, c)``, which can tell what it is made of."""

    in_features: int
    out_features: int

    def chain(self) -> Chain:
        """Return what Φ is made of, with its weights as they are."""
        ...


NETWORKS: dict[str, Callable[..., nn.Module]] = {}
"""Every network that can be chosen by name; all take ``in_features, out_features`` and settings of their own."""

PARTS: dict[str, Callable[..., nn.Module]] = {}
"""What else is built by name, as networks are: numbers and functions in closed form, which solutions are made of."""

Made = TypeVar("Made", bound=Callable[..., nn.Module])


def register(name: str, *, part: bool = False) -> Callable[[Made], Made]:
    """Return a decorator that lets a network be built by name, and so be saved, loaded and, unless a part, chosen."""

    def add(make: Made) -> Made:
        (PARTS if part else NETWORKS)[name] = make
        return make

    return add


def build(name: str, in_features: int, out_features: int, **settings: Setting) -> nn.Module:
    """Return a freshly initialised network by name.

    Args:
        name: a key of :data:`NETWORKS` or :data:`PARTS`.
        in_features: d, the dimension of the points.
        out_features: c, the number of values at a point.
        **settings: the network's own settings, ``hidden_features`` and the like; ``final_activation`` by name.

    Raises:
        ValueError: an unknown name, or a setting that this network does not have.

    >>> import sinefield.fields
    >>> build("relu-nerf", 2, 3, hidden_features=32)(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    make = {**NETWORKS, **PARTS}.get(name)
    if make is None:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    arguments: dict[str, Setting | nn.Module] = dict(settings)
    if isinstance(final_activation := settings.get("final_activation"), str):
        arguments["final_activation"] = activation(final_activation)
    try:
        return make(in_features, out_features, **arguments)
    except TypeError as error:
        raise ValueError(f"network {name!r} does not take these settings: {', '.join(settings)} ({error})") from error


class Layered(nn.Module):
    """A network of layers in sequence, which are links of its chain.

    A subclass with a ``forward`` of its own does more than its layers, and has no chain unless it brings one.
    """

    layers: nn.Sequential
    axes: Sequence[str] | None = None  # names of the coordinates that it takes

    def __init_subclass__(cls) -> None:
        """Take the chain from a subclass that does more than its layers."""
        super().__init_subclass__()
        if "forward" in cls.__dict__ and "chain" not in cls.__dict__:
            cls.chain = _no_chain  # type: ignore[method-assign]  # of this class alone

    def chain(self) -> Chain:
        """Return what Φ is made of.

        Raises:
            TypeError: a layer is no link of a chain.
        """
        return Chain([link for layer in self.layers for link in _links_of(layer)])

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(…, d)`` as values ``(…, c)``."""
        values: Tensor = self.layers(points)
        return values


def _no_chain(self: nn.Module) -> Chain:
    raise TypeError(f"a {type(self).__name__} does more than its layers; give it a method chain() that tells what")


def _links_of(layer: nn.Module) -> Sequence[Link]:
    """Return a layer as links.

    Raises:
        TypeError: it is none.
    """
    match layer:
        # A class with a forward of its own may be anything; a parametrised layer has that of its class.
        case nn.Linear() if type(layer).forward is nn.Linear.forward:
            return [Affine(layer.weight, layer.bias)]
        case nn.Dropout():
            return [Dropped(layer.p)] if layer.training and layer.p > 0 else []
        case nn.Identity():
            return []
        case Pointwise():
            return [layer]
        case _ if hasattr(layer, "link"):
            return [layer.link()]  # type: ignore[operator]  # a module's attributes may be modules
    raise TypeError(
        f"a {type(layer).__name__} is no link of a chain; use affine maps, activations that know their derivatives, "
        "or layers with a method link()"
    )


@contextmanager
def evaluating(field: nn.Module) -> Iterator[Tensor]:
    """Switch dropout and the recording of gradients off, and the mode back afterwards.

    Yields:
        a tensor of the device and the precision that points must have.
    """
    training = field.training
    field.eval()
    try:
        with torch.no_grad():
            like = next(field.parameters(), torch.empty(0))
            precision = getattr(field, "point_dtype", like.dtype)
            yield like.new_empty(0, dtype=precision)
    finally:
        field.train(training)
