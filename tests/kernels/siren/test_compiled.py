"""Tests of the compiled stages: the contract of all kernels at a few shapes, and going on without a compiler."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sinefield.fields.derivatives import WHOLE, Derivative
from sinefield.fields.siren import Siren
from sinefield.kernels import Kernel, reference
from sinefield.kernels.siren import compiled, elementwise, fused

needs_compiler = pytest.mark.skipif(not compiled.available(), reason="there is no C++ compiler on the path")


def answer(evaluate: Kernel, field: Siren, points: Tensor, name: Derivative) -> list[Tensor]:
    """Return a quantity, and the gradient of its mean square by all parameters as one vector."""
    found = evaluate(field.chain(), points, {name})[name]
    gradients = torch.autograd.grad(found.square().mean(), list(field.parameters()), materialize_grads=True)
    return [found.detach(), torch.cat([each.flatten() for each in gradients])]


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


@needs_compiler
@pytest.mark.parametrize("quantity", WHOLE)
def test_compiled_stages_are_as_good_as_plain_torch(quantity: Derivative) -> None:
    """Of a field whose layers are the first one and others, with one output: every stage but that of many."""
    torch.manual_seed(0)
    field, points = Siren(2, 1, 32, 2), torch.rand(96, 2) * 2 - 1
    exact = answer(reference.evaluate, copy.deepcopy(field).double(), points.double(), quantity)
    plain = answer(reference.evaluate, field, points, quantity)
    fast = answer(compiled.evaluate, field, points, quantity)
    assert compiled._works
    assert all(compiled._works.values())
    for found, other, truth in zip(fast, plain, exact, strict=True):
        assert relative_error(found, truth) <= 2 * relative_error(other, truth) + torch.finfo(torch.float32).eps


@needs_compiler
def test_compiled_stages_in_float64() -> None:
    torch.manual_seed(0)
    field, points = Siren(2, 2, 16, 1).double(), torch.rand(40, 2, dtype=torch.float64)
    exact = answer(reference.evaluate, field, points, "jacobian")
    for found, truth in zip(answer(compiled.evaluate, field, points, "jacobian"), exact, strict=True):
        assert relative_error(found, truth) <= 1e-10


@pytest.mark.parametrize("quantity", WHOLE)
def test_a_compiler_that_fails_is_done_without(quantity: Derivative, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silently, with the same result, and tried once only."""
    tried: list[object] = []

    def failing(stage: object) -> Callable[..., None]:
        def fail(*_: object) -> None:
            tried.append(stage)
            raise RuntimeError("no compiler")

        return fail

    monkeypatch.setattr(compiled, "_works", {})
    monkeypatch.setattr(compiled, "_compiled", failing)
    torch.manual_seed(0)
    field, points = Siren(2, 1, 16, 2), torch.rand(20, 2)
    expected = answer(fused.evaluate, field, points, quantity)
    for _ in range(2):
        for found, other in zip(answer(compiled.evaluate, field, points, quantity), expected, strict=True):
            torch.testing.assert_close(found, other, rtol=1e-5, atol=1e-6)
    assert len(tried) == len(set(tried)) > 0
    assert not compiled.available()


def test_more_shapes_than_are_compiled_run_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def sometimes(stage: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Tensor) -> None:
            calls.append(len(arguments[0]))
            if len(arguments[0]) > 4:
                raise RuntimeError("recompile limit")
            stage(*arguments)

        return run

    monkeypatch.setattr(compiled, "_works", {})
    monkeypatch.setattr(compiled, "_compiled", sometimes)
    for count in (3, 5, 4):
        phase = torch.zeros(count, 2)
        compiled.run(elementwise.value, phase, torch.empty(count, 2))
        assert bool((phase == 1).all())  # the cosine of 0
    assert calls == [3, 5, 4]


def test_availability_is_that_of_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "_works", {})
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not compiled.available()
    program = tmp_path / "g++"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert compiled.available() == (sys.platform != "win32")


def test_a_fit_without_a_compiler_says_nothing(tmp_path: Path) -> None:
    script = (
        "import sinefield; p = sinefield.problems.image('sample:camera', longest=16);"
        "print(sinefield.solve(p, passes=2, compiled=True).metrics['psnr'] > 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PATH": str(tmp_path), "CXX": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
