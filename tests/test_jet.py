"""Tests of the jet: what it answers, when it computes, and what it refuses."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields.activations import Sine, activation
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Formula, Product, Readout
from sinefield.fields.coordinates import AffineMap, Restriction
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.fields.field import Layered
from sinefield.fields.siren import Siren
from sinefield.jet import Jet, jet, jets_of
from sinefield.kernels import reference, taylor
from sinefield.kernels.siren import fused


class Cubic(nn.Module):
    """Φ = x³ + 2y², or with two outputs (x³ + 2y², xy)."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, points: Tensor) -> Tensor:
        x, y = points[:, :1], points[:, 1:]
        return torch.cat([x**3 + 2 * y**2, x * y], dim=1)[:, : self.outputs]


POINTS = torch.tensor([[1.0, 2.0], [-0.5, 0.25], [0.0, -3.0]], dtype=torch.float64)


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[set[Derivative]]:
    """What each evaluation of a kernel was asked for."""
    asked: list[set[Derivative]] = []
    evaluate = kernels.evaluate

    def watched(field: nn.Module, points: Tensor, needs: Set[Derivative]) -> Mapping[Derivative, Tensor]:
        asked.append(set(needs))
        return evaluate(field, points, needs)

    monkeypatch.setattr(kernels, "evaluate", watched)
    return asked


def test_quantities_in_closed_form() -> None:
    u = jet(Cubic(2), POINTS)
    x, y = POINTS.unbind(1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    torch.testing.assert_close(u.value, torch.stack([x**3 + 2 * y**2, x * y], dim=1))
    rows = [torch.stack([3 * x**2, 4 * y], dim=1), torch.stack([y, x], dim=1)]
    torch.testing.assert_close(u.jacobian, torch.stack(rows, dim=1))
    torch.testing.assert_close(u.laplacian, torch.stack([6 * x + 4, zero], dim=1))
    first, second = torch.stack([6 * x, zero, zero, 4 * one], dim=1), torch.stack([zero, one, one, zero], dim=1)
    torch.testing.assert_close(u.hessian, torch.stack([first, second], dim=1).reshape(3, 2, 2, 2))


def test_the_gradient_of_one_output() -> None:
    x, y = POINTS.unbind(1)
    torch.testing.assert_close(jet(Cubic(), POINTS).gradient, torch.stack([3 * x**2, 4 * y], dim=1))


def test_the_gradient_of_several_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"this one has 2; read jet\.jacobian"):
        _ = jet(Cubic(2), POINTS).gradient


@pytest.mark.parametrize("shape", [(2,), (1, 3, 2), ()])
def test_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"points must have shape \(n, d\), got"):
        jet(Cubic(), torch.zeros(shape))


def test_nothing_is_computed_before_it_is_read(sweeps: list[set[Derivative]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["value", "laplacian"])
    assert sweeps == []
    assert u.read == set()
    assert torch.equal(u.points, torch.zeros(3, 2))
    assert sweeps == []


def test_what_is_known_to_be_needed_comes_in_one_sweep(sweeps: list[set[Derivative]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["jacobian", "laplacian"])
    _ = u.value, u.laplacian, u.jacobian, u.gradient, u.value
    assert sweeps == [{"value", "jacobian", "laplacian"}]


def test_what_was_not_announced_is_computed_when_it_is_read(sweeps: list[set[Derivative]]) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2))
    _ = u.value
    assert sweeps == [{"value"}]
    _ = u.laplacian, u.value
    assert sweeps == [{"value"}, {"value", "laplacian"}]


@pytest.mark.parametrize(
    ("attribute", "quantity"),
    [
        ("value", "value"),
        ("gradient", "jacobian"),
        ("jacobian", "jacobian"),
        ("laplacian", "laplacian"),
        ("hessian", "hessian"),
    ],
)
def test_what_was_read_is_remembered(attribute: str, quantity: str) -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["laplacian"])
    _ = getattr(u, attribute)
    assert u.read == {quantity}  # not what else was announced or computed
    assert isinstance(u, Jet)


