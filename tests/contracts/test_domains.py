"""Tests of what every domain must satisfy: sizes, points, targets, randomness, precision and names of axes.

Every domain class in ``sinefield/domains`` is found, and judged at the instances that the examples of its docstring
make: a new file is judged as it stands.
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from sinefield import domains
from sinefield.domains import (
    Ball,
    Box,
    BoxBoundary,
    ContinuousDomain,
    Domain,
    FiniteDomain,
    Grid,
    PointCloud,
    Polygon,
    Samples,
)

MODULES = [importlib.import_module(f"sinefield.domains.{each.name}") for each in pkgutil.iter_modules(domains.__path__)]
CLASSES: list[type[Domain]] = [
    each
    for module in MODULES
    for each in vars(module).values()
    if inspect.isclass(each)
    and each.__module__ == module.__name__
    and issubclass(each, FiniteDomain | ContinuousDomain)
    and not inspect.isabstract(each)
]
COUNT = 200
MANY = 20_000
NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")


def examples_of(kind: type[Domain], monkeypatch: pytest.MonkeyPatch) -> list[Domain]:
    """Return the instances of a class that the examples of its docstring make."""
    made: list[Domain] = []
    init = kind.__init__

    def record(self: Domain, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        made.append(self)

    namespace = dict(vars(importlib.import_module(kind.__module__)))
    with monkeypatch.context() as patch:
        patch.setattr(kind, "__init__", record)
        for example in doctest.DocTestParser().get_examples(inspect.getdoc(kind) or ""):
            exec(example.source, namespace)
    assert made, f"{kind.__name__} cannot be judged: give its docstring an example that makes one"
    return made


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def judge(domain: Domain) -> None:
    """Check one domain against the contract."""
    state = torch.random.get_rng_state()
    assert domain.dimension >= 1
    assert domain.granule >= 1
    if isinstance(domain, FiniteDomain):
        judge_finite(domain)
    else:
        judge_continuous(domain)
    judge_axes(domain)
    assert torch.equal(torch.random.get_rng_state(), state), "random numbers were taken from the global generator"


def judge_samples(domain: Domain, samples: Samples, count: int, names: frozenset[str]) -> None:
    assert samples.points.shape == (count, domain.dimension)
    assert samples.points.is_floating_point()
    assert bool(torch.isfinite(samples.points).all())
    assert samples.targets.keys() == names
    assert all(len(each) == count and each.ndim >= 2 for each in samples.targets.values())


def judge_finite(domain: FiniteDomain) -> None:
    everything = domain.at(torch.arange(domain.size))
    judge_samples(domain, everything, domain.size, domain.target_names)
    assert domain.size % domain.granule == 0, "a pass is a whole number of granules"
    some = torch.randint(0, domain.size, (7,), generator=seeded(3))  # numbers may come twice
    found = domain.at(some)
    assert torch.equal(found.points, everything.points[some])
    for name in domain.target_names:
        assert torch.equal(found.targets[name], everything.targets[name][some])


def judge_continuous(domain: ContinuousDomain) -> None:
    generator = seeded(1)
    first, second = domain.draw(COUNT, generator), domain.draw(COUNT, generator)
    judge_samples(domain, first, COUNT, domain.target_names)
    assert first.points.dtype == torch.float32
    assert torch.equal(domain.draw(COUNT, seeded(1)).points, first.points)
    assert not torch.equal(second.points, first.points)
    double = domain.draw(COUNT, seeded(1), dtype=torch.float64)
    judge_samples(domain, double, COUNT, domain.target_names)
    assert double.points.dtype == torch.float64
    assert not torch.equal(double.points, double.points.float().double()), "points were rounded to single precision"
    if "normal" in domain.target_names:
        judge_normals(first)
        judge_normals(double)
    if isinstance(getattr(domain, "boundary", None), ContinuousDomain):
        judge_region(domain)
    # Twice as many points reach about as far: the distribution does not depend on the precision.
    for one, other in zip(first.points.aminmax(dim=0), double.points.float().aminmax(dim=0), strict=True):
        assert bool(((one - other).abs() <= 0.2 * (first.points.amax(0) - first.points.amin(0))).all())


def judge_normals(samples: Samples) -> None:
    normal = samples.targets["normal"]
    assert normal.shape == samples.points.shape
    assert normal.dtype == samples.points.dtype
    torch.testing.assert_close(normal.norm(dim=1), torch.ones(len(normal), dtype=normal.dtype))


def judge_region(domain: Any) -> None:
    """Check the inside of a region, and by the divergence theorem the boundary around it, ∮ x·n = d |Ω|."""
    points = domain.draw(COUNT, seeded(1), torch.float64).points
    assert bool(domain.contains(points).all())
    box, boundary = domain.bounding_box, domain.boundary
    assert bool(box.contains(points).all())
    size = max(high - low for low, high in zip(box.lower, box.upper, strict=True))
    edge = boundary.draw(MANY, seeded(2), torch.float64)
    normal = edge.targets["normal"]
    judge_normals(edge)
    assert bool(domain.contains(edge.points - 1e-5 * size * normal).all()), (
        "normals point inwards, or at the wrong place"
    )
    assert not bool(domain.contains(edge.points + 1e-5 * size * normal).any())
    if hasattr(domain, "measure"):
        around = torch.tensor([box.lower, box.upper], dtype=torch.float64).mean(0)
        flux = boundary.measure * ((edge.points - around) * normal).sum(1)
        error = float(flux.std()) / MANY**0.5 + 1e-9 * size**domain.dimension
        assert abs(float(flux.mean()) - domain.dimension * domain.measure) < 5 * error


def rename(domain: Domain, axes: tuple[str, ...] | None) -> Any:
    """Return the same domain with other names of its axes."""
    return dataclasses.replace(cast("Any", domain), axes=axes)


def judge_axes(domain: Domain) -> None:
    names = NAMES[: domain.dimension]
    assert domain.axes is None or len(tuple(domain.axes)) == domain.dimension
    boundary = getattr(domain, "boundary", None)
    if boundary is not None:
        assert isinstance(boundary, ContinuousDomain)
        assert boundary.dimension == domain.dimension
        assert boundary.axes == domain.axes
    if "axes" not in {each.name for each in dataclasses.fields(domain)}:
        return  # its axes are those of another domain
    named = rename(domain, names)
    assert named.axes == names
    assert rename(domain, None).axes is None
    if boundary is not None:
        assert named.boundary.axes == names
    wrong: list[tuple[str, ...]] = [(*names, "more"), names[:-1], (*names[:-1], "")]
    for axes in wrong + ([("same",) * domain.dimension] if domain.dimension > 1 else []):
        with pytest.raises(ValueError, match=f"{domain.dimension} different names for its axes") as told:
            rename(domain, axes)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_domains_satisfy_the_contract(kind: type[Domain], monkeypatch: pytest.MonkeyPatch) -> None:
    for domain in examples_of(kind, monkeypatch):
        judge(domain)


def test_every_domain_is_found() -> None:
    assert {each.__name__ for each in CLASSES} >= {"Ball", "Box", "BoxBoundary", "Grid", "PointCloud", "Sphere"}


# A test of the test: each broken domain differs from one that is accepted in a single method.


class Broken(ContinuousDomain):
    """A segment of the plane, from a function that draws."""

    axes = None
    function: Callable[[int, torch.Generator, torch.dtype], Tensor]
    known: int

    def __init__(self, draw: Callable[[int, torch.Generator, torch.dtype], Tensor], dimension: int = 2) -> None:
        object.__setattr__(self, "function", draw)
        object.__setattr__(self, "known", dimension)

    @property
    def dimension(self) -> int:
        return self.known

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        return Samples(self.function(count, generator, dtype))


class BrokenTargets(Broken):
    """Carries normals that it does not tell of."""

    def draw(self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Samples:
        points = self.function(count, generator, dtype)
        return Samples(points, {"normal": torch.ones_like(points)})


def uniform(count: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.rand(count, 2, generator=generator, dtype=dtype)


def broken_draws() -> Iterator[tuple[str, Broken]]:
    yield "another dimension", Broken(uniform, 3)
    yield "a point too few", Broken(lambda n, g, dtype: uniform(n - 1, g, dtype))
    yield "always the same", Broken(lambda n, g, dtype: uniform(n, seeded(0), dtype))
    yield "the global generator", Broken(lambda n, g, dtype: uniform(n, g, dtype) + 0 * torch.rand(1))
    yield "single precision", Broken(lambda n, g, dtype: uniform(n, g, torch.float32))
    yield "rounded points", Broken(lambda n, g, dtype: uniform(n, g, torch.float32).to(dtype))
    yield "double precision", Broken(lambda n, g, dtype: uniform(n, g, torch.float64))
    yield "infinite points", Broken(lambda n, g, dtype: uniform(n, g, dtype) / 0)
    yield "a target that is not told", BrokenTargets(uniform)
    yield "another box", Broken(lambda n, g, dtype: uniform(n, g, dtype) * (2 if dtype == torch.float64 else 1))


def test_a_domain_that_is_right_is_accepted() -> None:
    judge(Broken(uniform))


@pytest.mark.parametrize("domain", [pytest.param(each, id=name) for name, each in broken_draws()])
def test_broken_draws_are_seen(domain: Broken) -> None:
    with pytest.raises(AssertionError):
        judge(domain)


def test_broken_finite_domains_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Grid((3, 4), {"value": torch.arange(12.0)[:, None]})
    judge(right)
    at = Grid.at
    faults: dict[str, Any] = {
        "size": property(lambda self: 13),
        "dimension": property(lambda self: 3),
        "target_names": property(lambda self: frozenset({"value", "normal"})),
        "granule": property(lambda self: 5),
        "at": lambda self, index: Samples(at(self, index).points, at(self, index.flip(0)).targets),
    }
    for name, fault in faults.items():
        with monkeypatch.context() as patch:
            patch.setattr(Grid, name, fault)
            with pytest.raises((AssertionError, IndexError)):
                judge(right)


def test_lost_names_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(Box([0, 0], [1, 1], axes="tx"))
    with monkeypatch.context() as patch:
        patch.setattr(BoxBoundary, "axes", None)
        with pytest.raises(AssertionError):
            judge(Box([0, 0], [1, 1], axes="tx"))
    with monkeypatch.context() as patch:
        patch.setattr("sinefield.domains.ball.check_axes", lambda axes, dimension, what: axes)
        with pytest.raises(pytest.fail.Exception):
            judge(Ball([0, 0], 1))


@pytest.mark.parametrize("kind", [Ball, Box, Polygon], ids=lambda kind: kind.__name__)
def test_normals_that_are_wrong_are_seen(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    region = Polygon([(0, 0), (3, 0), (0, 2)]) if kind is Polygon else kind([0, 0], [1, 2] if kind is Box else 1)
    judge(region)
    boundary = type(region.boundary)
    draw = boundary.draw

    def turned(self: Any, *arguments: Any) -> Samples:
        drawn = draw(self, *arguments)
        return Samples(drawn.points, {"normal": -drawn.targets["normal"]})

    def long(self: Any, *arguments: Any) -> Samples:
        drawn = draw(self, *arguments)
        return Samples(drawn.points, {"normal": 2 * drawn.targets["normal"]})

    for fault in (turned, long):
        with monkeypatch.context() as patch:
            patch.setattr(boundary, "draw", fault)
            with pytest.raises(AssertionError):
                judge(region)
    with monkeypatch.context() as patch:
        patch.setattr(boundary, "measure", 1.05 * region.boundary.measure)
        with pytest.raises(AssertionError):
            judge(region)


def test_a_class_without_an_example_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PointCloud, "__doc__", "Points.")
    with pytest.raises(AssertionError, match="PointCloud cannot be judged: give its docstring an example"):
        examples_of(PointCloud, monkeypatch)
