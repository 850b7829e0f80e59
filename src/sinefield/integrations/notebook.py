"""A widget of notebooks: the page of a field, see :mod:`sinefield.viewer.page`, between two cells.

The page is in a frame of its own, as it is: its style and its keys do not meet those of the notebook, and when the
output goes, the frame takes its graphics processor with it, of which browsers lend a page only some sixteen.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar, Final, final

from sinefield.integrations.display import save_readable
from sinefield.solution import Solution
from sinefield.viewer.page import page_of

try:
    import traitlets
    from anywidget import AnyWidget
except ImportError as error:
    raise ImportError(f"FieldWidget needs the extra 'notebook' ({error}); pip install 'sinefield[notebook]'") from error

_MODULE: Final = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.title = "A field to look at";
  frame.style.cssText = "width: 100%; border: 0; display: block;";
  const show = () => { frame.srcdoc = model.get("page"); };
  const resize = () => { frame.style.height = `${model.get("height")}px`; };
  model.on("change:page", show);
  model.on("change:height", resize);
  show();
  resize();
  el.append(frame);
  return () => {
    model.off("change:page", show);
    model.off("change:height", resize);
    frame.remove();
  };
}
export default { render };
"""


@final
class FieldWidget(AnyWidget):  # type: ignore[misc]  # a base without types
    """A field to look at in a notebook: any zoom, derivatives, numbers under the pointer, as the page has it.

    Args:
        source: a field file, or a solution, of an equation too.
        original: the file that the field was fitted to, which is shown beside it; None: that of the field's own
            source, where it lies beside the field file.
        height: of the widget, in pixels of the screen.

    Raises:
        ValueError: the file is no field, the solution is of no signal and no equation, or the original is none of it.
        OSError: a file cannot be read.
    """

    _esm: ClassVar[str] = _MODULE
    page = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(480, min=120).tag(sync=True)

    def __init__(self, source: str | Path | Solution, original: str | Path | None = None, height: int = 480) -> None:
        super().__init__(page=_page_of(source, original), height=height)

    def show(self, source: str | Path | Solution, original: str | Path | None = None) -> None:
        """Show another field, or the same one after it was fitted further; arguments as for the class."""
        self.page = _page_of(source, original)


def _page_of(source: str | Path | Solution, original: str | Path | None) -> str:
    if not isinstance(source, Solution):
        return page_of(source, original)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{source.problem.name}.safetensors"
        save_readable(source, path)
        return page_of(path, original)
