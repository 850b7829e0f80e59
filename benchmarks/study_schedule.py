"""Which schedule of the rate, averages and momentum?"""

from __future__ import annotations

from sinefield.solvers import Constant
from study import Variant, fast, study

OMEGA = 75.0
VARIANTS = {
    "cosine to 0.005": Variant(fast(first_omega=OMEGA, final_rate=0.005)),
    "cosine to 0.1": Variant(fast(first_omega=OMEGA, final_rate=0.1)),
    "cosine to 0": Variant(fast(first_omega=OMEGA, final_rate=0.0)),
    "constant": Variant(fast(first_omega=OMEGA, schedule=Constant())),
    "constant, average 0.99": Variant(fast(first_omega=OMEGA, schedule=Constant(), average=0.99)),
    "constant, average 0.997": Variant(fast(first_omega=OMEGA, schedule=Constant(), average=0.997)),
    "cosine to 0.005, average 0.97": Variant(fast(first_omega=OMEGA, average=0.97)),
    "betas 0.9, 0.999": Variant(fast(first_omega=OMEGA, betas=(0.9, 0.999))),
    "betas 0.9, 0.95": Variant(fast(first_omega=OMEGA, betas=(0.9, 0.95))),
    "betas 0.8, 0.99": Variant(fast(first_omega=OMEGA, betas=(0.8, 0.99))),
    "backward in float32": Variant(fast(first_omega=OMEGA, rounding=False)),
}

if __name__ == "__main__":
    study("schedule", __doc__, "cosine to 0.005", VARIANTS, same_cost=True)
