"""Tests of what every kernel must satisfy, against nested differentiation in float64 and closed forms.

A new file in ``sinefield/kernels`` is found and judged by these tests as it stands.
"""

from __future__ import annotations

import copy
import functools
import importlib
import itertools
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields import Field
from sinefield.fields.activations import Sine, activation
from sinefield.fields.derivatives import WHOLE, Derivative
from sinefield.fields.encodings import RadialBasis
from sinefield.fields.field import NETWORKS, Layered, build
from sinefield.fields.siren import Siren
from sinefield.kernels import reference

MODULES: dict[str, Any] = {
    each.name.removeprefix("sinefield.kernels."): module
    for each in pkgutil.walk_packages(kernels.__path__, "sinefield.kernels.")
    if hasattr(module := importlib.import_module(each.name), "evaluate")
} | {"dispatch": kernels}
FAST = sorted(
    set(MODULES) - {"reference", "siren.compiled"}
)  # compiling many shapes takes long: tests/kernels/test_compiled.py
ALL = [*FAST, "reference"]
EVERYTHING: frozenset[Derivative] = frozenset(WHOLE)
SUBSETS = [frozenset(each) for size in range(1, len(WHOLE) + 1) for each in itertools.combinations(WHOLE, size)]

# Every network, with encodings of few features, and what else a field may be made of.
FIELDS: dict[str, tuple[str, dict[str, int | float | str]]] = {
    **{name: (name, {}) for name in NETWORKS},
    "relu-nerf": ("relu-nerf", {"frequencies": 4}),
    "relu-fourier": ("relu-fourier", {"frequencies": 6, "scale": 2.0}),
    "relu-rbf": ("relu-rbf", {"frequencies": 12, "scale": 2.0}),
    "siren, no hidden layer": ("siren", {"hidden_layers": 0}),
    "siren, other frequencies": ("siren", {"first_omega": 60.0, "hidden_omega": 10.0}),
    "siren, without dropout": ("siren", {"dropout": 0.0}),
    "siren, tanh at the end": ("siren", {"final_activation": "tanh"}),
    "siren, exponential at the end": ("siren", {"final_activation": "exponential"}),
}


def field_of(kind: str, inputs: int, outputs: int, *, width: int = 8, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(3)
    name, settings = FIELDS[kind]
    return build(name, inputs, outputs, **({"hidden_features": width, "hidden_layers": 2} | settings)).to(dtype)


def takes(kernel: str, field: nn.Module) -> bool:
    if kernel in ("dispatch", "reference"):  # which take any module
        return True
    return isinstance(field, Field) and MODULES[kernel].supports(field.chain())


def pairs_of(kernels_: list[str], kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Return each kernel with each kind of field that it takes."""
    return [(kernel, kind) for kind in kinds for kernel in kernels_ if takes(kernel, field_of(kind, 2, 1))]


SIRENS = [kernel for kernel in ALL if takes(kernel, field_of("siren", 2, 1))]


def points_of(count: int, dimension: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (torch.rand(count, dimension, dtype=dtype, generator=torch.Generator().manual_seed(4)) * 2 - 1).to(dtype)


Evaluate = Callable[[nn.Module, Tensor, Set[Derivative]], Mapping[Derivative, Tensor]]


def kernel_of(name: str, field: nn.Module) -> Evaluate:
    """Return a kernel by name, having made sure that it takes this field."""
    assert takes(name, field)
    kernel: Callable[..., dict[Derivative, Tensor]] = MODULES[name].evaluate
    if name in ("dispatch", "reference"):
        return kernel

    def evaluate(field: nn.Module, points: Tensor, needs: Set[Derivative]) -> Mapping[Derivative, Tensor]:
        assert isinstance(field, Field)
        return kernel(field.chain(), points, needs)

    return evaluate


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Return ‖found − expected‖ / ‖expected‖, or ‖found‖ where nothing is expected."""
    norm = float(expected.detach().double().norm())
    return float((found.detach().double() - expected.detach().double()).norm()) / (norm or 1.0)


def shape_of(quantity: Derivative, count: int, outputs: int, dimension: int) -> tuple[int, ...]:
    return (count, outputs) + (dimension,) * {"value": 0, "laplacian": 0, "jacobian": 1, "hessian": 2}[str(quantity)]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(FAST, FIELDS))
def test_jets_in_float64(kernel: str, kind: str, dimension: int, outputs: int) -> None:
    field, points = field_of(kind, dimension, outputs), points_of(5, dimension)
    found = kernel_of(kernel, field)(field, points, EVERYTHING)
    expected = reference.evaluate(field, points, EVERYTHING)
    for quantity in WHOLE:
        assert found[quantity].shape == shape_of(quantity, 5, outputs, dimension)
        assert found[quantity].dtype == torch.float64
        assert relative_error(found[quantity], expected[quantity]) <= 1e-10
    # The Laplacian by itself takes another way than as the trace of the Hessian.
    alone = kernel_of(kernel, field)(field, points, {"laplacian"})["laplacian"]
    assert relative_error(alone, expected["laplacian"]) <= 1e-10


@pytest.mark.parametrize("needs", SUBSETS, ids=lambda needs: "+".join(sorted(needs)))
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(ALL, ["siren", "relu-rbf"]))
def test_every_subset_of_needs(kernel: str, kind: str, needs: frozenset[Derivative]) -> None:
    field, points = field_of(kind, 2, 3), points_of(5, 2)
    found = kernel_of(kernel, field)(field, points, needs)
    expected = reference.evaluate(field, points, EVERYTHING)
    assert found.keys() == needs
    for quantity in needs:
        assert relative_error(found[quantity], expected[quantity]) <= 1e-10


