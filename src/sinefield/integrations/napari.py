"""A reader of napari: a field as layers of images of many scales, evaluated where one looks.

The finest scale has more samples than the original, as the field has values between them. Each scale is every second
sample of the one before along the last two axes, and as many along the others: napari multiplies the numbers of samples
by the ratio of shapes and puts sample 0 of every scale at one place, so that averages over blocks, and scales of fewer
slices, would be shown beside where they are. Nothing of napari itself is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sinefield import checkpoint, kinds
from sinefield.integrations.sampled import Lazy, Line, Quantity, Sampled, key_of, lines_of, numbered
from sinefield.quantities import QUANTITIES
from sinefield.signals.lattice import Lattice

LayerData = tuple[list["Scale"], dict[str, Any], str]

_FINER: Final = 3  # scales above that of the original
_COARSEST: Final = 512  # samples along the longer side of the coarsest scale, at most
_MOST: Final = 1 << 20  # samples of it, which are all evaluated to be shown in three dimensions
_LOOKED_AT: Final = 16  # places along each axis that the limits of contrast are found at
_SHOWN: Final[tuple[tuple[Quantity, str, str], ...]] = (
    ("value", "", "gray"),
    ("gradient", "‖gradient‖", "viridis"),
    ("laplacian", "Laplacian", "PiYG"),
)


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return what reads a field file as layers; None: one of the files is none, or of a signal that is no image.

    Args:
        path: the file, or several.
    """
    for each in _paths_of(path):
        try:
            signal = checkpoint.read_header(each).get("signal") or {}
        except (OSError, ValueError):
            return None
        if signal.get("kind") in (None, "audio") or len(signal.get("names", "xy")) < 2:
            return None
    return read_layers


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Return layers of field files: values, ‖gradient‖ and Laplacian, the last two not shown at first.

    A picture of three or four channels is one layer in colours; of other fields each output is one. Axes are in the
    order of arrays, rows before columns, and scaled to the units of the signal.

    Args:
        path: the file, or several.

    Raises:
        ValueError: a file is no field of a signal.
        OSError: a file cannot be read.
    """
    return [layer for each in _paths_of(path) for layer in _layers_of(Path(each))]


def _paths_of(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


@final
@dataclass(frozen=True, eq=False)
class Scale(Lazy):
    """An array of one scale, or a part of one, that is evaluated when it becomes an array of NumPy.

    napari takes the part that is seen of all slices first, and then the slice of it.

    Args:
        parts: quantities on this scale: one, or several whose norm it is.
        order: of its axes, as axes of the field.
        output: of the field; None: all, as colours from 0 to 1 in a last axis.
        black: the value that is colour 0.
        white: the value that is colour 1.
        taken: numbers of the places along each axis, a single one where the axis is gone; None: all.
    """

    parts: tuple[Sampled, ...]
    order: tuple[int, ...]
    output: int | None
    black: float = 0.0
    white: float = 1.0
    taken: tuple[NDArray[np.intp], ...] | None = None

    @property
    def _places(self) -> tuple[NDArray[np.intp], ...]:
        whole = self.parts[0].shape
        lengths = [*(whole[n] for n in self.order), *(whole[-1:] if self.output is None else ())]
        return tuple(map(np.arange, lengths)) if self.taken is None else self.taken

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths."""
        return tuple(len(each) for each in self._places if each.ndim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the field."""
        return self.parts[0].dtype

    def __getitem__(self, key: Any) -> Scale:
        places, keys = list(self._places), key_of(key, self.ndim)
        for n, each in zip((n for n, each in enumerate(places) if each.ndim), keys, strict=True):
            places[n] = np.asarray(places[n][numbered(len(places[n]), each)])
        return replace(self, taken=tuple(places))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        places = [np.atleast_1d(each) for each in self._places]
        rows = [places[self.order.index(n)] for n in range(len(self.order))]
        outputs = places[-1] if self.output is None else [self.output]
        parts = [part[(*rows, outputs)].transpose(*self.order, -1) for part in self.parts]
        found = np.linalg.norm(parts, axis=0) if self.parts[0].quantity == "gradient" else parts[0]
        if self.output is None:
            found = np.clip((found - self.black) / (self.white - self.black), 0, 1)
        return np.asarray(found.reshape(self.shape), dtype=dtype)

    def extremes(self) -> tuple[float, float]:
        """Return the least and the greatest of some of it, which differ."""
        found = np.asarray(self[tuple(slice(None, None, -(-count // _LOOKED_AT)) for count in self.shape)])
        found = found[np.isfinite(found)]
        least, most = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
        return (least, most) if least < most else (least, least + 1)


def _layers_of(path: Path) -> list[LayerData]:
    """Return the layers of a field file.

    Raises:
        ValueError: it is no field of a signal.
        OSError: it cannot be read.
    """
    field, header = checkpoint.read(path)
    signal = kinds.signal_from_json(header.get("signal") or {})
    lines = [replace(each, from_end_to_end=False) for each in lines_of(signal)]
    lengths = [n for n, each in enumerate(lines) if each.name != "t"]
    # Arrays have their axes z, y, x; the coordinates of equations and shapes are x, y, z.
    turned = lines[-1].name != "x"
    order = (*(n for n in range(len(lines)) if n not in lengths), *(lengths[::-1] if turned else lengths))
    halvings = max(0, (max(lines[n].count for n in order[-2:]) - 1) // _COARSEST).bit_length()
    while halvings < 32 and math.prod(each.count for each in lines) >> 2 * halvings > _MOST:
        halvings += 1
    lattice = getattr(signal, "lattice", None)
    counts = {n: max(1, lines[n].count >> halvings) << halvings + _FINER for n in order[-2:]}
    finest = Sampled(field, signal, tuple(replace(e, count=counts.get(n, e.count)) for n, e in enumerate(lines)))
    strides = [2**n for n in range(halvings + _FINER + 1)]
    steps = [(finest.lines[n].high - finest.lines[n].low) / finest.lines[n].count for n in order]
    shared = {
        "multiscale": True,
        "scale": steps,
        "translate": [_begin(lines[n], lattice) + step / 2 for n, step in zip(order, steps, strict=True)],
        "metadata": {"axes": [lines[n].name for n in order], "units": [lines[n].unit for n in order]},
    }
    if lattice is not None and lattice.channels in (3, 4) and signal.kind in ("image", "video"):
        whole = Scale((finest,), order, None, lattice.low, lattice.high)
        return [([whole[..., ::n, ::n, :] for n in strides], {"name": path.stem, "rgb": True, **shared}, "image")]
    made: list[LayerData] = []
    for output in range(signal.channels):
        name = path.stem if signal.channels == 1 else f"{path.stem} {output}"
        for quantity, title, colormap in _SHOWN:
            axes = lengths if quantity == "gradient" else [0]
            whole = Scale(tuple(replace(finest, quantity=quantity, axis=n) for n in axes), order, output)
            data = [whole[..., ::n, ::n] for n in strides]
            least, most = data[-1].extremes()
            if quantity == "value" and lattice is not None:
                least, most = lattice.low, lattice.high
            own = {"name": f"{name} {title}".strip(), "visible": quantity == "value", "colormap": colormap}
            limits = QUANTITIES[quantity].scale(least, most, least, most)
            made.append((data, {**own, "contrast_limits": limits, **shared}, "image"))
    return made


def _begin(line: Line, lattice: Lattice | None) -> float:
    """Return where an axis begins: of what was sampled half a sample before 0, as napari places the original itself."""
    return line.low if lattice is None else (line.low - line.high) / line.count / 2
