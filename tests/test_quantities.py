"""Tests of the table of quantities, against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sinefield.jet import jet
from sinefield.quantities import QUANTITIES


class Waves(nn.Module):
    """Φ = (sin 3x cos 2y, x² − 3y)."""

    def forward(self, points: Tensor) -> Tensor:
        x, y = points.unbind(-1)
        return torch.stack([torch.sin(3 * x) * torch.cos(2 * y), x.square() - 3 * y], dim=-1)


def test_each_is_that_of_a_closed_form() -> None:
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = points.unbind(-1)
    u = jet(Waves(), points)
    wave = torch.sin(3 * x) * torch.cos(2 * y)
    slope = torch.hypot(3 * torch.cos(3 * x) * torch.cos(2 * y), 2 * torch.sin(3 * x) * torch.sin(2 * y))
    expected = {
        "value": (wave, x.square() - 3 * y),
        "gradient": (slope, torch.hypot(2 * x, torch.full_like(x, 3))),
        "laplacian": (-13 * wave, torch.full_like(x, 2)),
    }
    assert set(expected) == set(QUANTITIES)
    for name, channels in expected.items():
        torch.testing.assert_close(QUANTITIES[name].of(u).detach(), torch.stack(channels, dim=-1))


@pytest.mark.parametrize(("name", "factor"), [("value", 1), ("gradient", 2), ("laplacian", 4)])
def test_order_is_the_power_of_the_spacing(name: str, factor: float) -> None:
    """Φ(2x) has twice the gradient and four times the Laplacian of Φ at 2x."""

    class Finer(Waves):
        def forward(self, points: Tensor) -> Tensor:
            return super().forward(2 * points)

    points = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    quantity = QUANTITIES[name]
    assert factor == 2**quantity.order
    torch.testing.assert_close(quantity.of(jet(Finer(), points)), factor * quantity.of(jet(Waves(), 2 * points)))


@pytest.mark.parametrize(
    ("name", "least", "most", "expected"),
    [
        ("value", -5.0, 9.0, (0.0, 255.0)),
        ("gradient", 1.0, 9.0, (0.0, 9.0)),
        ("laplacian", -5.0, 3.0, (-5.0, 5.0)),
        ("laplacian", 0.0, 0.0, (-1.0, 1.0)),
    ],
)
def test_what_is_black_and_white(name: str, least: float, most: float, expected: tuple[float, float]) -> None:
    assert QUANTITIES[name].scale(0.0, 255.0, least, most) == expected
