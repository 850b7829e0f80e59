"""How many points a step? Larger batches compute faster and step more rarely; rates grow with the root of the batch."""

from __future__ import annotations

import math

from study import Variant, fast, study

OMEGA = 75.0
VARIANTS = {
    f"{size} points, rate x {factor:.2g}": Variant(
        fast(first_omega=OMEGA, batch=size, learning_rate=5e-4 * factor * math.sqrt(size / 1024))
    )
    for size in (256, 512, 1024, 2048, 4096)
    for factor in (1.0, 2.0)
}

if __name__ == "__main__":
    study("batch", __doc__, "1024 points, rate x 1", VARIANTS)
