"""Tests of the number of threads: what is fastest takes the steps, and bits do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from sinefield import problems, threads
from sinefield.fit import Fit, prepare
from sinefield.kernels import matmul
from sinefield.threads import Threads, steps_are_alike


@pytest.fixture
def fit() -> Iterator[Fit]:
    """Return a small fit, on a machine of two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    picture = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
    objective, problem, recipe = prepare(
        problems.image(picture, hidden_features=16, hidden_layers=2), (), "fast", {}, seed=0, device=None
    )
    made = Fit(objective, problem, recipe, 0)
    made.begin()
    for count in (1, 2):
        matmul.trial(count)  # which times products, once
    yield made
    torch.set_num_threads(before)


class Machine:
    """A clock that a step moves on by what it takes with the threads that there are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float]) -> None:
        self.now, self.seconds = 0.0, seconds
        self.used = {1: 0.0, 2: 0.0}
        monkeypatch.setattr("sinefield.threads.time.perf_counter", lambda: self.now)
        # some processors split products by threads, so that bits differ and nothing would be tried
        monkeypatch.setattr(threads, "steps_are_alike", lambda *_: True)

    def run(self, made: Threads, until: float) -> None:
        while self.now < until:
            with made.timing():
                taken = self.seconds(torch.get_num_threads())
                self.now += taken
                self.used[torch.get_num_threads()] += taken


def test_a_busy_machine_is_left_to_one_thread(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, lambda count: {1: 0.02, 2: 0.4}[count])
    made = Threads(fit)
    machine.run(made, 60.0)
    assert machine.used[1] > 0.85 * machine.now
    made.end()
    assert torch.get_num_threads() == 2


def test_a_quiet_machine_keeps_its_threads(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, lambda count: {1: 0.02, 2: 0.012}[count])
    machine.run(Threads(fit), 60.0)
    assert 0 < machine.used[1] < 0.02 * machine.now


def test_threads_come_back_when_a_machine_gets_quiet(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, lambda count: 0.02 / count if machine.now > 30 else {1: 0.02, 2: 0.4}[count])
    made = Threads(fit)
    machine.run(made, 30.0)
    assert machine.used[1] > 20
    before = machine.used[1]
    machine.run(made, 90.0)
    assert machine.used[1] - before < 25


def test_nothing_is_tried_where_bits_would_differ(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, lambda count: {1: 0.02, 2: 0.4}[count])
    monkeypatch.setattr(threads, "steps_are_alike", lambda *_: False)
    machine.run(Threads(fit), 20.0)
    assert machine.used[1] == 0


def test_whether_steps_are_alike_is_tried_without_a_trace(fit: Fit) -> None:
    fit.take_step(0.0)
    before = {name: each.detach().clone() for name, each in fit.objective.parameters.items()}
    state = {name: each.clone() for name, each in fit.state.tensors().items()}
    assert steps_are_alike(fit, [1, 1])
    assert all(torch.equal(fit.objective.parameters[name], each) for name, each in before.items())
    assert all(torch.equal(fit.state.tensors()[name], each) for name, each in state.items())
    assert torch.get_num_threads() == 2


def test_steps_that_differ_are_found_out(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    step = fit.solver.step

    def noisy(*given: object) -> object:
        found = step(*given)  # type: ignore[arg-type]  # whatever a step is given
        if torch.get_num_threads() == 1:
            with torch.no_grad():
                next(iter(fit.objective.parameters.values())).mul_(1 + 1e-7)
        return found

    monkeypatch.setattr(type(fit.solver), "step", lambda _self, *given: noisy(*given))
    assert not steps_are_alike(fit, [2, 1])


def test_a_step_that_is_interrupted_leaves_no_trace(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: each.detach().clone() for name, each in fit.objective.parameters.items()}
    step = fit.solver.step

    def interrupted(_self: object, *given: object) -> object:
        step(*given)  # type: ignore[arg-type]  # whatever a step is given
        raise KeyboardInterrupt

    monkeypatch.setattr(type(fit.solver), "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        steps_are_alike(fit, [1, 2])
    assert all(torch.equal(fit.objective.parameters[name], each) for name, each in before.items())
    assert torch.get_num_threads() == 2
