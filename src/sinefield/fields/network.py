"""Networks as values: what a field file stores of a field, besides its weights, and what rebuilds it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from sinefield.fields.compose import Product, Sum
from sinefield.fields.field import NETWORKS, PARTS, Setting, build
from sinefield.fields.slabs import Slabs
from sinefield.fields.stretched import Stretched

_LAYER_LIMIT, _SIZE_LIMIT, _STRING_LIMIT = 4096, 65_536, 256  # what a file may ask for


@final
@dataclass(frozen=True)
class Assembly:
    """A kind of field made of others, which a file can hold.

    Args:
        kind: its class.
        parts: of such a field, in order.
        settings: of such a field.
        make: the field of its parts and settings.
    """

    kind: type[nn.Module]
    parts: Callable[[Any], Sequence[nn.Module]]
    settings: Callable[[Any], Mapping[str, Setting]]
    make: Callable[..., nn.Module]


def _make_slabs(*parts: nn.Module, axis: int, **edges: float) -> nn.Module:
    return Slabs(parts, [edges[f"edge_{number}"] for number in range(len(edges))], axis)


def _make_stretched(
    part: nn.Module, *, axis: int, centre: float, width: float, lower: float, upper: float
) -> nn.Module:
    return Stretched(part, axis, centre, width, (lower, upper))


ASSEMBLIES: dict[str, Assembly] = {
    "sum": Assembly(Sum, lambda field: tuple(field.terms), lambda _: {}, Sum),
    "product": Assembly(Product, lambda field: (field.first, field.second), lambda _: {}, Product),
    "slabs": Assembly(
        Slabs,
        lambda field: tuple(field.fields),
        lambda field: {"axis": field.axis} | {f"edge_{k}": each for k, each in enumerate(field.edges.tolist())},
        _make_slabs,
    ),
    "stretched": Assembly(
        Stretched,
        lambda field: (field.field,),
        lambda field: {
            "axis": field.axis,
            "centre": field.centre,
            "width": field.width,
            "lower": field.bounds[0],
            "upper": field.bounds[1],
        },
        _make_stretched,
    ),
}
"""Every kind of field made of others by name."""


@final
@dataclass(frozen=True)
class Network:
    """A network as a value, without its weights.

    Args:
        architecture: a key of :data:`sinefield.fields.NETWORKS`, of :data:`sinefield.fields.field.PARTS` or of
            :data:`ASSEMBLIES`.
        in_features: d.
        out_features: c.
        settings: of the architecture.
        axes: names of the coordinates that it takes; None: they have none.
        parts: what an assembly is made of.
    """

    architecture: str
    in_features: int
    out_features: int
    settings: Mapping[str, Setting]
    axes: tuple[str, ...] | None = None
    parts: tuple[Network, ...] = ()

    @classmethod
    def of(cls, field: nn.Module) -> Network:
        """Return what rebuilds a field.

        Raises:
            ValueError: the field is none that is built by name.
        """
        name, inputs, outputs, settings = (
            getattr(field, each, None) for each in ("architecture", "in_features", "out_features", "settings")
        )
        for assembly, each in ASSEMBLIES.items():
            if type(field) is each.kind:
                made_of = tuple(map(cls.of, each.parts(field)))
                return cls(
                    assembly, int(inputs or 0), int(outputs or 0), each.settings(field), _axes_of(field), made_of
                )
        if not isinstance(name, str) or name not in {**NETWORKS, **PARTS} or not isinstance(settings, Mapping):
            raise ValueError(
                f"a {type(field).__name__} is no network that is built by name; use one of {', '.join(NETWORKS)}"
            )
        return cls(name, int(inputs or 0), int(outputs or 0), settings, _axes_of(field))

    def to_json(self) -> dict[str, Any]:
        """Return the network as JSON."""
        return (
            {
                "architecture": self.architecture,
                "in_features": self.in_features,
                "out_features": self.out_features,
                "settings": dict(self.settings),
            }
            | ({} if self.axes is None else {"axes": list(self.axes)})
            | ({"parts": [each.to_json() for each in self.parts]} if self.parts else {})
        )

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
        if not isinstance(architecture, str) or architecture not in {**NETWORKS, **PARTS, **ASSEMBLIES}:
            raise ValueError(
                f"unknown network {reprlib.repr(architecture)}; this sinefield knows {', '.join(NETWORKS)}"
            )
        parts = stored.get("parts", [])
        if not isinstance(parts, list) or (architecture in ASSEMBLIES) != bool(parts):
            raise ValueError(f"a {architecture} is made of {'others' if architecture in ASSEMBLIES else 'no others'}")
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
        made_of = tuple(cls.from_json(each) for each in parts)
        return cls(architecture, layers[0], layers[1], settings, None if axes is None else tuple(axes), made_of)

    def build(self) -> nn.Module:
        """Return the network, freshly initialised.

        Raises:
            ValueError: an unknown name, or a setting that this network does not have.
        """
        if self.parts:
            made_of = [each.build() for each in self.parts]
            try:
                field = ASSEMBLIES[self.architecture].make(*made_of, **self.settings)
            except (TypeError, KeyError, ArithmeticError) as error:
                raise ValueError(f"a {self.architecture} cannot be built of these settings ({error!r})") from error
        else:
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


def _axes_of(field: nn.Module) -> tuple[str, ...] | None:
    axes = getattr(field, "axes", None)
    return None if axes is None else tuple(axes)
