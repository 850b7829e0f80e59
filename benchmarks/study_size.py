"""Do larger pictures want larger batches? At one learning rate, as the recipe has it."""

from __future__ import annotations

from sinefield import recipe
from study import Variant, study

BASE = recipe.named("fast")
VARIANTS = {f"{size} points": Variant(BASE.changed(batch=size)) for size in (1024, 2048, 4096, 8192)}

if __name__ == "__main__":
    study("size", __doc__, "1024 points", VARIANTS, longest=448, seeds=(0,))
