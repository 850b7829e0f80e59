"""Helmholtz's equation in the open plane: sources and a medium in a square whose border absorbs outgoing waves.

    Δu + k² m u = −f,        f = Σ_j A_j e^(−|x − x_j|²/2σ_j²) / 2πσ_j²

with the squared slowness m. In a perfectly matched layer of width L along the border of [−1, 1]² coordinates are
stretched into the complex plane: with the depth d in the layer

    ∂_x → (1/e) ∂_x,        e = 1 + i s/k,        s = k a₀ (d/L)²,        a₀ = 5

so that waves e^(ikx) that go out are damped, and u = 0 at the border. The far field of a source is
A e^(−k²σ²/2) (i/4) H₀⁽¹⁾(kr); with the time factor e^(iωt) in place of e^(−iωt) it is the conjugate.

Where the medium is uniform, but for a disc or a rectangle of another speed, sine layers hold the surroundings of each
source, and exact waves the rest, see :mod:`sinefield.problems.helmholtz_fields`. In any other medium what is sought is

    u = w (Φ_0 + Σ_l g_l Φ_l) + (1 − w) Σ_n c_n H_n(kR) e^(inΘ)

Φ_0 is a sine layer on a disc with all sources and all that is not uniform. Near a small source its features are joined
by levels of finer ones, in windows g whose size halves down to that of the source. Outside are outgoing waves, which
the layer damps exactly. Where the medium is not uniform outside of any disc that fits, sine layers with the kinks of
the absorbing layer take the place of the outgoing waves.

Source: Sitzmann et al., arXiv 2006.09661, supplement 5, with the other sign of i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sinefield.constraint import Constraint
from sinefield.domains import Ball, Box
from sinefield.jet_views import Derivatives
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.helmholtz_fields import LEVEL, Fields, sines
from sinefield.problems.open_plane import MatchedLayer, Source
from sinefield.problems.slowness import Block, Disc, Speed, medium_of
from sinefield.signals.equation import EquationSignal
from sinefield.solvers.least_squares import LeastSquares

_SQUARE = Box([-1.0, -1.0], [1.0, 1.0], axes="xy")
_WEIGHT = 10.0  # of rows far from the sources, which the finest features would scale down
_ROWS = 2.0  # of each constraint, for each feature that spans the medium
_EACH = 1.0  # rows of each constraint, for each feature of one source
_FEATURES, _MOST = 600, 4800  # that are taken, and as many as a wavenumber needs at most, where nothing is asked for
_FEWEST = 4.0  # features for each degree of freedom that a field of this wavenumber has


def helmholtz(
    *,
    wavenumber: float = 20.0,
    sources: Sequence[Sequence[float]] = ((0.0, 0.0),),
    speed: Speed | None = None,
    disc: Sequence[float] | None = None,
    block: Sequence[float] | None = None,
    layer: float = 0.5,
    features: int | None = None,
    exact: Callable[[Tensor], Tensor] | None = None,
    accuracy: float = 1e-3,
) -> Problem:
    """Return the problem of Helmholtz's equation in the open plane, on [−1, 1]² with a perfectly matched layer.

    The field has two outputs, the real and the imaginary part of u. Residuals are told everywhere, the layer included.

    Args:
        wavenumber: k, where the squared slowness is 1.
        sources: each x, y, σ (0.01) and amplitude (1), its integral; the last or the last two may be left out.
        speed: the speed of the waves relative to that of k, whose squared slowness is m = 1/speed²: a number (1); a
            :class:`sinefield.problems.slowness.Disc` or :class:`~sinefield.problems.slowness.Block` of another speed;
            a function of points, in code or as text of x and y; or an array over [−1, 1]², its first axis along x.
        disc: the middle, radius and speed of a disc, as ``speed=Disc((x, y), radius, speed)``.
        block: the middle, width, height and speed of a rectangle, as ``speed=Block(lower, upper, speed)``.
        layer: L, the width of the layer.
        features: of the sine layer that spans the medium; half of them are around each source where the medium is
            uniform but for a disc or a block, as exact waves hold the rest. None: 600, or as many more as the
            wavenumber needs, up to 4,800.
        exact: u where it is known, complex.
        accuracy: relative residual that every constraint must hold to.

    Raises:
        ValueError: sources in the layer or outside, a speed that is not positive, sizes that are none, several speeds,
            or too few features for this wavenumber.

    >>> from sinefield import solve
    >>> solution = solve(helmholtz(wavenumber=5.0, sources=[(0.0, 0.0, 0.08)], features=250))
    >>> solution.converged
    True
    """
    if not (0 < wavenumber < math.inf and 0 < layer < 1):
        raise ValueError(f"a wavenumber is positive and a layer from 0 to 1 wide, got {wavenumber:g} and {layer:g}")
    pml, inner = MatchedLayer(layer), 1 - layer
    placed = [_source_of(each, inner) for each in sources]
    if not placed:
        raise ValueError("Helmholtz's equation in the open plane has u = 0 without a source; give one as (x, y)")
    given = [each for each in (_disc_of(disc), _block_of(block), speed) if each is not None]
    if len(given) > 1:
        raise ValueError("a medium is a speed, a disc or a block of another speed; give one of them")
    medium = medium_of(given[0] if given else 1.0)
    fields = Fields(pml, wavenumber, placed, medium, features or _FEATURES)
    if fields.is_exact:
        spans = [(fields.k, fields.radius(each, fields.k)) for each in placed]
    else:
        spans = [(wavenumber * math.sqrt(medium.largest), inner if fields.is_centred else 1.0)]
    if features is None:
        fields.features = min(_MOST, max(_FEATURES, *[_fewest_features(*each) for each in spans]))
    for each in spans:
        _check_features(fields.features, *each)
    constraints = _exact_constraints(fields) if fields.is_exact else _constraints(fields)
    names = fields.builders.keys() - {"u"}
    problem = equation(
        constraints,
        complex=True,
        unknowns={name: sines(1, 1.0, (0.0, 0.0)) for name in sorted(names)} or None,
        exact=exact,
        accuracy=accuracy,
    )
    # Exact waves meet at a boundary to more digits than sines hold the surroundings of a source.
    weight = 1.0 if fields.is_exact else LeastSquares().boundary_weight
    solver = LeastSquares(rows=_rows(fields, len(constraints)), boundary_weight=weight)
    return replace(
        problem,
        name="helmholtz",
        tuning={"fast": {**problem.tuning["fast"], "solver": solver, "passes": solver.steps}},
        unknowns=fields.builders,
        signal=EquationSignal.of(_SQUARE, complex=True),
    )


def _disc_of(numbers: Sequence[float] | None) -> Disc | None:
    """Return a disc of its middle, radius and speed.

    Raises:
        ValueError: other than four numbers.
    """
    if numbers is None:
        return None
    if len(numbers) != 4:
        raise ValueError(f"a disc is its middle, radius and speed, four numbers, got {numbers}")
    x, y, radius, speed = numbers
    return Disc((x, y), radius, speed)


def _block_of(numbers: Sequence[float] | None) -> Block | None:
    """Return a block of its middle, width, height and speed.

    Raises:
        ValueError: other than five numbers.
    """
    if numbers is None:
        return None
    if len(numbers) != 5:
        raise ValueError(f"a block is its middle, width, height and speed, five numbers, got {numbers}")
    x, y, width, height, speed = numbers
    return Block((x - width / 2, y - height / 2), (x + width / 2, y + height / 2), speed)


def _source_of(numbers: Sequence[float], inner: float) -> Source:
    """Return a source.

    Raises:
        ValueError: it is none, or not where it can be.
    """
    if not 2 <= len(numbers) <= 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a source is x, y, its size and its amplitude, of which two can be left out; got {numbers}")
    found = Source(*numbers)
    if found.sigma <= 0:
        raise ValueError(f"the size of a source is positive, got {found.sigma:g}")
    if max(abs(found.x), abs(found.y)) + 3 * found.sigma > inner:
        raise ValueError(
            f"a source of size {found.sigma:g} at ({found.x:g}, {found.y:g}) reaches into the absorbing layer; put it "
            f"where |x| and |y| are below {inner - 3 * found.sigma:g}, or make the layer thinner"
        )
    return found


def _fewest_features(wavenumber: float, half: float) -> int:
    """Return how many features hold waves of a wavenumber on a square of some half side, at least."""
    return math.ceil(_FEWEST * math.pi * wavenumber**2 * (2 * half) ** 2 / (2 * math.pi) ** 2)


def _check_features(features: int, wavenumber: float, half: float) -> None:
    """Refuse features that cannot hold waves of a wavenumber on a square of some half side.

    Raises:
        ValueError: there are too few.
    """
    least = _fewest_features(wavenumber, half)
    if features < least:
        raise ValueError(
            f"{features} features are too few for the wavenumber {wavenumber:g}, which is "
            f"{wavenumber * 2 * half / (2 * math.pi):.1f} wavelengths a side; give at least {least}"
        )


def _residual(
    fields: Fields, sources: Sequence[Source], squared: Callable[[Tensor], Tensor] | float
) -> Callable[[Derivatives], Tensor]:
    """Return Δu + k² m u + f of a field with some sources in a medium m."""

    def residual(u: Derivatives) -> Tensor:
        right = sum((each(u.points) for each in sources), start=torch.zeros(()))
        m = squared(u.points) if callable(squared) else squared
        return fields.pml.laplacian(u.complex) + fields.wavenumber**2 * m * u.complex.value + right

    return residual


def _exact_constraints(fields: Fields) -> Sequence[Constraint]:
    """Return what is asked of fields that exact waves hold: the equation around sources, and at a piece's boundary."""
    medium, piece = fields.medium, fields.medium.piece
    found = [Constraint(_SQUARE, _residual(fields, fields.sources, medium), name="helmholtz", weight=_WEIGHT)]
    if piece is None:
        near = _residual(fields, fields.sources, medium.around)
        return [*found, *_around_sources(fields, fields.sources, fields.k, near, "source")]
    arrives = _residual(fields, fields.sources, 1.0)
    found += _around_sources(fields, fields.sources, fields.k, lambda arriving: arrives(arriving), "source")
    if fields.inside:
        arises = _residual(fields, fields.inside, piece.speed**-2)
        within = fields.wavenumber / piece.speed
        found += _around_sources(fields, fields.inside, within, lambda arising: arises(arising), "source in the piece")
    return [*found, *_interface(fields, fields.inside)]


