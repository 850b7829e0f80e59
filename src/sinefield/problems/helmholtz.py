"""Helmholtz's equation in the open plane: sources and a medium in a square whose border absorbs outgoing waves.

    Δu + k² m u = −f,        f = Σ_j A_j e^(−|x − x_j|²/2σ_j²) / 2πσ_j²

with the squared slowness m. In a perfectly matched layer of width L along the border of [−1, 1]² coordinates are
stretched into the complex plane: with the depth d in the layer

    ∂_x → (1/e) ∂_x,        e = 1 + i s/k,        s = k a₀ (d/L)²,        a₀ = 5

so that waves e^(ikx) that go out are damped, and u = 0 at the border. The far field of a source is
A e^(−k²σ²/2) (i/4) H₀⁽¹⁾(kr); with the time factor e^(iωt) in place of e^(−iωt) it is the conjugate.

What is sought is

    u = w (Φ_0 + Σ_l g_l Φ_l) + (1 − w) Σ_n c_n H_n(kR) e^(inΘ)

Φ_0 is a sine layer on a disc with all sources and all that is not uniform. Near a small source its features are joined
by levels of finer ones, in windows g whose size halves down to that of the source. Outside are outgoing waves, which
the layer damps exactly. A disc or a rectangle of another speed has a sine layer of its own, u and its normal derivative
being the same on both sides. Where the medium is not uniform outside of any disc that fits, sine layers with the kinks
of the absorbing layer take the place of the outgoing waves.

Source: Sitzmann et al., arXiv 2006.09661, supplement 5, with the other sign of i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import Ball, Box, ContinuousDomain
from sinefield.fields.compose import Product, Sum
from sinefield.fields.expansion import Expansion
from sinefield.fields.siren import Siren
from sinefield.fields.window import Window
from sinefield.jet_views import Derivatives
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.slowness import Medium, Speed, medium_of
from sinefield.signals.equation import EquationSignal
from sinefield.solvers.least_squares import LeastSquares

STRENGTH: Final = 5.0  # a₀
_OVERLAP = 6.0  # widths of the window of the disc, from where it is 1 to where it is 0
_RESOLVED = 0.08  # σ that needs no level of its own
_BANDWIDTH = 4.0  # of the features of a level, over its size
_ROWS = 2.0  # of each constraint, for each feature that spans the medium
_WEIGHT = 10.0  # of rows far from the sources, which the finest features would scale down
_LEVEL = 160  # features of a level
_FEWEST = 4.0  # features for each degree of freedom that a field of this wavenumber has


@final
@dataclass(frozen=True)
class Source:
    """A Gaussian source.

    Args:
        x: its place.
        y: its place.
        sigma: σ, its size.
        amplitude: A, its integral.
    """

    x: float
    y: float
    sigma: float = 0.01
    amplitude: float = 1.0

    def __call__(self, points: Tensor) -> Tensor:
        """Return f at points ``(n, 2)``, as ``(n, 1)``."""
        squares = (points[:, :1] - self.x) ** 2 + (points[:, 1:] - self.y) ** 2
        scale = self.amplitude / (2 * math.pi * self.sigma**2)
        return scale * torch.exp(-squares / (2 * self.sigma**2))


@final
@dataclass(frozen=True)
class MatchedLayer:
    """The perfectly matched layer along the border of [−1, 1]².

    Args:
        width: L, from 0 to 1.
        strength: a₀.
    """

    width: float = 0.5
    strength: float = STRENGTH

    def stretch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return e = 1 + i a₀ (d/L)² at coordinates, and its derivative."""
        depth = (x.abs() - (1 - self.width)).clamp(min=0)
        stretched = torch.complex(torch.ones_like(x), self.strength * (depth / self.width) ** 2)
        slope = 2 * self.strength * depth / self.width**2 * x.sign()
        return stretched, torch.complex(torch.zeros_like(x), slope)

    def laplacian(self, u: Derivatives) -> Tensor:
        """Return Σ_i (1/e_i) ∂_i ((1/e_i) ∂_i u) of a complex field, whose derivatives are by axes 0 and 1."""
        total = torch.zeros((), dtype=torch.complex128)
        for axis in (0, 1):
            e, slope = self.stretch(u.points[:, axis : axis + 1])
            total = total + u.d(axis, axis) / e**2 - slope / e**3 * u.d(axis)
        return total


