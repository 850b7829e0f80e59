"""Tests of the sampler: batches are a pure function of (seed, pass, step, rank), and a pass visits each point once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import Tensor

from sinefield import Box, Grid, PointCloud, randomness, sampler
from sinefield.domains import Domain, FiniteDomain, Samples
from sinefield.problems.tiles import TileSamples
from sinefield.randomness import mixed, order_of_window
from sinefield.sampler import CONTINUOUS_PASS, Sampler


@final
@dataclass(frozen=True, eq=False)
class Numbers(FiniteDomain):
    """The points 0, 1, … of a line, a granule of them side by side."""

    count: int
    granules: int = 1

    @property
    def size(self) -> int:
        return self.count

    @property
    def dimension(self) -> int:
        return 1

    @property
    def target_names(self) -> frozenset[str]:
        return frozenset({"number"})

    @property
    def granule(self) -> int:
        return self.granules

    def at(self, index: Tensor) -> Samples:
        return Samples(index[:, None].double(), {"number": index[:, None]})


def numbers(samples: Samples) -> list[int]:
    """Return which points samples are, whose targets have to be theirs."""
    assert samples.points.flatten().tolist() == samples.targets["number"].flatten().tolist()
    return [int(each) for each in samples.targets["number"].flatten()]


def joined(parts: Iterable[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(parts))


def one_pass(made: Sampler, number: int) -> list[list[int]]:
    steps = made.steps_per_pass
    return [numbers(made.take(number * steps + place)) for place in range(steps)]


@pytest.fixture(params=["one window", "many windows"])
def windows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have windows, runs and stocks of a few points, so that small domains have many."""
    if request.param == "many windows":
        for module in (randomness, sampler):
            monkeypatch.setattr(module, "ORDERED", 16)
        monkeypatch.setattr(randomness, "RUN", 4)
        monkeypatch.setattr(sampler, "STOCK", 20)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("batch", [1, 7, 16, 49])
@pytest.mark.parametrize("size", [50, 64, 67, 16, 33])
def test_a_pass_visits_each_point_once(size: int, batch: int) -> None:
    made = Sampler(Numbers(size), batch, seed=3)
    for number in range(3):
        batches = one_pass(made, number)
        assert sorted(joined(batches)) == list(range(size))
        assert [len(each) for each in batches[:-1]] == [min(batch, size)] * (len(batches) - 1)
        assert len(batches) == math.ceil(size / batch)
        assert len(batches[-1]) == size - (len(batches) - 1) * min(batch, size)


@pytest.mark.usefixtures("windows")
def test_batches_do_not_depend_on_what_was_asked_before() -> None:
    made = Sampler(Numbers(70), 8, seed=3)
    steps = range(4 * made.steps_per_pass)
    forwards = [numbers(made.take(step)) for step in steps]
    order = torch.randperm(len(steps), generator=torch.Generator().manual_seed(0)).tolist()
    for step in order + order[::-1]:
        assert numbers(made.take(step)) == forwards[step]
    for step in order[:5]:
        assert numbers(Sampler(Numbers(70), 8, seed=3).take(step)) == forwards[step]


@pytest.mark.usefixtures("windows")
def test_passes_seeds_and_streams_have_orders_of_their_own() -> None:
    orders = [
        joined(one_pass(Sampler(Numbers(200), 50, seed, stream), number))
        for seed in (0, 1, 2**63, -1)
        for stream in (0, 1)
        for number in (0, 1)
    ]
    assert len({tuple(each) for each in orders}) == len(orders)
    for each in orders:
        assert each != sorted(each)


