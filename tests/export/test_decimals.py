"""Tests of the digits that a field is written in: the bound of its error, at points and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from exported import network
from sinefield.export.decimals import in_decimals
from sinefield.export.steps import Dense, steps_of
from sinefield.fields import Sine, Siren


def test_one_layer_by_hand() -> None:
    """W = 1/3 and b = 2/3 with one decimal: wrong by |x|/30 + 1/30."""
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(1 / 3)
        layer.bias.fill_(2 / 3)
    steps = steps_of(nn.Sequential(layer.double()))
    found = in_decimals(steps, 0.1)
    assert found.counts == (1,)
    assert found.value == pytest.approx(1 / 15)
    assert found.gradient == pytest.approx(1 / 30)
    assert in_decimals(steps, 0.1, [0.5]).value == pytest.approx(1 / 20)


def test_whole_turns_of_a_phase_are_left_out() -> None:
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(1.0)
    module = nn.Sequential(layer.double(), Sine(30.0), nn.Linear(1, 1).double())
    first = in_decimals(steps_of(module), 1e-9).steps.steps[0]
    assert isinstance(first, Dense)
    assert float(first.weight[0, 0]) == 15.0
    assert float(first.bias[0]) == pytest.approx(30 - 10 * math.pi)


@pytest.mark.parametrize("error", [1e-1, 1e-4, 1e-8])
def test_the_bound_is_held_and_used(error: float) -> None:
    found = in_decimals(steps_of(network("siren", 2, 2, 16, 2)), error)
    assert error / 40 < found.value <= error


def test_early_layers_have_more_digits() -> None:
    found = in_decimals(steps_of(Siren(2, 1, 32, 2)), 1e-3)
    assert found.counts[0] > found.counts[2]


def test_every_layer_uses_its_decimals() -> None:
    steps = steps_of(network("siren", 2, 1, 16, 1))
    found = in_decimals(steps, 1e-3)
    written = [each for each in found.steps.steps if isinstance(each, Dense)]
    for layer, decimals in zip(written, found.counts, strict=True):
        assert np.allclose(np.round(layer.weight, decimals), layer.weight, rtol=0, atol=1e-15)
        assert np.abs(np.round(layer.weight, decimals - 1) - layer.weight).max() > 0
