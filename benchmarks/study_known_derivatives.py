"""Of which sines is a picture that is solved for from its gradients, or its Laplacian, alone?

Ten pictures, those of ``study_halfway.py``, by variants of the settings of
:mod:`sinefield.problems.solved_derivative`: decibels of the picture, but for what its derivatives leave open, and the
error of the derivatives over theirs, at the pixels and of those left out. The first variant is as the library has it.

    python benchmarks/study_known_derivatives.py            # ten minutes
    python benchmarks/study_known_derivatives.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

import machine
import sinefield
from sinefield.problems import solved_derivative
from sinefield.solvers.leave_one_out import Band, Expected
from study_halfway import CHOSEN, PICTURES, picture

LONGEST = 192  # pixels of a side
GRADIENTS: Mapping[str, Mapping[str, Any]] = {
    CHOSEN: {},
    "sines of half as many frequencies": {"sines": (Band(0.5, 1.5), Expected(0.2, 3.0))},
    "half as many again": {"sines": (Band(1.5, 1.2), Expected(0.0667, 3.0))},
    "power 2": {"sines": (Band(1.0, 1.2), Expected(0.1, 2.0))},
    "width .2": {"sines": (Band(1.0, 1.2), Expected(0.2, 3.0))},
    "width .05": {"sines": (Band(1.0, 1.2), Expected(0.05, 3.0))},
    "noise 1e-4": {"noise": 1e-4},
    "noise 1e-8": {"noise": 1e-8},
    "noise of values 1e-3": {"value_noise": 1e-3},
    "noise of values 1e-1": {"value_noise": 1e-1},
}
LAPLACIANS: Mapping[str, Mapping[str, Any]] = {
    CHOSEN: {},
    "as many as of pixels": {"sines": (Band(1.0, 1.15), Expected(0.3))},
    "half as many again": {"sines": (Band(1.5, 1.15), Expected(0.2))},
    "width .15": {"sines": (Band(1.2, 1.15), Expected(0.15))},
    "width .4": {"sines": (Band(1.2, 1.15), Expected(0.4))},
    "power 3": {"sines": (Band(1.2, 1.15), Expected(0.1, 3.0))},
    "noise 1e-4": {"noise": 1e-4},
    "noise 1e-8": {"noise": 1e-8},
    "noise of values 1e-3": {"value_noise": 1e-3},
    "noise of values 1e-1": {"value_noise": 1e-1},
}
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"gradient": GRADIENTS, "laplacian": LAPLACIANS}


def reached(file: Path, quantity: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return what is reached from a quantity of a picture with settings other than the library's."""
    before = {name: getattr(solved_derivative, name) for name in ("_SINES", "_NOISE", "_VALUE_NOISE")}
    changed = {
        "_SINES": {**solved_derivative._SINES, **({quantity: settings["sines"]} if "sines" in settings else {})},
        "_NOISE": settings.get("noise", before["_NOISE"]),
        "_VALUE_NOISE": settings.get("value_noise", before["_VALUE_NOISE"]),
    }
    try:
        _set(changed)
        solution = sinefield.solve(sinefield.problems.image(file, on=[quantity]), recipe="solved")
    finally:
        _set(before)
    return dict(solution.metrics)


def _set(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        setattr(solved_derivative, name, value)


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    names = PICTURES[:1] if options.smoke else PICTURES
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.png" for name in names}
        for name, file in files.items():
            Image.fromarray(picture(name, 32 if options.smoke else LONGEST)).save(file)
        for quantity, variants in VARIANTS.items():
            for variant, settings in list(variants.items())[: 2 if options.smoke else None]:
                each = {name: reached(file, quantity, settings) for name, file in files.items()}
                keys = next(iter(each.values())).keys()
                medians = {key: statistics.median(found[key] for found in each.values()) for key in keys}
                rows.append({"from": quantity, "variant": variant, **medians, "pictures": each})
                print({name: value for name, value in rows[-1].items() if name != "pictures"}, flush=True)
    machine.write("study_known_derivatives", {"rows": rows}, smoke=options.smoke)
    for quantity in VARIANTS:
        some = [row for row in rows if row["from"] == quantity]
        machine.show(quantity, [{key: row[key] for key in row if key not in ("pictures", "from")} for row in some])


if __name__ == "__main__":
    main()
