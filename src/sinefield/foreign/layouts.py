"""How others name the layers of a network with sines, and which ω₀ goes with each naming.

A layout is recognised by the names of all tensors; that the shapes fit is checked afterwards. The ω₀ of a network is
no tensor of it: it is that of the code that the naming is of, unless who imports it tells another.
"""

from __future__ import annotations

import itertools
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from sinefield.foreign.weights import Doubles


@final
@dataclass(frozen=True)
class Layout:
    """One way to name layers.

    Args:
        name: of it, in a word.
        about: whose it is, in a line.
        hidden: a regular expression of the names of sine layers, with their number as ``k``; of the first that has
            none, the number is 0.
        last: that of the last layer, which no sine follows; None: it is the one of ``hidden`` with the largest number.
        first_omega: ω₀ of the first layer; None: it has to be told.
        hidden_omega: ω₀ of the others; None: as the first.
        sine_last: a sine follows the last layer too, where it is named as the others are.
        transposed: weights are ``(inputs, outputs)``.
        curves_counted: curves may have numbers of their own, so that those of the layers rise by two.
    """

    name: str
    about: str
    hidden: str
    last: str | None = None
    first_omega: float | None = 30.0
    hidden_omega: float | None = 30.0
    sine_last: bool = False
    transposed: bool = False
    curves_counted: bool = False


LAYOUTS: Final = (
    Layout(
        "official", "the release of Sitzmann et al., vsitzmann/siren, ω₀ = 30 in every layer", r"net\.(?P<k>\d+)\.0"
    ),
    Layout("coin", "COIN, EmilienDupont/coin, ω₀ = 30", r"net\.(?P<k>\d+)\.linear", r"last_layer\.linear"),
    Layout(
        "tutorial",
        "the SineLayers of the paper's notebook and of the tutorials made of it, ω₀ = 30",
        r"(?:net|layers|siren)\.(?P<k>\d+)\.linear",
        r"(?:net|layers|siren)\.(?P<k>\d+)|(?:final|last|output|out)(?:_layer|_linear)?(?:\.linear)?",
        sine_last=True,
    ),
    Layout(
        "siren-pytorch",
        "the package siren-pytorch, ω₀ = 30 in the first layer and 1 in the others",
        r"layers\.(?P<k>\d+)",
        r"last_layer",
        hidden_omega=1.0,
    ),
    Layout(
        "functa",
        "functa, in Haiku's names, ω₀ = 30",
        r"(?:modulated_)?siren_layer(?:_(?P<k>\d+))?\.linear",
        transposed=True,
    ),
    Layout("flax", "layers of Flax, Dense_0 and on", r"Dense_(?P<k>\d+)", first_omega=None, transposed=True),
    Layout("haiku", "layers of Haiku, linear and on", r"linear(?:_(?P<k>\d+))?", first_omega=None, transposed=True),
    Layout(
        "numbered",
        "a sequence of numbered layers",
        r"(?:(?:net|layers|model|main|mlp|fc|linears|lin|network)\.?)?(?P<k>\d+)(?:\.linear|\.fc|\.layer)?",
        first_omega=None,
        curves_counted=True,
    ),
)
"""Every layout, those that are surest first."""

_WEIGHT: Final = {"weight": "weight", "kernel": "weight", "w": "weight", "bias": "bias", "b": "bias"}
_OMEGA: Final = re.compile(r"(?:.*\.)?(?:omega(?:_?0)?|w0|w_0)")
_IGNORED: Final = re.compile(r"(?:.*\.)?(?:grid|coords|coordinates|mgrid)")
_WRAPPERS: Final = 4  # prefixes, such as module. and _orig_mod., that are taken off at most
_ELSEWHERE: Final = {
    "modulat": "it is modulated by another network",
    "film": "it is modulated by another network (FiLM)",
    "latent": "it is modulated by latent numbers",
    "hyper": "its weights are those of a hypernetwork",
    "embedding": "it has tables of features",
    "hash": "it has tables of features",
    "conv": "it has convolutions",
    "norm": "it has layers of normalisation",
}