class Known(nn.Module):
    """Φ = (x³y², sin(2x + 3y), e^x cos y)."""

    def forward(self, points: Tensor) -> Tensor:
        x, y = points.unbind(1)
        return torch.stack([x**3 * y**2, torch.sin(2 * x + 3 * y), torch.exp(x) * torch.cos(y)], dim=1)


def test_the_reference_on_closed_forms() -> None:
    points = points_of(7, 2)
    x, y = points.unbind(1)
    sine, cosine = torch.sin(2 * x + 3 * y), torch.cos(2 * x + 3 * y)
    grown, turned = torch.exp(x) * torch.cos(y), torch.exp(x) * torch.sin(y)
    jacobian = [[3 * x**2 * y**2, 2 * x**3 * y], [2 * cosine, 3 * cosine], [grown, -turned]]
    hessian = [
        [[6 * x * y**2, 6 * x**2 * y], [6 * x**2 * y, 2 * x**3]],
        [[-4 * sine, -6 * sine], [-6 * sine, -9 * sine]],
        [[grown, -turned], [-turned, -grown]],
    ]
    laplacian = torch.stack([6 * x * y**2 + 2 * x**3, -13 * sine, torch.zeros_like(x)], dim=1)  # e^x cos y is harmonic
    found = reference.evaluate(Known(), points, EVERYTHING)
    close = functools.partial(torch.testing.assert_close, rtol=1e-13, atol=1e-13)
    close(found["value"], torch.stack([x**3 * y**2, sine, grown], dim=1))
    close(found["jacobian"], torch.stack([torch.stack(row, dim=1) for row in jacobian], dim=1))
    rows = [torch.stack([torch.stack(row, dim=1) for row in one], dim=1) for one in hessian]
    close(found["hessian"], torch.stack(rows, dim=1))
    close(found["laplacian"], laplacian)


@pytest.mark.parametrize("kernel", SIRENS)
def test_a_layer_of_sines_in_closed_form(kernel: str) -> None:
    """Φ = A sin(ω(Wx + b)) + a: ∇Φ = ω A cos W, ∇²Φ = −ω² A sin W Wᵀ."""
    field, points = field_of("siren, no hidden layer", 3, 2), points_of(6, 3)
    assert isinstance(field, Siren)
    first, last = (layer for layer in field.layers if isinstance(layer, nn.Linear))
    phase = 30.0 * (points @ first.weight.T + first.bias)
    found = kernel_of(kernel, field)(field, points, EVERYTHING)
    hessian = -900 * torch.einsum("ch,nh,hi,hj->ncij", last.weight, phase.sin(), first.weight, first.weight)
    close = functools.partial(torch.testing.assert_close, rtol=1e-11, atol=1e-11)
    close(found["value"], phase.sin() @ last.weight.T + last.bias)
    jacobian = 30 * torch.einsum("ch,nh,hi->nci", last.weight, phase.cos(), first.weight)
    close(found["jacobian"], jacobian)
    close(found["hessian"], hessian)
    close(found["laplacian"], torch.einsum("ncii->nc", hessian))


