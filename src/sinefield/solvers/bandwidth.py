"""Which bandwidths of a sine layer are tried with how many features, one after the other.

The frequencies of the layer lie in an ellipsoid of half axes R = (R_1 … R_d), in radians for half a side of the domain.
Below the bandwidth of the solution along any axis nothing helps, and far above it the features do not suffice: in
between, the residual falls by decades. A few features show where, for little; more of them then bring the digits.

    scan      ellipsoids with the frequencies of the right sides, around the origin and around those, and balls of all
              sizes, with few features; with twice as many where nothing is seen
    refine    half a power of two up and down
    axes      each axis, or group of axes that are alike, up and down by powers of two
    grow      more features, as many as the residuals so far let expect, until it is solved or no longer falls

The search is a function of the residuals so far alone, so that it goes on from a list of them.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

LEAST = 400  # features that bandwidths are first tried with
_SEEN = 0.3  # a residual below it shows that a bandwidth is about right
_LOWEST = 1.0  # the least bandwidth that is tried
_UNKNOWN = (3.0, 12.0, 48.0)  # bandwidths along axes that no right side tells about
_ROOM, _EDGES = 1.25, 2.5  # for the solution beyond the bandwidth of right sides, and since it is not periodic
_ALIKE = 1.25  # ratio of bandwidths of axes that are searched together
_MANY = 3  # groups of axes that are searched one by one
_GAIN = 0.6  # of a residual: what more features bring at least, or they bring nothing
_NEAR = 100.0  # times the tolerance, which is good enough where to reach it takes many features
_CHEAP = 1600  # features that are not many

Attempts = Generator["Trial", float, None]


@final
@dataclass(frozen=True)
class Trial:
    """What is tried.

    Args:
        bandwidths: R, along each axis.
        features: how many.
        centres: of the ellipsoids, C, along each axis.
    """

    bandwidths: tuple[float, ...]
    features: int
    centres: tuple[float, ...]

    def scaled(self, factors: Sequence[float] | float, features: int | None = None) -> Trial:
        """Return this trial with each bandwidth times a factor."""
        each = [factors] * len(self.bandwidths) if isinstance(factors, float) else factors
        scaled = (round(r * f, 9) for r, f in zip(self.bandwidths, each, strict=True))
        return Trial(tuple(max(_LOWEST / 2, r) for r in scaled), features or self.features, self.centres)


@final
@dataclass(frozen=True)
class Plan:
    """What a search of bandwidths knows before it begins.

    Args:
        dimension: d.
        most: features at most.
        tolerance: relative residual that is good enough.
        enough: relative residual from which on only features that are expected to reach the tolerance are added.
        work: products of numbers at most, 8 n³ for each solution with n features.
        known: the lowest and the highest frequencies that right sides have along each axis; None where they tell none.
    """

    dimension: int
    most: int
    tolerance: float
    enough: float
    work: float
    known: tuple[tuple[float, float] | None, ...]

    def following(self, residuals: Sequence[float]) -> Trial | None:
        """Return what is tried after these residuals; None: nothing more.

        >>> plan = Plan(2, 100, 1e-12, 1e-7, 1e12, (None, None))
        >>> plan.following([]), plan.following([1e-13])
        (Trial(bandwidths=(8.862269255, 8.862269255), features=100, centres=(0.0, 0.0)), None)
        """
        if residuals and min(residuals) <= self.tolerance:
            return None
        search = _Search(self).run()
        trial = next(search)
        for each in residuals:
            try:
                trial = search.send(each)
            except StopIteration:
                return None
        return trial

    def moderate(self, features: int) -> Trial:
        """Return a trial that smooth solutions are seen by: half the bandwidth that features resolve, or more."""
        highest = max((each[1] for each in self.known if each), default=0.0)
        ball = max(highest_bandwidth(features, self.dimension) / 2, _ROOM * highest)
        return Trial((ball,) * self.dimension, features, (0.0,) * self.dimension)


@final
class _Search:
    """A search as it is: what was tried with which residual, and the best of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tried: dict[Trial, float] = {}

    @property
    def best(self) -> Trial:
        return min(self.tried, key=lambda each: self.tried[each])

    @property
    def residual(self) -> float:
        return min(self.tried.values())

    def attempt(self, *trials: Trial) -> Attempts:
        for each in trials:
            if each not in self.tried:
                found = yield each
                self.tried[each] = found if math.isfinite(found) else math.inf

    def run(self) -> Attempts:
        features = self.fewest()
        yield from self.scan(features)
        while self.residual > _SEEN and 2 * features <= self.plan.most and self.affordable(2 * features, 8):
            features *= 2
            yield from self.scan(features)
        yield from self.refine()
        yield from self.axes()
        yield from self.grow()

    def fewest(self) -> int:
        """Return the features to begin with: those that the bandwidths of the right sides take, if not too many."""
        ball = math.prod(self.told(_UNKNOWN[0])) ** (1 / self.plan.dimension)
        features = LEAST
        while 4 * features < self.plan.most and highest_bandwidth(features, self.plan.dimension) < ball:
            features *= 2
        return min(features, self.plan.most)

    def told(self, other: float) -> tuple[float, ...]:
        """Return bandwidths with room for the right sides, and another one where they tell none."""
        return tuple(other if each is None else _ROOM * each[1] + _EDGES for each in self.plan.known)

    def scan(self, features: int) -> Attempts:
        plan = self.plan
        told = [each for each in plan.known if each is not None]
        least = max((high for _, high in told), default=0.0)
        highest = max(highest_bandwidth(features, plan.dimension), least)
        none = (0.0,) * plan.dimension
        balls = [Trial((each,) * plan.dimension, features, none) for each in _powers_of_two(highest)]
        trials = [each for each in balls if each.bandwidths[0] >= least]
        if told:
            others = _UNKNOWN if None in plan.known else _UNKNOWN[:1]
            trials = [*(Trial(self.told(other), features, none) for other in others), *trials]
        if any(low > 0 for low, _ in told):
            centres = [(low + high) / 2 if low else 0.0 for low, high in (each or (0.0, 0.0) for each in plan.known)]
            widths = [
                _ROOM * (each[1] - centre) + _EDGES if each else _UNKNOWN[0]
                for each, centre in zip(plan.known, centres, strict=True)
            ]
            trials.insert(0, Trial(tuple(widths), features, tuple(centres)))
        for each in trials:
            yield from self.attempt(each.scaled(1.0))
            if self.residual <= plan.enough and features < plan.most:
                return
        if self.residual > _SEEN:  # what right sides tell is misleading where lines leave the domain and meet a pole
            yield from self.attempt(*(each for each in balls if each.bandwidths[0] < least))

    def refine(self) -> Attempts:
        for factor in (2**0.5, 2**-0.5):
            before = math.inf
            while self.residual < before and self.residual > _NEAR * self.plan.tolerance:
                before = self.residual
                yield from self.attempt(self.best.scaled(factor))

    def axes(self) -> Attempts:
        # Each group of axes with twice and with half its bandwidth, and on as long as that is better.
        groups = _alike(self.plan.known)
        if len(groups) == 1 or self.residual <= self.plan.enough:
            return
        for group in groups:
            for factor in (2.0, 0.5):
                while True:
                    best, before = self.best, self.residual
                    changed = [factor if axis in group else 1.0 for axis in range(self.plan.dimension)]
                    yield from self.attempt(best.scaled(changed))
                    if self.residual >= before or min(self.best.bandwidths) <= _LOWEST:
                        break
                if self.best != best:
                    break  # it went up: down leads back

    def grow(self) -> Attempts:
        plan = self.plan
        levels = [(self.best.features, self.residual)]
        while levels[-1][0] < plan.most:
            features, before, best = self.next_features(levels), self.residual, self.best
            near = before <= _NEAR * plan.tolerance and (features or math.inf) > _CHEAP
            if features is None or near or not self.affordable(features):
                return
            grown = (features / best.features) ** (0.5 / plan.dimension)
            for factor in (grown, 1.0, grown**2 * 2**0.25):
                yield from self.attempt(best.scaled(factor, features))
                if self.residual <= _GAIN * before:
                    break
            if self.residual > _GAIN * before:
                return
            levels.append((features, self.residual))

    def next_features(self, levels: Sequence[tuple[int, float]]) -> int | None:
        """Return how many features to go on with: as residuals fall, by a factor for each feature; None: too many."""
        count, residual = levels[-1]
        wanted = 2.0 * count
        if len(levels) > 1:
            (fewer, larger), (more, smaller) = levels[-2:]
            decades = (math.log(larger) - math.log(smaller)) / (more - fewer)
            wanted = count + 1.1 * math.log(residual / (3 * self.plan.tolerance)) / decades
            if wanted > 1.5 * self.plan.most and residual <= self.plan.enough:
                return None
        return min(self.plan.most, math.ceil(min(max(wanted, 1.2 * count), 2.0 * count)))

    def affordable(self, features: int, times: int = 1) -> bool:
        done = sum(8.0 * each.features**3 for each in self.tried)
        return done + times * 8.0 * features**3 <= self.plan.work


