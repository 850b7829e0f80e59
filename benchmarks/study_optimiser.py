"""Which optimiser: Adam, Muon on the hidden matrices, SOAP? Each at three rates."""

from __future__ import annotations

from sinefield import recipe
from sinefield.solvers import Adam, Muon, Soap
from study import Variant, study

BASE = recipe.named("fast").changed(first_omega=75.0)
ADAM = Adam(5e-4, (0.9, 0.95))

VARIANTS = {
    **{f"Adam {rate:g}": Variant(BASE.changed(learning_rate=rate)) for rate in (2.5e-4, 5e-4, 1e-3)},
    **{f"Muon {rate:g}, Adam 5e-4": Variant(BASE.changed(solver=Muon(rate, rest=ADAM))) for rate in (3e-4, 1e-3, 3e-3)},
    **{f"SOAP {rate:g}": Variant(BASE.changed(solver=Soap(rate, (0.9, 0.95)))) for rate in (2.5e-4, 5e-4, 1e-3)},
}

if __name__ == "__main__":
    study("optimiser", __doc__, "Adam 0.0005", VARIANTS)