def test_everything_read_can_be_differentiated_again() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 8, 1, first_omega=3.0, hidden_omega=3.0).double()
    points = POINTS.clone().requires_grad_()
    u = jet(field, points)
    (gradient,) = torch.autograd.grad(u.value.sum(), points, create_graph=True)
    torch.testing.assert_close(gradient, u.gradient, rtol=1e-10, atol=1e-12)
    (divergence,) = torch.autograd.grad(u.gradient[:, 0].sum(), points, create_graph=True)
    torch.testing.assert_close(divergence, u.hessian[:, 0, 0], rtol=1e-10, atol=1e-12)
    for quantity in (u.value, u.jacobian, u.laplacian, u.hessian):
        weights = [*field.parameters()][:-1]  # derivatives do not see the last bias
        gradients = torch.autograd.grad(quantity.square().sum(), weights, retain_graph=True)
        assert all(bool(torch.isfinite(each).all()) and bool(each.any()) for each in gradients)


# ---- names


def test_the_gradient_may_be_announced() -> None:
    u = jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["gradient"])
    assert u.gradient.shape == (3, 2)
    assert u.read == {"jacobian"}


def test_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(
        ValueError, match="a jet has no 'curl'; ask for value, jacobian, laplacian, hessian, gradient, or"
    ):
        jet(Siren(2, 1, 8, 1), torch.zeros(3, 2), ["curl"])


def test_axes_by_index_and_by_name() -> None:
    x, y = POINTS.split(1, dim=1)
    u = jet(Cubic(), POINTS, axes="xy")
    for found in (u.d("xx"), u.d("x", "x"), u.d(0, 0), u.d("x", 0)):
        torch.testing.assert_close(found, 6 * x)
    torch.testing.assert_close(u.d("y"), 4 * y)
    assert torch.equal(u.d("xy"), u.d("yx"))
    assert torch.equal(u.d(), u.value)
    torch.testing.assert_close(u.laplacian_along("yx"), u.laplacian)
    torch.testing.assert_close(u.laplacian_along("y"), u.d("yy"))
    named = jet(Cubic(), POINTS, axes=["time", "x"])
    torch.testing.assert_close(named.d("time", "time"), 6 * x)
    torch.testing.assert_close(named.laplacian_along("time", "x"), u.laplacian)


