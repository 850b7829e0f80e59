"""Tests of the page of a fit that goes on: it is drawn anew where it is looked at, and says how far the fit is."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opened import Opened
from sinefield.viewer import watching
from watched_fits import move, progress_of, serving

pytestmark = pytest.mark.browser


class _StoppedError(Exception):
    pass


class _Watching(Opened):
    """A page that asks its own server, and complains on the console when that is gone."""

    def close(self) -> None:
        self.context.close()
        others = [each for each in self.asked if "127.0.0.1" not in each and not each.startswith(("data:", "blob:"))]
        assert others == []
        assert all("ERR_CONNECTION_REFUSED" in each for each in self.said), self.said


@pytest.mark.parametrize("name", ["grey", "tiled", "shape", "audio", "volume"])
def test_a_page_follows_the_fit_and_keeps_its_view(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.0)
    numbers = "return viewer.canvas.toDataURL()"
    with serving(name, tmp_path) as (observe, field, port):
        observe(progress_of(field))
        page = _Watching(browser, f"http://127.0.0.1:{port}/")
        page.run("viewer.shown.magnify(3, 120, 90)")
        page.finished()
        before, link = page.run(numbers), page.run("return viewer.link")
        for _ in range(3):
            move(field)
        observe(progress_of(field, 1300))
        page.until("document.querySelector('.fit').textContent.startsWith('step 1,300 · pass 3.2')")
        page.until("viewer.shown.done")
        after = page.run(numbers)
        assert after != before
        assert page.run("return viewer.link") == link
        if name in ("grey", "tiled", "volume"):
            found = page.run("return [...viewer.evaluation.at(viewer.shown.pointAt(3.5, 4.5), 0).value]")
            drawn = page.run(
                "const [x, y] = viewer.shown.pixelAt(3.5, 4.5).map(Math.floor);"
                "return viewer.shown.numbers[y * viewer.canvas.width + x];"
            )
            shift, scale = page.run("return [viewer.view.read.shift, viewer.view.read.scale]")
            assert np.isfinite(found[0])
            if drawn is not None:
                assert drawn == pytest.approx(found[0] * scale + shift, abs=0.05 * scale)
        move(field)
    page.until("document.querySelector('.fit').textContent.startsWith('The search is over: step 1,300')")
    page.until("viewer.shown.done")
    assert page.run(numbers) != after
    page.close()


def test_a_fit_that_was_stopped_is_told(browser: Any, tmp_path: Path) -> None:
    with contextlib.suppress(_StoppedError), serving("grey", tmp_path) as (observe, field, port):
        observe(progress_of(field))
        page = _Watching(browser, f"http://127.0.0.1:{port}/")
        raise _StoppedError
    page.until("document.querySelector('.fit').textContent.startsWith('The search is over, or was stopped')")
    page.run("viewer.shown.magnify(2)")  # what was seen last can be looked at all the same
    page.finished()
    page.close()