def test_the_order_is_uniform() -> None:
    """Of 4 points all 24 orders are as frequent: χ² of 23 degrees of freedom is below 49.7 in 999 cases of 1000."""
    counts: dict[tuple[int, ...], int] = {}
    passes = 4800
    for number in range(passes):
        order = tuple(order_of_window(4, 0, 5, number).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert sum((each - passes / 24) ** 2 / (passes / 24) for each in counts.values()) < 49.7


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize(("size", "batch", "granule"), [(60, 4, 1), (67, 4, 1), (10, 4, 1), (3, 4, 1), (60, 6, 3)])
def test_ranks_share_each_pass(size: int, batch: int, granule: int, ranks: int) -> None:
    made = [Sampler(Numbers(size, granule), batch, seed=2, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert len({each.steps_per_pass for each in made}) == 1
    for number in range(2):
        together = [joined(one_pass(each, number)) for each in made]
        assert sorted(joined(together)) == list(range(size))
        if size >= batch * ranks:
            assert all(together)


def test_ranks_together_take_what_one_would_in_larger_steps() -> None:
    one = Sampler(Numbers(40), 8, seed=2)
    two = [Sampler(Numbers(40), 4, seed=2, rank=rank, ranks=2) for rank in range(2)]
    for step in range(10):
        assert joined(numbers(each.take(step)) for each in two) == numbers(one.take(step))


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("batch", [1, 5, 6, 13, 100])
def test_granules_stay_together(batch: int) -> None:
    made = Sampler(Numbers(60, 3), batch, seed=0)
    assert made.batch % 3 == 0
    assert made.batch == max(3, batch // 3 * 3)
    for each in one_pass(made, 1):
        assert len(each) % 3 == 0
        for start in range(0, len(each), 3):
            assert each[start : start + 3] == [each[start], each[start] + 1, each[start] + 2]
            assert each[start] % 3 == 0
    assert sorted(joined(one_pass(made, 1))) == list(range(60))


def test_tiles_take_turns_in_a_batch() -> None:
    domain = TileSamples(Grid((30,), {"value": torch.arange(30.0)[:, None]}), (3,), 0.25, torch.arange(3))
    made = Sampler(domain, 7, seed=0)
    for step in range(made.steps_per_pass):
        values = made.take(step).targets["value"].flatten().reshape(-1, 3)
        assert bool(((values - torch.tensor([0.0, 9.0, 17.0])) >= -1).all())  # of the first, second and third tile
        assert bool((values[:, 1:] - values[:, :-1] > 0).all())


@pytest.mark.parametrize("batch", [50, 80])
def test_a_full_batch_is_the_domain_in_order(batch: int) -> None:
    made = Sampler(Numbers(50), batch, seed=1)
    assert made.steps_per_pass == 1
    assert numbers(made.take(0)) == numbers(made.take(9)) == list(range(50))
    assert made.points_per_step == 50


def draw(domain: Domain, seed: int, step: int, stream: int = 0, rank: int = 0, ranks: int = 1) -> Tensor:
    return Sampler(domain, 64, seed, stream, rank, ranks).take(step).points


@pytest.mark.parametrize("domain", [Box([-1.0, 0.0], [1.0, 2.0]), Box([-1.0, 0.0], [1.0, 2.0]).boundary])
def test_continuous_domains_are_drawn_afresh_and_again_the_same(domain: Domain) -> None:
    keys = [(0, 0, 0, 0, 1), (0, 1, 0, 0, 1), (1, 0, 0, 0, 1), (0, 0, 1, 0, 1), (0, 0, 0, 0, 2), (0, 0, 0, 1, 2)]
    found = [draw(domain, *key) for key in keys]
    for k, each in enumerate(found):
        assert each.shape == (64, 2)
        assert torch.equal(each, draw(domain, *keys[k]))
        assert all(not torch.equal(each, other) for other in found[k + 1 :])


def test_a_pass_over_a_continuous_domain() -> None:
    made = Sampler(Box([0.0], [1.0]), 1000, seed=0)
    assert made.size == CONTINUOUS_PASS
    assert made.steps_per_pass == math.ceil(CONTINUOUS_PASS / 1000)
    assert Sampler(Box([0.0], [1.0]), 1000, seed=0, ranks=2).steps_per_pass == math.ceil(CONTINUOUS_PASS / 2000)
    assert made.points_per_step == 1000


def test_the_global_generator_neither_matters_nor_moves() -> None:
    clouds: list[Domain] = [PointCloud(torch.linspace(0, 1, 30)[:, None]), Box([0.0], [1.0])]
    for domain in clouds:
        torch.manual_seed(1)
        state = torch.get_rng_state()
        one = draw(domain, 0, 3)
        assert torch.equal(state, torch.get_rng_state())
        torch.manual_seed(2)
        assert torch.equal(one, draw(domain, 0, 3))


def test_a_domain_is_looked_up_in_stocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one takes far longer, and reads files in pieces that are too small."""
    monkeypatch.setattr(sampler, "STOCK", 20)
    asked: list[int] = []
    at = Numbers.at

    def counted(domain: Numbers, index: Tensor) -> Samples:
        asked.append(len(index))
        return at(domain, index)

    monkeypatch.setattr(Numbers, "at", counted)
    one_pass(Sampler(Numbers(50), 5, seed=0), 0)
    assert asked == [20, 20, 10]


def test_every_bit_of_the_key_changes_half_the_bits() -> None:
    changed = [
        (mixed(5, 7, 9) ^ mixed(*(word ^ (1 << bit) * (k == place) for k, word in enumerate((5, 7, 9))))).bit_count()
        for place in range(3)
        for bit in range(64)
    ]
    assert min(changed) >= 12
    assert sum(changed) / len(changed) == pytest.approx(32, abs=1)
    assert mixed(1) != mixed(1, 0)


def test_windows_hold_runs_of_neighbours_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(randomness, "ORDERED", 16)
    monkeypatch.setattr(randomness, "RUN", 4)
    found = [order_of_window(39, window, 1).tolist() for window in range(3)]
    assert [len(each) for each in found] == [16, 16, 7]
    assert sorted(joined(found)) == list(range(39))
    for each in found:
        runs = {number // 4 for number in each if number < 36}
        assert {number for number in each if number < 36} == {4 * run + k for run in runs for k in range(4)}
    assert {36, 37, 38} <= set(found[2])