def _around_sources(
    fields: Fields, sources: Sequence[Source], k: float, residual: Callable[..., Tensor], name: str
) -> Sequence[Constraint]:
    """Return the equation in discs around sources, each as large as a level of features."""
    found = []
    for number, each in enumerate(sources, 1):
        end = fields.radius(each, k)
        for radius in (end, *(3 * size for size in fields.sizes(each, k) if 3 * size < end)):
            disc = Ball([each.x, each.y], radius, axes="xy")
            found.append(Constraint(disc, residual, name=f"{name} {number}, within {radius:.2g}", weight=_WEIGHT))
    return found


def _constraints(fields: Fields) -> Sequence[Constraint]:
    """Return what is asked of fields of sines that span the medium."""
    residual = _residual(fields, fields.sources, fields.medium)
    levels = [
        Constraint(
            Ball([each.x, each.y], 3 * size, axes="xy"), residual, name=f"source {number}, within {3 * size:.2g}"
        )
        for number, each in enumerate(fields.sources, 1)
        for size in fields.sizes(each, fields.k)
    ]
    # Outgoing waves fall to e^(−k a₀ L/3) at the border; sines know nothing of it.
    border = [] if fields.is_centred else [Constraint(_SQUARE.boundary, lambda u: u.complex.value, name="border")]
    weight = 1.0 if border else _WEIGHT  # sines that span the layer are held by the border, which must not weigh less
    return [
        Constraint(Ball([0.0, 0.0], fields.inner, axes="xy"), residual, name="interior", weight=weight),
        *levels,
        Constraint(_SQUARE, residual, name="helmholtz", weight=weight),
        *border,
        *_interface(fields, fields.sources),
    ]


