"""The fields that waves in the open plane are looked for as.

Around a source, in a medium of wavenumber k,

    p = w Σ_l g_l Φ_l + (1 − w) c H_0(kR)

with sine layers Φ in a window w a few σ wide, levels of finer ones in windows g whose size halves down to that of the
source, and beyond them the outgoing wave, which the layer damps exactly. Beside a disc or a rectangle of another speed

    u = Σ p + Σ_n c_n H_n(kR) e^(inΘ) + Σ_jn c_jn H_n(kR_j) e^(inΘ_j)      outside
    u = Σ p + Σ_j (c_j cos w_j·x + s_j sin w_j·x) + Σ_jn c_jn H_n(k_i R_j) e^(inΘ_j)      inside, |w_j| = k_i

The waves scattered go out from the middle of the piece; those in it are a sine layer with frequencies on a circle. Both
solve the equation by themselves, so that the boundary is all that is left to solve. At a corner u is like r² log r,
which waves from points that crowd towards the corner follow: those outside of it start inside, and the other way round.

Sources: Colton & Kress, "Inverse Acoustic and Electromagnetic Scattering Theory", section 3.4; Gopal & Trefethen, "New
Laplace and Helmholtz solvers", 2019.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.compose import Product, Sum
from sinefield.fields.expansion import ComplexExpansion
from sinefield.fields.siren import Siren
from sinefield.fields.window import Window
from sinefield.problems.open_plane import MatchedLayer, Source
from sinefield.problems.slowness import Block, Disc, Medium

LEVEL = 160  # features of a level
_OVERLAP = 6.0  # widths of a window, from where it is 1 to where it is 0
_RESOLVED = 0.08  # σ that needs no level of its own in a medium that is not uniform
_BANDWIDTH = 4.0  # of the features of a level, over its size
_QUIET, _ROOM = 4.0, 5.5  # σ where a source has nearly ended, and that it needs around it for its outgoing waves
_WIDE, _WAVES = 10.0, 3.0  # σ, or kr, where its window ends if there is room
_FINEST = 1.25  # σ of the finest level
_ORDERS = 10  # of outgoing waves beyond ka
_FARTHEST = 0.8  # of half the shorter side: the farthest of these points
_CORNER, _CROWDED, _AT_CORNER = 10, 1.5, (-1, 0, 1)  # points at each corner, how they crowd, and orders of their waves


@final
@dataclass(eq=False)
class Fields:
    """The fields that are looked for; their frequencies are drawn when they are built."""

    pml: MatchedLayer
    wavenumber: float
    sources: Sequence[Source]
    medium: Medium
    features: int
    built: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def k(self) -> float:
        """The wavenumber at the border."""
        return self.wavenumber * math.sqrt(self.medium.around)

    @property
    def inner(self) -> float:
        """Where the layer starts."""
        return 1 - self.pml.width

    @property
    def reach(self) -> float:
        """The largest distance from the origin of what is not uniform."""
        return max(self.medium.reach, *(math.hypot(each.x, each.y) + _QUIET * each.sigma for each in self.sources))

    @cached_property
    def is_exact(self) -> bool:
        """Whether all but the surroundings of sources and the boundary of a piece is held by exact waves."""
        piece = self.medium.piece
        far = self.medium.reach if piece is None else max(map(abs, piece.extent))
        fits = far == 0 if piece is None else far < self.inner
        return fits and all(self.room(each) >= _ROOM * each.sigma for each in self.sources)

    @property
    def is_centred(self) -> bool:
        """Whether all that is not uniform lies in a disc with room around it for outgoing waves."""
        return self.reach <= 0.85 * self.inner

    @cached_property
    def inside(self) -> Sequence[Source]:
        """The sources that reach into the piece."""
        piece = self.medium.piece
        if piece is None:
            return []
        reaching = 1.5 * _QUIET
        return [each for each in self.sources if piece.distance(each.x, each.y) < reaching * each.sigma]

    def room(self, source: Source) -> float:
        """Return the distance of a source from the layer."""
        return self.inner - max(abs(source.x), abs(source.y))

    def radius(self, source: Source, k: float) -> float:
        """Return where the window around a source ends."""
        return min(self.room(source), max(_WIDE * source.sigma, _WAVES / k))

    def sizes(self, source: Source, k: float) -> Sequence[float]:
        """Return the sizes of the windows around a source, each half of the one before, down to that of the source."""
        if self.is_exact:
            found, size = [], _FINEST * source.sigma
            while size < self.radius(source, k) / 2:
                found.append(size)
                size *= 2
            return found[::-1]
        found, size = [], self.inner / 4
        while source.sigma < _RESOLVED and size > source.sigma:
            found.append(size)
            size /= 2
        return found

    # ---- what is built

    @property
    def builders(self) -> Mapping[str, Callable[[float], nn.Module]]:
        """What builds u, and the parts of it that conditions read."""
        names = [] if self.medium.piece is None else ["inner", "outer"]
        if names and self.is_exact:
            names += ["arriving", *(["arising"] if self.inside else [])]

        def part(name: str) -> Callable[[float], nn.Module]:
            return lambda _omega: self.built[name]  # the whole is built before its parts

        return {"u": self.whole, **{name: part(name) for name in names}}

    def whole(self, _omega: float) -> nn.Module:
        """Return the field."""
        piece = self.medium.piece
        if piece is None:
            return self.arriving(self.sources, self.k) if self.is_exact else self.around(self.sources)
        if self.is_exact:
            self._with_exact_waves(piece)
        else:
            self._with_sines(piece)
        inside, outside = piece.windows
        return Sum(Product(outside, self.built["outer"]), Product(inside, self.built["inner"]))

    def _with_exact_waves(self, piece: Disc | Block) -> None:
        """Build the parts of a field that is held by exact waves."""
        (centre, least, most), within = piece.around, self.wavenumber / piece.speed
        self.built["arriving"] = self.arriving(self.sources, self.k)
        order = math.ceil(self.k * most) + self._more_orders(centre, most)
        outgoing = [self._waves(self.k, [(centre, least)], range(-order, order + 1))]
        count = 4 * math.ceil(within * most) + 40
        held: list[nn.Module] = [plane_waves(count, within, centre)]
        if isinstance(piece, Block):
            outgoing.append(self._waves(self.k, piece.near_corners(-1, _crowded()), _AT_CORNER))
            held.append(self._waves(within, piece.near_corners(1, _crowded()), _AT_CORNER))
        if self.inside:
            self.built["arising"] = self.arriving(self.inside, within)
            held.append(self.built["arising"])
        self.built["inner"] = Sum(*held) if len(held) > 1 else held[0]
        self.built["outer"] = Sum(self.built["arriving"], *outgoing)

    def _more_orders(self, centre: tuple[float, float], radius: float) -> int:
        """Return how many orders beyond ka waves have: more where a source is near."""
        gaps = [math.hypot(each.x - centre[0], each.y - centre[1]) / radius for each in self.sources]
        near = min((each for each in gaps if each > 1), default=2.0)
        return min(3 * _ORDERS, max(_ORDERS, math.ceil(_ORDERS / math.log(near))))

    def _waves(
        self, k: float, places: Sequence[tuple[tuple[float, float], float]], orders: Sequence[int], width: float = 0.0
    ) -> nn.Module:
        """Return Σ_jn c_jn H_n(kR_j) e^(inΘ_j), of waves from places, with the distance where they are of size 1."""
        layer = [self.pml.strength, self.inner, self.pml.width]
        terms = [[n, k, *layer, *centre, size, width, 0.0] for centre, size in places for n in orders]
        return ComplexExpansion("outgoing", torch.tensor(terms, dtype=torch.float64), 2)

    def arriving(self, sources: Sequence[Source], k: float) -> nn.Module:
        """Return Σ p, the field of sources in a uniform medium."""
        found: list[nn.Module] = []
        for each in sources:
            centre, start, end = (each.x, each.y), _QUIET * each.sigma, self.radius(each, k)
            radius = math.sqrt(start * end)
            width = radius * math.log(end / start) / _OVERLAP
            numbers = ",".join(f"{number:.9g}" for number in (*centre, radius, width))
            base = sines(self.features // 2, max(1.2 * k, math.sqrt(2 * self.features / 2) / end), centre)
            near = Sum(base, *self.levels([each], k))
            found += [Product(Window(2, 1, "inside", numbers), near), self._waves(k, [(centre, radius)], [0], width)]
        return Sum(*found)

    def levels(self, sources: Sequence[Source], k: float) -> Sequence[nn.Module]:
        """Return the finer features around some sources."""
        return [
            Product(
                Window(2, 1, "gaussian", f"{each.x:.9g},{each.y:.9g},{size:.9g}"),
                sines(LEVEL, _BANDWIDTH / size, (each.x, each.y)),
            )
            for each in sources
            for size in self.sizes(each, k)
        ]

    # ---- where sources or the medium reach too far for that

    def _with_sines(self, piece: Disc | Block) -> None:
        """Build the parts of a field of sines on both sides of a piece."""
        (centre, _, half), within = piece.around, self.wavenumber / piece.speed
        held = [piece.distance(each.x, each.y) == 0 for each in self.sources]
        own = list(itertools.compress(self.sources, held))
        bandwidth = max(1.5 * within, math.sqrt(self.features / 2 * math.pi / 2) / half)
        self.built["inner"] = Sum(sines(self.features // 2, bandwidth, centre), *self.levels(own, within))
        self.built["outer"] = self.around([each for each in self.sources if each not in own])

    def around(self, sources: Sequence[Source]) -> nn.Module:
        """Return the field with the features of some sources."""
        inner, layer = self.inner, self.pml.width
        half = inner if self.is_centred else 1.0
        highest = self.wavenumber * math.sqrt(self.medium.largest if self.medium.piece is None else 1.0)
        # Two features for each degree of freedom that fields within the bandwidth have on the disc, or on the square.
        bandwidth = max(1.2 * highest, math.sqrt((2.0 if self.is_centred else math.pi / 2) * self.features) / half)
        near = Sum(sines(self.features, bandwidth, (0.0, 0.0)), *self.levels(sources, self.k))
        if not self.is_centred:
            along = [Window(2, 1, "layer", f"{axis},{inner:.9g},{layer:.9g}") for axis in (0, 1)]
            both = Product(along[0], along[1])
            return Sum(
                near, *(Product(each, sines(self.features // 2, bandwidth, (0.0, 0.0))) for each in [*along, both])
            )
        reach = max(self.reach, inner / 2)  # further in, waves of high order are too large for any window
        radius = math.sqrt(reach * inner)
        width = radius * math.log(inner / reach) / _OVERLAP
        window = Window(2, 1, "inside", f"0,0,{radius:.9g},{width:.9g}")
        order = math.ceil(self.k * radius + _ORDERS)
        waves = self._waves(self.k, [((0.0, 0.0), radius)], range(-order, order + 1), width)
        return Sum(Product(window, near), waves)


def _crowded() -> Sequence[float]:
    """Return how far from a corner points are that crowd towards it, over half the shorter side; none is the middle."""
    steps = (math.sqrt(_CORNER) - math.sqrt(n) for n in range(1, _CORNER + 1))
    return [_FARTHEST * math.exp(-_CROWDED * each) for each in steps]


def sines(features: int, bandwidth: float, centre: tuple[float, float]) -> Siren:
    """Return a network of one sine layer with frequencies uniform in a disc, which stay as they are."""
    directions = torch.randn(features, 2, dtype=torch.float64)
    radii = torch.rand(features, 1, dtype=torch.float64).sqrt()
    return _sine_layer(bandwidth * radii * directions / directions.norm(dim=1, keepdim=True), centre)


def plane_waves(features: int, wavenumber: float, centre: tuple[float, float]) -> Siren:
    """Return a network of one sine layer whose frequencies are on a circle, evenly, which stay as they are."""
    angles = (2 * math.pi / features) * torch.arange(features, dtype=torch.float64)
    return _sine_layer(wavenumber * torch.stack([angles.cos(), angles.sin()], 1), centre)


@torch.no_grad()
def _sine_layer(frequencies: Tensor, centre: tuple[float, float]) -> Siren:
    """Return a network of one sine layer with given frequencies, and random phases about a centre."""
    network = Siren(2, 2, hidden_features=len(frequencies), hidden_layers=0, first_omega=1.0).double()
    first = network.chain().affines[0]
    first.weight.copy_(frequencies)
    assert first.bias is not None, "sine layers have phases"
    phases = 2 * math.pi * torch.rand(len(frequencies), dtype=torch.float64)
    first.bias.copy_(phases - frequencies @ torch.tensor(centre, dtype=torch.float64))
    for each in (first.weight, first.bias):
        each.requires_grad_(False)
    return network
