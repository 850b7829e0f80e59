"""What a field was fitted to, or solves, as its file tells it: enough to know that file or equation again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

_ENDS = 1 << 20  # bytes at the beginning and at the end that are compared


@final
@dataclass(frozen=True)
class Source:
    """A file, or a picture of the library, that a field was fitted to.

    Args:
        name: its name without folders, or ``sample:NAME``.
        place: a digest of its whole path: a field file that is passed on does not tell where files lay.
        content: a digest of its size, its beginning and its end; empty for a sample.
        part: the options that it was read with, such as the frames of a clip: numbers, words and lists of them.
    """

    name: str
    place: str
    content: str
    part: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, source: str | Path, part: Mapping[str, Any] | None = None) -> Self:
        """Return what is told of a file, or of ``sample:NAME``.

        Args:
            source: the file or the sample.
            part: the options that it is read with; None: none. Those are left out that are no numbers, words or lists.

        Raises:
            OSError: the file cannot be read.
        """
        path = Path(source)
        if str(source).startswith("sample:") and not path.exists():
            return cls(str(source), _digest(str(source).encode()), "", _plain(part))
        return cls(path.name, _digest(bytes(path.resolve())), _content_of(path), _plain(part))

    @classmethod
    def of_text(cls, name: str, text: str) -> Self:
        """Return what is told of something that is no file, such as an equation, by a text that says all of it."""
        return cls(name, _digest(text.encode()), "")

    def is_file(self, path: Path) -> bool:
        """Return whether an existing file is this one: it lies where this lay, or holds what this held."""
        if not path.is_file():
            return False
        return _digest(bytes(path.resolve())) == self.place or (
            self.content != "" and _content_of(path) == self.content
        )

    def is_same(self, other: Source) -> bool:
        """Return whether two sources are one: they lie at one place, or hold the same."""
        return self.place == other.place or (self.content != "" and self.content == other.content)

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON; of a file that was read as it is, no part is told."""
        part = {"part": dict(self.part)} if self.part else {}
        return {"name": self.name, "place": self.place, "content": self.content} | part

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Return what :meth:`to_json` stored; None: nothing, or something else."""
        if not isinstance(stored, Mapping):
            return None
        parts: list[Any] = [stored.get(name) for name in ("name", "place", "content")]
        if not all(isinstance(each, str) for each in parts):
            return None
        name, place, content = parts
        return cls(name, place, content, _plain(stored.get("part")))


def _content_of(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(_ENDS)
        size = file.seek(0, 2)
        file.seek(max(len(beginning), size - _ENDS))
        return _digest(str(size).encode() + beginning + file.read())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _plain(part: object) -> dict[str, Any]:
    """Return the options whose values are numbers, words, or lists of numbers and of nothing."""
    found: dict[str, Any] = {}
    for name, each in part.items() if isinstance(part, Mapping) else ():
        if isinstance(each, int | float | str):
            found[str(name)] = each
        elif isinstance(each, Sequence) and all(one is None or isinstance(one, int | float) for one in each):
            found[str(name)] = list(each)
    return found
