"""Do larger pictures want larger batches? At one learning rate, as the recipe has it."""

from __future__ import annotations

from study import Variant, fast, study

VARIANTS = {f"{size} points": Variant(fast(batch=size)) for size in (1024, 2048, 4096, 8192)}

if __name__ == "__main__":
    study("size", __doc__, "1024 points", VARIANTS, longest=448, seeds=(0,))
