"""Tests of ridge regression by its errors of prediction, beside fits without each point."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sinefield.integrations import ridge as module
from sinefield.integrations.ridge import ridge

PENALTIES = (1e-3, 0.1, 2.0)


def test_errors_are_those_of_fits_without_each_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those fits have a constant column without a penalty, and the penalty of all points."""
    generator = torch.Generator().manual_seed(0)
    activations, targets = (torch.randn(12, m, generator=generator, dtype=torch.float64) for m in (5, 2))
    expected = []
    for penalty in PENALTIES:
        errors = []
        for left_out in range(12):
            design = np.column_stack([np.delete(activations.numpy(), left_out, 0), np.ones(11)])
            square = design.T @ design + np.diag([12 * penalty] * 5 + [0.0])
            solved = np.linalg.solve(square, design.T @ np.delete(targets.numpy(), left_out, 0))
            errors.append(np.append(activations[left_out], 1.0) @ solved - targets[left_out].numpy())
        expected.append(float(np.square(errors).mean(0).sum()))
        monkeypatch.setattr(module, "PENALTIES", torch.tensor([penalty], dtype=torch.float64))
        assert ridge(activations, targets)[2] == pytest.approx(expected[-1], rel=1e-9)
    monkeypatch.setattr(module, "PENALTIES", torch.tensor(PENALTIES, dtype=torch.float64))
    assert ridge(activations, targets)[2] == pytest.approx(min(expected), rel=1e-9)
