"""A hook of MkDocs: the page of a field beside the pages of the documentation, as our own command writes it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from sinefield.viewer.page import write_page

FIELD = Path(__file__).parent / "fields" / "sunflower.safetensors"


def on_files(files: Files, config: Any) -> Files:
    """Return the files of the documentation with the page of the field."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sunflower.html"
        write_page(FIELD, page)
        files.append(File.generated(config, "fields/sunflower.html", content=page.read_text(encoding="utf-8")))
    return files
