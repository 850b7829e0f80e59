"""Pictures for tests, as arrays and as bytes of files, and the check that one is refused in one clear line."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.io import SignalWarning
from sinefield.io.image import Picture, read
from sinefield.signals.image import ImageSignal

HEIGHT, WIDTH = 5, 7


def noise(channels: int, dtype: str = "uint8", height: int = HEIGHT, width: int = WIDTH) -> NDArray[Any]:
    values = np.random.default_rng(channels).integers(0, np.iinfo(dtype).max, (height, width, channels), endpoint=True)
    values[0, 0], values[-1, -1] = 0, np.iinfo(dtype).max
    return values.astype(dtype)


def encoded(values: NDArray[Any], form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(values.squeeze()).save(buffer, form, **options)
    return buffer.getvalue()


def refused(source: Any, *words: str, name: str | None = None) -> str:
    """Return the message of the refusal to read ``source``: one line that names it and holds the words."""
    with pytest.raises((ValueError, OSError)) as caught:
        read(source)
    message = str(caught.value)
    assert "\n" not in message
    assert (name or str(source)) in message
    for word in words:
        assert word in message, message
    return message


def colours(path: Path) -> NDArray[Any]:
    return read(path).values


class Exact(nn.Module):
    """A field that gives the pixels of a picture back at their centres, and the nearest elsewhere."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        signal = ImageSignal.of(picture)
        self.shape = signal.lattice.shape
        self.values = nn.Parameter(signal.lattice.to_field(picture.values).double())

    def forward(self, points: Tensor) -> Tensor:
        height, width = self.shape
        longest = max(height, width)
        rows = ((points[:, 0].double() * longest + height) / 2).floor().long().clamp(0, height - 1)
        columns = ((points[:, 1].double() * longest + width) / 2).floor().long().clamp(0, width - 1)
        found: Tensor = self.values[rows * width + columns]
        return found


def rendered(picture: Picture, path: Path, **options: Any) -> Path:
    """Return the path of what is rendered of a field that is exactly a picture, its signal stored and read back."""
    stored = ImageSignal.of(picture).to_json()
    plain = {name: each for name, each in stored.items() if not isinstance(each, bytes)}
    kept = {name: each for name, each in stored.items() if isinstance(each, bytes)}
    signal = ImageSignal.from_json({**json.loads(json.dumps(plain)), **kept})
    assert signal == ImageSignal.of(picture)
    signal.write(Exact(picture), path, **options)
    return path


def quietly(source: Any, **options: Any) -> Picture:
    """Return a picture, and let pass what is told of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        return read(source, **options)
