"""What the page shows of a signal of each kind: planes to look at, sound to hear, a surface in space.

A plane is a window of ``width`` x ``height`` units of its own, from its upper left corner; the field is evaluated at
``origin + s·right + t·down + Σ value_k · direction_k`` for the place (s, t) and the values of the sliders, and an axis
of it shows the number ``start + step · s``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from torch import nn

from sinefield.domains import Box
from sinefield.geometry.scalar_field import estimate_lipschitz_bound
from sinefield.quantities import QUANTITIES
from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

_LINE = 0.5  # the height of a graph of one coordinate, of its width


def view_of(signal: Signal, field: nn.Module | None = None) -> dict[str, Any]:
    """Return what the page shows of a field that is read back as a signal.

    Args:
        signal: how it is read back.
        field: Φ; None: without the bound of its slope, which a surface is drawn by.

    Raises:
        ValueError: the page knows no signals of this kind.
    """
    found = _view_of(signal)
    if "surface" in found and field is not None:
        found["surface"]["lipschitz"] = _steepness_of(found, field)
    return found


def steepness_of(signal: Signal, field: nn.Module) -> float | None:
    """Return the bound of the slope that the surface of a field is drawn by; None: it has no surface."""
    return _steepness_of(view_of(signal), field)


def _steepness_of(view: dict[str, Any], field: nn.Module) -> float | None:
    if "surface" not in view:
        return None
    sides = view["surface"]["sides"]
    return estimate_lipschitz_bound(field, Box([-each for each in sides], sides))[0]


@singledispatch
def _view_of(signal: Signal) -> dict[str, Any]:
    """Return what the page shows of a signal.

    Raises:
        ValueError: the page knows no signals of this kind.
    """
    raise ValueError(f"the page shows no signals of kind {signal.kind!r}")


@_view_of.register
def _(signal: ImageSignal) -> dict[str, Any]:
    height, width = signal.lattice.shape
    plane = _plane(signal.lattice, 1, 0, (1.0, 1.0), ("x", "y"), "pixel")
    return {
        "planes": [plane | {"name": "picture"}],
        "sliders": [],
        "read": _read(signal.lattice, signal.spacing, "pixel") | {"size": [width, height]},
    }


@_view_of.register
def _(signal: VideoSignal) -> dict[str, Any]:
    plane = _plane(signal.lattice, 2, 1, (signal.aspect, 1.0), ("x", "y"), "pixel")
    plane["origin"][0] = -signal.lattice.extent[0]
    direction = [2 * signal.lattice.extent[0] / signal.seconds, 0.0, 0.0]
    slider = {"name": "t", "unit": "s", "low": 0.0, "high": signal.seconds, "value": 0.0, "direction": direction}
    return {
        "planes": [plane | {"name": "clip", "sliders": [0]}],
        "sliders": [slider | {"step": 1 / signal.rate, "plays": True}],
        "read": _read(signal.lattice, signal.lattice.spacings[1], "pixel")
        | {"quantities": [_quantity("value", "", 0)]},
    }


@_view_of.register
def _(signal: VolumeSignal) -> dict[str, Any]:
    lattice, planes, sliders = signal.lattice, [], []
    for across, name in enumerate("zyx"):
        down, along = (each for each in range(3) if each != across)
        sizes = (signal.sizes[along], signal.sizes[down])
        plane = _plane(lattice, along, down, sizes, ("zyx"[along], "zyx"[down]), "voxel")
        if signal.placement is not None:  # rows run downwards from the uppermost or the foremost
            plane = _upturned(plane)
        plane["origin"][across] = -lattice.extent[across]
        edges = signal.edges(across)
        planes.append(plane | {"name": f"across {name}", "sliders": [across], "edges": [e for e in edges if e]})
        direction = [0.0, 0.0, 0.0]
        direction[across] = lattice.spacings[across]
        count = lattice.shape[across]
        slider = {"name": name, "unit": "voxel", "low": 0.0, "high": float(count), "value": count / 2}
        sliders.append(slider | {"direction": direction, "step": 0.25, "plays": False})
    return {"planes": planes, "sliders": sliders, "read": _read(lattice, signal.spacing, signal.unit)}


@_view_of.register
def _(signal: AudioSignal) -> dict[str, Any]:
    lattice = signal.lattice
    direction = 2 * lattice.extent[0] / signal.seconds
    quantities = [_quantity("value", "of full scale", 0), _quantity("gradient", "1/s", 1)]
    return {
        "sound": {
            "rate": signal.rate,
            "count": lattice.shape[0],
            "seconds": signal.seconds,
            "origin": -lattice.extent[0],
            "direction": direction,
        },
        "read": _read(lattice, direction, "s") | {"quantities": quantities},
    }


@_view_of.register
def _(signal: ShapeSignal) -> dict[str, Any]:
    unit = signal.unit or "unit"
    read = {
        "shift": 0.0,
        "scale": signal.scale,
        "lengths": [1.0, 1 / signal.scale, 1 / signal.scale**2],
        "low": -signal.scale,
        "high": signal.scale,
        "channels": 1,
        "complex": False,
        "distance": True,
        "quantities": [
            _quantity("value", unit, 0) | {"title": "distance"},
            _quantity("gradient", "", 1),
            _quantity("laplacian", f"1/{unit}", 2),
        ],
    }
    sides = [min(1.0, each + 0.1) for each in signal.extent]
    if signal.dimension == 2:
        y, x = signal.centre
        plane = {
            "name": "outline",
            "width": 2 * signal.scale,
            "height": 2 * signal.scale,
            "origin": [-1.0, -1.0],
            "right": [0.0, 1 / signal.scale],
            "down": [1 / signal.scale, 0.0],
            "axes": [_axis("x", unit, x - signal.scale, 1.0), _axis("y", unit, y - signal.scale, 1.0)],
            "sliders": [],
        }
        return {"planes": [plane], "sliders": [], "read": read}
    surface = {"sides": sides, "up": "xyz".index(signal.up), "scale": signal.scale, "centre": list(signal.centre)}
    planes, sliders = [], []
    for across, name in enumerate("xyz"):
        along, upwards = (each for each in range(3) if each != across)
        origin, right, down, direction = ([0.0] * 3 for _ in range(4))
        width, height = (2 * sides[each] * signal.scale for each in (along, upwards))
        origin[along], origin[upwards] = -sides[along], sides[upwards]
        right[along], down[upwards] = 1 / signal.scale, -1 / signal.scale
        axes = [
            _axis("xyz"[along], unit, signal.centre[along] - width / 2, 1.0),
            _axis("xyz"[upwards], unit, signal.centre[upwards] + height / 2, -1.0),
        ]
        plane = {"name": f"slice across {name}", "width": width, "height": height, "axes": axes}
        # The slider shows coordinates of the file: at its zero the field is at -centre / scale.
        origin[across], direction[across] = -signal.centre[across] / signal.scale, 1 / signal.scale
        planes.append(plane | {"origin": origin, "right": right, "down": down, "sliders": [across]})
        reach = sides[across] * signal.scale
        low, high = signal.centre[across] - reach, signal.centre[across] + reach
        slider = {"name": name, "unit": unit, "low": low, "high": high, "value": signal.centre[across]}
        sliders.append(slider | {"direction": direction, "step": reach / 200, "plays": False})
    return {"surface": surface | {"unit": unit}, "planes": planes, "sliders": sliders, "read": read}


@_view_of.register
def _(signal: EquationSignal) -> dict[str, Any]:
    names, lower, upper = signal.names, signal.lower, signal.upper
    dimension = len(names)
    drawn = list(range(dimension))[-2:]
    origin, right, down = ([0.0] * dimension for _ in range(3))
    first = drawn[0]
    origin[first], right[first] = lower[first], 1.0
    width = upper[first] - lower[first]
    plane: dict[str, Any] = {"name": "plane", "sliders": list(range(dimension - 2))}
    axes = [_axis(names[first], "", lower[first], 1.0)]
    if dimension == 1:
        plane |= {"name": "graph", "graph": True, "width": width, "height": width * _LINE}
    else:
        last = drawn[1]
        height = upper[last] - lower[last]
        origin[last], down[last] = upper[last], -1.0
        if "t" in (names[first], names[last]):  # a time and a length have no proportion
            down[last] *= height / width
            axes.append(_axis(names[last], "", upper[last], -height / width))
            height = width
        else:
            axes.append(_axis(names[last], "", upper[last], -1.0))
        plane |= {"width": width, "height": height}
    sliders = []
    for place, name in enumerate(names[:-2]):
        direction = [0.0] * dimension
        direction[place] = 1.0
        low, high = lower[place], upper[place]
        value = high if name == "t" else (low + high) / 2
        slider = {"name": name, "unit": "", "low": low, "high": high, "value": value, "direction": direction}
        sliders.append(slider | {"step": (high - low) / 200, "plays": name == "t"})
    quantities = [_quantity(name, "", 0) for name in signal.quantities if name not in QUANTITIES]
    for order, name in enumerate(QUANTITIES):
        if not signal.complex:
            quantities.append(_quantity(name, "", order))
        elif order > 0:
            quantities.append(_quantity(name, "", order) | {"title": f"{QUANTITIES[name].title} of the real part"})
    read = {
        "shift": 0.0,
        "scale": 1.0,
        "lengths": [1.0, 1.0, 1.0],
        "low": None,
        "high": None,
        "channels": signal.channels,
        "complex": signal.complex,
        "quantities": quantities,
    }
    plane |= {"origin": origin, "right": right, "down": down, "axes": axes}
    if signal.region is not None and dimension > 1:
        plane["outline"] = _rings(signal.region, axes, plane["width"])
    return {"planes": [plane], "sliders": sliders, "read": read}


def _rings(region: bytes, axes: Sequence[dict[str, Any]], width: float) -> list[list[list[float]]]:
    """Return the rings of a region, in well-known binary, as places in the plane of two axes."""
    import shapely

    shape = shapely.from_wkb(region).simplify(width / 4096)
    x, y = axes
    return [
        [
            [float(f"{(each - axis['start']) / axis['step']:.6g}") for each, axis in zip(point, (x, y), strict=True)]
            for point in shapely.get_coordinates(ring)
        ]
        for polygon in shapely.get_parts(shape)
        for ring in (polygon.exterior, *polygon.interiors)
    ]


def _plane(
    lattice: Lattice, along: int, down: int, sizes: Sequence[float], names: Sequence[str], unit: str
) -> dict[str, Any]:
    """Return the plane of two axes of a lattice, whose samples are ``sizes`` wide and high; others are at 0."""
    dimension = len(lattice.shape)
    origin, right, downwards = ([0.0] * dimension for _ in range(3))
    origin[along], origin[down] = -lattice.extent[along], -lattice.extent[down]
    right[along], downwards[down] = lattice.spacings[along] / sizes[0], lattice.spacings[down] / sizes[1]
    return {
        "width": lattice.shape[along] * sizes[0],
        "height": lattice.shape[down] * sizes[1],
        "origin": origin,
        "right": right,
        "down": downwards,
        "axes": [_axis(names[0], unit, 0.0, 1 / sizes[0]), _axis(names[1], unit, 0.0, 1 / sizes[1])],
        "sliders": [],
    }


def _upturned(plane: dict[str, Any]) -> dict[str, Any]:
    """Return a plane with its last row first."""
    height = plane["height"]
    x, y = plane["axes"]
    origin = [a + height * b for a, b in zip(plane["origin"], plane["down"], strict=True)]
    axes = [x, _axis(y["name"], y["unit"], y["start"] + height * y["step"], -y["step"])]
    return plane | {"origin": origin, "down": [-each for each in plane["down"]], "axes": axes}


def _axis(name: str, unit: str, start: float, step: float) -> dict[str, Any]:
    return {"name": name, "unit": unit, "start": start, "step": step}


def _quantity(name: str, unit: str, order: int) -> dict[str, Any]:
    return {"name": name, "title": QUANTITIES[name].title if name in QUANTITIES else name, "unit": unit, "order": order}


def _read(lattice: Lattice, spacing: float, unit: str) -> dict[str, Any]:
    """Return how values of the field become those of a signal, and derivatives such per unit of length."""
    return {
        "shift": lattice.low + lattice.contrast,
        "scale": lattice.contrast,
        "lengths": [1.0, spacing, spacing**2],
        "low": lattice.low,
        "high": lattice.high,
        "channels": lattice.channels,
        "complex": False,
        "quantities": [
            _quantity("value", "", 0),
            _quantity("gradient", f"1/{unit}", 1),
            _quantity("laplacian", f"1/{unit}²", 2),
            *([] if len(lattice.shape) != 2 else [_quantity("normal", "", 1) | {"title": "normal"}]),
        ],
    }
