"""A page of a field in a browser, with what it says on its console and whom it asks for something."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""What makes Chromium draw on the processor."""

_NUMBERS = """async () => {
  const viewer = document.querySelector("#viewer").viewer;
  await viewer.shown.finished();
  const bytes = new Uint8Array(viewer.shown.numbers.buffer);
  let text = "";
  for (let k = 0; k < bytes.length; k += 32768) text += String.fromCharCode(...bytes.subarray(k, k + 32768));
  const { canvas } = viewer, shown = viewer.shown;
  return { numbers: btoa(text), width: canvas.width, height: canvas.height, channels: shown.quantityShown.channels,
    from: shown.placeAt(0, 0), to: shown.placeAt(canvas.width, canvas.height) };
}"""
_WITHOUT_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : get.call(this, kind, ...more);
};
"""


class Opened:
    """A page in the browser.

    Args:
        browser: that it is opened in.
        address: of the page.
        without_webgl: let the browser have none.
        before: a script that runs before those of the page.
        **context: of the browser, as Playwright takes it.
    """

    def __init__(
        self, browser: Any, address: str, *, without_webgl: bool = False, before: str = "", **context: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": 320, "height": 420}, accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.page.add_init_script((_WITHOUT_WEBGL if without_webgl else "") + before)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.finished()

    def finished(self) -> None:
        """Wait until all that is to be seen is drawn."""
        self.page.wait_for_selector("#viewer[data-state=done]", timeout=60_000)

    def run(self, script: str) -> Any:
        """Return what a script returns, in which ``viewer`` is the page's."""
        return self.page.evaluate(f"() => {{ const viewer = document.querySelector('#viewer').viewer; {script} }}")

    def until(self, condition: str) -> None:
        """Wait until a condition holds; Playwright's own way would need a policy that allows ``eval``."""
        for _ in range(600):
            if self.run(f"return {condition};"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"in half a minute it never was so that {condition}")

    def numbers(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Return the numbers that are drawn, ``(height, width, channels)``, and where they are."""
        found = self.page.evaluate(_NUMBERS)
        numbers = np.frombuffer(base64.b64decode(found["numbers"]), np.float32)
        return numbers.reshape(found["height"], found["width"], found["channels"]), found

    def close(self) -> None:
        """Close the page, which must have said nothing and asked nobody."""
        others = [each for each in self.asked if not each.startswith(("file:", "data:", "blob:"))]
        self.context.close()
        assert self.said == [], self.said
        assert others == [], others
