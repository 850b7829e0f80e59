"""Burgers' equation u_t + u u_x = ν u_xx on [−1, 1], from u(0, x) = −sin πx with u(t, ±1) = 0.

A smooth wave steepens into a layer of width 2ν at x = 0. It is solved in slabs of time, by one sine layer in a
coordinate that is stretched at the layer, whose last layer Newton's method finds to the last digits.

The solution in closed form, by the transform of Hopf and Cole,

    u(t, x) = −∫ sin π(x − y) f(x − y) e^(−y²/4νt) dy / ∫ f(x − y) e^(−y²/4νt) dy,    f(y) = e^(−cos(πy)/2πν)

Source: Basdevant et al., "Spectral and finite difference solutions of the Burgers equation", 1986, section 2.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import Box, ContinuousDomain, PointCloud, Samples
from sinefield.fields.chain import Affine
from sinefield.fields.siren import Siren
from sinefield.fields.stretched import Stretched
from sinefield.jet_views import Derivatives
from sinefield.metrics import relative_l2
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.march import Start, march
from sinefield.randomness import generator_of
from sinefield.sampler import CONTINUOUS_PASS
from sinefield.signals.equation import EquationSignal
from sinefield.solvers.gauss_newton import GaussNewton

VISCOSITY = 0.01 / math.pi
"""ν of the published tests."""

_NODES = 128  # of Gauss and Hermite: the transform is exact to rounding from 100 on
_ASPECT = (
    1.5  # bandwidth along the stretched axis, for each e-folding of the coordinate, beside that along a slab's time
)
_FEATURES_PER_WAVE = 4.0  # features for each degree of freedom that a bandwidth has
_POINTS = 3  # of the equation for each feature
_MEASURED = 8192  # points that the error is measured at
_CONDITIONS = 1e5  # weight of the initial and boundary values


def burgers(
    viscosity: float = VISCOSITY,
    *,
    end: float = 1.0,
    edges: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
    features: int = 1000,
    accuracy: float = 1e-5,
) -> Problem:
    """Return the problem of Burgers' equation; the coordinates of its field are t and x.

    Args:
        viscosity: ν > 0.
        end: of the time.
        edges: times at which a slab ends and the next one begins; those after the end are left out.
        features: of the sine layer of each slab.
        accuracy: relative residual that every constraint must hold to.

    Raises:
        ValueError: a viscosity, a time or a number of features that is not positive.
    """
    if not (viscosity > 0 and end > 0 and features > 0):
        raise ValueError(
            f"Burgers' equation needs a viscosity, an end and features that are positive, got {viscosity}, {end} and "
            f"{features}"
        )
    within = [0.0, *(each for each in edges if 0 < each < end), end]
    posed = march(functools.partial(_slab, viscosity, features, accuracy), within, _start)
    return dataclasses.replace(posed, signal=EquationSignal(("t", "x"), (0.0, -1.0), (end, 1.0)))


def exact(points: Tensor, viscosity: float = VISCOSITY) -> Tensor:
    """Return u ``(n, 1)`` at points (t, x) ``(n, 2)``, in double precision.

    Both integrals by the rule of Gauss and Hermite; exponents are shifted by their largest, so that none overflows.

    >>> exact(torch.tensor([[0.0, 0.5], [0.5, 0.25]])).flatten()
    tensor([-1.0000, -0.8474], dtype=torch.float64)
    """
    nodes, weights = np.polynomial.hermite.hermgauss(_NODES)
    t, x = points.double()[:, :1], points.double()[:, 1:]
    y = x - (4 * viscosity * t).sqrt() * torch.from_numpy(nodes)
    exponent = torch.from_numpy(np.log(weights)) - torch.cos(math.pi * y) / (2 * math.pi * viscosity)
    share = torch.softmax(exponent, 1)
    return -(torch.sin(math.pi * y) * share).sum(1, keepdim=True)


def _start(points: Tensor) -> Tensor:
    return -torch.sin(math.pi * points[:, 1:])


def _slab(viscosity: float, features: int, accuracy: float, lower: float, upper: float, start: Start) -> Problem:
    """Return the problem of one interval of time."""
    width = 2 * viscosity
    region = Clustered(lower, upper, width)

    def residual(u: Derivatives) -> Tensor:
        # Terms grow as 1/x towards the layer.
        scale = (u.points[:, 1:].square() + width**2).sqrt()
        return scale * (u.d("t") + u.value * u.d("x") - viscosity * u.d("xx"))

    along = region.places(torch.linspace(0, 1, max(16, features // 2), dtype=torch.float64)[:, None])
    begin = PointCloud(torch.cat([torch.full_like(along, lower), along], 1), axes="tx")
    times = torch.linspace(lower, upper, max(16, features // 10), dtype=torch.float64)[:, None]
    walls = torch.cat([torch.cat([times, torch.full_like(times, each)], 1) for each in (-1.0, 1.0)])
    posed = equation(
        [
            Constraint(region, residual, name="burgers"),
            Constraint(begin, lambda u: u.value - start(u.points), name="start", weight=_CONDITIONS),
            Constraint(PointCloud(walls, axes="tx"), lambda u: u.value, name="walls", weight=_CONDITIONS),
        ],
        accuracy=accuracy,
    )
    batch = _POINTS * features
    solver = GaussNewton(damping=0.0, orthogonal=True, settled=0.5, patience=1)
    return dataclasses.replace(
        posed,
        name="burgers",
        unknowns={"u": functools.partial(_network, lower, upper, width, features)},
        measure=functools.partial(_measure, posed.measure, viscosity, (lower, upper)),
        reference=functools.partial(exact, viscosity=viscosity),
        tuning={"fast": {"solver": solver, "batch": batch, "passes": 30 * batch / CONTINUOUS_PASS, "first_omega": 1.0}},
    )


def _measure(
    residuals: Callable[[Mapping[str, nn.Module], int | None], dict[str, float]],
    viscosity: float,
    times: tuple[float, float],
    fields: Mapping[str, nn.Module],
    count: int | None,
) -> dict[str, float]:
    """Return the residuals, and the relative error, all places and times weighing alike."""
    points = Box([times[0], -1.0], [times[1], 1.0]).draw(_MEASURED, generator_of(0), torch.float64).points
    with torch.no_grad():
        error = relative_l2(fields["u"](points), exact(points, viscosity))
    return residuals(fields, count) | {"error": error}


def _network(lower: float, upper: float, width: float, features: int, _omega: float) -> nn.Module:
    """Return a sine layer within a bandwidth, which stays as it is, and its last layer, which is sought."""
    stretch = _ASPECT * math.asinh(1 / width)
    in_time = math.sqrt(math.pi * features / _FEATURES_PER_WAVE / stretch)  # see the law of Weyl in least_squares
    bandwidths = (in_time * 2 / (upper - lower), in_time * stretch)

    def initialise(affines: Sequence[Affine], _omegas: Sequence[float]) -> None:
        first, last = affines
        assert first.bias is not None, "maps of a SIREN have biases"
        assert last.bias is not None, "maps of a SIREN have biases"
        with torch.no_grad():
            angles = 2 * math.pi * torch.rand(features, 2, dtype=torch.float64)
            radii = torch.rand(features, dtype=torch.float64).sqrt()
            directions = torch.stack([torch.cos(angles[:, 0]), torch.sin(angles[:, 0])], 1)
            weight = radii[:, None] * directions * torch.tensor(bandwidths, dtype=torch.float64)
            first.weight.copy_(weight)
            first.bias.copy_(angles[:, 1] - weight @ torch.tensor([(lower + upper) / 2, 0.0], dtype=torch.float64))
            last.weight.zero_()
            last.bias.zero_()

    network = Siren(2, 1, features, 0, 1.0, initialise=initialise).double()
    for each in network.layers[0].parameters():
        each.requires_grad_(False)
    return Stretched(network, 1, 0.0, width, (-1.0, 1.0))


@final
@dataclass(frozen=True, eq=False)
class Clustered(ContinuousDomain):
    """[t_0, t_1] × [−1, 1], points drawn the denser the closer to x = 0: by 1 / √(x² + δ²).

    Args:
        lower: t_0.
        upper: t_1.
        width: δ.
    """

    lower: float
    upper: float
    width: float

    @property
    def dimension(self) -> int:
        """Two, time and space."""
        return 2

    @property
    def axes(self) -> Sequence[str] | None:
        """The names of the axes."""
        return ("t", "x")

    def places(self, share: Tensor) -> Tensor:
        """Return x from −1 to 1 for numbers from 0 to 1, closest together at 0."""
        return self.width * torch.sinh(math.asinh(1 / self.width) * (2 * share - 1))

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        """Return points; see :meth:`ContinuousDomain.draw`."""
        # Of a Sobol sequence: independent points leave gaps, at the corners above all, that features fill as they like.
        key = int(torch.randint(2**31, (), generator=generator))
        share = torch.quasirandom.SobolEngine(2, scramble=True, seed=key).draw(count, dtype=dtype)
        times = self.lower + (self.upper - self.lower) * share[:, :1]
        return Samples(torch.cat([times, self.places(share[:, 1:]).clamp(-1, 1)], 1))
