"""Tests of the package's public names: where they live, and that they are what they say."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sinefield


@pytest.mark.parametrize("name", sinefield.__all__)  # type: ignore[attr-defined]  # the loader makes it
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sinefield, name) is not None
    assert name in dir(sinefield)


@pytest.mark.parametrize("before", ["sinefield.Constraint", "from sinefield.solve import solve"])
def test_functions_are_not_hidden_by_modules_of_their_name(before: str) -> None:
    script = f"import sinefield\n{before}\nfor each in (sinefield.jet, sinefield.solve): assert callable(each), each"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="No sinefield attribute nothing"):
        _ = sinefield.nothing  # type: ignore[attr-defined]  # which is what is tested
