"""Make the pictures of the README and the documentation, a few minutes on two cores.

    python docs/make_pictures.py
    python docs/make_pictures.py --signals bach.wav bikes.mp4 ch2.nii.gz bunny.obj shadedrelief.jpg    # other signals

Where these come from is told in the pages that show them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

import sinefield
from sinefield import plots
from sinefield.fields.diagnostics import activations_of

PICTURES = Path(__file__).parent / "pictures"
SIGNALS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bach.wav": ("bach", {}, {}),
    "bikes.mp4": ("bikes", {"size": (160, 68)}, {"passes": 16}),
    "ch2.nii.gz": ("brain", {}, {}),
    "bunny.obj": ("bunny", {}, {"seconds": 60}),
    "shadedrelief.jpg": ("relief", {}, {"passes": 3}),
}
"""By the name of a file: the name of its picture, the options of its problem, the budget of its fit."""


def main() -> None:
    """Write every picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", nargs="*", type=Path, help=f"files named {', '.join(SIGNALS)}")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    if options.signals is None:
        draw_pictures()
    for path in options.signals or ():
        name, settings, budget = SIGNALS[path.name]
        solution = sinefield.solve(sinefield.problems.of(path, **settings), **budget)
        print(path.name, solution.metrics)
        plots.save_figure(plots.solution_figure(solution), PICTURES / f"{name}.png")


def draw_pictures() -> None:
    """Write the pictures of pictures."""
    image, solve = sinefield.problems.image, sinefield.solve
    solution = solve(image("sample:camera", longest=256))
    plots.save_figure(plots.solution_figure(solution), PICTURES / "camera.png")
    solution = solve(image("sample:camera", on=["gradient"], longest=256))
    plots.save_figure(plots.solution_figure(solution), PICTURES / "from_gradients.png")
    networks = ("siren", "relu", "tanh", "relu-nerf", "relu-fourier")
    solutions = {name: solve(image("sample:camera", network=name, longest=256)) for name in networks}
    plots.save_figure(plots.comparison_figure(solutions), PICTURES / "networks.png")
    with tempfile.TemporaryDirectory() as folder:
        solution = solve(sinefield.problems.of(glyph(Path(folder) / "glyph.png"), "shape"), seconds=20)
    plots.save_figure(plots.solution_figure(solution), PICTURES / "glyph.png")
    torch.manual_seed(0)
    layers = activations_of(sinefield.build("siren", 2, 1))
    plots.save_figure(plots.activations_figure(layers, "siren 256 x 3, as initialised"), PICTURES / "activations.png")


def glyph(path: Path) -> Path:
    """Return a picture that is written there of an ampersand, in the typeface that matplotlib brings."""
    typeface = ImageFont.truetype(font_manager.findfont("DejaVu Serif"), 360)
    picture = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(picture).text((200, 200), "&", 0, typeface, anchor="mm")
    picture.save(path)
    return path


if __name__ == "__main__":
    main()
