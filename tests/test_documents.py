"""Tests of the code in the documents: what a page shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
# The others show code that needs a user's own files.
PAGES = ("index.md", "adding.md", "equations.md", "coefficients.md", "regions.md", "carrying.md", "format.md")


def snippets() -> list[tuple[str, int, str]]:
    """Return each block of Python code, with its page and number."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
        found += [(page, number, block) for number, block in enumerate(blocks)]
    return found


@pytest.mark.parametrize(
    ("page", "number", "code"), [pytest.param(*each, id=f"{each[0]}-{each[1]}") for each in snippets()]
)
def test_snippets_run(page: str, number: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, f"{page}, block {number}", "exec", dont_inherit=True), {"__name__": "__main__"})


def test_there_are_snippets() -> None:
    assert len(snippets()) >= 7
    assert {page for page, *_ in snippets()} == set(PAGES)
