"""Which schedule of the rate, averages and momentum?"""

from __future__ import annotations

from sinefield import recipe
from study import Variant, study

BASE = recipe.named("fast").changed(first_omega=75.0)
VARIANTS = {
    "cosine to 0.005": Variant(BASE.changed(final_rate=0.005)),
    "cosine to 0.1": Variant(BASE.changed(final_rate=0.1)),
    "cosine to 0": Variant(BASE.changed(final_rate=0.0)),
    "constant": Variant(BASE.changed(schedule="constant")),
    "constant, average 0.99": Variant(BASE.changed(schedule="constant", average=0.99)),
    "constant, average 0.997": Variant(BASE.changed(schedule="constant", average=0.997)),
    "cosine to 0.005, average 0.97": Variant(BASE.changed(average=0.97)),
    "betas 0.9, 0.999": Variant(BASE.changed(betas=(0.9, 0.999))),
    "betas 0.9, 0.95": Variant(BASE.changed(betas=(0.9, 0.95))),
    "betas 0.8, 0.99": Variant(BASE.changed(betas=(0.8, 0.99))),
    "backward in bfloat16": Variant(BASE.changed(backward="bfloat16")),
}

if __name__ == "__main__":
    study("schedule", __doc__, "cosine to 0.005", VARIANTS, same_cost=True)
