"""Tests of Adam and Muon against PyTorch's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sinefield.solvers.adam import Adam, Optimiser
from sinefield.solvers.muon import Muon, orthogonalised

BETAS = (0.9, 0.99)
PAIRS: dict[str, tuple[Callable[[list[nn.Parameter]], Optimiser], Callable[[list[nn.Parameter]], Any]]] = {
    "adam": (
        lambda p: Adam([{"params": p[:1], "lr": 1e-2}, {"params": p[1:], "lr": 3e-3}], BETAS),
        lambda p: torch.optim.Adam([{"params": p[:1], "lr": 1e-2}, {"params": p[1:], "lr": 3e-3}], betas=BETAS),
    ),
    "muon": (
        lambda p: Muon([each for each in p if each.ndim == 2], lr=2e-2),
        lambda p: torch.optim.Muon([each for each in p if each.ndim == 2], lr=2e-2, weight_decay=0.0),
    ),
}


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((8, 8), (8, 8), (12, 5), (5,))]


@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_those_of_torch(name: str) -> None:
    mine, theirs = parameters(), parameters()
    optimisers = [make(each) for make, each in zip(PAIRS[name], (mine, theirs), strict=True)]
    for step in range(6):
        for each, optimiser in zip((mine, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            torch.stack(
                [(one * torch.linspace(-1, step, one.numel()).view_as(one)).sin().sum() for one in each]
            ).sum().backward()
            optimiser.step()
    # Muon computes in bfloat16, whose errors add up differently in another order.
    tolerance = {"rtol": 0.0, "atol": 2e-3} if name == "muon" else {"rtol": 1e-6, "atol": 1e-7}
    for one, other, start in zip(mine, theirs, parameters(), strict=True):
        torch.testing.assert_close(one, other, **tolerance)
        assert not torch.equal(one, start) or (name == "muon" and one.ndim == 1)


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_without_a_gradient_are_left(name: str) -> None:
    made = parameters()
    optimiser = PAIRS[name][0](made)
    made[0].grad = torch.ones_like(made[0])
    optimiser.step()
    assert not torch.equal(made[0], parameters()[0])
    assert all(torch.equal(one, other) for one, other in zip(made[1:], parameters()[1:], strict=True))
    optimiser.zero_grad()
    assert made[0].grad is None


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalised(matrices).float()
    for one, other in zip(found, matrices, strict=True):
        u, _, v = torch.linalg.svd(other, full_matrices=False)
        values = torch.linalg.svdvals(one)
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
        cosine = float((one * (u @ v)).sum() / one.norm() / (u @ v).norm())
        assert cosine > 0.95


def test_a_step_loads_no_compiler() -> None:
    script = (
        "import sys, torch; from sinefield.solvers.adam import Adam; from sinefield.solvers.muon import Muon; w = torch.nn.Parameter(torch.ones(2, 2));"
        "w.sum().backward(); Adam([{'params': [w], 'lr': 1}], (0.9, 0.9)).step(); Muon([w], 1.0).step();"
        "print(sorted({'torch._dynamo', 'torch._inductor', 'sympy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
