"""Tests of the widget in a browser, with a model as anywidget hands it to the module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fields_of_kinds import field_of, write_field
from sinefield.integrations.notebook import FieldWidget

pytestmark = pytest.mark.browser

_PAGE = """<!DOCTYPE html><html><body><div id="first"></div><div id="second"></div><script type="module">
const state = STATE, heard = {};
window.keys = [];
document.addEventListener("keydown", (event) => window.keys.push(event.key), true);
const model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; (heard[`change:${name}`] ?? []).forEach((each) => each()); },
  on: (name, act) => { (heard[name] ??= []).push(act); },
  off: (name, act) => { heard[name] = heard[name].filter((each) => each !== act); },
  save_changes: () => {},
};
window.model = model;
window.heard = heard;
const widget = (await import(URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" })))).default;
window.cleanups = ["first", "second"].map((name) => widget.render({ model, el: document.getElementById(name) }));
</script></body></html>"""


@pytest.fixture
def cell(browser: Any, tmp_path: Path) -> Any:
    """A page with two views of one widget, as of an output and its copy."""
    widget = FieldWidget(write_field("grey", tmp_path), height=420)
    state = json.dumps({name: widget.get_state()[name] for name in ("page", "height", "_esm")})
    path = tmp_path / "cell.html"
    path.write_text(_PAGE.replace("STATE", state.replace("<", "\\u003c")), encoding="utf-8")
    context = browser.new_context(viewport={"width": 400, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("window.cleanups")
    yield page
    context.close()
    assert said == []
    assert [each for each in asked if not each.startswith(("file:", "data:", "blob:", "about:"))] == []


def frames_of(page: Any) -> list[Any]:
    frames = [each for each in page.frames if each.parent_frame is not None]
    for frame in frames:
        frame.wait_for_selector("#viewer[data-state=done]", timeout=60_000)
    return frames


def test_two_views_of_a_field_work(cell: Any) -> None:
    frames = frames_of(cell)
    assert len(frames) == 2
    field, signal = field_of("grey")
    for frame in frames:
        assert frame.locator("h1").inner_text() == "grey.safetensors"
        found = frame.evaluate(
            "async () => { const viewer = document.querySelector('#viewer').viewer; await viewer.shown.finished();"
            " const { canvas, shown } = viewer; return { numbers: [...shown.numbers], width: canvas.width,"
            " height: canvas.height, from: shown.placeAt(0, 0), to: shown.placeAt(canvas.width, canvas.height) }; }"
        )
        numbers = np.array(found["numbers"]).reshape(found["height"], found["width"])
        region = (*found["from"], *found["to"])
        truth = signal.sample(field, (found["width"], found["height"]), region=region)[..., 0]
        there = np.isfinite(numbers) & np.isfinite(truth)
        assert there.mean() > 0.2
        assert np.abs(numbers - truth)[there].max() < 1


def test_keys_are_not_those_of_the_notebook(cell: Any) -> None:
    frame, _ = frames_of(cell)
    frame.locator("canvas[role=application]").focus()
    cell.keyboard.press("v")
    assert frame.evaluate("document.querySelector('#viewer').viewer.shown.quantity") == "gradient"
    assert cell.evaluate("window.keys") == []


def test_changes_are_shown_and_nothing_is_left(cell: Any, tmp_path: Path) -> None:
    frames_of(cell)
    other = FieldWidget(write_field("plane", tmp_path)).page
    cell.evaluate("(page) => { model.set('page', page); model.set('height', 300); }", other)
    for frame in cell.frames[1:]:
        frame.locator("h1", has_text="plane.safetensors").wait_for()
    assert cell.locator("iframe").first.bounding_box()["height"] == 300
    frames_of(cell)
    cell.evaluate("cleanups.forEach((each) => each())")
    assert cell.locator("iframe").count() == 0
    assert cell.evaluate("Object.values(heard).flat().length") == 0
    cell.evaluate("(page) => model.set('page', page)", other)