@pytest.mark.parametrize("kernel", ["taylor", "reference"])
def test_a_gaussian_in_closed_form(kernel: str) -> None:
    """Of g = e^(−s²r²) in d dimensions Δg = (4 s⁴ r² − 2 d s²) g."""
    field = field_of("relu-rbf", 2, 1)
    assert isinstance(field, Layered)
    basis, exponential = field.layers[0], field.layers[1]
    assert isinstance(basis, RadialBasis)
    field.layers = nn.Sequential(basis, exponential)
    points = points_of(6, 2)
    offsets = points[:, None] - basis.centres
    squares, widths = offsets.square().sum(-1), basis.inverse_widths.square()
    gauss = torch.exp(-widths * squares)
    found = kernel_of(kernel, field)(field, points, EVERYTHING)
    close = functools.partial(torch.testing.assert_close, rtol=1e-11, atol=1e-11)
    close(found["value"], gauss)
    close(found["jacobian"], (-2 * widths * gauss)[..., None] * offsets)
    close(found["laplacian"], (4 * widths**2 * squares - 4 * widths) * gauss)


SMOOTH = ["siren", "tanh", "softplus", "relu-rbf", "siren, tanh at the end"]


@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(ALL, SMOOTH))
def test_derivatives_by_parameters_and_points(kernel: str, kind: str, quantity: Derivative) -> None:
    """Torch's own check with finite differences, of smooth fields with frequencies that it can follow."""
    torch.manual_seed(5)
    name, settings = FIELDS[kind]
    slow = {"first_omega": 3.0, "hidden_omega": 2.0} if name == "siren" else {}
    few = {"frequencies": 3} if name == "relu-rbf" else {}
    field = build(name, 2, 2, **{"hidden_features": 4, "hidden_layers": 1} | settings | slow | few).double()
    points = points_of(3, 2).requires_grad_()
    evaluate = kernel_of(kernel, field)
    parameters = tuple(field.parameters())  # changed in place by the check, so that the field sees it
    assert torch.autograd.gradcheck(
        lambda x, *_: evaluate(field, x, {quantity})[quantity], (points, *parameters), fast_mode=False
    )


def loss_of(answer: Mapping[Derivative, Tensor], quantity: Derivative) -> Tensor:
    """Return a loss as constraints have it: the mean square of the distance to a target."""
    target = torch.linspace(-1, 1, answer[quantity].numel(), dtype=answer[quantity].dtype)
    return (answer[quantity] - target.reshape(answer[quantity].shape)).square().mean()


def gradient_of(evaluate: Evaluate, field: nn.Module, points: Tensor, quantity: Derivative) -> Tensor:
    """Return the gradient of a loss on one quantity by all parameters, as one vector."""
    parameters = [each for each in field.parameters() if each.requires_grad]
    loss = loss_of(evaluate(field, points, {quantity}), quantity)
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    return torch.cat([each.flatten() for each in gradients])


# Where plain PyTorch happens to make no error at all, twice of it is no room; half a unit in the last place on either
# side of the exact number is what the result itself is rounded by.
FLOOR = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(FAST, FIELDS))
def test_jets_in_float32_are_as_good_as_plain_torch(kernel: str, kind: str, quantity: Derivative) -> None:
    field, points = field_of(kind, 2, 3, width=32, dtype=torch.float32), points_of(64, 2, torch.float32)
    exact = reference.evaluate(copy.deepcopy(field).double(), points.double(), {quantity})[quantity]
    plain = relative_error(reference.evaluate(field, points, {quantity})[quantity], exact)
    fast = relative_error(kernel_of(kernel, field)(field, points, {quantity})[quantity], exact)
    assert fast <= 2 * plain + FLOOR