def _alike(known: Sequence[tuple[float, float] | None]) -> list[list[int]]:
    """Return groups of axes that are searched together: those that the right sides have one bandwidth along.

    >>> _alike(((0.0, 3.0), (0.0, 3.1), None)), _alike(tuple((0.0, 2.0**n) for n in range(4)))
    ([[2], [0, 1]], [[0], [1], [2, 3]])
    """
    highs = [0.0 if each is None else each[1] for each in known]
    order = sorted(range(len(known)), key=lambda axis: highs[axis])
    groups = [[order[0]]]
    for before, axis in pairwise(order):
        both = known[before] is not None or (known[axis] is None and len(known) > _MANY)
        if (both and highs[axis] <= _ALIKE * highs[before]) or len(groups) == _MANY:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


def highest_bandwidth(features: int, dimension: int) -> float:
    """Return R such that functions within it have as many degrees of freedom on [−1, 1]ᵈ as there are features.

    There are about 2ᵈ |B_R| / (2π)ᵈ of them, with |B_R| the volume of the ball of radius R (Weyl's law).

    >>> round(highest_bandwidth(1000, 1)), round(highest_bandwidth(1000, 2))
    (1571, 56)
    """
    unit = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1)
    return float(math.pi * (features / unit) ** (1 / dimension))


def _powers_of_two(highest: float) -> Sequence[float]:
    """Return bandwidths from the highest down, each half of the one before; the middle ones come first."""
    count = max(1, min(7, math.floor(math.log2(max(highest, _LOWEST) / _LOWEST)) + 1))
    down = [highest / 2**step for step in range(count)]
    return sorted(down, key=lambda each: abs(math.log2(each / 12)))
