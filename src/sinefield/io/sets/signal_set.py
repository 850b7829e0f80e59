"""What sets of signals have in common."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning


@final
@dataclass(frozen=True, eq=False)
class SignalSet:
    """Signals of one kind and one size in memory.

    Args:
        values: ``(count, height, width, channels)``, as they are stored; sounds have the height 1.
        low: the value of black, or minus the peak of sounds.
        high: the value of white, or the peak.
        name: of the set, in messages.
        kind: ``"image"``, ``"audio"``, or ``"shape"``: signed distances in field coordinates, with −1 and 1 for ends.
        rate: samples a second, of sounds.
    """

    values: NDArray[Any]
    low: float
    high: float
    name: str
    kind: str = "image"
    rate: int = 0

    def scaled(self) -> NDArray[np.float32]:
        """Return the values with black at −1 and white at 1."""
        scale = 2 / (self.high - self.low)
        found = self.values.astype(np.float32)
        found -= np.float32(self.low)
        found *= np.float32(scale)
        found -= np.float32(1)
        return found


def told_of(kind: str, height: int, width: int, channels: int | None = None) -> str:
    """Return what signals of a size are called.

    >>> told_of("image", 28, 30), told_of("audio", 1, 2000, 1), told_of("shape", 32, 32)
    ('pictures of 30 x 28', 'sounds of 2000 samples of 1 channel', 'shapes of 32 x 32 samples')
    """
    many = "" if channels == 1 else "s"
    match kind:
        case "audio":
            return f"sounds of {width} samples" + ("" if channels is None else f" of {channels} channel{many}")
        case "shape":
            return f"shapes of {width} x {height} samples"
    return f"pictures of {width} x {height}" + ("" if channels is None else f" x {channels}")


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files of some endings in a folder and those in it, in the order of their names; no hidden ones."""
    return [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix.lower() in suffixes and not each.name.startswith(".") and each.is_file()
    ]


@contextmanager
def told_together(folder: str) -> Iterator[None]:
    """Tell what is odd about many signals in a line for all that have it, and not in one for each."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", SignalWarning)
        yield
    lines: dict[str, list[str]] = {}
    for each in found:
        if not issubclass(each.category, SignalWarning):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
            continue
        name, _, told = str(each.message).partition(": ")
        lines.setdefault(told or name, []).append(name)
    for told, names in lines.items():
        first = f"{names[0]}: {told}" if told != names[0] else told
        more = f" (and so of {len(names) - 1:,} more of {folder})" if len(names) > 1 else ""
        warnings.warn(f"{first}{more}", SignalWarning, stacklevel=3)
