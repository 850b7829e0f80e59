"""Tests of text in files: whatever its encoding, and nothing that is none."""

from __future__ import annotations

import pytest

from sinefield.io.shapes.content import DamagedError
from sinefield.io.shapes.text import decode, tell_open_end


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_same_text_in_all_encodings(encoding: str) -> None:
    assert decode("# scan no. 7\r\n1 2 3\r".encode(encoding)) == "# scan no. 7\n1 2 3\n"
    assert decode(b"cr\xe9\xe9 \x80\n") == "créé \x80\n"


@pytest.mark.parametrize("data", [bytes(range(256)), b"1 2 3\0", b"\x7fELF\x02\x01\x01\0"])
def test_what_is_no_text_is_told(data: bytes) -> None:
    with pytest.raises(DamagedError, match="is no text"):
        decode(data)


def test_an_end_without_a_line_end() -> None:
    assert tell_open_end("1 2 3\n") == tell_open_end("") == tell_open_end("1 2 3\n\x1a") == []
    assert "as a file that was cut short" in tell_open_end("1 2 3")[0]
