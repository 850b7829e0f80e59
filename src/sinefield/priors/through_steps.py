"""The gradient of a loss after some steps of descent, in memory that does not grow with them.

    z_{k+1} = z_k − α_k ∘ ∇_z ℓ(z_k; a),  z_0 = 0        L = mean_a ℓ(z_K(a); a)

The gradient of L runs backwards through the steps. It is computed step by step, each of which is computed anew from the
z_k that was kept, so that one step is in memory whatever K is, and beside it K latents for each picture:

    λ_K = ∂L/∂z_K        λ_k = λ_{k+1} − ∇_z (α_k ∘ λ_{k+1} · ∇_z ℓ(z_k))        dL/dα_k = −λ_{k+1} ∘ ∇_z ℓ(z_k)

of second order; of first order the term with ∇_z is left out, in θ too.

Source: Finn et al., "Model-agnostic meta-learning", ICML 2017, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

Loss = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""The loss ``(B,)`` of each of B signals, of latents ``(B, m)`` and of what is shared, by name."""

Order = Literal[1, 2]


@final
@dataclass(frozen=True)
class MetaGradient:
    """The gradient of the loss after some steps.

    Args:
        loss: after the last step, the mean over the signals.
        shared: its derivatives by what is shared, by name.
        rates: its derivatives by the rates, ``(K, m)``.
    """

    loss: Tensor
    shared: Mapping[str, Tensor]
    rates: Tensor


def meta_gradient(
    loss: Loss, outer: Loss, shared: Mapping[str, Tensor], rates: Tensor, count: int, order: Order
) -> MetaGradient:
    """Return the gradient of the mean loss after len(rates) steps from z = 0, in memory that does not grow with them.

    Args:
        loss: of each signal, of latents and of what is shared, which the steps make small.
        outer: of each signal after the last step.
        shared: tensors by name.
        rates: of the steps, ``(K, m)``.
        count: B, how many signals there are.
        order: 2: exact; 1: as if the gradients of the inner steps were constants.

    >>> def loss(z, shared):
    ...     return (z - shared["a"]).square().sum(1)
    >>> found = meta_gradient(loss, loss, {"a": torch.ones(1)}, torch.full((1, 1), 0.25), count=1, order=2)
    >>> float(found.loss), float(found.shared["a"])  # z = a/2: the loss is a²/4
    (0.25, 0.5)
    """
    shared = {name: each.detach().requires_grad_() for name, each in shared.items()}
    kept = [rates.new_zeros(count, rates.shape[1])]
    slopes = []
    for rate in rates:
        slopes.append(slope_of(loss, kept[-1], shared))
        kept.append(kept[-1] - rate * slopes[-1])
    z = kept.pop().requires_grad_()
    with torch.enable_grad():
        final = outer(z, shared).mean()
    costate, *found = torch.autograd.grad(final, [z, *shared.values()], allow_unused=True)
    gradient = {
        name: torch.zeros_like(each) if part is None else part
        for (name, each), part in zip(shared.items(), found, strict=True)
    }
    of_rates = torch.zeros_like(rates)
    for k in reversed(range(len(rates))):
        of_rates[k] = -(costate * slopes[k]).sum(0)
        if order == 2:
            z = kept[k].requires_grad_()
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(loss(z, shared).sum(), z, create_graph=True)
                moved = -(rates[k] * costate * slope).sum()
            by_latent, *found = torch.autograd.grad(moved, [z, *shared.values()], allow_unused=True)
            costate = costate if by_latent is None else costate + by_latent
            for name, part in zip(gradient, found, strict=True):
                if part is not None:
                    gradient[name] = gradient[name] + part
    return MetaGradient(final.detach(), gradient, of_rates)


def slope_of(loss: Loss, z: Tensor, shared: Mapping[str, Tensor]) -> Tensor:
    """Return ∇_z of the loss of each signal, ``(B, m)``."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(loss(z, shared).sum(), z)
    return found
