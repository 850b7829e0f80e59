"""Pictures for tests, as arrays and as bytes of files, and the check that one is refused in one clear line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from sinefield.io.image import read

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
