"""A user's own equation: constraints on a field, in the user's own coordinates, solved to the last digits.

What is sought is one sine layer with an exact last layer in double precision, see
:mod:`sinefield.solvers.least_squares`: its network, solver, bandwidth and points follow from the constraints.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from sinefield import metrics
from sinefield.constraint import Constraint
from sinefield.domains import FiniteDomain
from sinefield.fields.compose import Product, Sum
from sinefield.fields.expansion import Expansion
from sinefield.fields.siren import Siren
from sinefield.fields.window import Window
from sinefield.io import SignalWarning
from sinefield.objective import Group, Objective
from sinefield.problem import Problem
from sinefield.problems.closed_forms import Choice, closed_forms
from sinefield.problems.deep_equation import WIDTH, balanced, deep_network, deep_recipe
from sinefield.problems.symbols import symbol_of
from sinefield.randomness import generator_of
from sinefield.recipe import Changes
from sinefield.residuals import draw_samples, equation_of, relative_residuals
from sinefield.solvers.least_squares import LeastSquares
from sinefield.solvers.particular_solutions import ParticularSolutions
from sinefield.solvers.separable import constants_of
from sinefield.solvers.variable_projection import VariableProjection

_HELD_OUT = 4096  # points of each domain that residuals are measured at
_FIRST, _MOST = 400, 4800  # features of a network that is given as many as it takes
_MOST_BY_WINDOWS = 1600  # features of each window, for all outputs together
_BY_WAVES = 800  # features of a window for the waves in it, which are twice as many
_OVERLAP = 1.0  # of neighbouring windows, as part of one
_QUICK = 1e10  # work of a network alone beside a re-entrant corner or a hole: a few bandwidths of few features
_OVER = 2.0  # features and points for each wave
_PURPOSE = 77  # apart from those of the solver: its points are others


class UnderResolved(SignalWarning):
    """Too few features or points for waves of an equation, which is told before it is solved."""


def equation(
    constraints: Sequence[Constraint],
    outputs: int = 1,
    *,
    complex: bool = False,  # noqa: A002 - the word for what it is
    unknowns: Mapping[str, nn.Module] | None = None,
    measured: Sequence[str] = (),
    exact: Callable[[Tensor], Tensor] | None = None,
    accuracy: float | None = None,
    features: int | None = None,
    hidden_layers: int = 0,
    windows: int = 1,
    around: Callable[[nn.Module], nn.Module] | None = None,
    columns: Sequence[nn.Module] | None = None,
) -> Problem:
    """Return the problem of an equation with its boundary and initial conditions.

    Points are in the coordinates of the domains, whatever their units; the first layer is scaled to them. After
    ``solve``, ``solution.field`` is the field, ``solution.converged`` tells whether every constraint holds to
    ``accuracy`` at points that the solver has not seen, ``solution.metrics`` how well each does, and
    ``solution.verdict`` says so in a sentence.

    Args:
        constraints: the equation and its conditions, linear or mildly nonlinear, of the field ``u`` with the inputs of
            their domains.
        outputs: c, how many values the field has at a point; complex ones count once.
        complex: whether the field is complex: its outputs are real and imaginary parts in turn, read as ``u.complex``.
        unknowns: further fields to look for, by the names that residuals bind them by, such as the field of a second
            material, ``{"v": Siren(2, 1, hidden_features=800, hidden_layers=0)}``; copies of them are solved for, which
            ``solution.fields`` holds. With them, residuals name the main field ``u``. Numbers are ``Constant()``,
            and coefficients that vary are networks; both are found by
            :class:`sinefield.solvers.VariableProjection`.
        measured: names of the constraints whose targets are measured with noise; they are fitted in the sense of least
            squares, all others hold to ``accuracy``.
        exact: the solution in closed form where it is known, from points ``(n, d)`` to ``(n, c)``, complex where the
            field is; its error is measured.
        accuracy: relative residual that every constraint must hold to, but those that are measured; None: 1e-6, or
            1e-4 beside measurements.
        features: of the sine layer, at most; None: as many as it takes, up to 4,800 for all outputs together, which is
            half a minute and two GiB.
        hidden_layers: sine layers after the first; with any, all weights of a network of ``features`` (24) a layer are
            found by Gauss-Newton, see :mod:`sinefield.problems.deep_equation`: for nonlinear equations with fronts and
            layers that one sine layer does not follow.
        windows: how many strips the domain is cut into along its longest side, each with a sine layer of ``features``
            (up to 1,600) of its own, see :mod:`sinefield.solvers.windows`: for linear equations with more waves than
            one layer can hold, as along a duct; a field takes the time of all of them at every point.
        around: makes the field of the network, to build conditions in: ``lambda u: Sum(g, Product(d, u))``.
        columns: fields of m outputs without anything to learn, such as :class:`~sinefield.fields.Columns` or a
            ``Formula``, that the network is helped by; none in ``()``. None: chosen by looking at the equation, its
            corners and its holes, see :mod:`sinefield.problems.closed_forms`, where ``around`` is None.

    Warns:
        UnderResolved: of too few features for the waves of the equation, or points that are given one by one.

    Raises:
        ValueError: no constraints, domains of different dimensions, a further unknown of the name ``u``, a residual
            that cannot be used, or windows where they are not for.

    >>> from sinefield import Constraint, solve
    >>> from sinefield.domains import Box
    >>> line = Box([0.0], [1.0])
    >>> problem = equation([
    ...     Constraint(line, lambda u: u.laplacian + 2, name="equation"),
    ...     Constraint(line.boundary, lambda u: u.value, name="ends"),
    ... ], exact=lambda x: x * (1 - x), features=100)
    >>> solution = solve(problem)
    >>> solution.converged, solution.metrics["error"] < 1e-10
    (True, True)
    """
    dimensions = {each.domain.dimension for each in constraints}
    if len(dimensions) != 1:
        raise ValueError(
            f"an equation has constraints on domains of one dimension, got {len(constraints)} constraints of "
            f"dimensions {sorted(dimensions)}"
        )
    width = 2 * outputs if complex else outputs
    dimension = dimensions.pop()
    build = partial(_network, dimension, width, features or _FIRST, around)
    if hidden_layers:
        build = partial(deep_network, constraints, width, features or WIDTH, hidden_layers, around)
    if "u" in (unknowns or {}):
        raise ValueError("a further unknown has the name 'u', which is that of the main field; give it another name")
    builders = {"u": build, **{name: partial(_copied, each) for name, each in (unknowns or {}).items()}}
    built = {name: each(1.0) for name, each in builders.items()}
    objective = Objective(built, constraints)  # what cannot be used is refused here, not in solve
    accuracy = accuracy or (1e-4 if measured else 1e-6)
    varies = not hidden_layers and (measured or constants_of(objective))
    projection = VariableProjection(tuple(measured), tolerance=accuracy / 10) if varies else None
    chosen = Choice([Expansion(each, width) for each in columns or ()])
    symbol = None if varies or hidden_layers else symbol_of(objective, complex_field=complex)
    if symbol is not None and columns is None and around is None and windows == 1:
        chosen = closed_forms(symbol, objective, features or _MOST, complex_field=complex)
    if windows != 1:
        _check_windows(objective, windows, varies or hidden_layers or chosen.expansions or around is not None)
        builders["u"] = partial(_strips, _box_around(constraints), width, windows, features or _FIRST)
    most = _MOST if windows == 1 else _MOST_BY_WINDOWS * windows
    if symbol is not None and not chosen.alone:  # functions that solve the equation have its waves
        _warn_of_too_few(objective, symbol.freedom, windows * features if features else most)
    if chosen.expansions and not hidden_layers:
        within = partial(_beside, chosen.expansions, around)
        builders["u"] = partial(_network, dimension, width, features or _FIRST, within)
    last_layer = LeastSquares(most=0 if features else most)
    quick = _QUICK if chosen.needed else 0.0
    helped = (
        ParticularSolutions(last_layer, chosen.alone, quick) if chosen.expansions and columns is None else last_layer
    )
    solver = projection or helped
    shallow: Changes = {
        "solver": solver,
        "batch": None,  # a step draws points of its own
        "passes": solver.steps,
        "first_omega": 1.0,
    }
    return Problem(
        "equation",
        balanced(constraints, built) if hidden_layers else constraints,
        builders,
        measure=partial(_measure, objective.groups, exact, constraints, projection),
        omega=1.0,
        tuning={"fast": deep_recipe(built, len(objective.groups)) if hidden_layers else shallow},
        accuracy=accuracy,
        reference=exact,
    )


def _strips(box: Tensor, outputs: int, windows: int, features: int, first_omega: float) -> nn.Module:
    """Return networks side by side along the longest side of a box, each within a window of its own."""
    low, high = box
    axis = int((high - low).argmax())
    width = float(high[axis] - low[axis]) / windows
    terms = []
    for place in range(windows):
        begin = float(low[axis]) + place * width
        ends = (begin if place else -math.inf, begin + width if place + 1 < windows else math.inf)
        window = Window(len(low), 1, "strip", ",".join(map(repr, (axis, *ends, _OVERLAP * width))))
        network = Siren(len(low), outputs, hidden_features=features, hidden_layers=0, first_omega=first_omega).double()
        extent = box.clone()
        extent[:, axis] = torch.tensor([begin - _OVERLAP * width / 2, begin + (1 + _OVERLAP / 2) * width])
        network.extent = extent  # where features are placed
        terms.append(Product(window, network))
    return Sum(*terms)


def _box_around(constraints: Sequence[Constraint]) -> Tensor:
    """Return the box around the points of all constraints, ``(2, d)``."""
    generator = generator_of(_PURPOSE)
    points = torch.cat([draw_samples(each.domain, _HELD_OUT, generator).points for each in constraints])
    return torch.stack([points.min(0).values, points.max(0).values])


def _check_windows(objective: Objective, windows: int, otherwise: object) -> None:
    """Refuse windows where they are not for, before it takes time.

    Raises:
        ValueError: no count of windows, or another kind of problem.
    """
    joined = any(group.domain.granule > 1 for group in objective.groups)
    if windows < 1 or otherwise or joined or len(objective.unknowns) > 1:
        raise ValueError(
            "windows must be 1 or more, and more than 1 for one field with one sine layer and constraints at single "
            f"points, without columns or conditions that are built in, got {windows}; leave them out"
        )


def _warn_of_too_few(objective: Objective, freedom: float, features: int) -> None:
    """Warn where features, or points that are given one by one, cannot follow waves as slow as the equation's own."""
    domain = objective.groups[equation_of("u", objective.groups)].domain
    few = {"features": features, "points": domain.size if isinstance(domain, FiniteDomain) else math.inf}
    for name, count in few.items():
        if count < freedom:
            wanted = math.ceil(_OVER * freedom)
            cut = f", or windows={math.ceil(wanted / _BY_WAVES)}" if name == "features" and wanted > _MOST else ""
            warnings.warn(
                f"{count} {name} are too few for waves of this equation, of which the domain has {freedom:.0f}; unless "
                f"the solution is far smoother than they are, give at least {wanted}{cut}",
                UnderResolved,
                stacklevel=3,
            )


