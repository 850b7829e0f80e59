"""What is known to begin with of a picture from its derivatives alone: what the discrete problem finds.

The low frequencies of a picture are next to nothing of its gradient: an error a cos(k·x) costs a² k², so that a fit
finds them last and slowest. The discrete problem, a Poisson equation with Neumann's condition, has them at once. Its
solution f is what a field begins with, by a constraint of its own that fades out, so that in the end the gradients
alone count, which are those of the function and not of differences:

    start       Φ(x) − f(x) = 0     fading

Fields that are solved for, see :mod:`.solved_derivative`, are near it in what derivatives do not tell: that of a
gradient, or of a Laplacian.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from sinefield.constraint import Constraint, Fading
from sinefield.domains import Grid
from sinefield.problems.guidance import Guidance
from sinefield.recipe import Changes
from sinefield.solvers import Adam, Muon

INTEGRAL: Final = "integral"
"""The name of the target of a grid that a fit begins with."""

# Larger weights, or for longer, leave the gradients less well fitted; smaller ones the low frequencies.
_WEIGHT, _FADES = 10.0, (0.3, 1.0)

FROM_INTEGRAL: Changes = {
    "solver": Muon(2e-3, rest=Adam(4e-4, (0.9, 0.95)), iterations=3),
    "first_omega": 60.0,
    "batch": 2048,
    "passes": 40,
}
"""What of a recipe is better otherwise for such a fit: low frequencies need neither large batches nor a low ω₀ then."""


def integrate(gradient: Tensor, spacing: float) -> Tensor:
    """Return the samples, of mean 0, whose differences are nearest to a gradient.

        min over f    Σ_pq ‖ f_q − f_p − h (g_p + g_q) / 2 ‖²    over neighbours p, q, g along the axis from p to q

    Args:
        gradient: ``(height, width, c, 2)``.
        spacing: h, of samples.

    Returns:
        f, ``(height, width, c)``.

    Of a plane it is exact:

    >>> slope = torch.tensor([2.0, -1.0]).expand(4, 5, 1, 2)
    >>> found = integrate(slope, 0.5)
    >>> round(float(found[3, 0, 0] - found[0, 0, 0]), 5), round(float(found[0, 4, 0] - found[0, 0, 0]), 5)
    (3.0, -2.0)
    """
    known = gradient.double().cpu().numpy()
    differences = np.zeros((2, *known.shape[:3]))
    differences[0, :-1] = (known[1:, ..., 0] + known[:-1, ..., 0]) * spacing / 2
    differences[1, :, :-1] = (known[:, 1:, :, 1] + known[:, :-1, :, 1]) * spacing / 2
    pairs = np.ones((2, *known.shape[:2]), bool)
    pairs[0, -1] = pairs[1, :, -1] = False
    everywhere = np.ones(known.shape[:2], bool)
    return torch.from_numpy(Guidance(np.zeros(known.shape[:3]), everywhere, differences, pairs).solve())


def integrate_laplacian(laplacian: Tensor, spacing: float) -> Tensor:
    """Return the samples whose five-point Laplacian is known, and that are 0 beyond the border.

        f_left + f_right + f_above + f_below − 4 f = h² l

    Other such samples differ from them by a discrete harmonic function.

    Args:
        laplacian: l, ``(height, width, c)``.
        spacing: h, of samples.

    Returns:
        f, ``(height, width, c)``.

    >>> found = integrate_laplacian(torch.ones(5, 4, 1), 0.5)
    >>> round(float(found[1, 2, 0] + found[3, 2, 0] + found[2, 1, 0] + found[2, 3, 0] - 4 * found[2, 2, 0]), 6)
    0.25
    """
    import scipy.fft

    known = laplacian.double().cpu().numpy() * spacing**2
    rows, columns = (2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1)) - 2 for n in known.shape[:2])
    waves = (
        scipy.fft.dstn(known, type=1, axes=(0, 1)) / (rows[:, None] + columns)[..., None]
    )  # the transform diagonalises it
    return torch.from_numpy(scipy.fft.idstn(waves, type=1, axes=(0, 1)))


INTEGRATED: Final[Mapping[str, Callable[[Tensor, float], Tensor]]] = {
    "gradient": integrate,
    "laplacian": integrate_laplacian,
}
"""How the samples are found of which one quantity is known everywhere."""


def start_constraint(grid: Grid) -> Constraint:
    """Return the constraint by which a fit begins with the target ``integral`` of a grid, ``(n, c)`` of mean 0."""
    found = grid.targets[INTEGRAL]
    assert isinstance(found, Tensor), "the integral is in memory, as :func:`integrate` returns it"
    weight = _WEIGHT / float(found.square().mean())
    return Constraint(grid, lambda u, integral: u.value - integral, name="start", weight=Fading(weight, *_FADES))
