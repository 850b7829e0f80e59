"""Tests of how fields are evaluated outside of a fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sinefield.fields.field import build, evaluating


def test_modes_are_switched_and_restored() -> None:
    field = nn.Sequential(nn.Linear(3, 1), nn.Dropout()).double()
    with evaluating(field) as like:
        within = (field.training, torch.is_grad_enabled(), like.dtype)
    assert within == (False, False, torch.float64)
    assert field.training
    assert torch.is_grad_enabled()


def test_modes_are_restored_after_an_error() -> None:
    field = nn.Linear(3, 1)
    with pytest.raises(RuntimeError, match="stop"), evaluating(field):
        raise RuntimeError("stop")
    assert field.training


def test_points_of_tiled_fields_are_double() -> None:
    """In single precision neighbouring samples of a long signal would be one point."""
    with evaluating(build("tiled", 1, 1, tiles="4", extent="1", hidden_features=4, hidden_layers=0)) as like:
        assert like.dtype == torch.float64
    with evaluating(nn.Identity()) as like:
        assert like.dtype == torch.float32
