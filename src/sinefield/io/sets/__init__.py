"""Sets of signals of one size, to learn from: pictures, short sounds, and shapes in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sinefield.io.sets import images, shapes, sounds
from sinefield.io.sets.signal_set import SignalSet, files_in

__all__ = ["SignalSet", "read"]


def read(
    source: str | Path | NDArray[Any],
    *,
    kind: str | None = None,
    longest: int | None = None,
    limit: int | None = None,
    rate: int | None = None,
    samples: int | None = None,
    characters: str | None = None,
) -> SignalSet:
    """Return the signals in a folder, an array file, an idx file or a font.

    Args:
        source: a folder of pictures, of recordings, or of SVG files and fonts; a font; or what :func:`.images.read`
            takes.
        kind: ``"image"``, ``"audio"`` or ``"shape"``; None: by what the folder holds more of.
        longest: of pictures the pixels along the longest side; of shapes the samples along each.
        limit: the most signals that are taken, the first; None: all.
        rate: samples a second of sounds.
        samples: how many of a sound.
        characters: which of a font.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for :func:`.images.read`, :func:`.sounds.read` and :func:`.shapes.read`; or an option of another
            kind.
    """
    kind = _kind_of(source) if kind is None else kind
    given = {"rate": rate, "samples": samples, "characters": characters, "resize": longest}
    allowed = {"image": {"resize"}, "audio": {"rate", "samples"}, "shape": {"resize", "characters"}}
    if kind not in allowed:
        raise ValueError(f"a prior is of signals of kind {', '.join(allowed)}, got {kind!r}")
    for name, each in given.items():
        if each is not None and name not in allowed[kind]:
            raise ValueError(f"{source} holds signals of kind {kind}, for which there is no --{name}; leave it out")
    if isinstance(source, str | Path) and kind != "image":
        if kind == "audio":
            return sounds.read(source, limit=limit, rate=rate, samples=samples)
        return shapes.read(source, side=longest or shapes.SIDE, limit=limit, characters=characters)
    return images.read(source, longest=longest, limit=limit)


def _kind_of(source: str | Path | NDArray[Any]) -> str:
    """Return the kind of signals in a source: of a folder that of the most of its files, pictures first."""
    if not isinstance(source, str | Path):
        return "image"
    path = Path(source)
    if not path.is_dir():
        return "shape" if path.suffix.lower() in shapes.SUFFIXES else "image"
    found = {
        "image": files_in(path, images.SUFFIXES),
        "audio": files_in(path, sounds.SUFFIXES),
        "shape": files_in(path, shapes.SUFFIXES),
    }
    return max(found, key=lambda name: len(found[name]))
