"""Tests of the fused kernel beyond the contract of all kernels: blocks, memory, what is kept, and derivatives again."""

from __future__ import annotations

import copy
import gc
import itertools
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields.chain import Chain
from sinefield.fields.derivatives import WHOLE, Derivative, in_order
from sinefield.fields.field import Field, Setting, build
from sinefield.fields.siren import Siren
from sinefield.jet import jet
from sinefield.kernels import Kernel, reference, taylor
from sinefield.kernels.siren import fused, plan, workspace
from sinefield.kernels.siren.workspace import Execution

EVERYTHING: frozenset[Derivative] = frozenset(WHOLE)
WAYS: list[Set[Derivative]] = [
    {"value"},
    {"jacobian"},
    {"laplacian"},
    {"hessian"},
    {"value", "jacobian"},
    {"jacobian", "laplacian"},
    EVERYTHING,
]


def siren(inputs: int = 2, outputs: int = 1, width: int = 8, layers: int = 2, *, omega: float = 6.0) -> Siren:
    torch.manual_seed(3)
    return Siren(inputs, outputs, width, layers, omega, 3.0).double()


def chain_of(name: str, **settings: Setting) -> Chain:
    field = build(name, 2, 1, **settings)
    assert isinstance(field, Field)
    return field.chain()


