"""Options of a command as the fields of frozen records: type, default, help and parser of each stand in one place.

A record is an ordinary frozen dataclass, which a program can make too; the command line reads the declarations from
its fields. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, final

from sinefield.quantities import QUANTITIES


@final
@dataclasses.dataclass(frozen=True)
class Option:
    """How a field of a record is given on the command line.

    Args:
        flag: what it is called there, such as ``"--tile-size"``; other spellings after it.
        kind: the type of its text: int, float, str, bool or Path.
        help: what it does, in a sentence.
        metavar: how its value is written, such as ``"WxH"``; None: the type.
        least: the least number that it may be; None: any.
        many: whether it may be repeated.
        parse: makes the field's value of what was given; None: as it is.
    """

    flag: tuple[str, ...]
    kind: type
    help: str
    metavar: str | None = None
    least: float | None = None
    many: bool = False
    parse: Callable[[Any], Any] | None = None


def option(
    flag: str,
    kind: type,
    about: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    least: float | None = None,
    many: bool = False,
    parse: Callable[[Any], Any] | None = None,
) -> Any:
    """Return the field of a record that is an option on the command line; see :class:`Option`.

    Args:
        flag: what it is called; several spellings with spaces between.
        kind: the type of its text.
        about: what it does, in a sentence.
        default: of the field; None: as if it were not there.
        metavar: how its value is written.
        least: the least number that it may be.
        many: whether it may be repeated.
        parse: makes the field's value of what was given.
    """
    declared = Option(tuple(flag.split()), kind, about, metavar, least, many, parse)
    return dataclasses.field(default=default, metadata={"option": declared})


@dataclasses.dataclass(frozen=True)
class Options:
    """A record of options, of none by itself: those of a frozen dataclass derived from this, made by :func:`option`."""

    @classmethod
    def declared(cls) -> dict[str, Option]:
        """Return the declaration of each field by its name."""
        return {each.name: each.metadata["option"] for each in dataclasses.fields(cls)}

    @classmethod
    def parsed(cls, given: Mapping[str, Any]) -> Self:
        """Return the record of what was given on the command line, by the names of the fields.

        Raises:
            ValueError: a text is not what its option holds.
        """
        declared = cls.declared()
        return cls(**{name: (declared[name].parse or _as_it_is)(value) for name, value in given.items()})

    def arguments(self) -> dict[str, Any]:
        """Return what is passed on: the fields that are set, by name."""
        values = {name: getattr(self, name) for name in self.declared()}
        return {name: value for name, value in values.items() if is_given(value)}


def _as_it_is(value: Any) -> Any:
    return value


def is_given(value: Any) -> bool:
    """Return whether an option was given: neither None, nor a switch that is off, nor an empty list."""
    return not (value is None or value is False or value in ([], ()))


def numbers_of(text: str, separator: str, counts: Iterable[int], kind: type, flag: str, example: str) -> Any:
    """Return the numbers that an option holds.

    Args:
        text: what was given.
        separator: between them.
        counts: how many there may be.
        kind: int or float.
        flag: of the option, for the message.
        example: of what would be right.

    Raises:
        ValueError: there are more or fewer, or something else.

    >>> numbers_of("320x240", "x", [2], int, "--size", "320x240")
    (320, 240)
    """
    try:
        found = tuple(kind(each) for each in text.lower().split(separator))
    except ValueError:
        found = ()
    allowed = tuple(counts)
    if len(found) not in allowed:
        count = " or ".join(map(str, allowed))
        raise ValueError(f"{flag} is {count} numbers with {separator!r} between, as {example}; got {text!r}")
    return found


def frame_range(text: str) -> tuple[int, int | None, int]:
    """Return the first frame, the one after the last (None: the end) and the step.

    Raises:
        ValueError: something else than two or three integers with colons between, of which some may be left out.

    >>> frame_range("10:"), frame_range("0:100:2")
    ((10, None, 1), (0, 100, 2))
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(each.isdecimal() or not each for each in parts):
        raise ValueError(f"--frames is the first frame and the one after the last, as 0:100 or 0:100:2; got {text!r}")
    start, stop, step = (int(each) if each else None for each in (*parts, "")[:3])
    return start or 0, stop, 1 if step is None else step