def helmholtz(
    *,
    wavenumber: float = 20.0,
    sources: Sequence[Sequence[float]] = ((0.0, 0.0),),
    speed: Speed = 1.0,
    layer: float = 0.5,
    features: int = 600,
    exact: Callable[[Tensor], Tensor] | None = None,
    accuracy: float = 1e-3,
) -> Problem:
    """Return the problem of Helmholtz's equation in the open plane, on [−1, 1]² with a perfectly matched layer.

    The field has two outputs, the real and the imaginary part of u. Residuals are told everywhere, the layer included.

    Args:
        wavenumber: k, where the squared slowness is 1.
        sources: each x, y, σ (0.01) and amplitude (1), its integral; the last or the last two may be left out.
        speed: the speed of the waves relative to that of k, whose squared slowness is m = 1/speed²: a number; a
            :class:`sinefield.problems.slowness.Disc` or :class:`~sinefield.problems.slowness.Block` of another speed;
            a function of points, in code or as text of x and y; or an array over [−1, 1]², its first axis along x.
        layer: L, the width of the layer.
        features: of the sine layer that spans the medium.
        exact: u where it is known, complex.
        accuracy: relative residual that every constraint must hold to.

    Raises:
        ValueError: sources in the layer or outside, a speed that is not positive, sizes that are none, or too few
            features for this wavenumber.

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
    medium = medium_of(speed)
    k = wavenumber * math.sqrt(medium.around)
    reach = max(medium.reach, *(math.hypot(each.x, each.y) + 4 * each.sigma for each in placed))
    fields = _Fields(pml, k, wavenumber, placed, medium, reach, features)
    _check_features(features, wavenumber * math.sqrt(medium.largest), inner if _is_centred(reach, inner) else 1.0)

    def residual(u: Derivatives, squared: Callable[[Tensor], Tensor] = medium) -> Tensor:
        right = sum((each(u.points) for each in placed), start=torch.zeros(()))
        return pml.laplacian(u.complex) + wavenumber**2 * squared(u.points) * u.complex.value + right

    square = Box([-1.0, -1.0], [1.0, 1.0], axes="xy")
    interior: ContinuousDomain = Ball([0.0, 0.0], inner, axes="xy")
    levels = [
        Constraint(
            Ball([each.x, each.y], 3 * size, axes="xy"), residual, name=f"source {number}, within {3 * size:.2g}"
        )
        for number, each in enumerate(placed, 1)
        for size in _sizes(each, inner)
    ]
    # Outgoing waves fall to e^(−k a₀ L/3) at the border; sines know nothing of it.
    border = (
        [] if _is_centred(reach, inner) else [Constraint(square.boundary, lambda u: u.complex.value, name="border")]
    )
    weight = (
        1.0 if border else _WEIGHT
    )  # sines that span the layer too are held by the border, which must not weigh less
    problem = equation(
        [
            Constraint(interior, residual, name="helmholtz", weight=weight),
            *levels,
            Constraint(square, residual, name="layer", weight=weight),
            *border,
            *_interface(medium, residual),
        ],
        complex=True,
        unknowns=None if medium.piece is None else {name: _sines(1, 1.0, (0.0, 0.0)) for name in ("inner", "outer")},
        exact=exact,
        accuracy=accuracy,
    )
    # Of rows each constraint has two for each feature that spans the medium.
    others = features // 2 * (medium.piece is not None)
    solver = (
        LeastSquares()
        if border
        else LeastSquares(
            rows=_ROWS
            * features
            * (len(levels) + 2 + (medium.piece is not None))
            / (features + _LEVEL * len(levels) + others)
        )
    )
    return replace(
        problem,
        name="helmholtz",
        tuning={"fast": {**problem.tuning["fast"], "solver": solver, "passes": solver.steps}},
        unknowns={"u": fields.whole} if medium.piece is None else fields.builders,
        signal=EquationSignal.of(square, complex=True),
    )


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


def _is_centred(reach: float, inner: float) -> bool:
    """Return whether all that is not uniform lies in a disc with room around it for outgoing waves."""
    return reach <= 0.85 * inner


def _check_features(features: int, wavenumber: float, half: float) -> None:
    """Refuse features that cannot hold waves of a wavenumber on a square of some half side.

    Raises:
        ValueError: there are too few.
    """
    least = math.ceil(_FEWEST * math.pi * wavenumber**2 * (2 * half) ** 2 / (2 * math.pi) ** 2)
    if features < least:
        raise ValueError(
            f"{features} features are too few for the wavenumber {wavenumber:g}, which is "
            f"{wavenumber * 2 * half / (2 * math.pi):.1f} wavelengths a side; give at least {least}"
        )


def _sizes(source: Source, inner: float) -> Sequence[float]:
    """Return the sizes of the windows around a source, each half of the one before, down to that of the source."""
    found, size = [], inner / 4
    while source.sigma < _RESOLVED and size > source.sigma:
        found.append(size)
        size /= 2
    return found


def _interface(medium: Medium, residual: Callable[..., Tensor]) -> Sequence[Constraint]:
    """Return the equation in a piece of another speed, and what is the same on both sides of its boundary."""
    if medium.piece is None:
        return []
    boundary, squared = medium.piece.domain.boundary, medium.piece.speed**-2

    def jump(inner: Derivatives, outer: Derivatives, normal: Tensor) -> Tensor:
        one, other = inner.complex, outer.complex
        return sum((one.d(i) - other.d(i)) * normal[:, i : i + 1] for i in (0, 1))  # type: ignore[return-value]

    def within(inner: Derivatives) -> Tensor:
        return residual(inner, lambda _points: torch.tensor(squared, dtype=torch.float64))

    return [
        Constraint(medium.piece.domain, within, name="piece"),
        Constraint(boundary, lambda inner, outer: inner.complex.value - outer.complex.value, name="value"),
        Constraint(boundary, jump, name="slope"),
    ]


@final
@dataclass(eq=False)
class _Fields:
    """The fields that are looked for; their frequencies are drawn when they are built."""

    pml: MatchedLayer
    k: float
    wavenumber: float
    sources: Sequence[Source]
    medium: Medium
    reach: float
    features: int
    inner: nn.Module | None = None
    outer: nn.Module | None = None

    @property
    def builders(self) -> Mapping[str, Callable[[float], nn.Module]]:
        """What builds u, of two pieces, and these: they are parts of it, which conditions between them read."""
        return {"u": self.whole, "inner": lambda _omega: _built(self.inner), "outer": lambda _omega: _built(self.outer)}

    def whole(self, _omega: float) -> nn.Module:
        """Return the field."""
        piece = self.medium.piece
        if piece is None:
            return self.around(self.sources)
        middle = torch.tensor([[each.x, each.y] for each in self.sources], dtype=torch.float64)
        held = piece.holds(middle)[:, 0].tolist()
        centre, half = _middle_of(piece.domain)
        bandwidth = max(1.5 * self.wavenumber / piece.speed, math.sqrt(self.features / 2 * math.pi / 2) / half)
        own = [each for each, is_held in zip(self.sources, held, strict=True) if is_held]
        within = [_sines(self.features // 2, bandwidth, centre), *self.levels(own)]
        self.inner = Sum(*within) if len(within) > 1 else within[0]
        self.outer = self.around([each for each, own in zip(self.sources, held, strict=True) if not own])
        inside, outside = piece.windows
        return Sum(Product(outside, self.outer), Product(inside, self.inner))

    def levels(self, sources: Sequence[Source]) -> Sequence[nn.Module]:
        """Return the finer features around some sources."""
        return [
            Product(
                Window(2, 1, "gaussian", f"{each.x:.9g},{each.y:.9g},{size:.9g}"),
                _sines(_LEVEL, _BANDWIDTH / size, (each.x, each.y)),
            )
            for each in sources
            for size in _sizes(each, 1 - self.pml.width)
        ]

    def around(self, sources: Sequence[Source]) -> nn.Module:
        """Return the field with the features of some sources."""
        inner, layer = 1 - self.pml.width, self.pml.width
        centred = _is_centred(self.reach, inner)
        half = inner if centred else 1.0
        highest = self.wavenumber * math.sqrt(self.medium.largest if self.medium.piece is None else 1.0)
        # Two features for each degree of freedom that fields within the bandwidth have on the disc, or on the square.
        bandwidth = max(1.2 * highest, math.sqrt((2.0 if centred else math.pi / 2) * self.features) / half)
        parts = [_sines(self.features, bandwidth, (0.0, 0.0)), *self.levels(sources)]
        if not centred:
            along = [Window(2, 1, "layer", f"{axis},{inner:.9g},{layer:.9g}") for axis in (0, 1)]
            both = Product(along[0], along[1])
            return Sum(
                *parts, *(Product(each, _sines(self.features // 2, bandwidth, (0.0, 0.0))) for each in [*along, both])
            )
        reach = max(self.reach, inner / 2)  # further in, waves of high order are too large for any window
        radius = math.sqrt(reach * inner)
        width = radius * math.log(inner / reach) / _OVERLAP
        window = Window(2, 1, "inside", f"0,0,{radius:.9g},{width:.9g}")
        highest_order = math.ceil(self.k * radius + 10)
        numbers = [self.k, self.pml.strength, inner, layer, radius, width]
        orders = range(-highest_order, highest_order + 1)
        terms = [[n, *numbers, phase] for n in orders for phase in (0.0, math.pi / 2)]
        outside = Expansion.of("outgoing", torch.tensor(terms, dtype=torch.float64), 2, 2)
        return Sum(Product(window, Sum(*parts) if len(parts) > 1 else parts[0]), outside)


def _built(field: nn.Module | None) -> nn.Module:
    assert field is not None, "the whole is built before its parts"
    return field


def _middle_of(domain: Ball | Box) -> tuple[tuple[float, float], float]:
    """Return the middle of a domain, and half its longest side."""
    if isinstance(domain, Ball):
        return (domain.centre[0], domain.centre[1]), domain.radius
    x, y = ((low + high) / 2 for low, high in zip(domain.lower, domain.upper, strict=True))
    return (x, y), max(high - low for low, high in zip(domain.lower, domain.upper, strict=True)) / 2


@torch.no_grad()
def _sines(features: int, bandwidth: float, centre: tuple[float, float]) -> Siren:
    """Return a network of one sine layer with frequencies uniform in a disc, which stay as they are."""
    network = Siren(2, 2, hidden_features=features, hidden_layers=0, first_omega=1.0).double()
    first = network.chain().affines[0]
    directions = torch.randn(features, 2, dtype=torch.float64)
    radii = torch.rand(features, 1, dtype=torch.float64).sqrt()
    frequencies = bandwidth * radii * directions / directions.norm(dim=1, keepdim=True)
    first.weight.copy_(frequencies)
    assert first.bias is not None, "sine layers have phases"
    phases = 2 * math.pi * torch.rand(features, dtype=torch.float64)
    first.bias.copy_(phases - frequencies @ torch.tensor(centre, dtype=torch.float64))
    for each in (first.weight, first.bias):
        each.requires_grad_(False)
    return network
