"""Sets of shapes in the plane: icons of SVG files, glyphs of fonts and outlines of pictures, as signed distances.

Each shape lies in a frame: the view of an SVG file, the whole of a picture, or the line of a font, whose glyphs thus
keep their places and sizes beside each other. The longest side of the frame spans [−0.9, 0.9] of the lattice [−1, 1]².

What is learnt is the signed distance, negative inside, and not which part of each cell is covered: it changes evenly
from cell to cell, so that a mean of several or what lies between two is a shape with a sharp edge, its outline lies
between samples, and it is what a field of a shape is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning, image
from sinefield.io.image import Picture
from sinefield.io.outlines import measure_distances
from sinefield.io.pictures.stored import Details
from sinefield.io.sets.signal_set import SignalSet, files_in

SIDE: Final = 32
"""Samples along each side, unless they are given."""

REACH: Final = 0.9
"""How far the frame reaches."""

FONTS: Final = (".ttf", ".otf", ".ttc", ".otc")
"""The endings of fonts."""

SUFFIXES: Final = (".svg", *FONTS)
"""The endings of files that hold nothing but shapes."""

_FINER = 4  # pixels that a shape is drawn with for each sample, along each side; edges are smoothed, and tell more
_FEWEST = 128  # pixels along the longest side, nevertheless


def read(source: str | Path, *, side: int = SIDE, limit: int | None = None, characters: str | None = None) -> SignalSet:
    """Return the shapes in a folder or a font; those without an outline are left out, which is told.

    Args:
        source: a font, all of whose glyphs are taken, in the order of their characters; or a folder of SVG files, of
            fonts, or of pictures, whose outlines are those of :func:`sinefield.io.outlines.trace_outline`.
        side: samples along each side.
        limit: the most that are taken, the first; None: all.
        characters: which of fonts; None: all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no shapes, or a damaged file, or a font has none of the characters.
    """
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; give a folder of SVG files, or a font")
    files = [path]
    if path.is_dir():
        files = files_in(path, SUFFIXES) or files_in(path, image.SUFFIXES)
        if not files:
            raise ValueError(
                f"the folder {path} holds no shape; give one of .svg files, fonts or pictures of silhouettes"
            )
    found: list[NDArray[np.float32]] = []
    left_out: list[str] = []
    for picture in _pictures_of(files, side, characters, left_out):
        if limit is not None and len(found) >= limit:
            break
        try:
            found.append(distances_of(picture, side))
        except ValueError:
            left_out.append(picture.name)
    if not found:
        raise ValueError(f"{path} holds no shape with an outline; give SVG files, a font or pictures of silhouettes")
    if left_out:
        some = ", ".join(left_out[:3]) + (", …" if len(left_out) > 3 else "")
        of = f"{len(left_out):,} of {len(left_out) + len(found):,}"
        told = f"{path}: {of} are not there, or have no outline within their frame ({some})"
        warnings.warn(f"{told}; they are left out", SignalWarning, stacklevel=2)
    return SignalSet(np.stack(found)[..., None], -1.0, 1.0, str(path), "shape")


def read_one(source: str | Path, side: int) -> NDArray[np.float32]:
    """Return the signed distance of one shape, ``(side, side)``: that of an SVG file or of a picture.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no shape.
    """
    path = Path(source)
    if path.suffix.lower() in FONTS:
        raise ValueError(f"{path} is a font, of many shapes; give one as an SVG file or a picture")
    return distances_of(_drawn(path, side), side)


def distances_of(picture: Picture, side: int) -> NDArray[np.float32]:
    """Return the signed distance of the outline of a picture at the samples, ``(side, side)``, in field coordinates.

    Raises:
        ValueError: there is no outline.
    """
    height, width, _ = picture.values.shape
    scale = 2 * REACH / max(height, width)  # of a pixel
    centres = (2 * np.arange(side) + 1) / side - 1
    places = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1).reshape(-1, 2) / scale
    with warnings.catch_warnings():  # which part is the outline is told of one picture, and here are many
        warnings.simplefilter("ignore", SignalWarning)
        found = measure_distances(picture, places + np.array([height, width]) / 2)
    return np.asarray(found * scale, dtype=np.float32).reshape(side, side)


def _pictures_of(files: list[Path], side: int, characters: str | None, left_out: list[str]) -> Iterator[Picture]:
    for path in files:
        if path.suffix.lower() in FONTS:
            yield from _glyphs(path, _pixels(side), characters, left_out, alone=len(files) == 1)
        elif characters is not None:
            raise ValueError(f"{path} is no font, of which --characters chooses; leave it out")
        else:
            yield _drawn(path, side)


def _pixels(side: int) -> int:
    return max(_FEWEST, _FINER * side)


def _drawn(path: Path, side: int) -> Picture:
    """Return the picture of a file, no larger than what its outline needs.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture.
    """
    if path.suffix.lower() == ".svg":
        return _read_svg(path, _pixels(side))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SignalWarning)
        picture = image.read(path)
    longest = max(picture.values.shape[:2])
    return picture if longest <= 2 * _pixels(side) else image.resize(picture, 2 * _pixels(side))


def _read_svg(path: Path, longest: int) -> Picture:
    """Return the picture of an SVG file, by librsvg.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or has no size.
    """
    import pyvips

    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give an SVG file or a picture")
    try:
        content = path.read_bytes()
        size = pyvips.Image.svgload_buffer(content)
        scale = longest / max(size.width, size.height)
        values = pyvips.Image.svgload_buffer(content, scale=scale).numpy()
    except pyvips.Error as error:
        raise ValueError(f"{path} cannot be read as a picture in SVG; it is damaged, or has no size or view") from error
    return Picture(values.astype(np.float32), 0.0, 255.0, 8, str(path), Details(), None)


def _glyphs(path: Path, line: int, characters: str | None, left_out: list[str], *, alone: bool) -> Iterator[Picture]:
    """Yield pictures of the glyphs of a font, in a square as high as a line; those that leave it are told.

    Characters that one of several fonts has not are left out too.

    Raises:
        ValueError: it is no font, or has no glyph of a character that was asked for.
    """
    from matplotlib.ft2font import FT2Font
    from PIL import Image, ImageDraw, ImageFont

    try:
        glyphs = FT2Font(str(path)).get_charmap()
        ascent, descent = ImageFont.truetype(str(path), 1000).getmetrics()
        font = ImageFont.truetype(str(path), round(1000 * line / (ascent + descent)))
    except (OSError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"{path} cannot be read as a font with outlines; it may be damaged, or no TrueType") from error
    missing = [each for each in characters or "" if ord(each) not in glyphs]
    if missing and alone:
        raise ValueError(f"the font {path} has no glyph of {', '.join(map(repr, missing[:5]))}; leave it out")
    left_out += [f"{each!r} of {path.name}" for each in missing]
    wanted = sorted(glyphs) if characters is None else [ord(each) for each in characters if each not in missing]
    seen: set[int] = set()
    place = line / 2, line * ascent / (ascent + descent)
    for code in wanted:
        character, glyph = chr(code), glyphs[code]
        if glyph in seen:
            continue
        seen.add(glyph)
        left, top, right, bottom = font.getbbox(character, anchor="ms")
        if right <= left or bottom <= top:  # blank
            continue
        name = f"U+{code:04X}"
        if min(place[0] + left, place[1] + top) < 0 or max(place[0] + right, place[1] + bottom) > line:
            left_out.append(name)
            continue
        drawn = Image.new("L", (line, line))
        ImageDraw.Draw(drawn).text(place, character, 255, font, anchor="ms")
        values = np.asarray(drawn, np.float32)
        yield replace(_BLANK, values=np.stack([np.zeros_like(values)] * 3 + [values], axis=2), name=name)


_BLANK = Picture(np.zeros((2, 2, 4), np.float32), 0.0, 255.0, 8, "", Details(), None)
