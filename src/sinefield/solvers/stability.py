"""What equations and conditions leave free: the field of size 1 that changes their residuals least.

    σ = min_v max_m ‖C_m(u + v) − C_m(u)‖ / ‖terms of C_m for v‖

over fields v = Σ_j c_j φ_j, all sizes being root mean squares. Where σ is of order 1, residuals of 1e-10 mean an error
of about 1e-10. Where σ is 0 but for rounding, v can be added to any solution: a condition is missing, or the frequency
is one of resonance. The smallest singular value of the matrix alone does not tell: that of nearly dependent features
is always 0, for some that make v vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.residuals import change_of_residuals
from sinefield.solvers.last_layer import LastLayer, linearise_values

_VALUES = 600  # points that the size of a field is measured at
_NONLINEAR = 1e-3  # of the size of the solution: a change by which a nonlinear equation is nearly linear


@torch.no_grad()
def stability(
    objective: Objective,
    linear: LastLayer,
    weakest: Callable[[Tensor], Tensor | None],
    held_out: Batch,
    *,
    linear_equation: bool,
) -> Mapping[str, float]:
    """Return ``stability``, σ; ``free_waves``, the periods of v across the domain; and the share of each unknown in it.

    Args:
        objective: whose unknowns are the solution.
        linear: its last maps.
        weakest: gives coefficients that residuals hardly see, for values ``(n, p)``; None: it cannot.
        held_out: points of each group.
        linear_equation: whether residuals are affine.
    """
    blocks = []
    for name, unknown in objective.unknowns.items():
        reading = [each for each in zip(objective.groups, held_out.samples, strict=True) if each[0].reads[name]]
        group, samples = max(reading, key=lambda each: len(each[1].points))
        block = objective.moved(samples.rows(0, _VALUES // group.domain.granule * group.domain.granule))
        size = float(group.jets({name: unknown}, block.points)[name].value.square().mean().sqrt()) or 1.0
        blocks.append(linearise_values(linear.maps, unknown, group, name, block) / (size * len(block.points) ** 0.5))
    values = torch.cat(blocks)
    direction = weakest(values)
    if direction is None or not bool(torch.isfinite(direction).all()):
        return {}
    direction = direction / (values @ direction).norm()
    solution = linear.columns()
    found = change_of_residuals(
        objective.groups,
        objective.unknowns,
        held_out.samples,
        lambda t: linear.assign(solution + t * direction),
        1.0 if linear_equation else _NONLINEAR,
    )
    shares = {f"free_share_{name}": each for name, each in found.shares.items()} if len(found.shares) > 1 else {}
    return {"stability": max(found.relative.values()), "free_waves": found.waves, **shares}
