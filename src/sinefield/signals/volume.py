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
from sinefield.quantities import QUANTITIES, quantity_named
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import sample_grid
from sinefield.signals.signal import Axis, Signal

_AXES = ("z", "y", "x")


@final
@dataclass(frozen=True)
class VolumeSignal(Signal):
    """How a field of space is read back as a volume.

    Args:
        lattice: the mapping between voxels and the field, along z, y and x.
        sizes: of a voxel of the original along z, y and x, in ``unit``.
        unit: ``"mm"`` or ``"voxel"``.
        bits: of a sample in a picture: 8, or 16 where the original has more.
    """

    lattice: Lattice
    sizes: tuple[float, float, float]
    unit: str
    bits: int
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
        """Return the mapping as JSON."""
        own = {"sizes": list(self.sizes), "unit": self.unit, "bits": self.bits}
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
        return cls(lattice, (z, y, x), str(unit), int(bits or 8))

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
                middle.
            quantity: one of :data:`sinefield.quantities.QUANTITIES`: ``"value"`` in the units of the file, derivatives
                per millimetre, or per voxel where their size is not known, or per its square.

        Returns:
            ``(z, y, x)``; of a slice ``(height, width)``, rows along the first of the axes that are left.

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
        return found if across is None else found.squeeze(across)

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
        """Return in a few words what was written: a volume or a slice as NPY, or a slice as a picture.

        NPY keeps numbers. A gradient as a picture goes from black to white from 0 to the largest, a Laplacian from
        minus to plus the largest. The other arguments are those of :meth:`sample`.

        Raises:
            ValueError: as for :meth:`sample`; or an ending of no known format, or not of a volume.
        """
        if axis is None and path.suffix.lower() != ".npy":
            raise ValueError(f"cannot write {path}: a volume's ending must be .npy; give axis z, y or x for a slice")
        pictures.check_suffix(path)
        values = self.sample(field, size, axis=axis, at=at, quantity=quantity)
        least, most = find_extremes(values)
        told = f"{' x '.join(map(str, values.shape))}, {quantity} from {least:.4g} to {most:.4g}"
        if axis is None:
            volumes.write(path, values)
            return told
        asked = quantity_named(quantity)
        black, white = asked.scale(self.lattice.low, self.lattice.high, least, most)
        pictures.write(path, values[:, :, None], black, white, self.bits if asked.order == 0 else 8)
        return told


def _axis_of(axis: str | int) -> int:
    name = str(axis).lower()
    if name in _AXES:
        return _AXES.index(name)
    if name in ("0", "1", "2"):
        return int(name)
    raise ValueError(f"unknown axis {axis!r}; choose z, y or x, or 0, 1 or 2")
