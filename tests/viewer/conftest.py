"""Chromium, and pages of small fields in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from fields_of_kinds import write_field
from opened import ARGUMENTS, Opened
from sinefield.viewer.page import write_page


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[..., Any]]:
    """A function that starts Chromium with arguments beside the usual ones."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium; install it, or name one in CHROMIUM"
    with sync_playwright() as running:
        made: list[Any] = []

        def start(*arguments: str) -> Any:
            made.append(running.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments]))
            return made[-1]

        yield start
        for each in made:
            each.close()


@pytest.fixture(scope="session")
def browser(started: Callable[..., Any]) -> Any:
    """Chromium."""
    return started()


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
