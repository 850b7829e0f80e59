"""Pages of small fields in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fields_of_kinds import write_field
from opened import Opened
from sinefield.viewer.page import write_page


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """A function that opens the page of a field by its name, and what it was asked to show."""
    pages: list[Opened] = []

    def open_field(name: str, anchor: str = "", **context: Any) -> Opened:
        path = tmp_path / f"{name}.html"
        write_page(write_field(name, tmp_path), path)
        pages.append(Opened(browser, path.as_uri() + anchor, **context))
        return pages[-1]

    yield open_field
    for each in pages:
        each.close()