def _interface(fields: Fields, sources: Sequence[Source]) -> Sequence[Constraint]:
    """Return the equation in a piece of another speed, and what is the same on both sides of its boundary."""
    piece = fields.medium.piece
    if piece is None:
        return []
    boundary, within = piece.domain.boundary, _residual(fields, sources, piece.speed**-2)

    def jump(inner: Derivatives, outer: Derivatives, normal: Tensor) -> Tensor:
        one, other = inner.complex, outer.complex
        return (one.d(0) - other.d(0)) * normal[:, :1] + (one.d(1) - other.d(1)) * normal[:, 1:]

    return [
        Constraint(piece.domain, lambda inner: within(inner), name="piece"),
        Constraint(boundary, lambda inner, outer: inner.complex.value - outer.complex.value, name="value"),
        Constraint(boundary, jump, name="slope"),
    ]


def _rows(fields: Fields, constraints: int) -> float:
    """Return how many rows there are for each feature, those of all constraints together."""
    piece, levels = fields.medium.piece, sum(len(fields.sizes(each, fields.k)) for each in fields.sources)
    if fields.is_exact:  # each disc of a source has rows for the features of this source
        return _EACH * constraints / (len(fields.sources) + len(fields.inside))
    if not fields.is_centred:
        return LeastSquares().rows
    others = fields.features // 2 * (piece is not None)
    total = fields.features + LEVEL * levels + others
    return _ROWS * fields.features * (levels + 2 + (piece is not None)) / total