@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian"])
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(FAST, FIELDS))
def test_parameter_gradients_in_float32_are_as_good_as_plain_torch(
    kernel: str, kind: str, quantity: Derivative
) -> None:
    field, points = field_of(kind, 2, 3, width=32, dtype=torch.float32), points_of(64, 2, torch.float32)
    exact = gradient_of(reference.evaluate, copy.deepcopy(field).double(), points.double(), quantity)
    plain = relative_error(gradient_of(reference.evaluate, field, points, quantity), exact)
    fast = relative_error(gradient_of(kernel_of(kernel, field), field, points, quantity), exact)
    assert fast <= 2 * plain + FLOOR


@pytest.mark.parametrize("quantity", ["value", "jacobian", "laplacian", "hessian"])
@pytest.mark.parametrize(("kernel", "kind"), pairs_of(FAST, FIELDS))
def test_parameter_gradients_in_float64(kernel: str, kind: str, quantity: Derivative) -> None:
    field, points = field_of(kind, 2, 3), points_of(5, 2)
    expected = gradient_of(reference.evaluate, field, points, quantity)
    assert relative_error(gradient_of(kernel_of(kernel, field), field, points, quantity), expected) <= 1e-10


def test_the_check_in_float32_sees_a_loss_of_digits() -> None:
    """Finite differences, whose error is some hundred times that of differentiation, do not pass it."""
    field, points = field_of("siren", 1, 1, width=32, dtype=torch.float32), points_of(64, 1, torch.float32)
    exact = reference.evaluate(copy.deepcopy(field).double(), points.double(), {"jacobian"})["jacobian"]
    plain = relative_error(reference.evaluate(field, points, {"jacobian"})["jacobian"], exact)
    step = 1e-4
    differences = (field(points + step) - field(points - step)) / (2 * step)
    assert relative_error(differences[..., None], exact) > 2 * plain + FLOOR


@pytest.mark.parametrize("needs", [{"value"}, {"value", "jacobian"}, EVERYTHING], ids=["value", "jacobian", "all"])
def test_dropout_in_training_drops_the_same(needs: frozenset[Derivative]) -> None:
    torch.manual_seed(0)
    field, points = Siren(2, 3, 32, 2, dropout=0.3).double(), points_of(16, 2)
    assert field.training
    answers = []
    for evaluate in (reference.evaluate, kernels.evaluate):
        torch.manual_seed(7)
        answers.append(evaluate(field, points, needs))
    for quantity in needs:
        assert relative_error(answers[1][quantity], answers[0][quantity]) <= 1e-10
    field.eval()
    assert relative_error(answers[0]["value"], field(points)) > 1e-3  # something had been dropped


@pytest.mark.parametrize(("kernel", "kind"), pairs_of(ALL, ["siren", "relu-rbf"]))
@pytest.mark.parametrize("watched", [False, True], ids=["plain points", "points that require a gradient"])
def test_without_grad_nothing_is_recorded(kernel: str, kind: str, watched: bool) -> None:
    field, points = field_of(kind, 2, 1), points_of(4, 2).requires_grad_(watched)
    with torch.no_grad():
        found = kernel_of(kernel, field)(field, points, EVERYTHING)
    assert not any(each.requires_grad for each in found.values())
    expected = reference.evaluate(field, points, EVERYTHING)
    assert all(relative_error(found[each], expected[each]) <= 1e-10 for each in EVERYTHING)


@pytest.mark.parametrize("kernel", SIRENS)
@pytest.mark.parametrize("quantity", WHOLE)
def test_with_grad_parameters_are_reached(kernel: str, quantity: Derivative) -> None:
    field = field_of("siren", 2, 1)
    assert kernel_of(kernel, field)(field, points_of(4, 2), {quantity})[quantity].requires_grad


@pytest.mark.parametrize("kernel", SIRENS)
def test_points_are_left_alone(kernel: str) -> None:
    field, points = field_of("siren", 2, 1), points_of(4, 2)
    kernel_of(kernel, field)(field, points, EVERYTHING)
    assert torch.equal(points, points_of(4, 2))
    assert not points.requires_grad
    assert points.grad is None


@pytest.mark.parametrize("kernel", SIRENS)
def test_one_point(kernel: str) -> None:
    field, points = field_of("siren", 2, 3), points_of(5, 2)
    whole = kernel_of(kernel, field)(field, points, EVERYTHING)
    alone = kernel_of(kernel, field)(field, points[:1], EVERYTHING)
    for quantity in WHOLE:
        assert alone[quantity].shape == shape_of(quantity, 1, 3, 2)
        assert relative_error(alone[quantity], whole[quantity][:1]) <= 1e-12


