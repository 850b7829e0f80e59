"""A small picture of a field, for browsers that cannot evaluate it, and for notebooks."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from torch import nn

from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

_LONGEST: Final = 192  # pixels of the picture for browsers that evaluate nothing
_HALVED: Final = 3  # times, at most


def picture_of(field: nn.Module, signal: Signal, most: int | None = None) -> str | None:
    """Return a small picture of a field as a ``data:`` address; None: there is none of it.

    Args:
        field: Φ.
        signal: how it is read back.
        most: characters of the address, for which the picture is halved until it has no more; None: any number.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        match signal:
            case ImageSignal():
                height, width = signal.lattice.shape
                signal.write(field, path, _size(width, height, _LONGEST))
            case VideoSignal():
                _, height, width = signal.lattice.shape
                signal.write(field, path, _size(round(width * signal.aspect), height, _LONGEST), time=0.0)
            case VolumeSignal():
                _, height, width = signal.lattice.shape
                signal.write(field, path, _size(width, height, _LONGEST), axis="z")
            case ShapeSignal():
                signal.write(field, path, (_LONGEST, _LONGEST))
            case EquationSignal() if len(signal.names) > 1:
                signal.write(field, path, (_LONGEST, _LONGEST))
            case AudioSignal() | _:
                return None
        with Image.open(path) as picture:
            address = address_of(picture)
            for _ in range(_HALVED):
                if most is None or len(address) <= most:
                    break
                picture.thumbnail((max(picture.size) // 2,) * 2)
                address = address_of(picture)
            return address


def _size(width: int, height: int, longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def address_of(picture: Image.Image, method: int = 4) -> str:
    """Return a picture as a ``data:`` address: as WebP, which is a third of a PNG and differs by less than is seen.

    Args:
        picture: what is stored.
        method: how much work goes into making it small, 0 to 6.
    """
    stored = io.BytesIO()
    mode = "RGBA" if "A" in picture.getbands() else "RGB"
    picture.convert(mode).save(stored, "WEBP", quality=85, method=method)
    return f"data:image/webp;base64,{base64.b64encode(stored.getvalue()).decode()}"
