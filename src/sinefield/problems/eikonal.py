"""First-arrival travel times: |∇T| = 1/v with T = 0 at a source, in two or three dimensions.

The field is factored, T = T₀ τ with T₀ = |x − x_s| / v(x_s), so that τ is smooth at the source, where it is 1, and so
that T = 0, at which the equation's derivative is 0, is not near: Newton's steps for τ start from τ = 1. No condition is
needed beside the equation, as every ray comes from the source.

Where the first of several arrivals changes, T has kinks, of which the equation alone does not tell which way they bend:
its least squares converge, to something else. So two upwind solutions on grids, see
:mod:`sinefield.problems.first_arrivals`, are looked at first; if their kinks stay as sharp on the finer one, the field
is fitted to what both extrapolate to, in place of solving the equation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import Box, PointCloud
from sinefield.expressions import Function, function_of
from sinefield.fields.compose import Product, Sum
from sinefield.fields.distance import Distance
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.first_arrivals import first_arrivals, largest_bend, mean_slowness, nodes_of
from sinefield.problems.poisson import domain_named
from sinefield.signals.equation import EquationSignal

Doubles = NDArray[np.float64]
Speed = float | str | ArrayLike | Callable[[Tensor], Tensor]

_CELLS: Final = {2: 200, 3: 48}  # along the longest side, of the finer grid
_SHARP: Final = 0.75  # of the largest bend on the coarser grid: it is a half where T is smooth, 1 at a kink
_FEATURES: Final = 1000
_FEATURES_OF_KINKS: Final = 1600  # which no number of sines has exactly
_ROWS: Final = 6  # nodes for each of them
_AROUND: Final = 12  # samples that an array is continued by on each side
_TOLERANCE: Final = 1e-7  # relative residual that no more bandwidths are tried after: no clock is better
_POINT: Final = (
    1e-12  # of the longest side, that the distance to the source is rounded by, so that it has a slope there
)


def eikonal(
    source: Sequence[float],
    speed: Speed = 1.0,
    domain: Box | str | None = None,
    *,
    exact: Function | None = None,
    accuracy: float | None = None,
    features: int | None = None,
    cells: int | None = None,
    smooth: bool | None = None,
) -> Problem:
    """Return the problem of the travel times of first arrivals from a point; later arrivals are not looked for.

    Args:
        source: x_s, within the domain.
        speed: v > 0: a number; a text such as ``"1 + x/2"``; a function from points ``(n, d)`` to ``(n,)`` or
            ``(n, 1)``; or an array, whose first axis is x, whose first and last samples lie on the sides of the domain,
            and between whose samples cubic splines are taken, clipped to its least and greatest value.
        domain: where, a box or its bounds as ``"0,1,0,1"``; None: [−1, 1] along each axis.
        exact: travel times in closed form; the error is measured.
        accuracy: relative residual that is good enough; None: 1e-4, or 1e-2 of the arrivals where there are kinks.
        features: of the sine layer; None: 1,000, or 1,600 for kinks.
        cells: of the finer grid along the longest side; None: 200 in two dimensions, 48 in three.
        smooth: whether T has no kinks; None: found by looking at the arrivals on two grids.

    Raises:
        ValueError: a source outside, a speed that is not positive, not finite or of another shape, or a domain of
            other than two or three dimensions.

    With constant speed the times are distances:

    >>> from sinefield import solve
    >>> problem = eikonal((0.1, 0.2), 2.0, exact=lambda x: (x - x.new_tensor([0.1, 0.2])).norm(dim=1, keepdim=True) / 2)
    >>> solve(problem).metrics["error"] < 1e-10
    True
    """
    box = domain_named(domain) if isinstance(domain, str) else domain
    if box is None:
        box = Box([-1.0] * len(source), [1.0] * len(source))
    if not isinstance(box, Box):
        raise ValueError(f"travel times are found in a box, got {domain!r}; give its bounds as 0,1,0,1")
    axes = tuple(box.axes or "xyz"[: box.dimension])
    truth = None if exact is None else function_of(exact, axes)
    if box.dimension not in _CELLS or len(source) != box.dimension:
        raise ValueError(
            f"travel times are found in two or three dimensions, got a source of {len(source)} coordinates in a domain "
            f"of {box.dimension}"
        )
    if not all(low <= at <= high for low, at, high in zip(box.lower, source, box.upper, strict=True)):
        raise ValueError(
            f"the source {tuple(source)} lies outside the domain from {tuple(box.lower)} to {tuple(box.upper)}"
        )
    velocity = _velocity(speed, box)
    at_source = 1 / float(velocity(torch.tensor([list(source)], dtype=torch.float64)))
    nodes = nodes_of(box.lower, box.upper, cells or _CELLS[box.dimension])
    times, kinked = _arrivals(velocity, nodes, source, at_source)
    if smooth is not None:
        kinked = not smooth

    def around(network: nn.Module) -> nn.Module:
        distance = _distance(source, box, at_source)
        return Sum(distance, Product(distance, network))

    if not kinked:
        rays = Constraint(
            box, lambda u: velocity(u.points) ** 2 * u.gradient.square().sum(1, keepdim=True) - 1, name="eikonal"
        )
        problem = equation(
            [rays], exact=truth, accuracy=accuracy or 1e-4, features=features or _FEATURES, around=around
        )
        fast = problem.tuning["fast"]
        return replace(
            problem,
            signal=EquationSignal.of(box),
            tuning={"fast": {**fast, "solver": fast["solver"].changed(tolerance=_TOLERANCE)}},
        )
    points = torch.from_numpy(np.stack(np.meshgrid(*nodes, indexing="ij"), -1).reshape(-1, box.dimension))
    features = features or _FEATURES_OF_KINKS
    some = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[: _ROWS * features]
    cloud = PointCloud(points[some], {"time": torch.from_numpy(times).reshape(-1, 1)[some]}, axes=box.axes)
    arrivals = Constraint(cloud, lambda u, time: u.value - time, name="arrivals")
    problem = equation(
        [arrivals],
        measured=["arrivals"],
        exact=truth,
        accuracy=accuracy or 1e-2,
        features=features,
        around=around,
    )
    return replace(problem, signal=EquationSignal.of(box))


def _distance(source: Sequence[float], box: Box, at_source: float) -> Distance:
    """Return T₀ = |x − x_s| / v(x_s)."""
    longest = max(high - low for low, high in zip(box.lower, box.upper, strict=True))
    place = {f"at_{axis}": float(each) for axis, each in enumerate(source)}
    return Distance(box.dimension, 1, factor=at_source, rounding=_POINT * longest, **place)


def _arrivals(
    velocity: Callable[[Tensor], Tensor], nodes: Sequence[Doubles], source: Sequence[float], at_source: float
) -> tuple[Doubles, bool]:
    """Return first arrivals at nodes, extrapolated from two grids, and whether they have kinks.

    Raises:
        ValueError: a speed that is not positive.
    """
    import scipy.ndimage

    def slowness(points: Doubles) -> Doubles:
        found = velocity(torch.from_numpy(points)).numpy()[:, 0]
        if not (found > 0).all():  # not of NaN either
            worst = int(np.argmin(np.where(np.isfinite(found), found, -np.inf)))
            raise ValueError(
                f"a speed is positive everywhere, got {found[worst]:g} at {tuple(points[worst].round(6).tolist())}"
            )
        return np.asarray(1 / found)

    coarse = [each[::2] for each in nodes]
    solved = []
    for grid in (coarse, nodes):
        mean = mean_slowness(slowness, grid)
        times = first_arrivals(mean, grid, source, at_source)
        solved.append((times, largest_bend(times, grid, source, mean)))
    (before, wide), (after, narrow) = solved
    # The scheme is of first order: the difference to half the cells is the error that is left.
    every = np.stack(np.meshgrid(*[np.arange(len(each)) / 2 for each in nodes], indexing="ij"))
    error = scipy.ndimage.map_coordinates(before - after[(slice(None, None, 2),) * len(nodes)], every, order=1)
    return after - error, narrow > _SHARP * wide


def _velocity(speed: Speed, box: Box) -> Callable[[Tensor], Tensor]:
    """Return v as a function from points ``(n, d)`` to ``(n, 1)``.

    Raises:
        ValueError: an array of another number of axes, with NaN, or that is not positive; or a function that gives
            other than one value for each point.
    """
    import scipy.ndimage

    if callable(speed) or isinstance(speed, str):
        function = function_of(speed, tuple(box.axes or "xyz"[: box.dimension]))

        def from_function(points: Tensor) -> Tensor:
            found = function(points)
            if found.numel() != len(points):
                raise ValueError(
                    f"a speed has one value for each point, got {tuple(found.shape)} for {len(points)} points"
                )
            return found.reshape(-1, 1).to(points)

        return from_function
    values = np.asarray(speed, dtype=np.float64)
    if values.ndim and (values.ndim != box.dimension or min(values.shape) < 2):
        raise ValueError(
            f"an array of speeds has an axis of two samples or more for each of {box.dimension} coordinates, got "
            f"shape {values.shape}"
        )
    if not (values > 0).all() or not np.isfinite(values).all():
        wrong = values[~(values > 0) | ~np.isfinite(values)]
        raise ValueError(f"speeds are positive and finite, got {wrong.flat[0]:g} among {values.size} of them")
    if not values.ndim:
        return lambda points: torch.full_like(points[:, :1], float(values))
    lower, sides = np.array(box.lower), np.array(box.upper) - np.array(box.lower)
    around = min(_AROUND, min(values.shape) - 1)
    # Mirrored at the point of each edge, trends go on; the spline would have a slope of 0 there otherwise.
    spline = scipy.ndimage.spline_filter(np.pad(values, around, mode="reflect", reflect_type="odd"), mode="mirror")

    def from_array(points: Tensor) -> Tensor:
        places = (points.detach().double().numpy() - lower) / sides * (np.array(values.shape) - 1) + around
        found = scipy.ndimage.map_coordinates(spline, places.T, mode="mirror", prefilter=False)
        return torch.from_numpy(found.clip(values.min(), values.max())).to(points)[:, None]

    return from_array
