"""Tests of messages of libraries: they are discarded, and those of others before and afterwards are not."""

from __future__ import annotations

import os

import pytest

from sinefield.io.library_messages import discarded


def test_only_what_is_printed_inside_is_discarded(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with discarded():
        os.write(2, b"inside\n")
        with discarded():
            os.write(2, b"further inside\n")
        os.write(2, b"inside again\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_an_error_inside_gives_standard_error_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="a fault"), discarded():
        raise ValueError("a fault")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
