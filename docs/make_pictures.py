"""Make the pictures of the README and the documentation: `python docs/make_pictures.py`, a few minutes on two cores."""

from __future__ import annotations

from pathlib import Path

import torch

import sinefield
from sinefield import plots
from sinefield.activations import activations_of

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Write every picture."""
    PICTURES.mkdir(exist_ok=True)
    image, solve = sinefield.problems.image, sinefield.solve
    solution = solve(image("sample:camera", longest=256))
    plots.save_figure(plots.solution_figure(solution), PICTURES / "camera.png")
    solution = solve(image("sample:camera", on=["gradient"], longest=256))
    plots.save_figure(plots.solution_figure(solution), PICTURES / "from_gradients.png")
    networks = ("siren", "relu", "tanh", "relu-nerf")
    solutions = {name: solve(image("sample:camera", network=name, longest=256), passes=10) for name in networks}
    plots.save_figure(plots.comparison_figure(solutions), PICTURES / "networks.png")
    torch.manual_seed(0)
    layers = activations_of(sinefield.build("siren", 2, 1))
    plots.save_figure(plots.activations_figure(layers, "siren 256 x 3, as initialised"), PICTURES / "activations.png")


if __name__ == "__main__":
    main()
