"""Tests of fields in a coordinate that is stretched near a plane, against automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sinefield import jet
from sinefield.fields.siren import Siren
from sinefield.fields.stretched import Stretched


def points_of(count: int = 9) -> Tensor:
    return torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 2 - 1


def field() -> Stretched:
    torch.manual_seed(0)
    return Stretched(Siren(2, 1, 8, 1, 3.0, 2.0).double(), 1, 0.1, 0.05, (-1.0, 1.0))


class Opaque(nn.Module):
    """A field of which nothing is known, so that derivatives are those of automatic differentiation."""

    in_features, out_features = 2, 1

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, points: Tensor) -> Tensor:
        values: Tensor = self.whole(points)
        return values


@pytest.mark.parametrize("axes", ["x", "y", "xx", "xy", "yy", "xyy", "yyy", "xxyy", "yyyy"])
def test_derivatives(axes: str) -> None:
    found, wanted = (jet(each, points_of(), axes="xy").d(axes) for each in (field(), Opaque(field())))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.detach().abs().max()))


@pytest.mark.parametrize("name", ["value", "jacobian", "laplacian", "hessian"])
def test_whole_derivatives(name: str) -> None:
    found, wanted = (getattr(jet(each, points_of()), name) for each in (field(), Opaque(field())))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.detach().abs().max()))
    assert float(wanted.detach().abs().max()) > 1e-3


def test_ends_stay_and_the_middle_is_stretched() -> None:
    same = Stretched(_Identity(), 0, 0.2, 0.01, (-1.0, 1.0))
    x = torch.tensor([[-1.0], [1.0], [0.2], [0.201]], dtype=torch.float64)
    ends = same(x)
    torch.testing.assert_close(ends[:2], x[:2])
    assert float((ends[3] - ends[2]) / 0.001) > 10


class _Identity(nn.Module):
    in_features, out_features = 1, 1

    def forward(self, points: Tensor) -> Tensor:
        return points


@pytest.mark.parametrize(("width", "bounds"), [(0.0, (-1.0, 1.0)), (0.1, (1.0, -1.0))])
def test_what_cannot_be_stretched_is_refused(width: float, bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="stretched by a width > 0"):
        Stretched(_Identity(), 0, 0.0, width, bounds)
