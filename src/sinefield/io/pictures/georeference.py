"""Where on Earth the pixels of a picture lie: the tags of GeoTIFF, kept and adapted to other sizes.

Source: OGC 19-008r4, GeoTIFF 1.1, sections 7.1 and B.6; GDAL's tags 42112 (metadata of bands) and 42113 (no data).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

_SCALE, _TIEPOINTS, _MATRIX = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXTS, _METADATA = 34735, 34736, 34737, 42112
_NUMBERS = {_SCALE: 3, _TIEPOINTS: 6, _MATRIX: 16, _KEYS: 4, _DOUBLES: 1}  # tags of numbers, and groups of how many
_RASTER_TYPE, _POINT = 1025, 2  # a key, and its value where a sample is one of a point, not the mean of a pixel
_MOST = 2048  # numbers or characters in a tag

TAGS = (*_NUMBERS, _TEXTS, _METADATA)
"""The tags that are kept."""

Tag = tuple[float, ...] | str


@final
@dataclass(frozen=True)
class Georeference:
    """The tags that tell where on Earth pixels lie, and what their numbers mean.

    Args:
        tags: numbers or text by the number of the tag, in order.

    >>> whole = Georeference(((33550, (30.0, 30.0, 0.0)), (33922, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0))))
    >>> dict(whole.scaled(2, 2, left=10, top=0).tags)
    {33550: (15.0, 15.0, 0.0), 33922: (-20.0, 0.0, 0.0, 500.0, 900.0, 0.0)}
    """

    tags: tuple[tuple[int, Tag], ...]

    @classmethod
    def of(cls, tags: Mapping[int, Any]) -> Self | None:
        """Return what tags tell, by their numbers; None: nothing that could be kept."""
        kept: list[tuple[int, Tag]] = []
        for code in TAGS:
            value = tags.get(code)
            if isinstance(value, str) and code not in _NUMBERS:
                kept.append((code, value.rstrip("\0")))
            elif isinstance(value, float | int | tuple) and code in _NUMBERS:
                kept.append((code, tuple(map(float, value if isinstance(value, tuple) else (value,)))))
        found = cls(tuple(kept))
        return found if kept and found.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether each tag holds what it may."""
        for code, value in self.tags:
            if code not in TAGS or len(value) > _MOST or isinstance(value, str) == (code in _NUMBERS):
                return False
            if not isinstance(value, str) and not (
                value and len(value) % _NUMBERS[code] == 0 and all(map(math.isfinite, value))
            ):
                return False
        return True

    @property
    def places_pixels(self) -> bool:
        """Whether it tells where pixels lie, not only what their numbers mean."""
        return any(code in (_SCALE, _TIEPOINTS, _MATRIX) for code, _ in self.tags)

    @property
    def unit(self) -> str:
        """What a number stands for where GDAL's metadata scale or shift it, such as ``"0.1 x number + 20"``; or ""."""
        import re

        text = str(dict(self.tags).get(_METADATA, ""))
        found = dict(re.findall(r'role="(scale|offset)"[^>]*>\s*([-+0-9.eE]+)\s*<', text))
        try:
            scale, offset = float(found.get("scale", 1)), float(found.get("offset", 0))
        except ValueError:
            return ""
        return "" if (scale, offset) == (1, 0) else f"{scale:g} x number + {offset:g}"

    def scaled(self, x: float, y: float, left: float, top: float) -> Georeference:
        """Return the same of a part at another size: see :meth:`sinefield.io.pictures.stored.Details.scaled`."""
        tags = dict(self.tags)
        half = 0.5 if self._is_of_points else 0.0  # a place in pixels is that of centres, or of corners
        if isinstance(scale := tags.get(_SCALE), tuple):
            tags[_SCALE] = (scale[0] / x, scale[1] / y, scale[2])
        if isinstance(ties := tags.get(_TIEPOINTS), tuple):
            moved = [
                ((i + half - left) * x - half, (j + half - top) * y - half, *rest) for i, j, *rest in _groups(ties, 6)
            ]
            tags[_TIEPOINTS] = tuple(number for each in moved for number in each)
        if isinstance(matrix := tags.get(_MATRIX), tuple):
            rows: list[tuple[float, ...]] = []
            for a, b, c, d in _groups(matrix, 4):
                shift = a * ((half / x) + left - half) + b * ((half / y) + top - half)
                rows.append((a / x, b / y, c, d + shift))
            rows[3:] = [tuple(matrix[12:16])]
            tags[_MATRIX] = tuple(number for each in rows for number in each)
        return Georeference(tuple(tags.items()))

    @property
    def _is_of_points(self) -> bool:
        keys = dict(self.tags).get(_KEYS)
        if not isinstance(keys, tuple):
            return False
        return any(key == _RASTER_TYPE and value == _POINT for key, _, _, value in _groups(keys[4:], 4))

    def written(self) -> list[tuple[int, int, int, Any, bool]]:
        """Return the tags as tifffile's ``extratags``: code, type, count, value, once."""
        ascii_, short, double = 2, 3, 12
        found: list[tuple[int, int, int, Any, bool]] = []
        for code, value in self.tags:
            if isinstance(value, str):
                found.append((code, ascii_, 0, value, True))
            elif code == _KEYS:
                found.append((code, short, len(value), [int(each) % 65536 for each in value], True))
            else:
                found.append((code, double, len(value), value, True))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the tags as JSON."""
        return {str(code): value if isinstance(value, str) else list(value) for code, value in self.tags}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Return what :meth:`to_json` stored.

        Raises:
            ValueError: it is something else.
        """
        try:
            items = stored.items()  # type: ignore[attr-defined]  # an AttributeError is caught
            tags = tuple(
                (int(code), each if isinstance(each, str) else tuple(map(float, each))) for code, each in items
            )
        except (AttributeError, TypeError) as error:
            raise ValueError(f"{stored!r} are no tags") from error
        found = cls(tags)
        if not found.is_sound:
            raise ValueError(f"{stored!r} are no tags of GeoTIFF")
        return found


def _groups(numbers: tuple[float, ...], size: int) -> Iterator[tuple[float, ...]]:
    return (numbers[start : start + size] for start in range(0, len(numbers) - size + 1, size))
