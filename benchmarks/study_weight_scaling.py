"""Does it help to start with larger weights in every layer but the last?

Source: "Fast training of sinusoidal neural fields via scaling initialization", arXiv 2410.04779.
"""

from __future__ import annotations

import torch
from torch import nn

from study import Variant, fast, study


def scaling(factor: float, rate: float, omega: float) -> Variant:
    """Return the variant that multiplies the hidden weights by ``factor``, at a rate and a first frequency."""

    def change(field: nn.Module) -> nn.Module:
        hidden = [each for each in field.modules() if isinstance(each, nn.Linear)][1:-1]
        with torch.no_grad():
            for each in hidden:
                each.weight.mul_(factor)
        return field

    return Variant(fast(learning_rate=rate, first_omega=omega), change)


VARIANTS = {
    f"weights x {factor:g}, ω₀ {omega:g}": scaling(factor, 5e-4, omega)
    for omega in (50.0, 75.0, 100.0)
    for factor in (1.0, 1.25, 1.5, 1.75)
}

if __name__ == "__main__":
    study("weight_scaling", __doc__, "weights x 1, ω₀ 75", VARIANTS, same_cost=True)
