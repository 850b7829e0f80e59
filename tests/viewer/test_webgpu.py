"""Tests of the page where the browser has WebGPU: it finds what it should, or WebGL 2 goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fields_of_kinds import field_of, write_field
from opened import Opened
from serving import serving
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.viewer.page import write_page

pytestmark = pytest.mark.browser

WEBGPU = "#renderer=webgpu"
# What a browser without a graphics processor would tell if it had one.
HARDWARE = """
const parameter = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === this.RENDERER ? "a graphics processor" : parameter.call(this, name);
};
for (const [name, value] of [["isFallbackAdapter", false], ["architecture", "a graphics processor"]]) {
  Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => value });
}
"""
# A clock by which nothing takes time but reading what WebGPU found.
CLOCK = """
let now = 0;
window.lasts = 0;
performance.now = () => now;
const map = GPUBuffer.prototype.mapAsync;
GPUBuffer.prototype.mapAsync = function (mode) { now += window.lasts; return map.call(this, mode); };
"""
# What may be wrong with WebGPU: of which class, the method, and what it does instead, of what it did.
SPOILT = {
    "no adapter": ("GPU", "requestAdapter", "() => async () => null"),
    "a blocked adapter": ("GPU", "requestAdapter", "() => () => { throw new Error('blocked'); }"),
    "no device": ("GPUAdapter", "requestDevice", "() => async () => { throw new Error('none'); }"),
    "a shader that is not accepted": (
        "GPUDevice",
        "createShaderModule",
        "(real) => function ({ code }) { return real.call(this, { code: code + '}' }); }",
    ),
    "too little memory": (
        "GPUDevice",
        "createBuffer",
        "(real) => function (given) { return real.call(this, { ...given, size: 2 ** 45 }); }",
    ),
    "other weights": (
        "GPUQueue",
        "writeBuffer",
        "(real) => function (to, at, numbers) { real.call(this, to, at, numbers.map((x) => 1.001 * x)); }",
    ),
    "points that are not computed": (
        "GPUComputePassEncoder",
        "dispatchWorkgroups",
        "(real) => function (x, y) { real.call(this, Math.max(1, x - 1), y); }",
    ),
    "nothing to be read": ("GPUBuffer", "mapAsync", "() => async () => { throw new DOMException('lost'); }"),
}
# Whether every kind of network that was asked for has been compared and found right.
COMPARED = "[...viewer.evaluation.compared.values()].every((each) => each)"


@pytest.fixture(scope="module")
def browser_with_webgpu(started: Callable[..., Any]) -> Iterator[Any]:
    """Chromium with WebGPU, by the processor."""
    browser = started("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    yield browser
    browser.close()


@pytest.fixture
def opened(browser_with_webgpu: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """A function that opens the page of a field by its name, in that browser."""
    pages: list[Opened] = []

    def open_field(name: str, anchor: str = "", before: str = "") -> Opened:
        path = tmp_path / f"{name}.html"
        write_page(write_field(name, tmp_path), path)
        pages.append(Opened(browser_with_webgpu, path.as_uri() + anchor, before=before))
        return pages[-1]

    yield open_field
    for each in pages:
        each.close()


@pytest.fixture(scope="module")
def grey(browser_with_webgpu: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of a picture, of which tests offer WebGPU again."""
    folder = tmp_path_factory.mktemp("grey")
    write_page(write_field("grey", folder), folder / "grey.html")
    page = Opened(browser_with_webgpu, (folder / "grey.html").as_uri() + "#renderer=webgl")
    yield page
    page.close()


def offer(page: Opened, wanted: str = "true") -> None:
    """Offer WebGPU to a page as when it is opened, and draw."""
    page.run(
        f"""
        viewer.evaluation.withdraw();
        viewer.evaluation.compared.clear();
        window.offered = false;
        viewer.evaluation.offer({wanted}).then(() => {{ window.offered = true; viewer.shown.draw(); }});"""
    )
    page.until("window.offered")


