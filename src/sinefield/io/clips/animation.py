"""Animated WebP as a clip, which FFmpeg does not decode: Pillow reads it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from sinefield.io.clips.colours import lay_on_background
from sinefield.io.clips.decoding import ON_WHITE, Footage, Frame
from sinefield.io.clips.ends import find_missing

_ALPHA = 0x10  # among the flags of the header


@contextmanager
def opened_webp(path: Path) -> Iterator[Footage]:
    """Open an animated WebP file.

    Args:
        path: of the file.

    Yields:
        The clip.

    Raises:
        ValueError: it is damaged or ends early.
    """
    missing = find_missing(path)
    if missing:
        raise ValueError(f"{path} ends early: {missing}; get another copy")
    try:
        content = bytearray(path.read_bytes())
        if content[12:16] == b"VP8X":
            # What no frame covers is transparent, even where no frame has alpha and the header says so; Pillow makes
            # it black then.
            content[20] |= _ALPHA
        with Image.open(io.BytesIO(content)) as picture:
            footage = Footage(iter(()), Fraction(0), 0.001)
            footage.frames = _decode(picture, footage)
            yield footage
    except (Image.DecompressionBombError, OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a clip: it is damaged; get another copy") from error


def _decode(picture: Image.Image, footage: Footage) -> Iterator[Frame]:
    """Yield the frames, each as it is shown, on white where nothing is."""
    time = 0.0
    for each in ImageSequence.Iterator(picture):
        samples = np.asarray(each.convert("RGBA"))
        seconds = (each.info.get("duration") or 100) / 1000  # browsers show what has no time for 100 ms
        pixels, transparent = lay_on_background(samples[:, :, :3], samples[:, :, 3:])
        if transparent and ON_WHITE not in footage.told:
            footage.told.append(ON_WHITE)
        yield Frame(pixels, time, seconds)
        time += seconds
