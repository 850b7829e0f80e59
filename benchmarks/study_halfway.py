"""By which processes are the points halfway between pixels predicted best, and how are they weighted?

Every second pixel of both axes of ten pictures is kept, and :func:`sinefield.solvers.kriging.doubled` predicts the
others: in dB over bilinear interpolation. None of them is of ``left_out.py``, which judges what was chosen here.

    python benchmarks/study_halfway.py            # half a minute
    python benchmarks/study_halfway.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import skimage.color
import skimage.data
import torch
from numpy.typing import NDArray

import held_out
import machine
from sinefield.solvers import kriging

PICTURES = (
    "brick",
    "cell",
    "clock",
    "grass",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "stereo_motorcycle",
)
LONGEST = 384  # pixels of a side
CHOSEN = "as chosen"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    CHOSEN: {},
    "no directions": {"_RATIOS": {1.0: 1}},
    "ratio 2 in 8 directions": {"_RATIOS": {1.0: 1, 2.0: 8}},
    "ratios 2 and 4 in 8 directions": {"_RATIOS": {1.0: 1, 2.0: 8, 4.0: 8}},
    "ratios 2 and 8 in 8 and 16 directions": {"_RATIOS": {1.0: 1, 2.0: 8, 8.0: 16}},
    "ν 1/2 alone": {"_EXPONENTS": (0.5,)},
    "ν 3/2 alone": {"_EXPONENTS": (1.5,)},
    "length 3": {"_LENGTH": 3.0},
    "length 12": {"_LENGTH": 12.0},
    "noise 1e-3": {"_NOISE": 1e-3},
    "errors within 1.4": {"_AROUND": 1.4},
    "errors within 2.8": {"_AROUND": 2.8},
    "no favour": {"_ISOTROPIC": 0.0},
    "favour 4": {"_ISOTROPIC": 4.0},
}


def picture(name: str, longest: int) -> NDArray[np.uint8]:
    """Return a square of even sides around the middle of a picture, in grey."""
    found = getattr(skimage.data, name)()
    found = found[0] if isinstance(found, tuple) else found
    grey = found if found.ndim == 2 else np.round(255 * skimage.color.rgb2gray(found)).astype(np.uint8)
    side = min(*grey.shape, longest) // 2 * 2
    top, left = ((size - side) // 2 for size in grey.shape)
    return np.ascontiguousarray(grey[top : top + side, left : left + side])


def gain(full: NDArray[np.uint8], settings: Mapping[str, Any]) -> float:
    """Return the dB over bilinear interpolation of the pixels left out."""
    kept = np.ascontiguousarray(full[::2, ::2])
    before = {name: getattr(kriging, name) for name in settings}
    try:
        _set(settings)
        fine = kriging.doubled(torch.from_numpy(kept).double()[..., None]).values[..., 0].numpy()
    finally:
        _set(before)
    bar = held_out.judged(held_out.interpolated(kept, "bilinear"), full)["held out"]
    return held_out.judged(fine, full)["held out"] - bar


def _set(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        setattr(kriging, name, value)
    kriging._processes.cache_clear()


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    names, variants = (PICTURES[:2], {CHOSEN: {}}) if options.smoke else (PICTURES, VARIANTS)
    pictures = {name: picture(name, 64 if options.smoke else LONGEST) for name in names}
    rows = []
    for variant, settings in variants.items():
        gains = {name: gain(full, settings) for name, full in pictures.items()}
        summary = {"median": statistics.median(gains.values()), "worst": min(gains.values())}
        rows.append({"variant": variant, "mean": statistics.mean(gains.values()), **summary, "gains": gains})
    machine.write("study_halfway", {"rows": rows}, smoke=options.smoke)
    machine.show(
        "pixels left out: dB over bilinear interpolation",
        [{key: value for key, value in row.items() if key != "gains"} for row in rows],
    )


if __name__ == "__main__":
    main()
