"""How a field is read back as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sinefield.io import image as pictures
from sinefield.io.allocation import find_extremes
from sinefield.io.image import Floats, PixelMap
from sinefield.jet import Jet
from sinefield.signals.resampling import read_at

QUANTITIES = ("value", "gradient", "laplacian")
"""What of a picture can be constrained and rendered."""


Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageSignal:
    """How a field of the plane is read back as a picture.

    Args:
        pixels: the mapping between pixels and the field's coordinates and values.
    """

    pixels: PixelMap

    @property
    def kind(self) -> str:
        """``"image"``."""
        return "image"

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON."""
        return {"kind": self.kind, **asdict(self.pixels)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ImageSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: a number is missing, of the wrong kind or out of its range.
        """
        try:
            sizes = [stored[name] for name in ("height", "width", "channels", "bits")]
            low, high = float(stored["low"]), float(stored["high"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored picture mapping is incomplete or malformed ({error!r})") from error
        plausible = all(type(each) is int and 1 <= each <= 2**31 for each in sizes)
        plausible = plausible and sizes[2] in (1, 3, 4) and sizes[3] in (8, 16, 32)
        if not (plausible and math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"the stored picture mapping is not plausible: sizes {sizes}, values {low} to {high}")
        height, width, channels, bits = sizes
        return cls(PixelMap(height, width, channels, low, high, bits))

    def render(
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
            quantity: ``"value"`` in the units of the file; ``"gradient"``, its norm ‖∇‖ per pixel of the original;
                ``"laplacian"`` per pixel squared.

        Returns:
            ``(height, width, channels)``.

        Raises:
            ValueError: an unknown quantity, an empty region, a size or scale that is not positive, a picture that
                the disk cannot hold, or a field whose outputs are not the channels of the picture.
        """
        if quantity not in QUANTITIES:
            raise ValueError(f"unknown quantity {quantity!r}; choose one of {', '.join(QUANTITIES)}")
        left, top, right, bottom = region or (0.0, 0.0, float(self.pixels.width), float(self.pixels.height))
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
        ys, xs = self.pixels.axes(height, width, region)
        return read_at(field, (ys, xs), self.pixels.channels, lambda u: self._read(u, quantity))

    def write(self, field: nn.Module, path: Path, *, quantity: str = "value", **options: Any) -> str:
        """Return in a few words what was written: the picture of a field.

        NPY keeps numbers. Derivatives as pictures go from black to white: a norm from 0 to the largest, a Laplacian
        from minus to plus the largest.

        Raises:
            ValueError: as for :meth:`render`, which takes the ``options``; or an ending of no known format.
        """
        pictures.check_suffix(path)
        values = self.render(field, quantity=quantity, **options)
        least, most = find_extremes(values)
        low, high, bits = self.pixels.low, self.pixels.high, self.pixels.bits
        if quantity != "value":
            high = max(-least, most) or 1.0
            low, bits = (0.0 if quantity == "gradient" else -high), 8
        pictures.write(path, values, low, high, bits)
        height, width, _ = values.shape
        return f"{width} x {height}, {quantity} from {least:.4g} to {most:.4g}"

    def _read(self, u: Jet, quantity: str) -> Tensor:
        contrast, spacing = self.pixels.contrast, self.pixels.spacing
        if quantity == "value":
            return self.pixels.to_pixels(u.value)
        if quantity == "gradient":
            norm: Tensor = torch.linalg.vector_norm(u.jacobian, dim=-1)
            return norm * (contrast * spacing)
        return u.laplacian * (contrast * spacing**2)
