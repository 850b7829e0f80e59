"""How soon does the page of a field show something, and how much work is a surface? In Chromium, without its window.

Times are from the beginning of the navigation. Without a graphics card Chromium draws on the processor (SwiftShader),
which is told beside the figures. The work of a surface is counted in its own shader, to which a counter of evaluations
is added: of the value at points of rays, and of the normal, for which slopes go back through the layers, at twice the
work.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from playwright.sync_api import Page, sync_playwright
from torch import Tensor, nn

from sinefield import checkpoint
from sinefield.fields import Siren
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.shape import ShapeSignal
from sinefield.viewer.page import write_page

_ARGUMENTS: Final = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
_PATIENCE: Final = 90.0  # seconds for a picture; what is not drawn then is None
_LEVELS: Final = tuple(f"seconds to every {step} pixel" for step in ("32nd", "8th", "1st"))
_RENDERER = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  return gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL);
}"""
# When each of the pictures from coarse to fine is complete.
_WATCH = """
window.painted = [];
const until = setInterval(() => {
  const shown = document.querySelector("#viewer")?.viewer?.shown;
  if (!shown) return;
  clearInterval(until);
  if (shown.range) window.painted.push(performance.now());
  const paint = shown.paintAll.bind(shown);
  shown.paintAll = () => { paint(); window.painted.push(performance.now()); };
}, 1);
"""
_FIRST = """async (patience) => {
  while (!window.painted.length) {
    if (performance.now() > 1000 * patience) throw new Error(`there was no picture after ${patience} s`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
  return window.painted[0] / 1000;
}"""
_PROGRESSIVE = """async ([width, height, patience]) => {
  const { viewer } = document.querySelector("#viewer"), start = performance.now();
  window.painted.length = 0;
  Object.assign(viewer.canvas, { width, height });
  viewer.shown.drawn = null;
  viewer.shown.range = null;
  const drawn = viewer.shown.draw();
  await Promise.race([drawn, new Promise((resolve) => { setTimeout(resolve, 1000 * patience); })]);
  viewer.shown.generation += 1;
  return window.painted.map((each) => (each - start) / 1000);
}"""
_COUNTED = """async ([width, height, every, skipping]) => {
  const { viewer } = document.querySelector("#viewer"), { shown, canvas } = viewer;
  let text = shown.shader();
  text = text.replace("float phi(vec3 p) {", "int values = 0, normals_ = 0;\\nfloat phi(vec3 p) { values += 1;");
  text = text.replace("vec3 slope(vec3 p) {", "vec3 slope(vec3 p) { normals_ += 1;");
  text = text.replace("void main() {", "void trace() {");
  if (!skipping) text = text.replace("if (least > 0.0) {", "if (false) {");
  text += `void main() {
    trace();
    seen = vec4(float(values & 255), float(values >> 8), float(normals_), 255.0) / 255.0;
  }`;
  shown.generation += 1;
  await shown.cells;
  shown.made = shown.graphics.link(text);
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  let values = 0, normals = 0, rows = 0;
  for (let row = every >> 1; row < height; row += every, rows++) {
    shown.drawStrip(width, height, row, 1, 1);
    await shown.graphics.idle();
    const { data } = context.getImageData(0, row, width, 1);
    for (let k = 0; k < data.length; k += 4) {
      values += data[k] + 256 * data[k + 1];
      normals += data[k + 2];
    }
  }
  return { values: values * height / rows, normals: normals * height / rows };
}"""


def chromium() -> str | None:
    """Return where the browser is; None: there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def opened(field: nn.Module, signal: Any) -> Iterator[Page]:
    """Open the page of a field, as a file, in a browser that has not drawn anything yet."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        place = Path(folder) / "field.safetensors"
        checkpoint.save(place, field, signal=signal.to_json())
        write_page(place, place.with_suffix(".html"))
        browser = running.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": 320, "height": 420})
        page.add_init_script(_WATCH)
        page.goto(place.with_suffix(".html").as_uri())
        yield page
        browser.close()


def picture(*, smoke: bool) -> dict[str, Any]:
    """Return when the page of a 256 x 3 picture shows its first complete picture, and how long 1024² pixels take."""
    torch.manual_seed(0)
    width, side = (16, 64) if smoke else (256, 1024)
    field = Siren(2, 1, hidden_features=width, hidden_layers=3)
    signal = ImageSignal(Lattice.of_cubes((side, side), 1, 0.0, 255.0), 8)
    with opened(field, signal) as page:
        first = page.evaluate(_FIRST, _PATIENCE)
        levels = page.evaluate(_PROGRESSIVE, [side, side, _PATIENCE])
        return {
            "network": f"{width} x 3",
            "drawn by": page.evaluate(_RENDERER),
            "seconds to the first picture": first,
            "pixels": f"{side}²",
            **dict(zip(_LEVELS, [*levels, None, None, None], strict=False)),
        }


def shape(*, smoke: bool) -> list[dict[str, Any]]:
    """Return the operations of a frame of a 64 x 3 shape, with and without skipping empty space."""
    size = (64, 36) if smoke else (1280, 720)
    field = rings(16 if smoke else 64, 20 if smoke else 1500)
    signal = ShapeSignal((0.0, 0.0, 0.0), 1.0, (0.9, 0.9, 0.9), "z", "mm")
    flop = 2.0 * sum(each.numel() for each in field.parameters() if each.ndim > 1)
    with opened(field, signal) as page:
        page.wait_for_selector("#viewer[data-state]")
        counts = {name: page.evaluate(_COUNTED, [*size, 16, name == "skipped"]) for name in ("skipped", "not skipped")}
    return [
        {
            "empty space": name,
            "pixels": f"{size[0]} x {size[1]}",
            "values": found["values"],
            "normals": found["normals"],
            "GFLOP a frame": (found["values"] + 2 * found["normals"]) * flop / 1e9,
        }
        for name, found in counts.items()
    ]


def rings(width: int, steps: int) -> Siren:
    """Return a shape: a torus, a ring across it, and a ball in the middle, fitted to its distance."""
    torch.manual_seed(0)
    field = Siren(3, 1, hidden_features=width, hidden_layers=3, first_omega=8.0)
    optimiser = torch.optim.Adam(field.parameters())
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        points = torch.rand(2048, 3) * 2 - 1
        optimiser.zero_grad()
        (field(points)[:, 0] - distance(points)).abs().mean().backward()
        optimiser.step()
    return field.eval()


def distance(points: Tensor) -> Tensor:
    """Return the distance of points ``(n, 3)`` from the shape, less than 0 inside; between its parts a bound of it."""
    x, y, z = points.unbind(-1)
    torus = torch.hypot(torch.hypot(x, y) - 0.55, z) - 0.2
    ring = torch.hypot(torch.hypot(x - 0.2, z) - 0.45, y) - 0.1
    ball = points.norm(dim=-1) - 0.28
    return torch.minimum(torch.minimum(torus, ring), ball)