class Constant(nn.Module):
    """A field that does not look at the points."""

    def forward(self, points: Tensor) -> Tensor:
        return points.new_full((len(points), 2), 3.0)


def test_the_reference_of_what_does_not_depend_on_the_points() -> None:
    found = reference.evaluate(Constant(), points_of(4, 3), EVERYTHING)
    assert bool((found["value"] == 3).all())
    for quantity in ("jacobian", "laplacian", "hessian"):
        assert found[quantity].shape == shape_of(quantity, 4, 2, 3)
        assert not bool(found[quantity].any())


def test_an_affine_field_has_no_curvature() -> None:
    affine = nn.Linear(3, 2).double()
    found = reference.evaluate(affine, points_of(4, 3), EVERYTHING)
    assert torch.equal(found["jacobian"], affine.weight.expand(4, 2, 3))
    assert not bool(found["hessian"].any())


# Fields that no fast kernel knows, though some look as if it did.


class HardBoundary(nn.Module):
    """A field that is zero at x = ±1 by construction."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Siren(2, 1, 8, 1).layers

    def forward(self, points: Tensor) -> Tensor:
        within: Tensor = self.layers(points)
        return (1 - points[:, :1] ** 2) * within


class Scaled(Siren):
    """A SIREN whose values are scaled."""

    def forward(self, points: Tensor) -> Tensor:
        return 10 * super().forward(points)


class Doubled(nn.Linear):
    """An affine map that is not the one its weights say."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def with_layers(*layers: nn.Module) -> nn.Module:
    field = Siren(2, 1, 8, 1)
    field.layers = nn.Sequential(*layers)
    return field


UNKNOWN: dict[str, Callable[[], nn.Module]] = {
    "no layers": Known,
    "plain torch": lambda: nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)),
    "an unknown layer": lambda: with_layers(nn.Linear(2, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 1)),
    "layers within layers": lambda: with_layers(nn.Sequential(nn.Linear(2, 8), Sine(3.0)), nn.Linear(8, 1)),
    "more than its layers": HardBoundary,
    "a network that was overridden": lambda: Scaled(2, 1, 8, 1),
    "a layer that was overridden": lambda: with_layers(Doubled(2, 8), Sine(3.0), nn.Linear(8, 1)),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_any_module_is_a_field(kind: str) -> None:
    """Whichever kernel is chosen, the jet is that of the module's own forward."""
    torch.manual_seed(0)
    field, points = UNKNOWN[kind]().double(), points_of(5, 2)
    found = kernels.evaluate(field, points, EVERYTHING)
    expected = reference.evaluate(field, points, EVERYTHING)
    assert torch.equal(expected["value"], field(points))
    for quantity in WHOLE:
        assert relative_error(found[quantity], expected[quantity]) <= 1e-10


@pytest.mark.parametrize("kind", FIELDS)
def test_known_fields_do_not_go_the_slow_way(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> dict[str, Tensor]:
        raise AssertionError("the reference was asked")

    monkeypatch.setattr(reference, "evaluate", refuse)
    assert kernels.evaluate(field_of(kind, 2, 1), points_of(3, 2), {"laplacian"}).keys() == {"laplacian"}


def test_parametrised_layers_are_differentiated_as_they_are() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 8, 1, first_omega=math.pi, hidden_omega=2.0).double()
    nn.utils.parametrizations.weight_norm(field.layers[2])
    points = points_of(5, 2)
    found = kernels.evaluate(field, points, EVERYTHING)
    expected = reference.evaluate(field, points, EVERYTHING)
    for quantity in WHOLE:
        assert relative_error(found[quantity], expected[quantity]) <= 1e-10


def test_a_final_activation_of_ours_is_known() -> None:
    assert takes("taylor", Siren(2, 1, 8, 1, final_activation=activation("sigmoid")))
    with pytest.raises(TypeError, match="a Tanh is no link of a chain"):
        Siren(2, 1, 8, 1, final_activation=nn.Tanh()).chain()
