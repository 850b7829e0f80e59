"""Tests of the page in a browser: what it shows agrees with what is rendered here, and its controls work."""

from __future__ import annotations

import base64
import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fields_of_kinds import field_of, write_field
from sinefield.geometry import Camera
from sinefield.jet import jet
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.viewer.page import write_page
from sinefield.viewer.views import view_of

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NUMBERS = """async () => {
  const viewer = document.querySelector("#viewer").viewer;
  await viewer.shown.finished();
  const bytes = new Uint8Array(viewer.shown.numbers.buffer);
  let text = "";
  for (let k = 0; k < bytes.length; k += 32768) text += String.fromCharCode(...bytes.subarray(k, k + 32768));
  const { canvas } = viewer, shown = viewer.shown;
  return { numbers: btoa(text), width: canvas.width, height: canvas.height, channels: shown.quantityShown.channels,
    from: shown.placeAt(0, 0), to: shown.placeAt(canvas.width, canvas.height) };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium; install it, or name one in CHROMIUM"
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


class Opened:
    """A page in the browser, what it said on its console, and whom it asked for something."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": 320, "height": 420}, accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.finished()

    def finished(self) -> None:
        self.page.wait_for_selector("#viewer[data-state=done]", timeout=60_000)

    def run(self, script: str) -> Any:
        return self.page.evaluate(f"() => {{ const viewer = document.querySelector('#viewer').viewer; {script} }}")

    def numbers(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        found = self.page.evaluate(NUMBERS)
        numbers = np.frombuffer(base64.b64decode(found["numbers"]), np.float32)
        return numbers.reshape(found["height"], found["width"], found["channels"]), found

    def close(self) -> None:
        others = [each for each in self.asked if not each.startswith(("file:", "data:", "blob:"))]
        self.context.close()
        assert self.said == []
        assert others == []


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    pages: list[Opened] = []

    def open_field(name: str, anchor: str = "", **context: Any) -> Opened:
        path = tmp_path / f"{name}.html"
        write_page(write_field(name, tmp_path), path)
        pages.append(Opened(browser, path.as_uri() + anchor, **context))
        return pages[-1]

    yield open_field
    for each in pages:
        each.close()


def psnr(found: NDArray[Any], truth: NDArray[Any], width: float) -> float:
    """Return 10 log₁₀(width² / mean square error) in dB of what is finite in both."""
    there = np.isfinite(found) & np.isfinite(truth)
    assert there.mean() > 0.2
    return float(10 * np.log10(width**2 / np.mean((found[there] - truth[there]) ** 2)))


@pytest.mark.parametrize("zoom", [1, 64])
@pytest.mark.parametrize("name", ["grey", "colour", "deep", "tanh", "tiled"])
def test_pictures_agree_with_what_is_rendered(opened: Any, name: str, zoom: int) -> None:
    page = opened(name)
    field, signal = field_of(name)
    assert isinstance(signal, ImageSignal)
    page.run(f"viewer.plane.magnify({zoom}, 140, 100)")
    for quantity in ("value", "gradient", "laplacian"):
        page.run(f"viewer.chooseQuantity('{quantity}')")
        numbers, found = page.numbers()
        region = (*found["from"], *found["to"])
        truth = signal.sample(field, (found["width"], found["height"]), region=region, quantity=quantity)
        width = 255.0 if quantity == "value" else float(truth.max() - truth.min())
        assert psnr(numbers, truth, width) > 70, quantity


@pytest.mark.parametrize("name", ["video", "volume", "outline", "plane", "complex", "heat", "sum"])
def test_planes_agree_with_the_field(opened: Any, name: str) -> None:
    """Every quantity of every plane is what the field's jet is at the points that the page says it shows."""
    page = opened(name)
    field, signal = field_of(name)
    view = view_of(signal, field)
    for number, plane in enumerate(view["planes"]):
        page.run(f"viewer.show({number}); viewer.shown.values = viewer.shown.values.map((x) => 0.75 * x)")
        for quantity in view["read"]["quantities"]:
            page.run(f"viewer.chooseQuantity('{quantity['name']}')")
            numbers, found = page.numbers()
            s, t = (
                low + (np.arange(count) + 0.5) * (high - low) / count
                for low, high, count in zip(found["from"], found["to"], (found["width"], found["height"]), strict=True)
            )
            offset = np.array(plane["origin"])
            for each in plane["sliders"]:
                slider = view["sliders"][each]
                offset = offset + 0.75 * slider["value"] * np.array(slider["direction"])
            grid = np.stack(np.meshgrid(s, t), -1) @ np.array([plane["right"], plane["down"]]) + offset
            u = jet(field, torch.from_numpy(grid.reshape(-1, grid.shape[-1])).float())
            truth = expected(view["read"], quantity, u).reshape(numbers.shape)
            assert psnr(numbers, truth, float(np.ptp(truth)) or 1.0) > 60, (plane["name"], quantity["name"])


def expected(read: dict[str, Any], quantity: dict[str, Any], u: Any) -> NDArray[Any]:
    """Return the numbers that a page should show, of a jet."""
    match quantity["name"]:
        case "value":
            first = 1 if read["complex"] else None
            return np.asarray(read["shift"] + read["scale"] * u.value.detach().numpy()[:, :first])
        case "gradient":
            first = 1 if read["complex"] else None
            found = u.jacobian.norm(dim=-1).detach().numpy()[:, :first]
        case "laplacian":
            first = 1 if read["complex"] else None
            found = u.laplacian.detach().numpy()[:, :first]
        case name:
            real, imaginary = u.value.detach().numpy().T
            return np.asarray(
                {
                    "real": real,
                    "imaginary": imaginary,
                    "modulus": np.hypot(real, imaginary),
                    "phase": np.arctan2(imaginary, real),
                }[name]
            )
    return np.asarray(found * read["scale"] * read["lengths"][quantity["order"]])


@pytest.mark.parametrize("zoom", [1, 64])
@pytest.mark.parametrize("name", ["audio", "line"])
def test_graphs_agree_with_the_field(opened: Any, name: str, zoom: int) -> None:
    page = opened(name)
    field, _ = field_of(name)
    page.run(f"viewer.shown.magnify({zoom}, 200)")
    for quantity in ("value", "gradient"):
        page.run(f"viewer.chooseQuantity('{quantity}')")
        found = page.page.evaluate(
            """async () => {
            const { shown } = document.querySelector("#viewer").viewer;
            await shown.finished();
            const points = Array.from(shown.numbers, (_, x) => shown.pointOf(shown.coordinateAt(x + 0.5)));
            return { points, numbers: [...shown.numbers] };
        }"""
        )
        u = jet(copy.deepcopy(field).double(), torch.tensor(found["points"], dtype=torch.float64)[:, None])
        truth = (u.value if quantity == "value" else u.jacobian.abs()[:, :, 0]).detach().numpy().ravel()
        truth = truth * (1 if quantity == "value" or name == "line" else 2.0)  # field units in a second
        assert psnr(np.array(found["numbers"]), truth, float(np.ptp(truth))) > 60


def test_a_recording_is_evaluated_whole(opened: Any) -> None:
    page = opened("audio")
    field, signal = field_of("audio")
    assert isinstance(signal, AudioSignal)
    samples = np.array(page.run("return [...viewer.shown.samples]"))
    assert psnr(samples, signal.sample(field)[:, 0], 1.0) > 70


def test_surfaces_agree_with_what_is_rendered(opened: Any) -> None:
    page = opened("shape")
    field, signal = field_of("shape")
    assert isinstance(signal, ShapeSignal)
    page.run("viewer.shown.state = { azimuth: 75, elevation: -20, distance: 3 }; viewer.shown.draw()")
    page.finished()
    found = page.page.evaluate(
        """() => {
        const { canvas } = document.querySelector("#viewer").viewer;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return { width: canvas.width, height: canvas.height, pixels: [...data] };
    }"""
    )
    size = (found["width"], found["height"])
    pixels = np.array(found["pixels"], float).reshape(size[1], size[0], 4)
    alpha = pixels[..., 3:] / 255
    shown = pixels[..., :3] * alpha + 255 * (1 - alpha)  # on white, as rendered pictures are
    truth = signal.sample(field, size, camera=Camera(azimuth=75, elevation=-20, distance=3)).astype(float)
    assert 0.05 < (alpha > 0).mean() < 0.9
    inside = (truth.min(-1) < 250) & (alpha[..., 0] == 1)
    edges = np.abs(shown - truth).max(-1) > 40  # the outline: one ray for a pixel here, four there
    assert edges.mean() < 0.03
    assert psnr(shown[inside & ~edges], truth[inside & ~edges], 255.0) > 40
