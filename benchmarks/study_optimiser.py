"""Which optimiser: Adam, Muon on the hidden matrices, SOAP? Each at three rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pytorch_optimizer import SOAP
from torch import nn

from sinefield import Recipe, recipe
from sinefield.solvers.adam import Optimiser
from study import Variant, study

BASE = recipe.named("fast").changed(first_omega=75.0)


class Soap(Recipe):
    """The recipe with SOAP (arXiv 2409.11321) on all parameters, its bases renewed every 10 steps."""

    def optimisers(self, fields: Sequence[nn.Module]) -> list[Optimiser]:
        """Return SOAP, with the same rates for the first layer as Adam has."""
        groups: list[dict[str, Any]] = [
            {"params": group["params"], "lr": group["lr"]}
            for adam in super().optimisers(fields)
            for group in adam.param_groups
        ]
        settings = {"betas": self.betas, "weight_decay": 0.0, "precondition_frequency": 10}
        return [SOAP(groups, lr=self.learning_rate, **settings)]


def soap(rate: float) -> Variant:
    """Return SOAP at a rate."""
    return Variant(Soap(**(asdict(BASE) | {"learning_rate": rate})))


VARIANTS = {
    **{f"Adam {rate:g}": Variant(BASE.changed(learning_rate=rate)) for rate in (2.5e-4, 5e-4, 1e-3)},
    **{
        f"Muon {rate:g}, Adam 5e-4": Variant(BASE.changed(optimiser="muon", matrix_rate=rate))
        for rate in (3e-4, 1e-3, 3e-3)
    },
    **{f"SOAP {rate:g}": soap(rate) for rate in (2.5e-4, 5e-4, 1e-3)},
}

if __name__ == "__main__":
    study("optimiser", __doc__, "Adam 0.0005", VARIANTS)
