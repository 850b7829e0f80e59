"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Open a temporary file beside ``path``, and give it this name when the block ends without an error.

    The temporary file is flushed to the disk first. A file that ``path`` named before stays until then, and stays if
    the block raises.

    Args:
        path: name of the file to write.

    Yields:
        The path of the temporary file, which has the suffix of ``path``.

    Raises:
        OSError: the folder does not exist or cannot be written to.
    """
    target = Path(path)
    check_writable(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem[:32]}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; the finished file has the mode of any new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def check_writable(path: str | Path) -> None:
    """Check that a file could be written at ``path``.

    Raises:
        IsADirectoryError: ``path`` is a folder.
        FileExistsError: ``path`` is a device or another special file.
        FileNotFoundError: the folder of ``path`` does not exist.
        PermissionError: the folder of ``path`` cannot be written to.
    """
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {target}: it is a folder; name a file in it")
    if target.exists() and not target.is_file():  # a device such as /dev/null must not be replaced
        raise FileExistsError(f"cannot write {target}: it is no plain file; choose another name")
    if not folder.is_dir():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write {target}: no permission to write in {folder}; choose another place")