def _network(
    inputs: int, outputs: int, features: int, around: Callable[[nn.Module], nn.Module] | None, first_omega: float
) -> nn.Module:
    network = Siren(inputs, outputs, hidden_features=features, hidden_layers=0, first_omega=first_omega).double()
    return network if around is None else around(network)


def _beside(
    expansions: Sequence[nn.Module], around: Callable[[nn.Module], nn.Module] | None, network: nn.Module
) -> nn.Module:
    whole = Sum(network, *map(deepcopy, expansions))
    return whole if around is None else around(whole)


def _copied(field: nn.Module, _omega: float) -> nn.Module:
    return deepcopy(field).double()


def _measure(
    groups: Sequence[Group],
    exact: Callable[[Tensor], Tensor] | None,
    constraints: Sequence[Constraint],
    projection: VariableProjection | None,
    fields: Mapping[str, nn.Module],
    count: int | None,
) -> dict[str, float]:
    """Return the relative residual of each constraint at points held out, and the relative error where it is known.

    Coefficients, standard errors and the noise of measured constraints come with the last of all measurements.
    """
    samples = [
        draw_samples(group.domain, _HELD_OUT, generator_of(_PURPOSE, place)) for place, group in enumerate(groups)
    ]
    found = relative_residuals(groups, fields, samples)
    measured = () if projection is None else projection.measured
    held = {name: each for name, each in found.relative.items() if name not in measured} or found.relative
    reached = {f"residual_{name}": each for name, each in held.items()} | {"residual": max(held.values())}
    reached["size"] = found.size
    for group in groups:
        if isinstance(group.domain, FiniteDomain):
            reached |= {f"points_{each.constraint.name}": float(group.domain.size) for each in group.members}
    if projection is not None and count is None:
        estimates = projection.estimates(Objective(fields, constraints))
        reached |= {f"noise_{name}": each for name, each in estimates.noise.items()}
        for name, values in estimates.values.items():
            unknown = name.removesuffix(".theta")
            for place, (value, error) in enumerate(zip(values, estimates.standard_errors[name], strict=True)):
                label = unknown if len(values) == 1 else f"{unknown}[{place}]"
                reached |= {label: float(value), f"{label}_standard_error": float(error)}
    if exact is not None:
        points = samples[equation_of("u", groups)].points
        with torch.no_grad():
            values, truth = fields["u"](points), exact(points)
        if truth.is_complex():
            truth = torch.view_as_real(truth).flatten(1)
        reached["error"] = metrics.relative_l2(values, truth)
    return reached
