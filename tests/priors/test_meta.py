"""Tests of learnt starts: their gradients against autograd through all steps, their memory, their files."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from sinefield.fields import Siren
from sinefield.fields.functional import chain_with
from sinefield.io.image import read
from sinefield.priors.meta import Start, linear_start, train_start
from sinefield.priors.through_steps import Order, meta_gradient
from sinefield.signals.image import ImageSignal

SIGNAL = ImageSignal.of(read(np.arange(30, dtype=np.uint8).reshape(5, 6)))


def pictures(count: int, seed: int = 0) -> Tensor:
    """Pictures that differ in four numbers, and a little noise."""
    numbers = torch.Generator().manual_seed(seed)
    basis = torch.randn(4, 30, generator=torch.Generator().manual_seed(99))
    found = torch.randn(count, 4, generator=numbers) @ basis / 4
    return (found + 0.01 * torch.randn(count, 30, generator=numbers)).unsqueeze(-1)


def loss(z: Tensor, shared: Any) -> Tensor:
    """A loss that is no quadratic, so that its second derivatives change from step to step."""
    error: Tensor = (torch.sin(z @ shared["d"] + shared["b"]) - shared["a"]).square().mean(1)
    return error


def outer(z: Tensor, shared: Any) -> Tensor:
    error: Tensor = (torch.sin(z @ shared["d"] + shared["b"]) - 0.5 * shared["a"]).abs().mean(1)
    return error


def example(steps: int) -> tuple[dict[str, Tensor], Tensor]:
    torch.manual_seed(1)
    shared = {"d": torch.randn(2, 5), "b": torch.randn(5), "a": torch.randn(3, 5)}
    return {name: each.double() for name, each in shared.items()}, 0.3 * torch.rand(steps, 2).double() + 0.2


@pytest.mark.parametrize("order", [1, 2])
def test_the_gradient_is_that_of_all_steps_at_once(order: Order) -> None:
    shared, rates = example(4)
    found = meta_gradient(loss, outer, shared, rates, 3, order)
    leaves = {name: each.clone().requires_grad_() for name, each in shared.items()}
    rate = rates.clone().requires_grad_()
    z = torch.zeros(3, 2).double().requires_grad_()
    for each in rate:
        (slope,) = torch.autograd.grad(loss(z, leaves).sum(), z, create_graph=True)
        z = z - each * (slope if order == 2 else slope.detach())
    expected = outer(z, leaves).mean()
    expected.backward()
    torch.testing.assert_close(found.loss, expected.detach())
    torch.testing.assert_close(found.rates, rate.grad)
    for name, each in leaves.items():
        torch.testing.assert_close(found.shared[name], each.grad)


def test_the_orders_differ() -> None:
    shared, rates = example(4)
    one, two = (meta_gradient(loss, outer, shared, rates, 3, order) for order in (1, 2))
    assert float((one.shared["d"] - two.shared["d"]).abs().max()) > 1e-3


def most_kept(steps: int) -> int:
    """Return how many numbers autograd keeps for its way back, at the most, while a gradient is computed."""
    alive: dict[int, int] = {}
    most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor
            alive[id(self)] = tensor.numel()
            weakref.finalize(self, alive.pop, id(self))

    def pack(tensor: Tensor) -> Kept:
        nonlocal most
        kept = Kept(tensor)
        most = max(most, sum(alive.values()))
        return kept

    shared, rates = example(steps)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        meta_gradient(loss, outer, shared, rates, 3, 2)
    return most


def test_memory_does_not_grow_with_the_steps() -> None:
    assert most_kept(2) > 0
    assert most_kept(2) == most_kept(12)


def test_the_closed_form_is_the_principal_components() -> None:
    known, new = pictures(40), pictures(5, seed=1)
    start = linear_start(known, SIGNAL, numbers=4)
    mean = known[..., 0].mean(0).double()
    _, _, axes = torch.linalg.svd(known[..., 0].double() - mean)
    off = new[..., 0].double() - mean
    expected = mean + off @ axes[:4].mT @ axes[:4]
    for steps in (1, 3):
        fields = start.fit(new, steps)
        for number, picture in enumerate(expected):
            values = fields.member_at(number)(start.points)[:, 0].detach()
            np.testing.assert_allclose(values.numpy(), picture.numpy(), atol=2e-3)


def test_a_picture_has_so_many_numbers_and_is_a_field_of_the_usual_kind() -> None:
    start = linear_start(pictures(40), SIGNAL, numbers=4)
    assert start.latents(pictures(3)).shape == (3, 4)
    field = start.fit(pictures(3)).member_at(2)
    assert isinstance(field, Siren)
    assert linear_start(pictures(3), SIGNAL).numbers == 2  # three pictures span a plane


def test_training_makes_the_loss_of_few_samples_smaller() -> None:
    """Of 8 samples of 30, where the steps of the closed form are too long; held-out pictures tell."""
    known, new = pictures(64), pictures(32, seed=1)
    places = torch.rand(32, 30, generator=torch.Generator().manual_seed(3)).argsort(1) < 8

    def error(start: Start) -> float:
        fields = start.weights(start.latents(new, None, places))
        values = chain_with(start.field, fields)(start.points)
        return float((values - new).square().mean())

    losses: list[float] = []
    begun = linear_start(known, SIGNAL, numbers=4)
    trained = train_start(
        known,
        SIGNAL,
        numbers=4,
        contexts=[8],
        passes=20,
        batch=16,
        learning_rate=1e-2,
        observe=lambda _step, _of, value: losses.append(value),
    )
    assert len(losses) == 80
    assert error(trained) < 0.7 * error(begun)
    assert not torch.equal(trained.rates, begun.rates)


def test_a_last_layer_that_alone_moves_takes_the_steps_of_any_field() -> None:
    signal = ImageSignal(replace(SIGNAL.lattice, channels=2), 8)
    samples = pictures(20).reshape(20, 30, 1).repeat(1, 1, 2) * torch.tensor([1.0, -0.5]) + 0.1
    start = linear_start(samples, signal, numbers=3, steps=2)
    start.field.get_parameter(list(dict(start.field.named_parameters()))[-1]).data.fill_(0.2)
    places = torch.rand(20, 30, generator=torch.Generator().manual_seed(3)) < 0.5
    for known in (None, places):
        found = start.latents(samples, 2, known)
        mask = torch.ones(20, 30) if known is None else known.float()
        z = torch.zeros(20, 3)
        for rate in start.rates:
            z.requires_grad_()
            values = chain_with(start.field, start.weights(z))(start.points)
            loss = ((values - samples).square().mean(2) * mask).sum(1) / mask.sum(1)
            (slope,) = torch.autograd.grad(loss.sum(), z)
            z = (z - rate * slope).detach()
        torch.testing.assert_close(found, z, rtol=1e-3, atol=1e-4)


def test_shifts_move_the_phases() -> None:
    start = train_start(pictures(16), SIGNAL, numbers=3, shifts=True, passes=1, batch=8, learning_rate=1e-3)
    biases = [name for name in start.directions if name.endswith("bias")]
    assert len(biases) == 1
    assert float(start.directions[biases[0]].abs().max()) > 0
    one, other = (start.fit(pictures(2)).member_at(number) for number in (0, 1))
    assert isinstance(one, Siren)
    first, second = (dict(each.named_parameters())[biases[0]] for each in (one, other))
    assert not torch.equal(first, second)


def test_a_start_is_saved_and_loaded(tmp_path: Path) -> None:
    start = linear_start(pictures(10), SIGNAL, numbers=3)
    start.save(tmp_path / "a.prior")
    loaded = Start.load(tmp_path / "a.prior")
    torch.testing.assert_close(loaded.latents(pictures(2)), start.latents(pictures(2)), rtol=0, atol=0)
    assert loaded.signal == start.signal
    whole = (tmp_path / "a.prior").read_bytes()
    (tmp_path / "cut.prior").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is no learnt start, or is damaged"):
        Start.load(tmp_path / "cut.prior")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Start.load(tmp_path / "none.prior")


def test_the_file_of_a_field_is_no_start(tmp_path: Path) -> None:
    from sinefield import checkpoint

    checkpoint.save(tmp_path / "a.safetensors", Siren(2, 1, 8, 1))
    with pytest.raises(ValueError, match="it is none of version 1"):
        Start.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda start: start.latents(torch.zeros(1, 7, 1)), "pictures of 30 samples of 1 channels"),
        (lambda start: start.latents(torch.zeros(1, 30, 3)), "got samples of shape"),
        (lambda start: start.latents(torch.zeros(1, 30, 1), 0), "at least one step, got 0"),
        (lambda start: start.latents(torch.zeros(1, 30, 1), 1, torch.zeros(30).bool()), "at least one known sample"),
        (lambda start: linear_start(torch.zeros(1, 30, 1), SIGNAL), "two pictures or more"),
        (lambda start: linear_start(torch.zeros(5, 30, 1), SIGNAL, numbers=0), "one number or more"),
        (lambda start: train_start(torch.zeros(5, 30, 1), SIGNAL, order=cast("Any", 3)), "is 1 or 2, got 3"),
    ],
)
def test_what_cannot_be_done_is_told(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call(linear_start(pictures(5), SIGNAL, numbers=2))
