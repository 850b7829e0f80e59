"""Sample pictures that scikit-image ships, by the name ``sample:NAME``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "horse": "",  # scikit-image thresholds this file, so that it is not the picture
    "hubble_deep_field": "hubble_deep_field.jpg",
    "immunohistochemistry": "ihc.png",
    "logo": "logo.png",
    "moon": "moon.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "text": "text.png",
}

SAMPLES = tuple(_FILES)
"""The names of the sample pictures."""


def find_file(name: str) -> Path | None:
    """Return the file of a sample picture; None where only ``skimage.data`` can read it.

    ``skimage.data`` reads the same files, but takes long to import.

    Raises:
        ValueError: there is no sample of that name.

    >>> find_file("clock").name
    'clock_motion.png'
    """
    if name not in _FILES:
        raise ValueError(f"there is no sample {name!r}; choose one of {', '.join(SAMPLES)}")
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None or not _FILES[name]:
        return None
    path = Path(package.origin).parent / "data" / _FILES[name]
    return path if path.is_file() else None
