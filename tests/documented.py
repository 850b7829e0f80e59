"""The tables of formats in the documentation, so that each of their rows is a test."""

from __future__ import annotations

import re
from pathlib import Path

FORMATS = Path(__file__).parent.parent / "docs" / "formats.md"


def rows(section: str) -> list[dict[str, str]]:
    """Return the rows of the table in a section of the page on formats, by the names of its columns."""
    text = FORMATS.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"docs/formats.md has no section {section!r}"
    lines = [line.strip().strip("|").split("|") for line in found[1].splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"the section {section!r} of docs/formats.md has no table"
    names = [each.strip() for each in lines[0]]
    return [dict(zip(names, (each.strip() for each in line), strict=True)) for line in lines[2:]]


def endings(row: dict[str, str]) -> list[str]:
    """Return the endings that a row is about, which stand in backquotes in its first column.

    >>> endings({"Endings": "`.tif`, `.tiff`"})
    ['.tif', '.tiff']
    """
    return re.findall(r"`(\.[a-z0-9.]+)`", row["Endings"])
