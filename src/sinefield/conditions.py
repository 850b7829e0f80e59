"""Conditions that hold by construction.

A field u = g + φ Ψ, where φ vanishes on a boundary and nowhere else, has the values g there whatever the network Ψ is:
nothing is left to fit, and there is no row of it in a least-squares problem.

Source: Sukumar & Srivastava, "Exact imposition of boundary conditions with distance functions in physics-informed deep
neural networks", 2022, sections 4 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce

import torch
from torch import Tensor, nn

from sinefield.domains.region import Boundary
from sinefield.fields.compose import Formula, Product, Readout, Sum, sizes_of
from sinefield.fields.coordinates import AffineMap


def vanishing_on(*boundaries: Boundary, order: int = 1) -> Formula:
    """Return a field φ that is 0 on boundaries, positive in the region between them, and smooth.

    It has no unit and is of order 1: a polynomial of boxes and balls, products of Rvachev's functions of polygons,
    holes and differences. Beside corners of more than half a turn no such function is smooth, and neither is what it
    multiplies: there a condition that is a constraint keeps more digits.

    Args:
        *boundaries: boundaries of boxes, balls, polygons and differences, faces of boxes; beginning, end and walls of
            space-time.
        order: how often it is 0: 2 leaves the first derivative across the boundary as it is too, as for a velocity at
            the beginning.

    Raises:
        ValueError: there are none, they differ in dimension, or the order is not positive.

    >>> from sinefield.domains import Box
    >>> vanishing_on(Box([0], [2]).boundary)(torch.tensor([[0.0], [1.0], [1.5], [2.0]])).flatten().tolist()
    [0.0, 1.0, 0.75, 0.0]
    """
    dimensions = {each.dimension for each in boundaries}
    if len(dimensions) != 1 or order < 1:
        raise ValueError(
            f"a function vanishes on boundaries of one dimension, to an order of 1 or more, got {len(boundaries)} "
            f"boundaries of dimensions {sorted(dimensions)} and order {order}"
        )
    return Formula(partial(_product, boundaries, order), dimensions.pop(), 1)


def _product(boundaries: Sequence[Boundary], order: int, points: Tensor) -> Tensor:
    return torch.stack([each.vanishing(points) for each in boundaries]).prod(0).pow(order).unsqueeze(1)


def built_in(
    value: Callable[[Tensor], Tensor] | float, *vanishing: nn.Module, outputs: int = 1
) -> Callable[[nn.Module], nn.Module]:
    """Return what makes u = g + φ_1 φ_2 … Ψ of a network Ψ, as ``around`` of :func:`sinefield.problems.equation`.

    Args:
        value: g, from points ``(n, d)`` to values ``(n, c)``, defined everywhere, that has the values of the conditions
            on the boundaries; or a number. With an initial velocity v, its derivative by time is v at the beginning.
        *vanishing: φ_1, φ_2, …, as from :func:`vanishing_on`.
        outputs: c.

    Raises:
        ValueError: nothing vanishes, so that nothing would be built in.

    A wave on a string that is at rest at its ends, from a pluck and a velocity:

    >>> import math
    >>> from sinefield.domains import Box, SpaceTime
    >>> string = SpaceTime(Box([0], [1]), (0, 2))
    >>> pluck = lambda p: torch.sin(math.pi * p[:, 1:]) * (1 + 3 * p[:, :1])
    >>> around = built_in(pluck, vanishing_on(string.walls), vanishing_on(string.start, order=2))
    >>> from sinefield import Siren, jet
    >>> u = jet(around(Siren(2, 1)), torch.tensor([[0.0, 0.5]]), axes="tx")
    >>> u.value.item(), u.d("t").item()
    (1.0, 3.0)
    """
    if not vanishing:
        raise ValueError(
            "a condition is built in by a function that vanishes where it holds; give vanishing_on(boundary)"
        )
    inputs = {int(getattr(each, "in_features", 0)) for each in vanishing}
    given = Formula(value if callable(value) else partial(_constant, value, outputs), max(inputs), outputs)
    return partial(_around, given, vanishing)


def interpolated(*values: tuple[Boundary, Callable[[Tensor], Tensor] | float]) -> Callable[[Tensor], Tensor]:
    """Return a function with given values on parts of a boundary, as the g of :func:`built_in`.

    With φ_k that vanishes on part k, it is g = Σ_k g_k Π_(j≠k) φ_j / Σ_k Π_(j≠k) φ_j, which is g_k on part k. It is
    smooth where no parts meet: around holes. Where two meet with different values, no continuous function has both.

    Args:
        *values: each part with its values there: a function from points ``(n, d)`` to ``(n, c)``, or a number.

    Raises:
        ValueError: there is not one part at least.

    Source: Rvachev, Sheiko, Shapiro, Tsukanov, "Transfinite interpolation over implicitly defined sets", Computer Aided
    Geometric Design 18, 2001, section 3.

    >>> from sinefield.domains import Box
    >>> rod = Box([0], [4])
    >>> ends = rod.face(0, "lower"), rod.face(0, "upper")
    >>> interpolated((ends[0], 1.0), (ends[1], 3.0))(torch.tensor([[0.0], [1.0], [4.0]])).tolist()
    [[1.0], [1.5], [3.0]]
    """
    if not values:
        raise ValueError("values are interpolated from one part of a boundary or more, got none; give (part, value)")
    return partial(_interpolated, values)


def _interpolated(values: Sequence[tuple[Boundary, Callable[[Tensor], Tensor] | float]], points: Tensor) -> Tensor:
    zeros = [part.vanishing(points).unsqueeze(1) for part, _ in values]
    given = [value(points) if callable(value) else torch.full_like(zeros[0], value) for _, value in values]
    one = torch.ones_like(zeros[0])
    weights = [
        reduce(torch.mul, [each for number, each in enumerate(zeros) if number != place], one)
        for place in range(len(zeros))
    ]
    total = torch.stack(weights).sum(0)
    meeting = total.abs() < 1e-300  # two parts vanish: their mean is as good as any
    weights = [torch.where(meeting, 1.0, each) for each in weights]
    total = torch.where(meeting, float(len(weights)), total)
    return torch.stack([each * weight for each, weight in zip(given, weights, strict=True)]).sum(0) / total


def mirrored(axis: int, at: float, *, odd: bool = False) -> Callable[[nn.Module], nn.Module]:
    """Return what makes a field even about a plane, so that its flux through it is 0 by construction.

    It is Φ(x) + Φ(x′), with x′ the image of x in the mirror x_axis = ``at``; odd it is Φ(x) − Φ(x′), which is 0 there.
    Mirrors of different axes may follow one another. Of a network with a period along the axis, see :func:`periodic`, a
    mirror at half a period from this one is made too.

    Args:
        axis: which coordinate is mirrored.
        at: where.
        odd: whether the image is subtracted.

    >>> from sinefield import Siren, jet
    >>> field = mirrored(0, 1.0)(Siren(2, 1).double())
    >>> abs(jet(field, torch.tensor([[1.0, 0.3]], dtype=torch.float64)).gradient[0, 0].item()) < 1e-14
    True
    """
    return partial(_mirrored, axis, at, odd)


def _mirrored(axis: int, at: float, odd: bool, field: nn.Module) -> nn.Module:
    """Return the field and its image.

    Raises:
        ValueError: it has no such axis.
    """
    inputs, outputs = sizes_of(field)
    if not 0 <= axis < inputs:
        raise ValueError(f"there is no axis {axis} to mirror: the field has {inputs}, counted from 0")
    matrix, shift = torch.eye(inputs, dtype=torch.float64), torch.zeros(inputs, dtype=torch.float64)
    matrix[axis, axis], shift[axis] = -1.0, 2 * at
    image: nn.Module = AffineMap(field, matrix, shift)
    return Sum(field, Readout(image, -torch.eye(outputs, dtype=torch.float64)) if odd else image)


def periodic(*periods: float | None) -> Callable[[nn.Module], nn.Module]:
    """Return what makes a network periodic by construction, as ``around`` of :func:`sinefield.problems.equation`.

    Of Φ(x) = Σ_j c_j sin(w_j·x + b_j) only frequencies w_ji = 2πk/T_i with integers k are drawn, so that there is
    nothing to be fitted at the ends. That is so where the frequencies are placed by
    :class:`~sinefield.solvers.least_squares.LeastSquares`.

    Args:
        *periods: T_i, for each axis; None along axes without a period, as time.

    Raises:
        ValueError: none is given, or one is not positive.

    >>> from sinefield import Siren
    >>> periodic(None, 2.0)(Siren(2, 1)).periods
    (None, 2.0)
    """
    if not any(each is not None for each in periods) or not all(
        each is None or 0 < each < math.inf for each in periods
    ):
        raise ValueError(
            f"a period is a positive number for some of the axes, None for others, got {periods or 'none'}"
        )
    return partial(_with_periods, periods)


def _with_periods(periods: tuple[float | None, ...], network: nn.Module) -> nn.Module:
    """Return the network with its periods.

    Raises:
        ValueError: it has another number of inputs.
    """
    inputs = getattr(network, "in_features", len(periods))
    if inputs != len(periods):
        raise ValueError(
            f"a field of {inputs} coordinates needs {inputs} periods, None where there is none, got {periods}"
        )
    network.periods = periods  # type: ignore[assignment]
    return network


def _constant(value: float, outputs: int, points: Tensor) -> Tensor:
    return points.new_full((len(points), outputs), value)


def _around(given: nn.Module, vanishing: Sequence[nn.Module], network: nn.Module) -> nn.Module:
    for each in reversed(vanishing):
        network = Product(each, network)
    return Sum(given, network)
