"""Text of any common encoding. Of shapes only the numbers matter; names and comments may be in any language."""

from __future__ import annotations

import codecs

from sinefield.io.shapes.content import DamagedError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SAMPLE = 4096  # bytes that show whether a file without a mark is UTF-16
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a"))  # characters that no text holds; \x1a ended files of DOS


def decode(data: bytes) -> str:
    """Return the text in a file: UTF-8, UTF-16 with or without a mark, or Latin-1, which any other text is taken for.

    Ends of lines become one character, whatever they were.

    Raises:
        DamagedError: the file is no text.
    """
    text = _decode(data)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    some = data[:_SAMPLE]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # ASCII in UTF-16: every other byte is zero
        if len(some) > 3 and not any(some[first::2]) and all(some[1 - first :: 2]):
            return data.decode(encoding, errors="replace")
    if data.translate(None, _CONTROL) != data:
        raise DamagedError("is no text; it may be damaged, or of another format than its ending says")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def tell_open_end(text: str) -> list[str]:
    """Return what is to be told of a text whose last line has no end: a file that was cut short looks like this."""
    if not text or text[-1] in "\n\r\x1a":
        return []
    return ["has no line end after its last line, as a file that was cut short; what is there is used"]