@pytest.mark.parametrize(
    ("axes", "read", "message"),
    [
        (None, lambda u: u.d("xx"), r"the axis 'x' has no meaning: these points have no names for their axes; name"),
        (None, lambda u: u.laplacian_along("x"), "the axis 'x' has no meaning"),
        ("xy", lambda u: u.d("tt"), "there is no axis 't'; these points have x, y"),
        ("xy", lambda u: u.d(2), "there is no axis 2: the points have 2, counted from 0"),
        ("xy", lambda u: u.d(-1), "there is no axis -1"),
        ("xy", lambda u: u.d("xxxxx"), "up to order 4, got one of order 5"),
        ("xy", lambda u: u.laplacian_along("xx"), r"along one or several different axes, got \('xx',\)"),
        ("xy", lambda u: u.laplacian_along(), "along one or several different axes"),
        ("xy", lambda u: u[0].d("t"), "there is no axis 't'"),
    ],
)
def test_axes_that_are_not_there_are_refused_in_one_line(
    axes: str | None, read: Callable[[Jet], Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(jet(Cubic(), POINTS, axes=axes))
    assert "\n" not in str(caught.value)


# ---- outputs


def test_components_are_the_outputs() -> None:
    torch.manual_seed(0)
    field = Siren(2, 4, 8, 1, 3.0, 2.0).double()
    u = jet(field, POINTS, axes="xy")
    for outputs, columns in ((0, [0]), (-1, [3]), (slice(1, 3), [1, 2]), (slice(None, None, 2), [0, 2])):
        part = u[outputs]
        assert torch.equal(part.points, POINTS)
        for name in ("value", "laplacian", "jacobian", "hessian"):
            assert torch.equal(getattr(part, name), getattr(u, name)[:, columns])
        assert torch.equal(part.d("xyy"), u.d("xyy")[:, columns])
        assert torch.equal(part.laplacian_along("x"), u.laplacian_along("x")[:, columns])
    assert torch.equal(u[1].gradient, u.jacobian[:, 1])
    assert torch.equal(u[1:3][1].value, u.value[:, 2:3])
    with pytest.raises(ValueError, match=r"this one has 2; read jet\.jacobian"):
        _ = u[1:3].gradient


def test_components_are_computed_once(sweeps: list[set[Derivative]]) -> None:
    u = jet(Siren(2, 3, 8, 1), torch.zeros(3, 2), ["laplacian"])
    _ = u[0].laplacian, u[1].laplacian, u[2].value
    assert sweeps == [{"value", "laplacian"}]


class PlaneWave(Layered):
    """A exp(i k·x) as a pair of real outputs (cos k·x, sin k·x), a chain of one sine layer: cos a = sin(a + π/2)."""

    def __init__(self, k: Sequence[float]) -> None:
        super().__init__()
        self.in_features, self.out_features = len(k), 2
        phases, outputs = nn.Linear(len(k), 2), nn.Linear(2, 2)
        self.layers = nn.Sequential(phases, Sine(), outputs).double()
        with torch.no_grad():
            phases.weight.copy_(torch.tensor([k, k]))
            phases.bias.copy_(torch.tensor([math.pi / 2, 0.0], dtype=torch.float64))
            outputs.weight.copy_(torch.eye(2))
            outputs.bias.zero_()


def test_a_plane_wave_solves_the_helmholtz_equation() -> None:
    """Δu + |k|² u = 0, ∇u = i k u, u_xy = −k_x k_y u."""
    k = (3.0, -4.0)
    u = jet(PlaneWave(k), POINTS, axes="xy").complex
    wave = torch.exp(1j * (POINTS @ torch.tensor(k, dtype=torch.float64)))[:, None]
    close: dict[str, Any] = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(u.value, wave, **close)
    torch.testing.assert_close(u.laplacian + 25 * u.value, torch.zeros_like(wave), **close)
    torch.testing.assert_close(u.gradient, 1j * torch.tensor(k) * wave, **close)
    torch.testing.assert_close(u.d("xy"), 12 * wave, **close)
    torch.testing.assert_close(u.d("xxx"), -27j * wave, **close)
    torch.testing.assert_close(u.laplacian_along("y"), -16 * wave, **close)
    torch.testing.assert_close(u.hessian[:, 0, 0, 1], 12 * wave[:, 0], **close)


def test_complex_outputs_are_pairs() -> None:
    torch.manual_seed(0)
    field = Siren(2, 4, 8, 1)
    u = jet(field, torch.rand(3, 2))
    assert u.complex.value.shape == (3, 2)
    assert torch.equal(u.complex.value, torch.complex(u.value[:, ::2], u.value[:, 1::2]))
    assert torch.equal(u.complex[1].laplacian, u.complex.laplacian[:, 1:])
    assert torch.equal(u[2:].complex.jacobian, u.complex.jacobian[:, 1:])
    with pytest.raises(ValueError, match="a complex field has pairs of real outputs, this one has 3"):
        _ = jet(Siren(2, 3, 8, 1), torch.zeros(3, 2)).complex.value
    residual = (u.complex.laplacian + 2 * u.complex.value).abs().square().mean()
    assert residual.dtype == torch.float32
    assert all(bool(each.isfinite().all()) for each in torch.autograd.grad(residual, [*field.parameters()]))


# ---- equations whose solutions are known, through the series kernel


class Layers(Layered):
    """A field of layers with given weights."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        linears = [each for each in layers if isinstance(each, nn.Linear)]
        self.in_features, self.out_features = linears[0].in_features, linears[-1].out_features
        self.layers = nn.Sequential(*layers).double()


def linear(weight: Sequence[Sequence[float]], bias: Sequence[float]) -> nn.Linear:
    made = nn.Linear(len(weight[0]), len(weight), dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        made.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return made


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where the oracle is asked."""

    def refuse(*_: object) -> dict[str, Tensor]:
        raise AssertionError("the reference was asked")

    monkeypatch.setattr(reference, "evaluate", refuse)


@pytest.mark.usefixtures("no_reference")
def test_a_soliton_solves_the_korteweg_de_vries_equation() -> None:
    """u = (c/2) sech²(√c/2 (x − ct)) = (c/2) (1 − tanh²): u_t + 6 u u_x + u_xxx = 0."""
    c = 1.7
    half = math.sqrt(c) / 2
    tanh = Layers(linear([[-half * c, half]], [0.0]), activation("tanh"), linear([[1.0]], [0.0]))
    field = Readout(
        Product(tanh, tanh), torch.tensor([[-c / 2]], dtype=torch.float64), torch.tensor([c / 2], dtype=torch.float64)
    )
    points = torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 8 - 4
    u = jet(field, points, axes="tx")
    t, x = points.split(1, dim=1)
    torch.testing.assert_close(u.value, c / 2 / torch.cosh(half * (x - c * t)).square())
    terms = (u.d("t"), 6 * u.value * u.d("x"), u.d("xxx"))
    assert float(torch.stack(terms).sum(0).detach().abs().max()) <= 1e-10
    assert min(float(each.detach().abs().max()) for each in terms) > 0.1  # which are not small by themselves
    wrong = u.d("t") + 5 * u.value * u.d("x") + u.d("xxx")
    assert float(wrong.detach().abs().max()) > 0.01


def plate(a: float, b: float) -> nn.Module:
    """Return w = sin(ax) sin(by) = (cos(ax − by) − cos(ax + by)) / 2, of two sines."""
    quarter = math.pi / 2
    return Layers(linear([[a, -b], [a, b]], [quarter, quarter]), Sine(), linear([[0.5, -0.5]], [0.0]))


@pytest.mark.usefixtures("no_reference")
def test_a_plate_bends_under_its_load() -> None:
    """Δ²w = w_xxxx + 2 w_xxyy + w_yyyy = (a² + b²)² sin(ax) sin(by) = q, Timoshenko's simply supported plate."""
    a, b = math.pi, 2 * math.pi
    points = torch.rand(100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = jet(plate(a, b), points, axes="xy")
    x, y = points.split(1, dim=1)
    load = (a**2 + b**2) ** 2 * (a * x).sin() * (b * y).sin()
    residual = w.d("xxxx") + 2 * w.d("xxyy") + w.d("yyyy") - load
    assert float(residual.detach().abs().max()) <= 1e-10 * float(load.abs().max())
    assert w.read == {Partial((0, 0, 0, 0)), Partial((0, 0, 1, 1)), Partial((1, 1, 1, 1))}
    rows = taylor.rows_for(w.read | {"value"}, 2)
    assert len(rows) == 13  # every derivative of order 4 at most but u_xxxy and u_xyyy
    assert (0, 0, 0, 1) not in rows


@pytest.mark.usefixtures("no_reference")
def test_a_beam_of_exponentials() -> None:
    """u = e^(2x): every derivative is 2^k u, through an exponential link."""
    points = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    u = jet(Chain([Affine(torch.tensor([[2.0]]).double()), activation("exponential")]), points, axes="x")
    for order in range(5):
        torch.testing.assert_close(u.d("x" * order), 2**order * torch.exp(2 * points), rtol=1e-12, atol=0)


def test_derivatives_of_high_order_are_fitted_to() -> None:
    """The gradient of a loss on u_xxx by the weights is that of differences."""
    torch.manual_seed(0)
    field = Siren(1, 1, 4, 1, 2.0, 1.5).double()
    points = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    assert torch.autograd.gradcheck(lambda *_: jet(field, points).d(0, 0, 0), tuple(field.parameters()))


# ---- what is read is what is computed


def test_the_wave_operator_takes_no_hessian(sweeps: list[set[Derivative]]) -> None:
    torch.manual_seed(0)
    field = Siren(3, 1, 8, 1)
    needs: set[Derivative] = {Partial((0, 0)), LaplacianAlong((1, 2))}
    points = torch.rand(5, 3)
    u = jet(field, points, needs, axes="txy")
    residual = u.d("tt") - u.laplacian_along("xy")
    assert sweeps == [{"value", *needs}]
    assert u.read == needs
    assert fused.plan_of(field.chain(), sweeps[0]).rows == 5
    whole = jet(field, points).hessian[:, 0]
    torch.testing.assert_close(residual[:, 0], whole[:, 0, 0] - whole[:, 1, 1] - whole[:, 2, 2], rtol=1e-4, atol=1e-3)


# ---- fields of some of the coordinates


def with_axes(field: Siren, axes: str) -> Siren:
    field.axes = axes
    return field


def test_a_field_is_evaluated_at_its_own_coordinates() -> None:
    torch.manual_seed(0)
    m = with_axes(Siren(2, 1, 8, 1, 3.0, 2.0).double(), "yx")  # in another order, too
    points = torch.rand(6, 3, dtype=torch.float64)
    u, alone = jet(m, points, axes="txy"), jet(m, points[:, [2, 1]])
    assert torch.equal(u.value, alone.value)
    assert torch.equal(u.d("xxy"), alone.d(1, 1, 0))
    assert torch.equal(u.d(2), alone.d(0))
    assert torch.equal(u.laplacian_along("txy"), alone.laplacian)
    for zero in (u.d("t"), u.d("tx"), u.laplacian_along("t")):
        assert torch.equal(zero, torch.zeros(6, 1, dtype=torch.float64))
    assert torch.equal(u[0].d("x"), alone.d(1))
    assert torch.equal(jet(m, points[:, :2], axes="yx").d("y"), jet(m, points[:, :2]).d(0))


def test_whole_derivatives_are_by_the_coordinates_of_the_field() -> None:
    """Restricted to the axes it takes it would be by those of the points."""
    torch.manual_seed(0)
    m = with_axes(Siren(2, 1, 8, 1, 3.0, 2.0).double(), "yx")
    points = torch.rand(6, 3, dtype=torch.float64)
    u = jet(m, points, axes="txy")
    wide = jet(Restriction(m, (2, 1), 3), points)
    assert torch.equal(u.gradient, wide.gradient[:, [2, 1]])
    assert torch.equal(u.hessian, wide.hessian[:, :, [2, 1]][..., [2, 1]])
    assert torch.equal(u.laplacian, wide.laplacian)
    assert not bool(wide.gradient[:, 0].any())


def test_a_field_of_coordinates_that_are_not_there_is_refused() -> None:
    field = with_axes(Siren(2, 1, 8, 1), "tz")
    with pytest.raises(ValueError, match="a field of t, z cannot be evaluated at points of t, x: there is no z"):
        _ = jet(field, torch.zeros(3, 2), axes="tx").value


def test_a_turned_field_keeps_names_of_its_points() -> None:
    u = jet(AffineMap(Cubic2(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double()), POINTS, axes="ab")
    torch.testing.assert_close(u.d("bb"), 6 * POINTS[:, 1:])


class Cubic2(Cubic):
    """One that tells how many inputs and outputs it has."""

    in_features, out_features = 2, 1


def test_jets_in_chunks_are_those_of_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 8, 1, dropout=0.5).double().train()
    monkeypatch.setattr(sys.modules[Jet.__module__], "CHUNK", 4)  # `sinefield.jet` is the function
    points = torch.rand(10, 2)  # of another precision than the field
    found = list(jets_of(field, points, ["value", "laplacian"]))
    assert [len(each.points) for each in found] == [4, 4, 2]
    expected = jet(field.eval(), points.double())
    assert not found[0].value.requires_grad
    torch.testing.assert_close(torch.cat([each.laplacian for each in found]), expected.laplacian.detach())


@pytest.mark.parametrize("shape", [(2,), (1, 3, 2)])
def test_points_of_a_chain(shape: tuple[int, ...]) -> None:
    one = Chain([Affine(torch.ones(1, 2))])
    with pytest.raises(ValueError, match=r"points must have shape \(n, d\), got"):
        jet(one, torch.zeros(shape))
    many = Chain([Affine(torch.ones(4, 1, 2))])
    assert jet(many, torch.zeros(3, 2)).value.shape == (4, 3, 1)
    assert jet(many, torch.zeros(4, 3, 2)).gradient.shape == (4, 3, 2)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the field takes points of 2 coordinates, but those of the domain have 3"):
        _ = jet(Siren(2, 1, 8, 1), torch.zeros(5, 3)).value


def test_the_jet_at_other_points_counts_as_read() -> None:
    """A residual that depends on more than its own point: u(x) = u(x + 1)."""
    field = Formula(torch.sin, 1, 1)
    u = jet(field, torch.tensor([[0.0], [1.0]]))
    torch.testing.assert_close(u.at(u.points + 1).value, torch.sin(u.points + 1))
    assert u.read == {"value"}
