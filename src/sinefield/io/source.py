"""What a field was fitted to, or solves, as its file tells it: enough to know that file or equation again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    """

    name: str
    place: str
    content: str

    @classmethod
    def of(cls, source: str | Path) -> Self:
        """Return what is told of a file, or of ``sample:NAME``.

        Raises:
            OSError: the file cannot be read.
        """
        path = Path(source)
        if str(source).startswith("sample:") and not path.exists():
            return cls(str(source), _digest(str(source).encode()), "")
        return cls(path.name, _digest(bytes(path.resolve())), _content_of(path))

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

    def to_json(self) -> dict[str, str]:
        """Return the same as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Return what :meth:`to_json` stored; None: nothing, or something else."""
        if not isinstance(stored, Mapping):
            return None
        parts: list[Any] = [stored.get(name) for name in ("name", "place", "content")]
        return cls(*parts) if all(isinstance(each, str) for each in parts) else None


def _content_of(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(_ENDS)
        size = file.seek(0, 2)
        file.seek(max(len(beginning), size - _ENDS))
        return _digest(str(size).encode() + beginning + file.read())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