@final
@dataclass(frozen=True, eq=False)
class Recognised:
    """A network of sine layers that was recognised.

    Args:
        layout: how it names its layers.
        layers: W ``(m, n)`` and b ``(m,)`` of each layer, from the input to the output.
        sine_last: a sine follows the last layer too.
        first_omega: ω₀ of the first layer; None: not known.
        hidden_omega: ω₀ of the others; None: as the first.
        reason: why it was taken for this layout, in a line.
    """

    layout: Layout
    layers: Sequence[tuple[Doubles, Doubles]]
    sine_last: bool
    first_omega: float | None
    hidden_omega: float | None
    reason: str = field(default="")


def recognise(weights: Mapping[str, Doubles], layout: str | None = None) -> Recognised:
    """Return the layers of a network by the names of its tensors.

    Args:
        weights: the tensors by name.
        layout: the name of the layout; None: find out.

    Raises:
        ValueError: no layout has these names, a layer is missing or of a shape that does not fit, or a tensor belongs
            to no layer; the message names it.
    """
    if layout is not None and layout not in {each.name for each in LAYOUTS}:
        raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(each.name for each in LAYOUTS)}")
    own = {name: each for name, each in weights.items() if not _OMEGA.fullmatch(name) and not _IGNORED.fullmatch(name)}
    told = {name: float(each.ravel()[0]) for name, each in weights.items() if _OMEGA.fullmatch(name) and each.size == 1}
    best: tuple[int, str] | None = None
    for names in _unwrapped(list(own)):
        for each in LAYOUTS:
            if layout not in (None, each.name):
                continue
            places, unknown = _places(each, names)
            if not unknown and _is_network(each, places):
                return _recognised(each, {name: own[names[name]] for name in names}, places, told)
            if places and unknown and (best is None or len(unknown) < best[0]):
                best = len(unknown), f"tensor {reprlib.repr(names[unknown[0]])} belongs to no layer of {each.about}"
    shown = ", ".join(list(own)[:4]) + (", …" if len(own) > 4 else "")
    why = next((why for part, why in _ELSEWHERE.items() for name in own if part in name.lower()), None)
    raise ValueError(
        (f"{why}, which is not imported: " if why else "")
        + (best[1] if best else f"no known network names its tensors {shown or 'so'}")
        + f"; known layouts are {', '.join(each.name for each in LAYOUTS)}"
    )


def _unwrapped(names: list[str]) -> Iterator[dict[str, str]]:
    """Yield the names without the prefixes that all of them have, one after the other, with what they were."""
    found = {name: name for name in names}
    for _ in range(_WRAPPERS + 1):
        yield found
        first = {name.partition(".")[0] for name in found}
        if len(first) != 1 or not all(name.count(".") > 1 for name in found):
            return
        found = {name.partition(".")[2]: was for name, was in found.items()}


def _is_network(layout: Layout, places: Mapping[str, tuple[int, str]]) -> bool:
    """Return whether there are sine layers, and one last layer where the layout has a name for it."""
    last = {name.rpartition(".")[0] for name, (number, _) in places.items() if number < 0}
    wanted = {0, 1} if layout.sine_last else {int(layout.last is not None)}
    return len(last) in wanted and any(number >= 0 for number, _ in places.values())


def _places(layout: Layout, names: Mapping[str, str]) -> tuple[dict[str, tuple[int, str]], list[str]]:
    """Return number and part of the layer of each tensor, −1 for the last layer, and the names that belong to none."""
    places: dict[str, tuple[int, str]] = {}
    unknown: list[str] = []
    for name in names:
        stem, _, part = name.rpartition(".")
        known = _WEIGHT.get(part)
        found = re.fullmatch(layout.hidden, stem)
        last = None if layout.last is None or found else re.fullmatch(layout.last, stem)
        if known is None or (found is None and last is None):
            unknown.append(name)
        else:
            places[name] = (-1 if found is None else int(found["k"] or 0), known)
    return places, unknown