def tile_counts(text: str) -> tuple[int, ...]:
    """Return how many tiles there are along each axis.

    Raises:
        ValueError: something else than integers with x between.

    >>> tile_counts("4x6")
    (4, 6)
    """
    parts = text.lower().split("x")
    if not all(each.isdecimal() for each in parts):
        raise ValueError(f"--tiles is an integer for each axis with x between, as 4x6; got {text!r}")
    return tuple(int(each) for each in parts)


def picture_size(text: str) -> Any:
    """Return the width and height that ``--size`` holds.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, "x", [2], int, "--size", "320x240")


def volume_size(text: str) -> Any:
    """Return the sizes along z, y and x that ``--size`` holds, or of a slice its width and height.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, "x", [2, 3], int, "--size", "64x128x128, or 320x240 of a slice")


def pixel_region(text: str) -> Any:
    """Return left, top, right and bottom that ``--region`` holds.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, ",", [4], float, "--region", "10,20,110,90")


def pixel_crop(text: str) -> Any:
    """Return left, top, right and bottom that ``--crop`` holds, in whole pixels.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, ",", [4], int, "--crop", "10,20,110,90")


def one_of(flag: str, *words: str) -> Callable[[str], str]:
    """Return a parser of an option that is one of some words, which refuses others by the name of its flag.

    >>> one_of("--channels", "first", "last")("first")
    'first'
    """

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{flag} is {' or '.join(words)}, got {text!r}")
        return text

    return parse


def camera_place(text: str) -> Any:
    """Return azimuth and elevation in degrees, and the distance where there is one, that ``--camera`` holds.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, ",", [2, 3], float, "--camera", "30,20 or 30,20,4")


def voxel_sizes(text: str) -> Any:
    """Return the sizes along z, y and x that ``--voxel`` holds.

    Raises:
        ValueError: something else.
    """
    return numbers_of(text, ",", [3], float, "--voxel", "2.5,1,1")


def black_and_white(text: str) -> Any:
    """Return the values of black and white that ``--range`` holds.

    Raises:
        ValueError: something else, or the first is not less than the second.
    """
    low, high = numbers_of(text, ",", [2], float, "--range", "0,4095")
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"--range is the values of black and white, the smaller first, as 0,4095; got {text!r}")
    return low, high


def tiles() -> Any:
    """Return the option ``--tiles`` of whatever is fitted on a lattice."""
    about = "Fit a tiled field: how many tiles along each axis."
    return option("--tiles", str, about, metavar="4x6", parse=tile_counts)


def tile_size() -> Any:
    """Return the option ``--tile-size`` of whatever is fitted on a lattice."""
    return option("--tile-size", int, "Fit a tiled field: samples along a side of a tile.", least=2)


def quantity(unit: str) -> Any:
    """Return the option ``--quantity`` of a signal whose derivatives are per so many of a unit."""
    return option("--quantity", str, f"{', '.join(QUANTITIES)}; derivatives are per {unit}. (default: value)")


def size() -> Any:
    """Return the option ``--size`` of what is rendered as pictures."""
    return option("--size", str, "Width and height in samples.", metavar="WxH", parse=picture_size)


def start() -> Any:
    """Return the option ``--start`` of what runs in time."""
    return option("--start", float, "Where it begins, in seconds. (default: the beginning)")


def stop() -> Any:
    """Return the option ``--stop`` of what runs in time."""
    return option("--stop", float, "Where it ends, in seconds. (default: the end)")


def nodata() -> Any:
    """Return the option ``--nodata`` of what may have samples that are not known."""
    return option("--nodata", float, "The value of samples that are not known.", metavar="VALUE")


def value_range() -> Any:
    """Return the option ``--range`` of what is shown from black to white."""
    about = "Values of black and white, which PSNR refers to. (default: as found)"
    return option("--range", str, about, metavar="LOW,HIGH", parse=black_and_white)
