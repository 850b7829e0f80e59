"""Ridge regression whose penalty is that of the least errors of prediction.

With activations F (n x m) and targets y of mean 0, and F = U S Vᵀ, all penalties λ are solved for at once, and so is
what each point would be missed by if it were left out,

    e_i(λ) = (U R Uᵀ y + y⊥)_i / (1 − H_ii),     R = n λ / (S² + n λ),     1 − H_ii = 1 − 1/n − Σ_k U_ik² (1 − R_k)

with y⊥ what no activations reach. λ is that of the least mean of squares of e.

Source: Allen, "The relationship between variable selection and data augmentation and a method for prediction", 1974,
section 3, for the errors of prediction.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

PENALTIES: Final = torch.logspace(-14, 1, 46, dtype=torch.float64)
"""The λ that are tried."""


def ridge(activations: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return weights ``(c, m)`` and biases ``(c,)`` to targets, and the mean square of e, summed over c.

    Args:
        activations: F, ``(n, m)`` doubles.
        targets: y, ``(n, c)``.

    >>> x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    >>> weight, bias, error = ridge(x, 4 * x + 1)
    >>> round(weight.item(), 6), round(bias.item(), 6), error < 1e-20
    (4.0, 1.0, True)
    """
    n, mean, aim = len(activations), activations.mean(0), targets.mean(0)
    left, values, right = torch.linalg.svd(activations - mean, full_matrices=False)
    seen = left.T @ (targets - aim)  # (k, c)
    rest = n * PENALTIES[:, None] / (values.square() + n * PENALTIES[:, None])  # (penalties, k)
    beyond = targets - aim - left @ seen  # what no activations reach
    free = left.square() @ rest.T + (1 - 1 / n - left.square().sum(1, keepdim=True))  # 1 − H_ii, (n, penalties)
    scores = torch.stack(
        [
            ((left @ (rest * some).T + other[:, None]) / free.clamp(min=1e-300)).square().mean(0)
            for some, other in zip(seen.T, beyond.T, strict=True)
        ]
    ).sum(0)
    best = int(scores.argmin())
    weight = right.T @ ((values / (values.square() + n * PENALTIES[best]))[:, None] * seen)  # (m, c)
    return weight.T, aim - mean @ weight, float(scores[best])
