"""Which frequency of the first layer, and does the signal tell? See also what it costs between the samples."""

from __future__ import annotations

from study import Variant, fast, study

VARIANTS = {f"ω₀ {omega}": Variant(fast(first_omega=float(omega))) for omega in (20, 30, 45, 60, 75, 90, 120, 160)}

if __name__ == "__main__":
    study("omega", __doc__, "ω₀ 75", VARIANTS, same_cost=True)
