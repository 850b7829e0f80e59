"""Φ: what a field is, networks as values, and the registry that builds them by name.

Every network is an ``nn.Module`` with ``in_features``, ``out_features``, its ``architecture``, the JSON-able
``settings`` that rebuild it, and its :meth:`~Field.chain`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, final, runtime_checkable

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Pointwise, activation
from sinefield.fields.chain import Affine, Chain, Dropped, Link

Setting = int | float | str
"""What a network's settings are: JSON-able."""

_LAYER_LIMIT, _SIZE_LIMIT, _STRING_LIMIT = 4096, 65_536, 64  # what a file may ask for


@runtime_checkable
class Field(Protocol):
    """Φ, a function from points ``(n, d)`` to values ``(n, c)``, which can tell what it is made of."""

    in_features: int
    out_features: int

    def chain(self) -> Chain:
        """Return what Φ is made of, with its weights as they are."""
        ...


NETWORKS: dict[str, Callable[..., nn.Module]] = {}
"""Every network by name; all take ``in_features, out_features`` and settings of their own."""

Made = TypeVar("Made", bound=Callable[..., nn.Module])


def register(name: str) -> Callable[[Made], Made]:
    """Return a decorator that lets a network be built by name, and so be saved, loaded and chosen."""

    def add(make: Made) -> Made:
        NETWORKS[name] = make
        return make

    return add


@final
@dataclass(frozen=True)
class Network:
    """A network as a value, without its weights.

    Args:
        architecture: a key of :data:`NETWORKS`.
        in_features: d.
        out_features: c.
        settings: of the architecture.
        axes: names of the coordinates that it takes; None: they have none.
    """

    architecture: str
    in_features: int
    out_features: int
    settings: Mapping[str, Setting]
    axes: tuple[str, ...] | None = None

    @classmethod
    def of(cls, field: nn.Module) -> Network:
        """Return what rebuilds a field.

        Raises:
            ValueError: the field is none that is built by name.
        """
        name, inputs, outputs, settings = (
            getattr(field, each, None) for each in ("architecture", "in_features", "out_features", "settings")
        )
        if not isinstance(name, str) or name not in NETWORKS or not isinstance(settings, Mapping):
            raise ValueError(
                f"a {type(field).__name__} is no network that is built by name; use one of {', '.join(NETWORKS)}"
            )
        axes = getattr(field, "axes", None)
        return cls(name, int(inputs or 0), int(outputs or 0), settings, None if axes is None else tuple(axes))

    def to_json(self) -> dict[str, Any]:
        """Return the network as JSON."""
        return {
            "architecture": self.architecture,
            "in_features": self.in_features,
            "out_features": self.out_features,
            "settings": dict(self.settings),
        } | ({} if self.axes is None else {"axes": list(self.axes)})

    @classmethod
    def from_json(cls, stored: Any) -> Network:
        """Return the network that :meth:`to_json` stored.

        Raises:
            ValueError: it describes none that can be built here.
        """
        if not isinstance(stored, dict) or not isinstance(stored.get("settings"), dict):
            raise ValueError("its header describes no network")
        architecture, settings = stored.get("architecture"), stored["settings"]
        layers = [stored.get("in_features"), stored.get("out_features"), settings.get("hidden_layers", 0)]
        widths = [settings.get("hidden_features", 1), settings.get("frequencies", 0)]
        if not isinstance(architecture, str) or architecture not in NETWORKS:
            raise ValueError(
                f"unknown network {reprlib.repr(architecture)}; this sinefield knows {', '.join(NETWORKS)}"
            )
        for names, sizes, limit in (
            ("inputs, outputs and hidden layers", layers, _LAYER_LIMIT),
            ("hidden features and frequencies", widths, _SIZE_LIMIT),
        ):
            if not all(type(each) is int and 0 <= each <= limit for each in sizes):
                raise ValueError(f"{names} must be integers up to {limit}, got {reprlib.repr(sizes)}")
        if not all(
            type(each) in (int, float) or (type(each) is str and len(each) <= _STRING_LIMIT)
            for each in settings.values()
        ):
            raise ValueError(
                f"the settings of its network must be numbers or short strings, got {reprlib.repr(settings)}"
            )
        axes = stored.get("axes")
        if axes is not None and not (isinstance(axes, list) and all(type(each) is str for each in axes)):
            raise ValueError(f"the names of its axes must be strings, got {reprlib.repr(axes)}")
        return cls(architecture, layers[0], layers[1], settings, None if axes is None else tuple(axes))

    def build(self) -> nn.Module:
        """Return the network, freshly initialised.

        Raises:
            ValueError: an unknown name, or a setting that this network does not have.
        """
        field = build(self.architecture, self.in_features, self.out_features, **self.settings)
        if self.axes is not None:
            field.axes = self.axes  # type: ignore[assignment]  # to a checker modules hold tensors and modules
        return field

    def blank(self) -> nn.Module:
        """Return the network without memory for its weights.

        Raises:
            ValueError: it cannot be built.
        """
        with torch.device("meta"):
            try:
                return self.build()
            except (RuntimeError, TypeError, OverflowError) as error:
                raise ValueError(f"its network cannot be built ({error})") from error


def build(name: str, in_features: int, out_features: int, **settings: Setting) -> nn.Module:
    """Return a freshly initialised network by name.

    Args:
        name: a key of :data:`NETWORKS`.
        in_features: d, the dimension of the points.
        out_features: c, the number of values at a point.
        **settings: the network's own settings, ``hidden_features`` and the like; ``final_activation`` by name.

    Raises:
        ValueError: an unknown name, or a setting that this network does not have.

    >>> import sinefield.fields
    >>> build("relu-nerf", 2, 3, hidden_features=32)(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    arguments: dict[str, Setting | nn.Module] = dict(settings)
    if isinstance(final_activation := settings.get("final_activation"), str):
        arguments["final_activation"] = activation(final_activation)
    try:
        return NETWORKS[name](in_features, out_features, **arguments)
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