def drawn_by_webgpu(page: Opened) -> None:
    """Draw once more, when WebGPU has been compared, what only it may be asked for."""
    page.until("viewer.evaluation.compute")
    for forbid in ("", "viewer.evaluation.graphics.batch = () => { throw new Error('WebGL 2 is asked'); };"):
        page.finished()
        page.until(COMPARED)
        page.run(f"{forbid} viewer.shown.forget(); viewer.shown.draw();")
    page.finished()
    page.run("delete viewer.evaluation.graphics.batch;")
    assert means(page) == "WebGPU"


def means(page: Opened) -> Any:
    return page.page.locator(".about dd").last.text_content()


def psnr(found: NDArray[Any], truth: NDArray[Any], width: float) -> float:
    """Return 10 log₁₀(width² / mean square error) in dB of what is finite in both."""
    there = np.isfinite(found) & np.isfinite(truth)
    assert there.mean() > 0.2
    return float(10 * np.log10(width**2 / np.mean((found[there] - truth[there]) ** 2)))


@pytest.mark.parametrize(
    ("name", "zoom", "quantities"),
    [
        ("colour", 1, ["gradient", "laplacian"]),
        ("tanh", 64, ["value", "laplacian"]),
        ("tiled", 1, ["gradient"]),
    ],
)
def test_pictures_agree_with_what_is_rendered(opened: Any, name: str, zoom: int, quantities: list[str]) -> None:
    page = opened(name, WEBGPU)
    field, signal = field_of(name)
    assert isinstance(signal, ImageSignal)
    page.run(f"viewer.shown.magnify({zoom}, 140, 100)")
    for quantity in quantities:
        page.run(f"viewer.chooseQuantity('{quantity}')")
        drawn_by_webgpu(page)
        numbers, found = page.numbers()
        region = (*found["from"], *found["to"])
        truth = signal.sample(field, (found["width"], found["height"]), region=region, quantity=quantity)
        width = 255.0 if quantity == "value" else float(truth.max() - truth.min())
        assert psnr(numbers, truth, width) > 70, quantity


def test_a_recording_is_evaluated_whole(opened: Any) -> None:
    page = opened("audio", WEBGPU)
    drawn_by_webgpu(page)
    field, signal = field_of("audio")
    assert isinstance(signal, AudioSignal)
    assert psnr(np.array(page.run("return [...viewer.shown.samples]")), signal.sample(field)[:, 0], 1.0) > 70


def test_networks_of_every_activation_and_width_are_those_of_double_precision(grey: Opened) -> None:
    """Also in one and in three axes, of many outputs, of weights that change, and where few points fit at once."""
    offer(grey)
    drawn_by_webgpu(grey)
    found = grey.page.evaluate(
        """async () => {
        const { evaluation } = document.querySelector("#viewer").viewer, { compute } = evaluation, found = [];
        const random = (n) => (Math.sin(12.9898 * (n + 1)) * 43758.5453) % 1, usual = 134217728;
        const names = ["identity", "relu", "tanh", "sigmoid", "softplus", "elu", "selu", "exponential"];
        const cases = [...names.map((name) => [name, [3, 10, 5], [2], usual]), ["sine", [3, 10, 5], [0, 1, 2], usual],
          ["sine", [2, 1100, 1100, 1], [2], usual], ["tanh", [1, 6, 1], [0, 2], 7000]];
        for (const [activation, widths, orders, most] of cases) {
          let at = 0;
          const layers = widths.slice(1).map((outs, k) => {
            const inputs = widths[k], weight = at, bias = at + inputs * outs;
            at = bias + outs;
            return { activation, inputs, outputs: outs, weight, bias };
          });
          const [d, width] = widths, outputs = widths.at(-1);
          const limits = { configurable: true, value: { maxStorageBufferBindingSize: most } };
          Object.defineProperty(compute.device, "limits", limits);
          const node = { type: "chain", layers };
          compute.renew(Float32Array.from({ length: at }, (_, n) => (2 * random(n)) / Math.sqrt(width)));
          const axes = [...Array(d).keys()], grid = { width: 23, height: 17, origin: axes.map(() => -0.2),
            right: axes.map((k) => (k === 0 ? 0.02 : 0)), down: axes.map((k) => (k === d - 1 ? 0.03 : 0)) };
          for (const order of orders) {
            const jet = await compute.evaluate(layers, grid, order), off = [];
            const lists = ({ value, slopes, laplacian }) =>
              [value, ...(slopes ?? []), ...(order > 1 ? [laplacian] : [])];
            for (const n of [0, 22, 23, 200, 389, 390]) {
              const point = grid.origin.map((o, k) =>
                o + (n % 23) * grid.right[k] + Math.floor(n / 23) * grid.down[k]);
              const truth = lists(evaluation.at.call({ node, weights: compute.weights }, point, order));
              lists(jet).forEach((list, i) => {
                for (let c = 0; c < outputs; c++) {
                  off.push(Math.abs(list[n * outputs + c] - truth[i][c]) / Math.max(1, Math.abs(truth[i][c])));
                }
              });
            }
            found.push([`${activation} ${widths} ${order}`, off.length, Math.max(...off)]);
          }
        }
        return found;
    }"""
    )
    assert len(found) == 14
    assert all(count >= 6 and off < 2e-5 for _, count, off in found), found


