"""The mean of pictures that agree with a context, if pictures are a mixture of Gaussians.

    a ~ Σ_k π_k N(m_k, W_k W_kᵀ + R)        W_k (size, r) of each, the residual covariance R of all

With C the known values, V_k = L⁻¹ W_kC for L Lᵀ = R_CC + σ², and A_k = 1 + V_kᵀ V_k (Woodbury):

    u_k = A_k⁻¹ V_kᵀ L⁻¹ (a − m_k)_C
    log p_k = log π_k − ½ |L⁻¹ (a − m_k)_C|² + ½ u_kᵀ A_k u_k − ½ log det A_k + …
    g = Σ_k ρ_k (m_k + W_k u_k),   ρ = softmax(τ log p)
    E[a | a_C] = g + R_{·C} (R_CC + σ²)⁻¹ (a − g)_C

The large triangular solves are shared by all k. As pictures are no Gaussians, the pixels of one tell less of its k than
their likelihood says: τ below 1 accounts for it.

Source: Tipping and Bishop, "Mixtures of probabilistic principal component analysers", Neural Computation 11, 1999.
"""

from __future__ import annotations

import math
from typing import Final, final

import torch
from torch import Tensor, nn

NOISE: Final = 2e-3
"""σ², of the values."""

TEMPERATURE: Final = 0.5
"""τ. Of 500 pictures kept from training it has the least error at 10 known pixels, 2 % below that of 1.

At 50 and 200 known pixels smaller ones are better still, by as little.
"""

TOGETHER: Final = 64
"""How many contexts are looked at together."""

_STEPS = 15  # of k-means
_AXES = 40  # main axes of all pictures along which they are clustered
_SHARE = 0.1  # of the mean covariance within clusters, in that of each


@final
class Mixture(nn.Module):
    """A mixture of Gaussians of pictures, and the conditional means that it gives.

    Args:
        pixels: of the pictures.
        channels: c, all of which are known at a pixel or none.
        components: k; 1: a single Gaussian.
        rank: r.
    """

    logits: Tensor
    means: Tensor
    factors: Tensor
    residual: Tensor

    def __init__(self, pixels: int, channels: int, components: int, rank: int) -> None:
        super().__init__()
        size = pixels * channels
        self.pixels, self.channels = pixels, channels
        self.register_buffer("logits", torch.zeros(components))
        self.register_buffer("means", torch.zeros(components, size))
        self.register_buffer("factors", torch.zeros(components, size, min(rank, size)))
        self.register_buffer("residual", torch.eye(size))

    @torch.no_grad()
    def learn(self, rows: Tensor) -> None:
        """Fit the mixture to pictures ``(count, size)``: clusters by k-means, the main axes of each, and what is left.

        There are at most as many components as a tenth of the pictures; the others are never chosen.
        """
        count, size = rows.shape
        residual, means, factors, logits = self.residual, self.means, self.factors, self.logits
        components, rank = min(len(means), max(1, count // 10)), factors.shape[2]
        groups = cluster(rows, components)
        within = torch.zeros(size, size)
        offsets = [rows[groups == k] - rows[groups == k].mean(0) for k in range(components)]
        for each in offsets:
            within.addmm_(each.mT, each, alpha=1 / count)
        logits.fill_(-1e4)
        residual.zero_()
        for k, each in enumerate(offsets):
            own = each.mT @ each / max(len(each), 1)
            sizes, axes = torch.linalg.eigh(own.lerp(within, _SHARE))
            means[k] = rows[groups == k].mean(0)
            main = axes[:, size - rank :]
            factors[k] = main * sizes[size - rank :].clamp(min=0).sqrt()
            logits[k] = math.log(max(len(each), 1) / count)
            left = each - (each @ main) @ main.mT
            residual.addmm_(left.mT, left, alpha=1 / count)

    @torch.no_grad()
    def forward(self, contexts: Tensor) -> Tensor:
        """Return the conditional means ``(n, size)`` of contexts; see :mod:`sinefield.priors.contexts`."""
        return torch.cat([self._means_of(some) for some in contexts.split(TOGETHER)])

    def _means_of(self, contexts: Tensor) -> Tensor:
        residual, means, factors, logits = self.residual, self.means, self.factors, self.logits
        components, size, rank = factors.shape
        values, mask = contexts.split([size, self.pixels], dim=1)
        known = mask.repeat_interleave(self.channels, dim=1)
        # Contexts of fewer known values than others are filled up with some that are independent of all.
        valid, places = known.topk(max(int(known.sum(1).max()), 1), dim=1)
        among = residual[places.unsqueeze(2), places.unsqueeze(1)] * valid.unsqueeze(2) * valid.unsqueeze(1)
        among.diagonal(dim1=1, dim2=2).add_(torch.where(valid > 0, NOISE, 1.0))
        lower = torch.linalg.cholesky(among)
        given = values.gather(1, places)
        flat = factors.permute(1, 0, 2).flatten(1)  # (size, k r)
        columns = torch.cat([flat[places], means.mT[places], given.unsqueeze(2)], dim=2) * valid.unsqueeze(2)
        solved = torch.linalg.solve_triangular(lower, columns, upper=False)
        v, m, a = solved.split([components * rank, components, 1], dim=2)
        v = v.unflatten(2, (components, rank)).transpose(1, 2)  # (n, k, m, r)
        offset = (a - m).mT.unsqueeze(3)  # (n, k, m, 1)
        gram = v.mT @ v
        gram.diagonal(dim1=2, dim2=3).add_(1.0)
        inner = torch.linalg.cholesky(gram)
        along = v.mT @ offset
        u = torch.cholesky_solve(along, inner)
        fit = -0.5 * offset.square().sum((2, 3)) + 0.5 * (u * along).sum((2, 3))
        fit = fit - inner.diagonal(dim1=2, dim2=3).log().sum(2) + logits
        share = (TEMPERATURE * fit).softmax(1)
        guess = share @ means + (share.unsqueeze(2) * u.squeeze(3)).flatten(1) @ flat.mT
        rest = (given - guess.gather(1, places)) * valid
        weights = torch.cholesky_solve(rest.unsqueeze(2), lower).squeeze(2)
        placed = torch.zeros_like(values).scatter_(1, places, weights * valid)
        found: Tensor = guess + placed @ residual
        return found


def cluster(rows: Tensor, count: int) -> Tensor:
    """Return the number of the cluster of each of the rows, by k-means along their main axes."""
    offsets = rows - rows.mean(0)
    axes = torch.linalg.eigh(offsets.mT @ offsets / len(rows))[1][:, -_AXES:]
    places = offsets @ axes
    generator = torch.Generator().manual_seed(0)
    centres = places[torch.randperm(len(places), generator=generator)[:count]]
    groups = torch.zeros(len(places), dtype=torch.long)
    for _ in range(_STEPS):
        groups = (centres.square().sum(1) - 2 * places @ centres.mT).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, groups, places)
        counts = torch.bincount(groups, minlength=count).unsqueeze(1)
        # A cluster that has lost all its pictures takes one from anywhere.
        some = places[torch.randint(len(places), (count,), generator=generator)]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), some)
        if bool((counts == 0).any()):
            groups = (centres.square().sum(1) - 2 * places @ centres.mT).argmin(1)
    empty = (torch.bincount(groups, minlength=count) == 0).nonzero().flatten()
    groups[torch.randperm(len(places), generator=generator)[: len(empty)]] = empty
    return groups
