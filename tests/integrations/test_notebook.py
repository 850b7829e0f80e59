"""Tests of the widget by the contract of anywidget: what is sent, when, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import traitlets

from fields_of_kinds import field_of, write_field
from sinefield import Box, Constraint, checkpoint, problems, solve
from sinefield.integrations.notebook import FieldWidget
from sinefield.viewer.page import page_of


def test_the_page_and_the_module_are_sent(tmp_path: Path) -> None:
    path = write_field("grey", tmp_path)
    widget = FieldWidget(path, height=300)
    state = widget.get_state()
    assert state["page"] == page_of(path)
    assert state["height"] == 300
    assert "export default { render }" in state["_esm"]
    assert state["_view_module"] == "anywidget"
    found = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in (found[0] if isinstance(found, tuple) else found)
    widget.close()


def test_another_field_is_a_change_of_the_page_alone(tmp_path: Path) -> None:
    widget = FieldWidget(write_field("grey", tmp_path))
    changed: list[str] = []
    widget.observe(lambda change: changed.append(change["name"]))
    widget.show(write_field("plane", tmp_path))
    assert changed == ["page"]
    assert widget.page == page_of(tmp_path / "plane.safetensors")
    widget.close()


def test_solutions_are_shown_without_a_file_of_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = Box([0.0], [1.0])
    constraints = [
        Constraint(line, lambda u: u.laplacian + 2, name="equation"),
        Constraint(line.boundary, lambda u: u.value, name="ends"),
    ]
    widget = FieldWidget(solve(problems.equation(constraints, features=50)))
    assert "<title>equation.safetensors</title>" in widget.page
    picture = solve(problems.image("sample:camera", longest=16), passes=0.1)
    widget.show(picture)
    assert '"kind": "image"' in widget.page
    assert list(tmp_path.iterdir()) == []
    widget.close()


def test_what_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "plain.safetensors", field_of("grey")[0])
    with pytest.raises(ValueError, match="cannot read a signal of kind None"):
        FieldWidget(tmp_path / "plain.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no field file"):
        FieldWidget(tmp_path / "none.safetensors")
    with pytest.raises(traitlets.TraitError, match="height"):
        FieldWidget(write_field("grey", tmp_path), height=3)
