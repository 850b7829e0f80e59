"""Field files within other files: in the extension of a GLB, or in a folder for the Hub."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

EXTENSION: Final = "SINEFIELD_field"
"""The extension of glTF that names the view of the buffer with the field file."""

STORED: Final = "model.safetensors"
"""The name of a field file in a folder for the Hub."""


@contextmanager
def plain_file(path: str | Path) -> Iterator[Path]:
    """Open the field file that a file or a folder holds, or that it is.

    Args:
        path: a field file, a GLB with a field in it, or a folder with one; whatever else is given back as it is.

    Yields:
        The path of a field file; that of a GLB is a temporary one.

    Raises:
        ValueError: it is a GLB without a field in it, or damaged.
    """
    given = Path(path)
    if given.is_dir() and (given / STORED).is_file():
        yield given / STORED
        return
    if not given.is_file():
        yield given
        return
    with given.open("rb") as file:
        glb = file.read(4) == b"glTF"
    if not glb:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sinefield-") as folder:
        found = Path(folder) / STORED
        found.write_bytes(_of_glb(given))
        yield found


def _of_glb(path: Path) -> bytes:
    """Return the field file in a GLB.

    Raises:
        ValueError: there is none, or the GLB is damaged.
    """
    content = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<I", content, 12)
        header = json.loads(content[20 : 20 + length])
        extension = header.get("extensions", {}).get(EXTENSION)
        if extension is None:
            raise ValueError(f"{path} holds a mesh and no field; those that sinefield export writes hold both")
        view = header["bufferViews"][extension["bufferView"]]
        start, size = view.get("byteOffset", 0), view["byteLength"]
        binary = content[28 + length :]
        found = binary[start : start + size]
        whole = type(start) is type(size) is int and start >= 0 and len(found) == size
    except (KeyError, IndexError, TypeError, AttributeError, struct.error, json.JSONDecodeError, UnicodeDecodeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is a GLB that is damaged or cut short")
    return found