@pytest.mark.parametrize("spoilt", SPOILT)
def test_where_webgpu_is_not_what_it_should_be_nothing_is_seen_of_it(grey: Opened, spoilt: str) -> None:
    kind, method, instead = SPOILT[spoilt]
    grey.run("viewer.chooseQuantity('laplacian')")
    grey.run(f"window.real = {kind}.prototype.{method}; {kind}.prototype.{method} = ({instead})(window.real);")
    offer(grey)
    grey.until("viewer.shown.done && !viewer.evaluation.compute")
    grey.run(f"{kind}.prototype.{method} = window.real; viewer.shown.draw();")
    assert_right(grey)


def test_a_device_that_is_lost_in_the_middle_of_a_picture_is_done_without(grey: Opened) -> None:
    grey.run("viewer.chooseQuantity('laplacian')")
    offer(grey)
    drawn_by_webgpu(grey)
    grey.run(
        """
        const { compute } = viewer.evaluation, batch = compute.batch;
        let count = 0;
        compute.batch = (...given) => {
          count += 1;
          const found = batch.apply(compute, given);
          if (count === 2) compute.device.destroy();
          return found;
        };
        viewer.shown.draw();"""
    )
    assert_right(grey)
    assert grey.run("return viewer.evaluation.compute") is None


def assert_right(page: Opened) -> None:
    """Check that WebGL 2 drew the Laplacian as it is."""
    numbers, found = page.numbers()
    field, signal = field_of("grey")
    assert isinstance(signal, ImageSignal)
    region = (*found["from"], *found["to"])
    truth = signal.sample(field, (found["width"], found["height"]), region=region, quantity="laplacian")
    assert psnr(numbers, truth, float(truth.max() - truth.min())) > 70
    assert means(page) == "WebGL 2"


def test_it_is_asked_for_where_there_is_a_graphics_processor_and_it_is_not_turned_off(
    browser_with_webgpu: Any, opened: Any, grey: Opened, tmp_path: Path
) -> None:
    asking = "const ask = GPU.prototype.requestAdapter; window.asked = 0;"
    asking += "GPU.prototype.requestAdapter = function () { window.asked += 1; return ask.call(this); };"
    with serving(write_field("grey", tmp_path)) as port:
        page = Opened(browser_with_webgpu, f"http://127.0.0.1:{port}/", before=HARDWARE + CLOCK + asking)
        drawn_by_webgpu(page)
        assert "renderer" not in page.run("return viewer.link")
        page.run("window.lasts = 1000; viewer.chooseQuantity('laplacian');")
        assert_right(page)
        page.until("!viewer.evaluation.compute")  # as it takes a second for what takes WebGL 2 no time
        page.asked = []
        page.close()
    for anchor, before in (("", asking), ("#renderer=webgl", HARDWARE + asking)):
        page = opened("grey", anchor, before)
        assert page.page.evaluate("window.asked") == 0
        assert means(page) == "WebGL 2"
    assert page.run("return viewer.link").endswith("&renderer=webgl")
    offer(grey, "false")  # that of Chromium here is the processor
    assert grey.run("return viewer.evaluation.compute") is None
    grey.run("GPU.prototype.requestAdapter = () => new Promise(() => {}); viewer.evaluation.offer(true);")
    grey.run("viewer.chooseQuantity('laplacian')")
    assert_right(grey)  # though no adapter ever comes
