"""Pictures in the page: of the field, for browsers that cannot evaluate it, and of what it was fitted to."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import nn

from sinefield.io import image as pictures
from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

_LONGEST: Final = 192  # pixels of the picture for browsers that evaluate nothing
_MOST: Final = 1024  # pixels along the longer side of an original in a page


def picture_of(field: nn.Module, signal: Signal) -> str | None:
    """Return a small picture of a field as a ``data:`` address; None: there is none of it."""
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
        return _address(path)


def original_of(signal: Signal, field: Path, header: Mapping[str, Any], given: str | Path | None) -> str | None:
    """Return the picture that a field was fitted to as a ``data:`` address; None: it is not there.

    Args:
        signal: of the field.
        field: the field file, beside which the original is looked for.
        header: of the field file.
        given: the original; None: it is looked for.

    Raises:
        ValueError: the field is of no picture, or the original given is of another size.
        OSError: the original given cannot be read.
    """
    if not isinstance(signal, ImageSignal):
        if given is not None:
            raise ValueError(f"the original {given} cannot be shown beside a field of kind {signal.kind!r}")
        return None
    name = (header.get("source") or {}).get("name")
    found = field.parent / str(name) if given is None else Path(given)
    sample = given is None and isinstance(name, str) and name.startswith("sample:")
    # A path in a field file of someone else's could name any picture of this machine, which the page would carry away.
    beside = name and Path(str(name)).name == name
    if given is None and not sample and not (beside and found.is_file()):
        return None
    picture = pictures.read(str(name) if sample else found)
    height, width, _ = picture.values.shape
    rows, columns = signal.lattice.shape
    if abs(width * rows - height * columns) > max(width, height) * 2:
        if given is None:
            return None
        raise ValueError(
            f"the original {given} is {width} x {height}; expected the proportions {columns} x {rows} of the field"
        )
    # No larger than the samples that the field was fitted to.
    longest = min(max(rows, columns), _MOST)
    picture = pictures.resize(picture, longest) if longest < max(height, width) else picture
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "original.png"
        pictures.write(path, picture.values, picture.low, picture.high, 8)
        return _address(path)


def _size(width: int, height: int, longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _address(path: Path) -> str:
    """Return a picture as a ``data:`` address: as WebP, which is a third of a PNG and differs by less than is seen."""
    from PIL import Image

    stored = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGBA" if "A" in picture.getbands() else "RGB").save(stored, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(stored.getvalue()).decode()}"
