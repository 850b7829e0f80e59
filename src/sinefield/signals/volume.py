"""How a field is read back as a volume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.io import image as pictures
from sinefield.io import volume as volumes
from sinefield.io.allocation import find_extremes
from sinefield.io.volumes.placement import Placement
from sinefield.quantities import QUANTITIES, quantity_named
from sinefield.signals.lattice import Lattice
from sinefield.signals.mask import Mask
from sinefield.signals.sampling import sample_grid
from sinefield.signals.signal import Axis, Signal

_AXES = ("z", "y", "x")
_ENDS = (("inferior", "superior"), ("posterior", "anterior"), ("left", "right"))  # of z, y and x
_PIXELS = 1 << 28  # the most of a slice that is made square pixels unasked


@final
@dataclass(frozen=True)
class VolumeSignal(Signal):
    """How a field of space is read back as a volume.

    Args:
        lattice: the mapping between voxels and the field, along z, y and x.
        sizes: of a voxel of the original along z, y and x, in ``unit``.
        unit: ``"mm"`` or ``"voxel"``.
        bits: of a sample in a picture: 8, or 16 where the original has more.
        placement: where the voxels of the original lie in a body; None: not known.
        mask: which voxels of the original are known; None: all.
    """

    lattice: Lattice
    sizes: tuple[float, float, float]
    unit: str
    bits: int
    placement: Placement | None = None
    mask: Mask | None = None
    kind: ClassVar[str] = "volume"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Slices z, rows y and columns x; positions along them are in voxels."""
        return tuple(Axis(name, "voxel", count) for name, count in zip(_AXES, self.lattice.shape, strict=True))

    @property
    def channels(self) -> int:
        """1."""
        return self.lattice.channels

    @property
    def spacing(self) -> float:
        """How long ``unit`` is in field coordinates: the same along every axis, as extents are in proportion."""
        return self.lattice.spacings[0] / self.sizes[0]

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be rendered: all."""
        return tuple(QUANTITIES)

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON, and the mask as bytes."""
        own: dict[str, Any] = {"sizes": list(self.sizes), "unit": self.unit, "bits": self.bits}
        if self.placement is not None:
            own["placement"] = self.placement.to_json()
        if self.mask is not None:
            own["known"] = self.mask.packed
        return {"kind": self.kind, **self.lattice.to_json(), **own}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> VolumeSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        lattice, sizes = Lattice.from_json(stored, axes=3), stored.get("sizes")
        unit, bits = stored.get("unit"), stored.get("bits")
        plausible = isinstance(sizes, list) and len(sizes) == 3 and unit in ("mm", "voxel") and bits in (8, 16)
        plausible = plausible and all(isinstance(each, int | float) and 0 < each < math.inf for each in sizes or ())
        if not plausible or lattice.channels != 1:
            raise ValueError(f"the stored volume is not plausible: voxels of {sizes} {unit}, {bits} bits")
        z, y, x = map(float, sizes or ())
        placement = Placement.from_json(stored.get("placement"))
        if placement is not None and not np.allclose(placement.sizes, (z, y, x), rtol=1e-3):
            raise ValueError(f"the stored volume is not plausible: voxels of {sizes} and of {placement.sizes} mm")
        mask = Mask.of_bytes(stored.get("known"), lattice.shape)
        return cls(lattice, (z, y, x), str(unit), int(bits or 8), placement, mask)

    def sample(
        self,
        field: nn.Module,
        size: tuple[int, ...] | None = None,
        *,
        axis: str | int | None = None,
        at: float | None = None,
        quantity: str = "value",
    ) -> NDArray[np.float32]:
        """Return the volume of a field at any shape, or a slice of it as a picture.

        Args:
            field: Φ, from ``(n, 3)`` to ``(n, 1)``.
            size: samples along z, y and x; of a slice its width and height; None: those of the original.
            axis: that a slice is perpendicular to: z, y, x, or 0, 1, 2; None: the whole volume.
            at: where along it, in voxels of the original from the beginning, voxel k spanning k to k + 1; None: the
                middle. Of a scan it begins below, behind or at the left.
            quantity: one of :data:`sinefield.quantities.QUANTITIES`: ``"value"`` in the units of the file, derivatives
                per millimetre, or per voxel where their size is not known, or per its square.

        Returns:
            ``(z, y, x)``; of a slice ``(height, width)``, rows along the first of the axes that are left, upright as
            :meth:`upright` says. NaN where the nearest voxel of the original is not known.

        Raises:
            ValueError: an unknown quantity or axis, a position without an axis or outside, a size of other axes or
                below 1, a volume that the disk cannot hold, or a field whose outputs are not those of a volume.
        """
        asked = quantity_named(quantity)
        shape = list(self.lattice.shape)
        if axis is None:
            if at is not None:
                raise ValueError(f"a position of {at:g} needs the axis it is along; give axis z, y or x")
            wanted = shape if size is None else list(size)
            across = None
        else:
            across = _axis_of(axis)
            at = shape[across] / 2 if at is None else at
            if not 0 <= at <= shape[across]:
                raise ValueError(
                    f"the position {at:g} is outside axis {_AXES[across]}, which has {shape[across]} voxels"
                )
            left = [count for each, count in enumerate(shape) if each != across]
            wanted = left if size is None else list(size)[::-1]
        if len(wanted) != (3 if across is None else 2) or min(wanted) < 1:
            expected = "three integers, along z, y and x" if across is None else "width and height"
            raise ValueError(f"the size of what to render is {expected}, each at least 1; got {size}")
        axes = []
        for each in range(3):
            if each == across and at is not None:
                axes.append(self.lattice.centres(each, 1, at, at))
            else:
                axes.append(self.lattice.centres(each, wanted.pop(0)))
        found = sample_grid(field, axes, 1, lambda u: self.lattice.read(u, asked, self.spacing), asked.needs)[..., 0]
        if self.mask is not None:
            np.copyto(found, np.float32(np.nan), where=~self.mask.at(self.lattice, axes))
        return found if across is None else self.upright(found.squeeze(across))

    def upright(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return a slice ``(height, width)`` of the voxels as it is shown.

        Rows of a scan, of which it is known how it lies in a body, run downwards from its uppermost or foremost, and
        columns to the right from its left or, across x, to the front from its back. Other slices stay as they are.
        """
        return rows if self.placement is None else rows[::-1]

    def edges(self, axis: int) -> tuple[str, str, str, str]:
        """Return what lies at the top, the bottom, the left and the right of a slice; empty where it is not known.

        >>> lattice = Lattice.of_cubes((4, 4, 4), 1, 0.0, 1.0)
        >>> VolumeSignal(lattice, (1.0, 1.0, 1.0), "mm", 8, Placement.of_boxes((1.0, 1.0, 1.0))).edges(1)
        ('superior', 'inferior', 'left', 'right')
        """
        if self.placement is None:
            return "", "", "", ""
        down, along = (each for number, each in enumerate(_ENDS) if number != axis)
        return down[1], down[0], along[0], along[1]

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, ...] | None = None,
        *,
        axis: str | int | None = None,
        at: float | None = None,
        quantity: str = "value",
    ) -> str:
        """Return in a few words what was written: a volume, or a slice as a picture or an NPY file.

        A volume becomes NIfTI, NPY or a TIFF stack, in single precision: NIfTI with the axes and the mapping to space
        of the original, for the size that is rendered. A slice becomes a picture of square pixels where no size is
        asked for. NPY keeps numbers. A gradient as a picture goes from black to white from 0 to the largest, a
        Laplacian from minus to plus the largest; what is not known is black. The other arguments are those of
        :meth:`sample`.

        Raises:
            ValueError: as for :meth:`sample`; or an ending of no known format, or not of a volume.
        """
        if axis is None:
            volumes.check_suffix(path)
            return self._write_volume(field, path, size, at, quantity)
        pictures.check_suffix(path)
        across = _axis_of(axis)
        if size is None and path.suffix.lower() != ".npy":
            size = self._square(across)
        values = self.sample(field, size, axis=across, at=at, quantity=quantity)
        least, most = _extremes(values)
        told = f"{' x '.join(map(str, values.shape[::-1]))}, {quantity} from {least:.4g} to {most:.4g}"
        top, _, left, _ = self.edges(across)
        told += f", {top} at the top and {left} at the left" if top else ""
        if path.suffix.lower() == ".npy":
            pictures.write(path, values[:, :, None], least, most, 32)
            return told
        asked = quantity_named(quantity)
        black, white = asked.scale(self.lattice.low, self.lattice.high, least, most)
        values = np.where(np.isnan(values), np.float32(black), values)
        pictures.write(path, values[:, :, None], black, white, self.bits if asked.order == 0 else 8)
        return told

    def _write_volume(
        self, field: nn.Module, path: Path, size: tuple[int, ...] | None, at: float | None, quantity: str
    ) -> str:
        values = self.sample(field, size, at=at, quantity=quantity)
        placement, sizes = self.placement, None
        if placement is not None:
            placement = placement.resampled(self.lattice.shape, values.shape)
        if self.unit == "mm":
            z, y, x = (
                each * old / new for each, old, new in zip(self.sizes, self.lattice.shape, values.shape, strict=True)
            )
            sizes = (z, y, x)
        volumes.write(path, values, placement, sizes)
        least, most = _extremes(values)
        return f"{' x '.join(map(str, values.shape))}, {quantity} from {least:.4g} to {most:.4g}"

    def _square(self, across: int) -> tuple[int, int] | None:
        """Return width and height of a slice in square pixels, as small as the smaller side of a voxel.

        Raises:
            ValueError: that are too many pixels.
        """
        (rows, down), (columns, along) = (
            (count, each)
            for number, (count, each) in enumerate(zip(self.lattice.shape, self.sizes, strict=True))
            if number != across
        )
        finest = min(down, along)
        width, height = (max(1, round(count * each / finest)) for count, each in ((columns, along), (rows, down)))
        if width * height > max(_PIXELS, rows * columns):
            raise ValueError(
                f"voxels of {down:g} x {along:g} {self.unit} as square pixels are {width} x {height}; give a size WxH"
            )
        return width, height


def _extremes(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the least and the greatest value that is known; zeros where none is."""
    least, most = find_extremes(values)
    if math.isnan(least):
        there = values[np.isfinite(values)]
        least, most = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    return least, most


def _axis_of(axis: str | int) -> int:
    name = str(axis).lower()
    if name in _AXES:
        return _AXES.index(name)
    if name in ("0", "1", "2"):
        return int(name)
    raise ValueError(f"unknown axis {axis!r}; choose z, y or x, or 0, 1 or 2")
