"""Make the field of the page in docs/viewing.md: seeds of a sunflower, a picture that is a formula.

    python docs/make_field_of_page.py      # a minute; writes docs/fields/sunflower.safetensors

Seed n is at the distance √n from the middle, turned by the golden angle from the one before: Helmut Vogel, "A better
way to construct the sunflower head", Mathematical Biosciences 44, 1979, equation 2. Each is a dome with a bright rim.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sinefield

PLACE = Path(__file__).parent / "fields" / "sunflower.safetensors"
_SIDE, _SEEDS = 192, 180
_GOLDEN = np.pi * (3 - np.sqrt(5))  # radians


def sunflower(side: int = _SIDE, count: int = _SEEDS) -> NDArray[np.uint8]:
    """Return the picture ``(side, side)`` of seeds."""
    y, x = np.meshgrid(*[(np.arange(side) + 0.5) / side * 2 - 1] * 2, indexing="ij")
    number = np.arange(count) + 0.5
    radius, angle = 0.92 * np.sqrt(number / count), number * _GOLDEN
    found = np.zeros((side, side))
    for r, a in zip(radius, angle, strict=True):
        size = 0.042 + 0.036 * r
        away = np.hypot(x - r * np.cos(a), y - r * np.sin(a)) / size
        found += (0.75 - 0.35 * r) / (1 + np.exp(8 * (away - 0.8))) + 0.3 * np.exp(-(((away - 0.55) / 0.22) ** 2))
    return (255 * np.clip(0.08 + found, 0, 1)).astype(np.uint8)


def main() -> None:
    """Fit the picture, and write the field."""
    problem = sinefield.problems.image(sunflower(), hidden_features=64, hidden_layers=3)
    solution = sinefield.solve(problem, passes=160, recipe="fast", seed=0)
    PLACE.parent.mkdir(exist_ok=True)
    solution.save(PLACE)
    print(f"{PLACE.name}: {solution.metrics['psnr']:.1f} dB, {PLACE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
