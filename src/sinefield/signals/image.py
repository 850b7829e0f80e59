"""How a field is read back as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.io import image as pictures
from sinefield.io.allocation import iterate_slabs
from sinefield.io.image import Floats
from sinefield.io.pictures.encoding import find_known_extremes
from sinefield.io.pictures.stored import Details
from sinefield.quantities import QUANTITIES, quantity_named
from sinefield.signals.lattice import Lattice
from sinefield.signals.mask import Mask
from sinefield.signals.sampling import sample_grid
from sinefield.signals.signal import Axis, Signal

_LONGEST = 2**31  # pixels a side

Region = tuple[float, float, float, float]


@final
@dataclass(frozen=True)
class ImageSignal(Signal):
    """How a field of the plane is read back as a picture.

    A picture's pixel (row r, column c), whose centre is at (r + ½, c + ½) pixels from the upper left corner, lies at
    y = (2r + 1 − height) / L and x = (2c + 1 − width) / L with L = max(height, width); points are (y, x), in the order
    of the array's axes.

    Args:
        lattice: the mapping between pixels and the field, along y and x.
        bits: of a sample in a picture: 8, 16 or 32 (floats).
        details: what the file of the picture tells besides, and files that are written tell too.
        mask: which pixels hold a sample; None: all. Colours under alpha 0 are not among them.
    """

    lattice: Lattice
    bits: int
    details: Details = field(default_factory=Details)
    mask: Mask | None = None
    kind: ClassVar[str] = "image"

    @classmethod
    def of(cls, picture: pictures.Picture) -> ImageSignal:
        """Return how a field of a picture is read back."""
        height, width, channels = picture.values.shape
        lattice = Lattice.of_cubes((height, width), channels, picture.low, picture.high)
        missing = picture.known is not None and not picture.has_alpha
        mask = Mask.of(picture.known[..., 0]) if missing and picture.known is not None else None
        return cls(lattice, picture.bits, picture.details, mask)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Rows y and columns x, in pixels."""
        height, width = self.lattice.shape
        return Axis("y", "pixel", height), Axis("x", "pixel", width)

    @property
    def channels(self) -> int:
        """1 of grey, 3 of RGB, 4 of RGBA, or as many as the file has."""
        return self.lattice.channels

    @property
    def spacing(self) -> float:
        """The size of a pixel in field coordinates, 2 / max(height, width)."""
        return self.lattice.spacings[0]

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be rendered: all."""
        return tuple(QUANTITIES)

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON; the colour profile and the mask are bytes."""
        known = {} if self.mask is None else {"known": self.mask.packed}
        return {"kind": self.kind, **self.lattice.to_json(), "bits": self.bits, **self.details.to_json(), **known}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ImageSignal:
        """Return the signal that :meth:`to_json` stored, in this version or the first.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        lattice = Lattice.from_json(stored if "shape" in stored else _as_lattice(stored), axes=2)
        bits = stored.get("bits")
        details = Details.from_json(stored)
        told = details.alpha is not None and (lattice.channels == 4 or not details.alpha)
        plausible = (lattice.channels in (1, 3, 4) or told) and max(lattice.shape) <= _LONGEST
        if not plausible or type(bits) is not int or bits not in (8, 16, 32):
            height, width = lattice.shape
            raise ValueError(
                f"the stored picture is not plausible: {width} x {height}, {lattice.channels} channels of {bits} bits"
            )
        return cls(lattice, bits, details, Mask.of_bytes(stored.get("known"), lattice.shape))

    def sample(
        self,
        field: nn.Module,
        size: tuple[int, int] | None = None,
        *,
        scale: float = 1.0,
        region: Region | None = None,
        quantity: str = "value",
    ) -> Floats:
        """Return the picture of a field, evaluated at any resolution in blocks of bounded memory.

        What is too large for memory is mapped from a temporary file.

        Args:
            field: Φ, from ``(n, 2)`` to ``(n, channels)``.
            size: width and height in samples; None: those of the region times ``scale``.
            scale: samples per pixel of the original.
            region: left, top, right, bottom in pixels of the original; None: all.
            quantity: one of :data:`sinefield.quantities.QUANTITIES`: ``"value"`` in the units of the file, derivatives
                per pixel of the original, or per pixel squared.

        Returns:
            ``(height, width, channels)``, NaN where the picture has no sample.

        Raises:
            ValueError: an unknown quantity, an empty region, a size or scale that is not positive, a picture that
                the disk cannot hold, or a field whose outputs are not the channels of the picture.
        """
        wanted = quantity_named(quantity)
        axes = self._axes_of(size, scale, region)[0]
        found = sample_grid(
            field, axes, self.channels, lambda u: self.lattice.read(u, wanted, self.spacing), wanted.needs
        )
        known = self._known_at(axes)
        if known is not None:
            for some in iterate_slabs(found):
                found[some][~known[some]] = math.nan
        return found

    def _axes_of(
        self, size: tuple[int, int] | None, scale: float, region: Region | None
    ) -> tuple[tuple[Tensor, Tensor], Region]:
        """Return the coordinates of rows and columns to render, and the region they are of, in pixels.

        Raises:
            ValueError: an empty region, or a size or scale that is not positive.
        """
        rows, columns = self.lattice.shape
        left, top, right, bottom = region or (0.0, 0.0, float(columns), float(rows))
        if not (left < right and top < bottom and all(map(math.isfinite, (left, top, right, bottom)))):
            raise ValueError(
                f"a region is left, top, right, bottom in pixels, left < right and top < bottom; got {region}"
            )
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"scale must be a positive number of samples per pixel, got {scale}")
        if size is not None and len(size) != 2:
            raise ValueError(f"the size of a picture is width and height, got {len(size)} numbers")
        width, height = size or (round((right - left) * scale), round((bottom - top) * scale))
        if min(width, height) < 1:
            raise ValueError(f"the picture to render would be {width} x {height}; both must be at least 1")
        axes = (self.lattice.centres(0, height, top, bottom), self.lattice.centres(1, width, left, right))
        return axes, (left, top, right, bottom)

    def _known_at(self, axes: tuple[Tensor, Tensor]) -> NDArray[np.bool_] | None:
        """Return which of the samples to render are known; None: all."""
        return None if self.mask is None else self.mask.at(self.lattice, axes)

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, int] | None = None,
        *,
        scale: float = 1.0,
        region: Region | None = None,
        quantity: str = "value",
    ) -> str:
        """Return in a few words what was written: the picture of a field.

        NPY keeps numbers. Derivatives as pictures go from black to white: a norm from 0 to the largest, a Laplacian
        from minus to plus the largest. The other arguments are those of :meth:`sample`.

        Raises:
            ValueError: as for :meth:`sample`; or an ending of no known format.
        """
        pictures.check_suffix(path)
        values = self.sample(field, size, scale=scale, region=region, quantity=quantity)
        least, most = find_known_extremes(values)
        wanted = quantity_named(quantity)
        black, white = wanted.scale(self.lattice.low, self.lattice.high, least, most)
        height, width, _ = values.shape
        axes, (left, top, right, bottom) = self._axes_of(size, scale, region)
        details = self.details.scaled(width / (right - left), height / (bottom - top), left, top)
        if wanted.order > 0:  # derivatives have neither the colours nor the type of the samples
            details = replace(details, sample=None, profile=b"", nodata=None)
        bits = self.bits if wanted.order == 0 else 8
        pictures.write(path, values, black, white, bits, details, self._known_at(axes))
        return f"{width} x {height}, {quantity} from {least:.4g} to {most:.4g}"


def _as_lattice(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping of pixels that files of the first version hold, as that of a lattice; it is checked later."""
    shape = [stored.get("height"), stored.get("width")]
    sizes = [each for each in shape if isinstance(each, int) and each > 0]
    return {**stored, "shape": shape, "extent": [each / max(sizes) for each in sizes]}
