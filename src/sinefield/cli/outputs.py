"""What commands may write where: no output replaces an input, the source of a field, or another's field."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.io.source import Source


def check_outputs(*paths: Path | None, inputs: Iterable[str | Path | None], figure: Path | None = None) -> None:
    """Refuse, before anything is computed, outputs that could not be written afterwards or would replace a file read.

    Args:
        paths: what is written besides the figure; None: not written.
        inputs: what is read, names of samples included, of which there are no files; None: not read.
        figure: the figure to write.

    Raises:
        FileExistsError: an output is an input, by another name too, or two outputs are one file.
        OSError: an output cannot be written.
        ValueError: the figure has an ending that no figure has.
    """
    from sinefield.io.files import check_writable

    outputs = [path for path in (*paths, figure) if path is not None]
    for path in outputs:
        check_writable(path)
        for read in inputs:
            if read is not None and path.exists() and Path(read).exists() and path.samefile(read):
                raise FileExistsError(f"cannot write {path}: it is the input {read}; choose another name")
    resolved = [path.resolve() for path in outputs]
    for i, path in enumerate(outputs):
        if resolved[i] in resolved[:i]:
            raise FileExistsError(f"cannot write {path}: two outputs have this name; choose another for one of them")
    if figure is not None:
        with pause_garbage_collection():
            from sinefield import plots

        plots.check_format(figure)


def check_field_file(path: Path, source: str | Source, *, force: bool) -> None:
    """Refuse to replace, by the field of a source, a file that is none of it.

    Args:
        path: where the field goes.
        source: what is fitted, or what is told of it.
        force: replace the field of another source nevertheless.

    Raises:
        FileExistsError: there is a file that holds something else.
        ValueError: the ending is not that of a field file.
    """
    if path.suffix.lower() != ".safetensors":  # a slip such as -o other.png must not replace another picture
        raise ValueError(f"cannot write the field {path}: its ending must be .safetensors")
    from sinefield.io.source import Source

    there = (
        isinstance(source, Source) or source.startswith("sample:") or Path(source).exists()
    )  # else who reads it tells that it is not
    if force or not there or not path.exists():
        return
    from sinefield import checkpoint

    own = Source.of(source) if isinstance(source, str) else source
    try:
        held = Source.from_json(checkpoint.read_header(path).get("source"))
    except ValueError:
        what = "it holds no field"
    else:
        if held is not None and held.is_same(own):
            return
        another = "" if held is None or held.name != own.name else "another "
        what = f"it holds the field of {another}{held.name}" if held else "it does not tell what it is the field of"
    raise FileExistsError(f"cannot write {path}: {what}; choose another name with -o, or replace it with --force")


def check_source(header: dict[str, Any], field: Path, *paths: Path | None, force: bool) -> None:
    """Refuse to replace the file that a field was fitted to by what is made of the field.

    Args:
        header: of the field file.
        field: the field file, for the message.
        paths: what is written; None: nothing.
        force: replace it nevertheless.

    Raises:
        FileExistsError: an output is that file.
    """
    from sinefield.io.source import Source

    source = Source.from_json(header.get("source"))
    for path in paths:
        if path is not None and source is not None and not force and source.is_file(path):
            raise FileExistsError(
                f"cannot write {path}: {field} was fitted to it; choose another name, or replace it with --force"
            )
