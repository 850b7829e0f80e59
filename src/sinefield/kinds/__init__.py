"""The kinds of signal: one record each, which the command line, the problems, the signals and the figures read.

A new kind is three files, its problem, its signal and its record here, and one line in the table. Nothing here imports
torch or NumPy; what a record names is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sinefield.kinds import audio, equation, image, shape, video, volume
from sinefield.kinds.kind import Kind, Stage, View
from sinefield.kinds.options import Option
from sinefield.kinds.recognition import recognise, refuse_not_read

if TYPE_CHECKING:
    from sinefield.signals.signal import Signal

__all__ = [
    "KINDS",
    "Kind",
    "Stage",
    "View",
    "check_options",
    "declared",
    "flag_of",
    "kind_named",
    "kind_of",
    "signal_from_json",
    "stem_of",
    "view_named",
    "views",
]

KINDS: dict[str, Kind] = {
    each.name: each
    for each in (
        image.KIND,
        audio.KIND,
        video.KIND,
        volume.KIND,
        shape.KIND,
    )
}
"""Every kind by name; a file that is of no other is read as a picture, the first."""


def views() -> dict[str, View]:
    """Return all that can be looked at by name: the kinds of signal, and the solutions of equations."""
    return {**KINDS, equation.VIEW.name: equation.VIEW}


def view_named(name: str) -> View:
    """Return how what is of a kind is looked at.

    Raises:
        ValueError: there is none of that name.
    """
    return views()[name] if name in views() else kind_named(name)


def kind_of(source: str | Path) -> str:
    """Return the name of the kind of signal that a file holds, by its ending or else its first bytes.

    NPY files hold volumes where the array has three axes, of which the last is not the 1, 3 or 4 channels of a
    picture. What is not known at all is left to the reader of pictures.

    Raises:
        ValueError: the ending is of a format that is not read; the message tells what to convert it to.

    >>> [kind_of(name) for name in ("song.wav", "clip.mp4", "scan.nii.gz", "bunny.ply", "sample:camera")]
    ['audio', 'video', 'volume', 'shape', 'image']
    """
    path = Path(source)
    for name, each in KINDS.items():
        if each.is_of(path):
            return name
    refuse_not_read(path)
    form = recognise(path)
    return form.kinds[0] if form is not None and form.kinds else next(iter(KINDS))


def stem_of(source: str | Path) -> str:
    """Return the name of a file without its ending, which may have two parts.

    >>> [stem_of(name) for name in ("scan.nii.gz", "a/photo.of.us.JPG", "sample:camera", "noise")]
    ['scan', 'photo.of.us', 'camera', 'noise']
    """
    name = Path(str(source).removeprefix("sample:")).name
    endings = [each for kind in KINDS.values() for each in kind.endings if name.lower().endswith(each)]
    ending = max(endings, key=len, default=Path(name).suffix)
    return name[: len(name) - len(ending)] or name


def kind_named(name: str) -> Kind:
    """Return the kind of a name.

    Raises:
        ValueError: there is none of that name.
    """
    if name in KINDS:
        return KINDS[name]
    now = next((each for each in KINDS.values() if name in each.former), None)
    renamed = "" if now is None else f"; what was {name!r} is {now.name!r}"
    raise ValueError(f"unknown kind of signal {name!r}; choose one of {', '.join(KINDS)}{renamed}")


def declared(stage: Stage) -> dict[str, Option]:
    """Return the options of all kinds together, by the names of their fields.

    Raises:
        TypeError: two kinds have an option of one flag and different types, or of one name and different flags.
    """
    found: dict[str, Option] = {}
    for kind in views().values():
        for name, each in kind.options(stage).declared().items():
            other = found.setdefault(name, each)
            if (other.flag, other.kind, other.many) != (each.flag, each.kind, each.many):
                raise TypeError(
                    f"the option {name!r} of {stage} is declared in two ways; give it one flag and one type"
                )
    flags = [flag for each in found.values() for flag in each.flag]
    if len(set(flags)) < len(flags):
        raise TypeError(f"two options of {stage} have one flag: {', '.join(sorted(flags))}")
    return found


def flag_of(name: str, stage: Stage) -> str:
    """Return what an option is called on the command line, without its dashes."""
    return declared(stage)[name].flag[-1].lstrip("-")


def check_options(kind: View, stage: Stage, names: Mapping[str, str], subject: str | Path) -> None:
    """Refuse options of other kinds.

    Args:
        kind: of the signal.
        stage: what is done with it.
        names: of the options, as fields of records; and what each was called by who gave it.
        subject: what is fitted or rendered, for the message.

    Raises:
        ValueError: an option is one of other kinds only.
    """
    for name, called in names.items():
        others = [each.name for each in views().values() if name in each.options(stage).declared()]
        if others and kind.name not in others:
            raise ValueError(
                f"{called} is an option of kind {' and '.join(others)}, and {subject} is of kind {kind.name}"
            )


def signal_from_json(stored: Mapping[str, Any]) -> Signal:
    """Return the signal that a field file stores.

    Args:
        stored: what the signal's ``to_json`` gave, in this version or an earlier one.

    Raises:
        ValueError: the kind is unknown to this version, or what is stored is not of that kind.
    """
    name = stored.get("kind")
    for each in views().values():
        former = each.former if isinstance(each, Kind) else ()
        if isinstance(name, str) and name in (each.name, *former):
            return each.signal_class().from_json(stored)
    raise ValueError(f"this version cannot read a signal of kind {name!r} back; it knows: {', '.join(views())}")
