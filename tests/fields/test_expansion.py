"""Tests of functions in closed form: values as of SciPy and by hand, branch cuts, storage; jets are in the contract."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special
from torch import Tensor, nn

import sinefield
from sinefield import checkpoint, jet, kernels
from sinefield.fields.compose import Formula, Sum
from sinefield.fields.expansion import Columns, Expansion
from sinefield.fields.siren import Siren


def doubles(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def polar(radius: float, angle: float) -> Tensor:
    return doubles([radius * math.cos(angle), radius * math.sin(angle)])


@pytest.mark.parametrize(
    ("kind", "function"), [("j", special.jv), ("y", special.yv), ("i", special.iv), ("k", special.kv)]
)
@pytest.mark.parametrize("order", [0.0, 2.0, 2 / 3])
def test_cylinder_functions_are_those_of_scipy(kind: str, function: np.ufunc, order: float) -> None:
    """Up to their size, which the ratio at two radii is free of."""
    k, angle = 2.5, 0.8
    values = Columns(f"bessel-{kind}", doubles([0, 0, 0, 1, order, k, 0.3]), 2)(
        torch.cat([polar(0.4, angle), polar(1.7, angle), polar(1.7, -0.5)])
    ).flatten()
    factors = [math.cos(order * each - 0.3) for each in (angle, angle, -0.5)]
    expected = [function(order, k * radius) * each for radius, each in zip((0.4, 1.7, 1.7), factors, strict=True)]
    assert (values / values[1]).tolist() == pytest.approx([each / expected[1] for each in expected], rel=1e-12)


@pytest.mark.parametrize("kind", "jyik")
def test_cylinder_functions_do_not_overflow(kind: str) -> None:
    """Of order 24 around a small hole, and far from the centre at k = 1000."""
    terms = doubles([0, 0, 0, 0.01, 24, 1.0, 0], [0, 0, 0, 2.0, 3, 1000.0, 0])
    values = Columns(f"bessel-{kind}", terms, 2)(doubles([0.02, 0.0], [1.99, 0.0]))
    assert bool(torch.isfinite(values[[0, 1], [0, 1]]).all())


@pytest.mark.parametrize(("kind", "k", "sign"), [("j", 3.0, 1), ("y", 3.0, 1), ("i", 3.0, -1), ("k", 3.0, -1)])
def test_cylinder_functions_solve_their_equation_exactly(kind: str, k: float, sign: int) -> None:
    field = Columns(f"bessel-{kind}", doubles([0, 0, 0.3, 1, 2 / 3, k, 0.1], [0, 0, 0, 1, 5, k, 1.0]), 2)
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    found = kernels.evaluate(field, points, {"value", "laplacian", "hessian"})
    traced = found["hessian"].diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(found["laplacian"], -sign * k**2 * found["value"], rtol=1e-13, atol=0)
    torch.testing.assert_close(traced, found["laplacian"], rtol=1e-9, atol=1e-9)


def test_powers_and_logarithms_by_hand() -> None:
    radius, angle = 1.5, 0.7
    log = math.log(radius / 2)
    rows = [  # a, b, l, β, and the value
        (2 / 3, 0, 0, 0.0, (radius / 2) ** (2 / 3) * math.cos(2 / 3 * angle)),
        (-3, 0, 0, math.pi / 2, (radius / 2) ** -3 * math.sin(-3 * angle)),
        (0, 0, 1, 0.0, log),
        (2, 0, 1, math.pi / 2, (radius / 2) ** 2 * (log * math.sin(2 * angle) + angle * math.cos(2 * angle))),
        (1.5, 1, 0, 0.0, (radius / 2) ** 2.5 * math.cos(0.5 * angle)),
    ]
    terms = doubles(*([0.0, 0.0, 0.0, 2.0, a, b, with_log, phase] for a, b, with_log, phase, _ in rows))
    found = Columns("powers", terms, 2)(polar(radius, angle))
    assert found[0].tolist() == pytest.approx([each[-1] for each in rows], rel=1e-13)


def test_the_branch_cut_is_opposite_to_the_direction() -> None:
    """A function of a corner whose middle is θ = 3π/4 is continuous there and jumps at θ = −π/4 alone."""
    field = Columns("powers", doubles([0, 0, 0.75 * math.pi, 1, 2 / 3, 0, 0, 1.0]), 2)
    angles = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64)
    steps = field(torch.stack([angles.cos(), angles.sin()], 1)).flatten().diff().abs()
    assert int((steps > 0.01).sum()) == 1
    assert angles[int(steps.argmax())].item() == pytest.approx(-math.pi / 4, abs=2e-3)


def test_at_its_centre_a_power_is_zero_and_its_slope_finite() -> None:
    field = Columns("powers", doubles([0, 0, 0, 1, 2 / 3, 0, 0, 0]), 2)
    found = kernels.evaluate(field, torch.zeros(1, 2, dtype=torch.float64), {"value", "jacobian"})
    assert abs(found["value"].item()) < 1e-30
    assert bool(torch.isfinite(found["jacobian"]).all())


def test_waves_that_decay() -> None:
    """Re e^(iw·x) with w = (3, 3i) is e^(−3y) cos 3x, and harmonic."""
    field = Columns("waves", doubles([3.0, 0, 0, 3, 0, 0, 0]), 2)
    found = kernels.evaluate(field, doubles([0.2, 0.5]), {"value", "laplacian"})
    assert found["value"].item() == pytest.approx(math.exp(-1.5) * math.cos(0.6), rel=1e-14)
    assert found["laplacian"].item() == pytest.approx(0, abs=1e-14)


def test_a_sum_with_an_expansion_is_stored(tmp_path: Path) -> None:
    terms = doubles([0, 0, 0.5, 1, 2 / 3, 0, 0, 0.2], [1, 0, 0, 2, -1, 0, 0, 0])
    field = Sum(Siren(2, 1, hidden_features=8, hidden_layers=0).double(), Expansion.of("powers", terms, 2))
    torch.nn.init.ones_(field.terms[1].weight)  # type: ignore[arg-type]
    checkpoint.save(tmp_path / "u.safetensors", field)
    again = sinefield.load(tmp_path / "u.safetensors")
    points = doubles([0.3, 0.4], [0.9, -0.2])
    assert torch.equal(again(points), field(points))  # type: ignore[operator]


def test_an_expansion_in_functions_of_the_user_is_not_stored(tmp_path: Path) -> None:
    field = Expansion(Formula(torch.sin, 2, 2))
    with pytest.raises(ValueError, match="a Expansion cannot be saved as a field: a Expansion is no network"):
        checkpoint.save(tmp_path / "u.safetensors", field)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'powers' in 2 coordinates are rows of 8 numbers, got shape \(1, 3\)"):
        Columns("powers", doubles([0, 0, 0]), 2)
    with pytest.raises(ValueError, match="functions of 2 coordinates, got points of 3"):
        Columns("bessel-j", doubles([0, 0, 0]), 3)
    with pytest.raises(ValueError, match="unknown family of functions 'bessel'; choose one of powers"):
        Columns("bessel", doubles([0, 0, 0]), 2)


def test_functions_that_are_left_out_are_not_evaluated() -> None:
    """All weights 0 and none looked for: the field is 0, whatever its functions are, and so are its derivatives."""

    class Never(nn.Module):
        in_features, out_features = 2, 5

        def forward(self, points: Tensor) -> Tensor:
            raise AssertionError("a function that nobody needs")

    field = Expansion(Never(), 2)
    field.weight.requires_grad_(False)
    u = jet(field, torch.rand(3, 2, dtype=torch.float64), ["value", "jacobian", "laplacian", "hessian"])
    assert [tuple(each.shape) for each in (u.value, u.jacobian, u.laplacian, u.hessian)] == [
        (3, 2),
        (3, 2, 2),
        (3, 2),
        (3, 2, 2, 2),
    ]
    assert not any(bool(each.any()) for each in (u.value, u.jacobian, u.laplacian, u.hessian))
    field.weight.data[0, 0] = 1.0
    with pytest.raises(AssertionError, match="nobody needs"):
        field(torch.rand(3, 2, dtype=torch.float64))
