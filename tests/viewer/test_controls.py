"""Tests of the page's controls: pointers, keys, touch, links, what is saved, and who can use them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from fields_of_kinds import field_of, write_field
from opened import Opened
from serving import serving
from sinefield import checkpoint
from sinefield.jet import jet
from sinefield.signals.image import ImageSignal
from sinefield.viewer.page import write_page

pytestmark = pytest.mark.browser


def middle(page: Any) -> tuple[int, int]:
    box = page.page.locator(".stage canvas").bounding_box()
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)  # as wheels tell it


def centre(page: Any) -> list[float]:
    found: list[float] = page.run("return [...viewer.shown.centre, viewer.shown.zoom]")
    return found


def test_dragging_moves_the_picture_with_the_pointer(opened: Any) -> None:
    page = opened("grey")
    page.run("viewer.shown.magnify(4)")
    x, y = middle(page)
    held = page.run("return viewer.shown.placeAt(148, 100)")
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 30, y - 12, steps=3)
    page.page.mouse.up()
    page.page.mouse.move(x, y)
    np.testing.assert_allclose(page.run("return viewer.shown.placeAt(178, 88)"), held, atol=1e-9)


def test_the_wheel_zooms_about_the_pointer(opened: Any) -> None:
    page = opened("grey")
    x, y = middle(page)
    script = f"""const box = viewer.canvas.getBoundingClientRect();
      return viewer.shown.placeAt({x + 40} - box.left, {y + 20} - box.top);"""
    before, zoom = page.run(script), centre(page)[2]
    page.page.mouse.move(x + 40, y + 20)
    page.page.mouse.wheel(0, -400)
    page.until("viewer.shown.zoom > 1.5")
    np.testing.assert_allclose(page.run(script), before, atol=1e-9)
    assert centre(page)[2] > zoom


def test_the_ends_of_the_colour_bar_are_in_sight(opened: Any) -> None:
    page = opened("grey")
    page.run("viewer.chooseQuantity('gradient')")
    page.finished()
    assert page.run("return viewer.legend.scrollWidth <= viewer.legend.clientWidth")
    assert page.run("return viewer.bar.clientWidth >= 40 && viewer.high.clientHeight < 30")


def test_two_fingers_zoom(opened: Any) -> None:
    page = opened("grey", has_touch=True)
    x, y = middle(page)
    session = page.context.new_cdp_session(page.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py, "id": k} for k, (px, py) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    assert centre(page)[2] == pytest.approx(3.0, rel=0.02)


def test_keys_move_zoom_and_list_themselves(opened: Any) -> None:
    page = opened("grey")
    page.page.focus(".stage canvas")
    before = centre(page)
    page.page.keyboard.press("+")
    page.page.keyboard.press("+")
    assert centre(page)[2] == pytest.approx(before[2] * 2.25)
    page.page.keyboard.press("ArrowRight")
    assert centre(page)[0] > before[0]
    page.page.keyboard.press("0")
    assert centre(page) == before
    page.page.keyboard.press("v")
    assert page.run("return viewer.shown.quantity") == "gradient"
    assert page.page.locator("select").input_value() == "gradient"
    page.page.keyboard.press("?")
    assert page.page.locator("dialog").is_visible()
    assert "save a picture" in page.page.locator("dialog").inner_text()
    page.page.keyboard.press("Escape")
    assert not page.page.locator("dialog").is_visible()


def test_numbers_under_the_pointer_are_those_of_the_field(opened: Any) -> None:
    page = opened("grey")
    field, signal = field_of("grey")
    assert isinstance(signal, ImageSignal)
    x, y = middle(page)
    page.page.mouse.move(x, y)
    told = page.page.locator(".readout").inner_text()
    found = page.run("return viewer.shown.probe(viewer.canvas.width / 2, viewer.canvas.height / 2)")
    assert [each["at"] for each in found["place"]] == pytest.approx([16.0, 12.0], abs=1e-6)
    u = jet(field, torch.zeros(1, 2))
    expected = {
        "value": 127.5 + 127.5 * u.value.item(),
        "gradient": 127.5 / 16 * u.jacobian.norm().item(),
        "laplacian": 127.5 / 256 * u.laplacian.item(),
    }
    numbers = {each["name"]: each["numbers"][0] for each in found["quantities"]}
    assert numbers == pytest.approx(expected, rel=1e-4)
    assert re.match(r"x 16 pixel · y 1[12][.\d]* pixel · value ", told)  # to half a pixel of the screen
    assert "1/pixel²" in told
    page.page.mouse.move(2, 2)


def test_a_link_restores_the_view(opened: Any) -> None:
    page = opened("heat")
    page.run("viewer.shown.magnify(3, 50, 60); viewer.chooseQuantity('laplacian'); viewer.shown.values[0] = 0.5")
    link = page.run("return viewer.link")
    anchor = "#" + link.split("#")[1]
    state = page.run("return viewer.shown.state")
    other = opened("heat", anchor)
    assert other.run("return viewer.shown.state") == state
    assert other.page.locator("select").input_value() == "laplacian"
    assert other.page.locator("input[type=range]").input_value() == "0.5"


@pytest.mark.parametrize("anchor", ["#part=9&zoom=NaN", "#part=0&zoom=-5&x=1e400&quantity=%3Cb%3E&sliders=x+y", "#%"])
def test_damaged_links_are_survived(opened: Any, anchor: str) -> None:
    page = opened("heat", anchor)
    assert page.run("return viewer.shown.quantity") == "value"
    assert 0.25 <= centre(page)[2] <= 1e9


def test_time_is_moved_and_plays(opened: Any) -> None:
    page = opened("video")
    first = page.numbers()[0]
    page.page.locator("input[type=range]").fill("1")
    second = page.numbers()[0]
    assert np.nanmax(np.abs(first - second)) > 1
    page.page.get_by_role("button", name="Play or stop").click()
    page.until("viewer.shown.values[0] > 1.2")
    page.page.get_by_role("button", name="Play or stop").click()
    page.page.wait_for_timeout(200)
    stopped = page.run("return viewer.shown.values[0]")
    page.page.wait_for_timeout(200)
    assert page.run("return viewer.shown.values[0]") == stopped


def test_what_is_seen_is_saved(opened: Any, tmp_path: Path) -> None:
    page = opened("grey")
    numbers, found = page.numbers()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Save a picture").click()
    download.value.save_as(tmp_path / "seen.png")
    pixels = np.asarray(Image.open(tmp_path / "seen.png").convert("RGBA"))
    there = np.isfinite(numbers[..., 0])
    assert pixels.shape[:2] == (found["height"], found["width"])
    np.testing.assert_allclose(pixels[there][:, 0], np.clip(numbers[there][:, 0], 0, 255), atol=1.01)
    assert (pixels[~there][:, 3] == 0).all()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Save the numbers").click()
    download.value.save_as(tmp_path / "seen.csv")
    table = np.genfromtxt(tmp_path / "seen.csv", delimiter=",", names=True)
    assert table.dtype.names == ("x", "y", "value")
    np.testing.assert_allclose(table["value"], numbers[there][:, 0], rtol=1e-5)
    assert (table["x"].min(), table["x"].max()) == pytest.approx((0, 32), abs=0.2)


def test_the_original_is_beside_it(browser: Any, opened: Any, tmp_path: Path) -> None:
    field, signal = field_of("grey")
    Image.fromarray(np.full((24, 32), 200, np.uint8) - np.arange(32, dtype=np.uint8)).save(tmp_path / "truth.png")
    checkpoint.save(tmp_path / "f.safetensors", field, signal=signal.to_json())
    write_page(tmp_path / "f.safetensors", tmp_path / "f.html", tmp_path / "truth.png")
    page = Opened(browser, (tmp_path / "f.html").as_uri())
    page.page.locator("input[type=range]").fill("0.5")
    page.until("viewer.shown.original !== null")
    places = [round(page.run(f"return viewer.shown.pixelAt({x}, 12)[0]")) for x in (4.5, 28.5)]
    pixels = page.run(
        "return [...viewer.canvas.getContext('2d').getImageData(0, viewer.canvas.height / 2, 320, 1).data]"
    )
    original, own = (pixels[4 * x] for x in places)
    assert original == pytest.approx(196, abs=4)
    assert own < 180
    page.close()


def test_screens_of_high_density_are_used(opened: Any) -> None:
    page = opened("grey", device_scale_factor=2)
    width, shown = page.run("return [viewer.canvas.width, viewer.canvas.clientWidth]")
    assert width == 2 * shown


def test_shapes_are_turned(opened: Any) -> None:
    page = opened("shape")
    x, y = middle(page)
    before = page.run("return viewer.shown.azimuth")
    page.page.mouse.move(x, y)
    told = page.page.locator(".readout").inner_text()
    assert "normal" in told
    assert "mm" in told
    page.page.mouse.down()
    page.page.mouse.move(x + 40, y)
    page.page.mouse.up()
    assert page.run("return viewer.shown.azimuth") < before
    found = page.run("return viewer.shown.probe(viewer.canvas.width / 2, viewer.canvas.height / 2)")
    place = np.array([each["at"] for each in found["place"]])
    assert np.linalg.norm((place - [10, 20, 30]) / 50) == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["grey", "shape", "audio", "video", "unknown"])
def test_everyone_can_use_it(opened: Any, name: str, scheme: str) -> None:
    page = opened(name, color_scheme=scheme)
    found = Axe().run(page.page)
    assert found.violations_count == 0, found.generate_report()
    if name == "grey":
        page.page.get_by_role("button", name="Show the keys").click()
        assert Axe().run(page.page).violations_count == 0


def test_markup_in_a_field_is_text(opened: Any) -> None:
    page = opened("grey")
    page.page.locator("summary").click()
    assert "</script><b>bold" in page.page.locator("details").inner_text()
    assert page.page.locator("b").count() == 0


def test_without_webgl_it_is_drawn_nevertheless(opened: Any) -> None:
    """Without a graphics processor it says so, and draws in double precision what it draws with one."""
    plain, _ = opened("grey").numbers()
    page = opened("grey", without_webgl=True)
    assert "no WebGL 2" in page.page.locator("[role=status]").inner_text()
    assert page.page.locator("img.picture").count() == 1
    numbers, _ = page.numbers()
    height = min(len(plain), len(numbers))
    assert np.isfinite(numbers).any()
    assert height > 20


def test_what_cannot_be_evaluated_is_a_picture(opened: Any) -> None:
    page = opened("unknown")
    assert "cannot evaluate" in page.page.locator("[role=alert]").inner_text()
    assert page.page.evaluate("document.querySelector('img').naturalWidth") == 192


def test_the_server_shows_the_same_page(browser: Any, tmp_path: Path) -> None:
    with serving(write_field("grey", tmp_path)) as port:
        page = Opened(browser, f"http://127.0.0.1:{port}/")
        numbers, _ = page.numbers()
        assert np.isfinite(numbers).any()
        page.asked = [each for each in page.asked if not each.startswith(f"http://127.0.0.1:{port}/")]
        page.close()
