"""Tests on a GPU, which are skipped where there is none; and of the condition they are skipped by."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import Siren, estimate, problems, solve
from sinefield.fields.derivatives import Derivative
from sinefield.kernels import reference
from sinefield.kernels.siren import compiled, fused
from sinefield.kernels.siren.workspace import Execution


def no_gpu() -> str:
    """Return why tests on a GPU cannot run here; empty if they can."""
    return "" if torch.cuda.is_available() else "PyTorch finds no CUDA device"


needs_gpu = pytest.mark.skipif(bool(no_gpu()), reason=no_gpu() or "there is one")
GPU = torch.device("cuda")


def test_what_they_are_skipped_by(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert (no_gpu() == "") == found
    monkeypatch.undo()
    assert (no_gpu() == "") == (torch.cuda.device_count() > 0)


def with_gradient(found: Tensor, field: nn.Module) -> list[Tensor]:
    gradients = torch.autograd.grad(found.square().mean(), list(field.parameters()), materialize_grads=True)
    return [found.detach().cpu(), torch.cat([each.flatten() for each in gradients]).cpu()]


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


@needs_gpu
@pytest.mark.parametrize("run", [Execution().run, compiled.run], ids=["plain", "compiled"])
@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
def test_jets_in_float32_are_as_good_as_plain_torch(quantity: Derivative, run: Callable[..., None]) -> None:
    """TF32 is left as PyTorch has it: off for products, so that the contract of the CPU holds here."""
    torch.manual_seed(0)
    field, points = Siren(2, 1, 64, 2), torch.rand(300, 2) * 2 - 1
    exact = copy.deepcopy(field).double()
    truth = with_gradient(reference.evaluate(exact, points.double(), {quantity})[quantity], exact)
    field, points = field.to(GPU), points.to(GPU)
    plain = with_gradient(reference.evaluate(field, points, {quantity})[quantity], field)
    with fused.executing(Execution(run)):
        fast = with_gradient(fused.evaluate(field.chain(), points, {quantity})[quantity], field)
    for found, other, expected in zip(fast, plain, truth, strict=True):
        limit = 2 * relative_error(other, expected) + torch.finfo(torch.float32).eps
        assert relative_error(found, expected) <= limit


@needs_gpu
def test_rounded_backward_products_keep_some_digits() -> None:
    torch.manual_seed(0)
    field, points = Siren(2, 1, 64, 2).to(GPU), (torch.rand(512, 2) * 2 - 1).to(GPU)
    exact = with_gradient(fused.evaluate(field.chain(), points, {"value"})["value"], field)
    with fused.executing(Execution(rounded=True)):
        rounded = with_gradient(fused.evaluate(field.chain(), points, {"value"})["value"], field)
    assert torch.equal(exact[0], rounded[0])
    assert relative_error(rounded[1], exact[1].double()) <= 2**-6


@needs_gpu
def test_a_fit_on_a_gpu_ends_near_that_on_a_cpu() -> None:
    problem = problems.image("sample:camera", longest=48, hidden_features=64, hidden_layers=2)
    reached = [solve(problem, passes=20, device=each).metrics["psnr"] for each in ("cpu", "cuda")]
    assert reached[1] == pytest.approx(reached[0], abs=1.0)


@needs_gpu
def test_what_follows_is_not_disturbed() -> None:
    problem = problems.image("sample:camera", longest=16, hidden_features=8, hidden_layers=1)
    state = torch.cuda.get_rng_state()
    solve(problem, passes=1, device="cuda")
    estimate(problem, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), state)
