"""Make the picture of the page of a field for the README: value, gradient and Laplacian at one place.

It needs Chromium, or the one that the variable CHROMIUM names, and takes half a minute.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from sinefield.viewer.page import write_page

FIELD = Path(__file__).parent / "fields" / "sunflower.safetensors"
PICTURE = Path(__file__).parent / "pictures" / "viewer.png"
QUANTITIES = ("value", "gradient", "laplacian")
_SIZE = {"width": 400, "height": 500}
_GAP, _COLOURS, _ZOOM = 12, 256, 6
_ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def seen(page: Page, quantity: str) -> Image.Image:
    """Return what the page looks like when it shows a quantity, with the numbers under a pointer."""
    page.evaluate(f"document.querySelector('#viewer').viewer.chooseQuantity('{quantity}')")
    page.wait_for_selector("#viewer[data-state=done]", timeout=60_000)
    page.mouse.move(_SIZE["width"] * 0.62, _SIZE["height"] * 0.5)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main() -> None:
    """Write the picture."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        write_page(FIELD, Path(folder) / FIELD.with_suffix(".html").name)
        browser = running.chromium.launch(executable_path=path, args=_ARGUMENTS)
        page = browser.new_page(viewport=_SIZE)
        page.goto((Path(folder) / FIELD.with_suffix(".html").name).as_uri())
        page.evaluate(f"document.querySelector('#viewer').viewer.shown.magnify({_ZOOM}, 225, 150)")
        found = [seen(page, each) for each in QUANTITIES]
        browser.close()
    width = len(found) * (_SIZE["width"] + _GAP) - _GAP
    whole = Image.new("RGB", (width, _SIZE["height"]), "white")
    for number, each in enumerate(found):
        whole.paste(each, (number * (_SIZE["width"] + _GAP), 0))
    whole.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
