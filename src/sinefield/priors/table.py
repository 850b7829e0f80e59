"""Auto-decoding: latents without an encoder, one for each training picture, found together with the network.

    min over θ and z_1 … z_N of  Σ_k mean_i |Φ(x_i; z_k) − a_k(x_i)|² + λ |z_k|²

A picture that is not among them has the latent of the same loss, of its known samples alone and with θ as it is,

    ẑ = argmin_z  Σ_{i known} |Φ(x_i; z) − a_i|² / (2 σ²) + |z|² / (2 s²)

the most probable one if latents are normal, of deviation s = :data:`SIZE`, and errors are, of variance σ²: that of the
training pictures.

The table begins with the coordinates of the pictures along their main axes, each of deviation s: steps of Adam then
refine latents that tell pictures apart already. From random ones, as published, each picture has to be seen hundreds of
times. Were s not small, a step of the weights that latents are multiplied by would move the fields by too much.

Source: Park et al., "DeepSDF", CVPR 2019, arXiv 1901.05103, section 4 (with latents that begin at random).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.priors.encoders import tokens_of

STEPS: Final = 24
"""How many steps find the latent of a picture that is not in the table."""

SIZE: Final = 0.1
"""s, the deviation of latents."""

NUMBERS: Final = 2**26
"""The most numbers of a table."""

_RATE = 0.3  # of the first of these steps, which are Adam's, in units of s; it falls to zero


@final
class TableEncoder(nn.Module):
    """Latents from a table, or by descent.

    Args:
        points: of the pixels, ``(pixels, d)``.
        channels: c.
        latent: k.
        steps: that find a latent that is not in the table.
        pictures: N.

    Raises:
        ValueError: a table too large, or without any row.
    """

    points: Tensor
    variance: Tensor

    def __init__(self, points: Tensor, channels: int, latent: int, steps: int, pictures: int) -> None:
        super().__init__()
        if not 1 <= pictures * latent <= NUMBERS:
            raise ValueError(
                f"a table has at most {NUMBERS:,} numbers, and {pictures:,} latents of {latent} have more; learn from "
                "fewer pictures with --limit"
            )
        self.register_buffer("points", points)
        self.channels, self.steps = channels, steps
        self.rows = nn.Parameter(torch.zeros(pictures, latent))
        self.register_buffer("variance", torch.tensor(0.1))

    @torch.no_grad()
    def begin(self, pictures: Tensor, axes: Tensor) -> None:
        """Take the coordinates of pictures ``(N, size)`` along main axes ``(size, size)``, the first k of them."""
        some = axes[: self.rows.shape[1]]
        found = (pictures - pictures.mean(0)) @ (some / some.square().sum(1, keepdim=True)).mT
        self.rows.zero_()[:, : len(some)] = SIZE * found

    def latents(self, numbers: Tensor) -> Tensor:
        """Return the latents ``(n, k)`` of training pictures, by their numbers ``(n,)``."""
        return self.rows[numbers.long()]

    def forward(self, contexts: Tensor, values_at: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return latents of contexts, through which no gradient runs.

        Args:
            contexts: ``(n, pixels · (c + 1))``.
            values_at: Φ_z at points ``(n, m, d)``, ``(n, m, c)``, of latents ``(n, k)``.
        """
        tokens, known = tokens_of(contexts, self.points)
        places, given = tokens.split([self.points.shape[1], self.channels], dim=2)
        weight = known.unsqueeze(2) / (2 * self.variance)
        z = contexts.new_zeros(len(contexts), self.rows.shape[1])
        average, square = torch.zeros_like(z), torch.zeros_like(z)
        for step in range(1, self.steps + 1):
            z = z.detach().requires_grad_()
            with torch.enable_grad():
                misfit = ((values_at(z, places) - given).square() * weight).sum()
                (slope,) = torch.autograd.grad(misfit + z.square().sum() / (2 * SIZE**2), z)
            average = torch.lerp(slope, average, 0.8)
            square = torch.lerp(slope.square(), square, 0.9)
            ahead = average / (1 - 0.8**step)
            size = (square / (1 - 0.9**step)).sqrt() + 1e-8
            rate = _RATE * SIZE * 0.5 * (1 + math.cos(math.pi * (step - 1) / self.steps))
            z = z.detach() - rate * ahead / size
        return z
