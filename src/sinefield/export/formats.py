"""The formats that a field is exported to, by the ending of the file; nothing here imports PyTorch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

_LOOKED_AT = 4096  # bytes at the beginning of a file in which ours say what they are
_WRITTEN = b"Written by sinefield "


@final
@dataclass(frozen=True)
class Format:
    """A format that a field is exported to.

    Args:
        about: what it is, in a few words.
        writer: what writes it, as ``"module:function"``, imported when it is used; a function of the
            :class:`~sinefield.export.subject.Subject`, the path to write, and the options as keywords, which returns
            in a few words what was written.
        mark: bytes near the beginning of such a file that say that it was exported from a field; what merely names
            Sinefield, as a program that imports it, does not have them.
        options: the names of the options that the writer takes.
        needs: what refuses fields that cannot be written so, likewise; empty: all can.
    """

    about: str
    writer: str
    mark: bytes = b""
    options: tuple[str, ...] = ()
    needs: str = "sinefield.export.subject:check_steps"

    def check(self, subject: Any) -> None:
        """Refuse a field that cannot be written so.

        Raises:
            ValueError: it cannot.
        """
        if self.needs:
            _imported(self.needs)(subject)

    def write(self, subject: Any, path: Path, **options: Any) -> str:
        """Return in a few words what was written: a field, whole or not at all.

        Raises:
            ValueError: the field cannot be written so, or an option is one of another format.
            OSError: the place cannot be written to.
        """
        told: str = _imported(self.writer)(subject, path, **options)
        return told


def _imported(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)


FOLDER = ""
"""The ending of what is no file but a folder."""

FORMATS: Mapping[str, Format] = {
    ".onnx": Format(
        "a graph for inference runtimes",
        "sinefield.export.onnx_graph:write",
        mark=b"\x12\x09sinefield\x1a",  # the field producer_name of a ModelProto, and the tag of the next
        options=("derivatives", "double"),
        needs="sinefield.export.subject:check_networks",
    ),
    ".glsl": Format(
        "functions for shaders",
        "sinefield.export.glsl:write",
        mark=_WRITTEN,
        options=("shadertoy", "error"),
        needs="sinefield.export.glsl:check",
    ),
    ".glb": Format(
        "a mesh of a shape, with the field in it",
        "sinefield.export.glb:write",
        mark=b'"generator":"sinefield ',
        options=("resolution",),
        needs="sinefield.export.glb:check",
    ),
    ".py": Format(
        "a Python file that needs NumPy alone",
        "sinefield.export.numpy_source:write",
        mark=_WRITTEN,
        needs="sinefield.export.subject:check_networks",
    ),
    ".html": Format(
        "a page to look at it in a browser",
        "sinefield.viewer.page:export",
        mark=b'<meta name="generator" content="sinefield ',
        options=("original",),
        needs="sinefield.export.subject:check_signal",
    ),
    FOLDER: Format("a folder for the Hugging Face Hub", "sinefield.export.hub:write", needs=""),
}
"""Every format by the ending of its files."""


def format_of(path: Path) -> Format:
    """Return the format of a file by its ending.

    Raises:
        ValueError: there is none of this ending.

    >>> format_of(Path("field.py")).about
    'a Python file that needs NumPy alone'
    """
    ending = FOLDER if path.is_dir() else path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"cannot export to {path}: its ending must be {described()}")
    return FORMATS[ending]


def described() -> str:
    """Return the endings with what they are, in a line."""
    return ", ".join(f"{ending or 'none'} ({each.about})" for ending, each in FORMATS.items())


def check_options(path: Path, form: Format, names: Mapping[str, str]) -> None:
    """Refuse options that a format does not have.

    Args:
        path: what is written, for the message.
        form: its format.
        names: of the options that were given, and what each is called on the command line.

    Raises:
        ValueError: an option is one of other formats.
    """
    for name, called in names.items():
        if name not in form.options:
            others = [ending or "a folder" for ending, each in FORMATS.items() if name in each.options]
            raise ValueError(f"{called} is an option of {' and '.join(others)}, and {path} is {form.about}")


def check_replaceable(path: Path) -> None:
    """Refuse to replace what no export wrote.

    Raises:
        FileExistsError: there is a file that is none of ours, or a folder that is not empty.
    """
    if path.is_dir():
        if any(path.iterdir()):
            raise FileExistsError(f"cannot write {path}: it is a folder that is not empty; choose another name")
    elif path.exists():
        mark = format_of(path).mark
        with path.open("rb") as file:
            if not mark or mark not in file.read(_LOOKED_AT):
                raise FileExistsError(
                    f"cannot write {path}: there is a file that was not exported from a field; choose another name, or "
                    "replace it with --force"
                )