def _recognised(
    layout: Layout, tensors: Mapping[str, Doubles], places: Mapping[str, tuple[int, str]], told: Mapping[str, float]
) -> Recognised:
    """Return the layers, after their shapes were checked.

    Raises:
        ValueError: a layer is missing, or of a shape that does not fit.
    """
    parts: dict[tuple[int, str], str] = {}
    for name, place in places.items():
        if place in parts:
            raise ValueError(f"tensors {parts[place]!r} and {name!r} are the {place[1]} of one layer")
        parts[place] = name
    numbers = sorted({number for number, _ in parts if number >= 0}) + [-1] * any(number < 0 for number, _ in parts)
    _check_numbers(numbers, parts, curves_counted=layout.curves_counted)
    layers = _layers(layout, tensors, numbers, parts)
    if len(layers) < 2:
        raise ValueError(f"there is one layer, {next(iter(tensors))!r}; a network of sines has two at least")
    sine_last = layout.sine_last and numbers[-1] >= 0
    reason = f"tensors are named {next(iter(tensors))} … as those of {layout.about}; {_shape(layers)}"
    omegas = list(told.values())
    if omegas:
        reason += f"; ω₀ = {omegas[0]:g} is stored in it"
    return Recognised(
        layout,
        layers,
        sine_last,
        omegas[0] if omegas else layout.first_omega,
        (omegas[1] if len(omegas) > 1 else omegas[0]) if omegas else layout.hidden_omega,
        reason,
    )


def _layers(
    layout: Layout, tensors: Mapping[str, Doubles], numbers: Sequence[int], parts: Mapping[tuple[int, str], str]
) -> list[tuple[Doubles, Doubles]]:
    """Return the weight and the bias of each layer.

    Raises:
        ValueError: one is missing, or of a shape that does not fit.
    """
    layers: list[tuple[Doubles, Doubles]] = []
    biased = any(part == "bias" for _, part in parts)
    for number in numbers:
        if (number, "weight") not in parts:
            raise ValueError(f"the layer of {parts[number, 'bias']!r} has no weight")
        name = parts[number, "weight"]
        weight = tensors[name].T if layout.transposed else tensors[name]
        if weight.ndim != 2:
            raise ValueError(f"tensor {name!r} has shape {tensors[name].shape}; the weight of a layer has two axes")
        if biased and (number, "bias") not in parts:
            raise ValueError(f"the layer of {name!r} has no bias, and others have one")
        bias = tensors[parts[number, "bias"]] if biased else np.zeros(len(weight))
        if bias.shape != (len(weight),):
            raise ValueError(
                f"tensor {parts[number, 'bias']!r} has shape {bias.shape} where {(len(weight),)} is needed"
            )
        if layers and weight.shape[1] != len(layers[-1][0]):
            raise ValueError(
                f"tensor {name!r} takes {weight.shape[1]} features, and the layer before gives {len(layers[-1][0])}"
            )
        layers.append((weight, bias))
    return layers


def _check_numbers(numbers: Sequence[int], parts: Mapping[tuple[int, str], str], *, curves_counted: bool) -> None:
    """Check that no layer is missing: their numbers rise by one, or by two where curves are numbered too.

    Raises:
        ValueError: one is missing.
    """
    counted = [each for each in numbers if each >= 0]
    steps = {after - before for before, after in itertools.pairwise(counted)}
    if not counted or counted[0] not in (0, 1) or len(steps) > 1 or steps - ({1, 2} if curves_counted else {1}):
        first = next(iter(parts.values()))
        raise ValueError(
            f"the layers are numbered {', '.join(map(str, counted)) or 'not at all'} ({first!r}); one is missing"
        )


def _shape(layers: Sequence[tuple[Doubles, Doubles]]) -> str:
    """Return the widths of layers, as 2 → 256 → 3."""
    return " → ".join(map(str, [layers[0][0].shape[1], *(len(weight) for weight, _ in layers)]))