def points_of(count: int, inputs: int = 2) -> Tensor:
    return torch.rand(count, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def answers(field: Siren, points: Tensor, needs: Set[Derivative]) -> list[Tensor]:
    """Return quantities, and the gradient of their mean squares by points and parameters."""
    points = points.clone().requires_grad_()
    found = fused.evaluate(field.chain(), points, needs)
    loss = torch.stack([each.square().mean() for each in found.values()]).sum()
    gradients = torch.autograd.grad(loss, [points, *field.parameters()], materialize_grads=True)
    return [*(found[name] for name in in_order(needs)), *gradients]


def relative_error(found: Tensor, expected: Tensor) -> float:
    norm = float(expected.detach().double().norm())
    return float((found.detach().double() - expected.detach().double()).norm()) / (norm or 1.0)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
@pytest.mark.parametrize("needs", WAYS, ids=lambda needs: "+".join(sorted(needs)))
def test_every_way_to_carry_derivatives(needs: Set[Derivative], inputs: int, outputs: int) -> None:
    """Against nested differentiation, by parameters and points, with derivatives carried forward and back."""
    field, points = siren(inputs, outputs), points_of(6, inputs)
    found = answers(field, points, needs)
    points = points.clone().requires_grad_()
    expected = reference.evaluate(field, points, needs)
    loss = torch.stack([each.square().mean() for each in expected.values()]).sum()
    gradients = torch.autograd.grad(loss, [points, *field.parameters()], materialize_grads=True)
    for one, other in zip(found, [*(expected[name] for name in in_order(needs)), *gradients], strict=True):
        assert relative_error(one, other) <= 1e-11


def test_layers_of_different_widths() -> None:
    field, plain = siren(), [nn.Linear(2, 5), nn.Linear(5, 9), nn.Linear(9, 9), nn.Linear(9, 4), nn.Linear(4, 2)]
    sines = [layer for layer in field.layers if not isinstance(layer, nn.Linear)]
    pairs = itertools.zip_longest(plain, [*sines, sines[-1]])
    field.layers = nn.Sequential(*(each for pair in pairs for each in pair if each is not None)).double()
    points = points_of(7)
    assert fused.supports(field.chain())
    for needs in WAYS:
        found, expected = fused.evaluate(field.chain(), points, needs), reference.evaluate(field, points, needs)
        assert all(relative_error(found[name], expected[name]) <= 1e-11 for name in needs)


@pytest.mark.parametrize("needs", WAYS, ids=lambda needs: "+".join(sorted(needs)))
def test_results_do_not_depend_on_the_block(needs: Set[Derivative], monkeypatch: pytest.MonkeyPatch) -> None:
    field, points = siren(2, 2), points_of(200)
    whole = answers(field, points, needs)
    monkeypatch.setattr(plan, "KEPT_BYTES", 1)
    monkeypatch.setattr(plan, "BLOCK_BYTES", 1)  # as few points as there may be in a block: 64
    assert kernels.block_size(field, needs) == 64
    for one, other in zip(answers(field, points, needs), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
    with torch.no_grad():
        found = fused.evaluate(field.chain(), points, needs)
    for one, other in zip([found[name] for name in in_order(needs)], whole, strict=False):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("needs", WAYS, ids=lambda needs: "+".join(sorted(needs)))
def test_it_can_be_differentiated_twice(needs: Set[Derivative]) -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 4, 1, 2.0, 1.5).double()

    def evaluate(points: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        return tuple(fused.evaluate(field.chain(), points, needs).values())

    assert torch.autograd.gradgradcheck(evaluate, (points_of(2).requires_grad_(), *field.parameters()))


def test_nested_derivatives_of_a_jet_are_those_of_the_field() -> None:
    """∂(ΔΦ)/∂x is a third derivative: differentiating the Laplacian by the points gives it."""
    field, points = siren(), points_of(5).requires_grad_()
    found = torch.autograd.grad(fused.evaluate(field.chain(), points, {"laplacian"})["laplacian"].sum(), points)[0]
    expected = torch.autograd.grad(reference.evaluate(field, points, {"laplacian"})["laplacian"].sum(), points)[0]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("needs", WAYS, ids=lambda needs: "+".join(sorted(needs)))
def test_jets_that_live_together_do_not_share_memory(needs: Set[Derivative]) -> None:
    field, other = siren(), siren(omega=2.0)
    first, second = points_of(8), points_of(8).flip(0)
    expected = [answers(field, first, needs), answers(field, second, needs), answers(other, first, needs)]
    begun = [(one, x.clone().requires_grad_()) for one, x in ((field, first), (field, second), (other, first))]
    jets = [fused.evaluate(one.chain(), x, needs) for one, x in begun]
    for (one, x), quantities, values in zip(begun, jets, expected, strict=True):
        loss = torch.stack([each.square().mean() for each in quantities.values()]).sum()
        for repeat in (True, False):  # and going back twice gives the same twice
            gradients = torch.autograd.grad(loss, [x, *one.parameters()], retain_graph=repeat, materialize_grads=True)
            for found, value in zip([*(quantities[name] for name in in_order(needs)), *gradients], values, strict=True):
                torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-13)


def test_a_parameter_that_was_changed_in_between_is_noticed() -> None:
    field = siren()
    loss = fused.evaluate(field.chain(), points_of(4), {"value"})["value"].sum()
    with torch.no_grad():
        next(field.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_memory_is_used_again_and_given_back() -> None:
    field, points = siren(), points_of(8)
    made = []
    original = workspace.Sweep.__init__

    def counted(self: workspace.Sweep, *arguments: Any) -> None:
        made.append(self)
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "_idle", [])
        patch.setattr(workspace.Sweep, "__init__", counted)
        for _ in range(3):
            fused.evaluate(field.chain(), points, {"value"})["value"].sum().backward()
        assert len(made) == 1
        gc.collect()
        assert [each for _, each, _ in workspace._idle] == made
        patch.setattr(workspace, "IDLE_BYTES", 0)
        fused.evaluate(field.chain(), points, {"laplacian"})
        gc.collect()
        assert workspace._idle == []


def test_memory_is_given_back_in_the_middle_of_a_loan() -> None:
    """Python may collect a loan that refers to itself while its own thread makes another one."""
    sweep: Any = SimpleNamespace(nbytes=8)
    found: list[Any] = []

    def lend() -> None:
        first = workspace.Loan("key", lambda: sweep)
        with workspace._lock:
            del first
        found.append(workspace.Loan("key", lambda: None).sweep)  # type: ignore[arg-type, return-value]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "_idle", [])
        thread = Thread(target=lend, daemon=True)
        thread.start()
        thread.join(20)
        assert found == [sweep]


PEAK = """
import re, torch
from sinefield import Siren, jet
torch.manual_seed(0)
field = Siren(2, 1, 64, 2)
def run(count):
    jet(field, torch.rand(count, 2), [{quantity!r}]).{quantity}.square().mean().backward()
    # Of this process alone; what getrusage tells includes the parent it was forked from.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
few = run(50_000)
print(run(500_000) - few)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc, which Linux has")
@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
def test_memory_does_not_grow_with_the_points(quantity: str) -> None:
    """In MiB: what goes in and comes out grows, by 2 to 40, and what lies idle has a limit; activations do not."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(quantity=quantity)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 200  # kept activations would be 700 MiB and more


def test_inference_mode_does_not_spoil_memory_for_training() -> None:
    field, points = siren(), points_of(64)
    expected = answers(field, points, {"value"})
    with torch.inference_mode():
        fused.evaluate(field.chain(), points, {"value"})
    for one, other in zip(answers(field, points, {"value"}), expected, strict=True):
        assert torch.equal(one, other)


def test_function_transforms_go_another_way() -> None:
    field, points = siren(), points_of(5)

    def laplacian(point: Tensor) -> Tensor:
        return jet(field, point.unsqueeze(0)).laplacian[0]

    found = torch.func.vmap(laplacian)(points)
    torch.testing.assert_close(found, jet(field, points).laplacian, rtol=1e-10, atol=1e-10)


def test_dropout_and_final_activations_go_another_way() -> None:
    dropping = Siren(2, 1, 8, 1, dropout=0.5)
    assert not fused.supports(dropping.chain())
    assert fused.supports(dropping.eval().chain())
    assert not fused.supports(chain_of("siren", final_activation="tanh"))
    assert not fused.supports(chain_of("relu"))
    with pytest.raises(TypeError, match="takes affine maps with sines between them, got a chain of other links"):
        fused.evaluate(chain_of("relu"), torch.zeros(1, 2), {"value"})


# What float32 loses, at the size that products are made for


@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
def test_float32_at_full_width_is_as_good_as_plain_torch(quantity: Derivative) -> None:
    torch.manual_seed(0)
    field, points = Siren(2, 1), points_of(256).float()

    def found(evaluate: Kernel, one: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
        answer = evaluate(one.chain(), x, {quantity})[quantity]
        gradients = torch.autograd.grad(answer.square().mean(), list(one.parameters()), materialize_grads=True)
        return answer, torch.cat([each.flatten() for each in gradients])

    exact = found(reference.evaluate, copy.deepcopy(field).double(), points.double())
    plain = found(taylor.evaluate, field, points)
    fast = found(fused.evaluate, field, points)
    for one, other, truth in zip(fast, plain, exact, strict=True):
        assert relative_error(one, truth) <= 2 * relative_error(other, truth) + torch.finfo(torch.float32).eps


@pytest.mark.parametrize("needs", WAYS, ids=lambda needs: "+".join(sorted(needs)))
def test_rounded_backward_products_keep_jets_and_some_digits(needs: Set[Derivative]) -> None:
    """A factor rounded to bfloat16 is wrong by at most 2⁻⁹ of itself, and errors of many average out."""
    torch.manual_seed(0)
    field, points = Siren(2, 1, 64, 2), points_of(512).float()
    exact = answers(field, points, needs)
    with fused.executing(Execution(rounded=True)):
        rounded = answers(field, points, needs)
    for quantity in range(len(needs)):
        assert torch.equal(rounded[quantity], exact[quantity])
    gradients = [torch.cat([each.flatten() for each in found[len(needs) + 1 :]]) for found in (rounded, exact)]
    assert 1e-5 < relative_error(*gradients) <= 2**-6
