"""Tests of originals beside their fields in the page: files hold what the fields are, so that both look alike."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from opened import Opened
from originals import strong_field_of, write_with_original
from sinefield.signals.shape import ShapeSignal
from sinefield.viewer.page import write_page

pytestmark = pytest.mark.browser


@pytest.fixture
def beside(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that opens the page of a field with its original."""
    pages: list[Opened] = []

    def open_with(name: str) -> Opened:
        path, original = write_with_original(name, tmp_path)
        write_page(path, tmp_path / "page.html", original)
        pages.append(Opened(browser, (tmp_path / "page.html").as_uri()))
        return pages[-1]

    yield open_with
    for each in pages:
        each.close()


def seen(page: Opened) -> NDArray[np.int64]:
    """Return the pixels of the picture, ``(height, width, 4)``."""
    page.finished()
    _, stored = page.run("return viewer.canvas.toDataURL()").split(",")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGBA"), dtype=np.int64)


def colours(page: Opened, width: float, height: float, across: int, down: int) -> NDArray[np.int64]:
    """Return what is seen at the middles of the samples of a plane, ``(n, 4)``."""
    s, t = np.meshgrid((np.arange(across) + 0.5) / across * width, (np.arange(down) + 0.5) / down * height)
    places = np.stack([s.ravel(), t.ravel()], axis=1).tolist()
    x, y = np.floor(page.run(f"return {places}.map(([s, t]) => viewer.shown.pixelAt(s, t))")).astype(int).T
    found: NDArray[np.int64] = seen(page)[y, x]
    return found


def divide(page: Opened, part: float) -> None:
    page.page.get_by_label("Original").fill(str(part))
    page.until(f"(viewer.shown.divider ?? 0) === {part}")


@pytest.mark.parametrize(
    ("name", "part", "values", "samples"),
    [
        ("grey", 0, [], (32, 24)),
        ("video", 0, [0.3], (32, 24)),
        ("video", 0, [1.9], (32, 24)),
        ("volume", 0, [3.5, 1.0, 1.0], (32, 24)),
        ("volume", 1, [1.0, 17.5, 1.0], (32, 20)),
        ("volume", 2, [1.0, 1.0, 25.5], (24, 20)),
    ],
)
def test_the_original_lies_where_the_field_does(
    beside: Any, name: str, part: int, values: list[float], samples: tuple[int, int]
) -> None:
    page = beside(name)
    page.run(f"viewer.show({part}); viewer.shown.values = {values}; viewer.shown.draw();")
    width, height = page.run("return [viewer.shown.plane.width, viewer.shown.plane.height]")
    own = colours(page, width, height, *samples)
    divide(page, 1)
    truth = colours(page, width, height, *samples)
    # A pixel of the screen is not the middle of a sample, and WebP stores colours of four pixels as one.
    assert np.abs(own - truth).mean() < 6
    assert np.ptp(truth[:, 0]) > 30
    divide(page, 0)
    np.testing.assert_array_equal(colours(page, width, height, *samples), own)


def test_left_of_the_divider_is_the_original(beside: Any) -> None:
    page = beside("volume")
    page.run("viewer.chooseQuantity('gradient')")
    own = colours(page, 32, 24, 32, 24)
    divide(page, 0.5)
    both = colours(page, 32, 24, 32, 24)
    left = np.tile(np.arange(32) < 15, 24)
    right = np.tile(np.arange(32) > 16, 24)
    np.testing.assert_array_equal(both[right], own[right])
    assert np.ptp(both[left][:, :3], axis=1).max() < 4  # grey, whichever colours the quantity has
    page.page.focus(".stage canvas")
    page.page.keyboard.press("o")
    page.until("viewer.shown.divider === null")


def test_a_mask_is_beside_its_outline(beside: Any) -> None:
    page = beside("outline")
    divide(page, 1)
    field, signal = strong_field_of("outline")
    assert isinstance(signal, ShapeSignal)
    found = colours(page, 80, 80, 40, 40)[:, 0]
    s, t = np.meshgrid(np.arange(40) * 2 + 1, np.arange(40) * 2 + 1)
    inside = signal.inside(field, np.stack([t.ravel() + 10.0, s.ravel() + 20.0], axis=1))
    assert 0.2 < inside.mean() < 0.8
    assert ((found > 128) == inside).mean() > 0.95


def test_a_sound_is_seen_and_heard_beside_its_field(beside: Any) -> None:
    page = beside("audio")
    page.until("viewer.shown.complete")
    page.finished()
    own = seen(page)
    divide(page, 0.5)
    both = seen(page)
    middle = own.shape[1] // 2
    # Sixteen bits are no line that is seen: of both the waveform, and below it the spectrogram.
    for left, right in ((20, middle - 4), (middle + 4, own.shape[1])):
        assert (np.abs(own[:, left:right] - both[:, left:right]).max(2) > 40).mean() < 0.02
    assert (both[:, middle - 1] == [232, 163, 61, 255]).all()
    assert page.run("return viewer.shown.sample(100, 0, true) - viewer.shown.sample(100, 0, false)") == pytest.approx(
        0, abs=1e-3
    )
    # Another sound, of which the first half alone is there, is what is seen and played left of the divider.
    page.run("viewer.original.samples = new Float32Array(2000).fill(0.25); viewer.shown.paintAll()")
    heard = page.run("""const made = [], { shown } = viewer;
      window.AudioContext = class {
        currentTime = 0;
        createBuffer() { return { getChannelData: () => (made[0] = new Float32Array(4000)) }; }
        createBufferSource() { return { connect() {}, start() {}, stop() {}, addEventListener() {} }; }
        close() {}
      };
      shown.play();
      return [made[0][10], made[0][1999], made[0][2001] - shown.samples[2001]];""")
    assert heard == [0.25, 0.25, 0]


def test_what_of_an_original_is_missing_is_told(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sinefield.viewer import original as originals

    monkeypatch.setattr(originals, "AREA", 32 * 32 * 5)
    path, original = write_with_original("video", tmp_path)
    write_page(path, tmp_path / "page.html", original)
    page = Opened(browser, (tmp_path / "page.html").as_uri())
    divide(page, 0.5)
    assert page.page.locator("[role=status]").inner_text() == "Of the original there are 5 of 10 frames."
    page.close()
