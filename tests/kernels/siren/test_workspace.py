"""Tests of memory that is used again: loans of sweeps, what lies idle, and products over networks side by side."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sinefield.kernels.siren import workspace
from sinefield.kernels.siren.plan import Plan, Shape
from sinefield.kernels.siren.tangent import TangentSweep
from sinefield.kernels.siren.workspace import PLAIN, Execution, Loan, Phase, Rows


@pytest.fixture(autouse=True)
def _none_idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(workspace, "_idle", [])
    yield
    gc.collect()


def sweep(count: int = 4, networks: int | None = None, execution: Execution = PLAIN) -> TangentSweep:
    plan = Plan.of(Shape(2, (3, 5), 1, networks), {"laplacian"})
    return TangentSweep(plan, count, torch.empty(0, dtype=torch.float32), keep=True, execution=execution)


def test_a_sweep_that_was_given_back_is_lent_again() -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(sweep())
        return made[-1]

    first = Loan("one", make)
    second = Loan("one", make)
    assert first.sweep is not second.sweep  # both are in use
    kept = first.sweep
    del first
    assert Loan("other", make).sweep is not kept
    assert Loan("one", make).sweep is kept
    assert len(made) == 3


def test_those_idle_longest_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "IDLE_BYTES", 2 * sweep().nbytes)
    loans = [Loan(name, sweep) for name in ("a", "b", "c")]
    while loans:
        del loans[0]
    assert [name for name, *_ in workspace._idle] == ["b", "c"]


def test_those_that_nobody_asks_for_any_more_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "REMEMBERED", 3)
    Loan("once", sweep)
    for _ in range(3):
        Loan("often", sweep)
    assert [name for name, *_ in workspace._idle] == ["often"]


def test_a_sweep_that_cannot_be_made_is_not_given_back() -> None:
    def fail() -> Any:
        raise MemoryError("none left")

    with pytest.raises(MemoryError, match="none left"):
        Loan("one", fail)
    gc.collect()
    assert workspace._idle == []


def test_threads_never_share_a_sweep() -> None:
    seen: list[set[int]] = []
    barrier = threading.Barrier(4)

    def borrow() -> None:
        for _ in range(50):
            barrier.wait()
            loan = Loan("one", sweep)
            barrier.wait()
            seen.append({id(loan.sweep)})
            barrier.wait()
            del loan

    threads = [threading.Thread(target=borrow) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    rounds = [set().union(*seen[k : k + 4]) for k in range(0, len(seen), 4)]
    assert len(seen) == 200
    assert all(len(each) == 4 for each in rounds)


@pytest.mark.parametrize("networks", [None, 3])
def test_products_are_those_of_each_network(networks: int | None) -> None:
    side = () if networks is None else (networks,)
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    one = sweep(4, networks)
    rows, weight, bias = random(2, *side, 4, 3), random(*side, 5, 3), random(*side, 5)
    out = torch.empty(2, *side, 4, 5)
    one.multiply(rows, weight.mT, out)
    torch.testing.assert_close(out, torch.einsum("r...nh,...mh->r...nm", rows, weight))
    one.map(rows, Phase(weight, bias), out)
    torch.testing.assert_close(out, torch.einsum("r...nh,...mh->r...nm", rows, weight) + bias.unsqueeze(-2))
    total = torch.ones(*side, 5, 3)
    one.accumulate(total, out, rows)
    torch.testing.assert_close(total, 1 + torch.einsum("r...nm,r...nh->...mh", out, rows))


def test_backward_products_are_rounded_where_asked_and_of_one_network_alone() -> None:
    rows, weight, out = torch.full((1, 4, 3), 1 + 2**-12), torch.eye(3), torch.empty(1, 4, 3)
    for execution, networks, exact in ((PLAIN, None, True), (Execution(rounded=True), None, False)):
        one = sweep(4, networks, execution)
        one.back(one.factor(rows), weight, out)
        assert torch.equal(out, rows) == exact
        torch.testing.assert_close(out, rows, rtol=2**-8, atol=0)
    several = sweep(4, 2, Execution(rounded=True))
    beside = rows.expand(2, 4, 3).unsqueeze(0)
    assert several.factor(beside) is beside


def test_layers_share_memory_where_they_may() -> None:
    one = sweep()
    assert len({id(each) for each in one.layers(lambda width: torch.empty(width))}) == 2
    plan = Plan.of(Shape(2, (3, 3, 3, 3), 1), {"value"})
    equal = TangentSweep(plan, 4, torch.empty(0), keep=False)
    assert len({id(each) for each in equal.layers(lambda width: torch.empty(width), apart=1)}) == 1
    assert len({id(each) for each in equal.layers(lambda width: torch.empty(width), apart=2)}) == 2
    assert one.nbytes > 0


def test_rows_are_parts_of_one_memory() -> None:
    memory = torch.zeros(6, 4, 3)
    rows = Rows(memory, 2)
    rows.value.fill_(1)
    rows.first.fill_(2)
    rows.second.fill_(3)
    assert memory[:, 0, 0].tolist() == [1, 2, 2, 3, 3, 3]
    assert len(Rows(memory).second) == 0
