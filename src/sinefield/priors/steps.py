"""Latents without an encoder: a few steps of gradient descent on the known samples, from a learnt start.

    z_0 = 0        z_{k+1} = z_k − α_k ∘ ∇_z ℓ(z_k)        ℓ(z) = mean_{i known} |Φ_z(x_i) − a_i|²

What is trained, through the steps, is all that fields share, and the rates

    α_k = ½ e^{ρ_k} / (v + e^{κ_k} (1/n − 1/N) V)

of n known pixels of N: with ρ = κ = 0, of a last layer along the main axes of the pictures, v the variance of a value
along each and V their sum, a step is exact where all is known, and as cautious as an estimate from n samples must be.

The last numbers of a latent are no result of steps, but tell how many pixels are known, which sizes of errors depend
on. All K steps are in memory when they are trained through, some 2 K times what a field without them takes; for many
steps see :func:`sinefield.priors.through_steps.meta_gradient`.

Sources: Li et al., "Meta-SGD", 2017, arXiv 1707.09835, section 3; Bond-Taylor and Willcocks, "Gradient origin
networks", ICLR 2021, section 3 (latents as gradients, in place of an encoder).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import torch
from torch import Tensor, nn

FACTS: Final = 4
"""How many numbers of a latent tell how many pixels are known."""


@final
class StepsEncoder(nn.Module):
    """Latents by K steps from zero.

    Args:
        pixels: of the pictures.
        channels: c.
        latent: k, more than :data:`FACTS`.
        steps: K.

    Raises:
        ValueError: a latent too short.
    """

    variances: Tensor

    def __init__(self, pixels: int, channels: int, latent: int, steps: int) -> None:
        super().__init__()
        if latent <= FACTS:
            raise ValueError(f"a latent that is found by steps has more than {FACTS} numbers, got {latent}")
        self.pixels, self.channels, self.steps = pixels, channels, steps
        count = latent - FACTS
        self.register_buffer("variances", torch.ones(count))  # unless they are learnt
        self.rates = nn.Parameter(torch.zeros(steps * count))
        self.caution = nn.Parameter(torch.zeros(steps))

    def rate(self, step: int, known: Tensor) -> Tensor:
        """Return α of a step ``(n, k)`` for numbers ``(n, 1)`` of known pixels."""
        own = self.rates.unflatten(0, (self.steps, -1))[step]
        unsure = (1 / known - 1 / self.pixels) * self.variances.sum()
        rates: Tensor = 0.5 * own.exp() / (self.variances + self.caution[step].exp() * unsure)
        return rates

    def forward(self, contexts: Tensor, values_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Return latents of contexts.

        Args:
            contexts: ``(n, pixels · (c + 1))``.
            values_of: Φ_z at the pixels, ``(n, pixels, c)``, of latents ``(n, k)``.
        """
        given, mask = contexts.split([self.pixels * self.channels, self.pixels], dim=1)
        known = mask.sum(1, keepdim=True).clamp(min=1)
        part = known / self.pixels
        facts = torch.cat([part, part.sqrt(), part.sqrt().sqrt(), part.log() / 4], dim=1)
        learning = torch.is_grad_enabled()
        z = contexts.new_zeros(len(contexts), len(self.variances))
        with torch.enable_grad():
            for step in range(self.steps):
                z = z if z.requires_grad else z.requires_grad_()
                errors = values_of(torch.cat([z, facts], dim=1)) - given.unflatten(1, (self.pixels, self.channels))
                loss = (errors.square().sum(2) * mask / known).sum()
                (slope,) = torch.autograd.grad(loss, z, create_graph=learning)
                z = z - self.rate(step, known) * slope
                if not learning:
                    z = z.detach()
        return torch.cat([z, facts], dim=1)
