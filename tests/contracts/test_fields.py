"""Tests of what every field must satisfy: its jet is that of nested differentiation in float64, and so are gradients.

Every network that is built by name is judged as it stands; fields made of others are listed here, once each.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Set
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.fields import compose, coordinates
from sinefield.fields import expansion as expansions
from sinefield.fields.activations import Sine, activation
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Composite, Constant, Evaluate, Formula, Product, Readout, Sum
from sinefield.fields.coordinates import AffineMap, Periodic, Restriction
from sinefield.fields.derivatives import WHOLE, Derivative, LaplacianAlong, Partial
from sinefield.fields.distance import Distance
from sinefield.fields.expansion import ComplexExpansion, Expansion
from sinefield.fields.field import NETWORKS, Field, Layered, build
from sinefield.fields.functional import Batched
from sinefield.fields.modes import Modes
from sinefield.fields.network import Network
from sinefield.fields.siren import Siren
from sinefield.fields.tiled import TiledSiren
from sinefield.fields.window import Window
from sinefield.kernels import reference

DIMENSION = 2
PARTIALS = [
    Partial(axes) for order in range(5) for axes in itertools.combinations_with_replacement(range(DIMENSION), order)
]
LAPLACIANS = [LaplacianAlong((0,)), LaplacianAlong((1,)), LaplacianAlong((0, 1))]
UP_TO_TWO: frozenset[Derivative] = frozenset([*WHOLE, *LAPLACIANS, *(each for each in PARTIALS if len(each.axes) <= 2)])
EVERYTHING: frozenset[Derivative] = frozenset([*WHOLE, *PARTIALS, *LAPLACIANS])
SINGLES: list[Derivative] = [*WHOLE, *LAPLACIANS, *PARTIALS]


def siren(inputs: int = DIMENSION, outputs: int = 2, *, seed: int = 0, **settings: Any) -> Siren:
    torch.manual_seed(seed)
    return Siren(inputs, outputs, 6, 1, first_omega=3.0, hidden_omega=2.0, **settings).double()


def perceptron(inputs: int = DIMENSION, outputs: int = 2) -> nn.Module:
    torch.manual_seed(1)
    return build("tanh", inputs, outputs, hidden_features=6, hidden_layers=1).double()


def formula(outputs: int = 1) -> Formula:
    """Return d = (1 − x²)(2 + sin y), and e^x y³ after it."""

    def function(x: Tensor) -> Tensor:
        both = [(1 - x[:, :1] ** 2) * (2 + x[:, 1:].sin()), x[:, :1].exp() * x[:, 1:] ** 3]
        return torch.cat(both[:outputs], dim=1)

    return Formula(function, 2, outputs)


def matrix(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


class Module(nn.Module):
    """A field of plain PyTorch, with no chain."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.last = nn.Linear(2, 5).double(), nn.Linear(5, 2).double()
        self.in_features, self.out_features = 2, 2

    def forward(self, points: Tensor) -> Tensor:
        found: Tensor = self.last(torch.tanh(self.first(points)))
        return found


def batched() -> Batched:
    weights = [dict(siren(seed=seed).named_parameters()) for seed in range(4)]
    return Batched(siren(), 4, {name: torch.stack([each[name].detach() for each in weights]) for name in weights[0]})


SETTINGS: dict[str, dict[str, int | float | str]] = {
    "siren": {"first_omega": 3.0, "hidden_omega": 2.0},
    "tiled": {"first_omega": 3.0, "hidden_omega": 2.0, "tiles": "3x2"},
    "relu-nerf": {"frequencies": 2},
    "relu-fourier": {"frequencies": 4, "scale": 0.5},
    "relu-rbf": {"frequencies": 6, "scale": 1.0},
}


# Two functions of each family, sine and cosine of one among them, away from their centres and branch cuts.
TERMS: Mapping[str, list[list[float]]] = {
    "powers": [
        [-1.0, -1.5, 0.7, 1.3, 2 / 3, 0, 0, 0.4],
        [-1.0, -1.5, 0.7, 1.3, 2 / 3, 0, 0, 1.4],
        [-2, 0, 0, 2, 3, 1, 1, 0],
    ],
    **{f"bessel-{kind}": [[-1.0, -1.5, 0.7, 1.3, 2 / 3, 3, 0.4], [-2, 0, 0, 2, 2, 1, 0]] for kind in "jyik"},
    "standing": [[2.0, -1, 0.1, 0.2, 0, 0.3, 0.5], [1.0, 3, 0.1, 0.2, 1, 0.4, 2]],
    "waves": [[2.0, -1, 0, 0, 0.1, 0.2, 0.5], [2.0, -1, 0.5, 0.7, 0.1, 0.2, 2]],
}


def expansion(family: str = "powers") -> Expansion:
    field = Expansion.of(family, torch.tensor(TERMS[family], dtype=torch.float64), 2, 2)
    with torch.no_grad():
        field.weight.copy_(matrix(2, len(TERMS[family])))
    return field


def complex_expansion() -> ComplexExpansion:
    field = ComplexExpansion("waves", torch.tensor(TERMS["waves"], dtype=torch.float64), 2)
    with torch.no_grad():
        field.weight.copy_(matrix(2, len(TERMS["waves"])))
    return field


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    shape = {} if name == "constant" else {"hidden_features": 6, "hidden_layers": 1}
    return build(name, 0 if name == "constant" else DIMENSION, 2, **(shape | SETTINGS.get(name, {}))).double()


def modes(walls: str, mixing: Tensor | None = None) -> Modes:
    frequencies = torch.tensor([0.0, 1.5, 2.0])[: 3 if mixing is None else 2]
    field = Modes.of(walls, torch.tensor([[-1.0], [1.5]]), torch.tensor([[0], [1], [3]]), frequencies, mixing)
    with torch.no_grad():
        field.weight.copy_(matrix(*field.weight.shape))
    return field


EXPANDED = ("powers", "bessel-k", "standing", "waves")
PARTLY = (
    "network constant",
    *(f"expansion in {family}" for family in EXPANDED),
    "window",
    "distance",
    "modes",
    "mixed",
)
"""Fields that others are made of, and that a file can hold."""

FIELDS: Mapping[str, Callable[[], nn.Module]] = {
    **{f"network {name}": functools.partial(network, name) for name in [*NETWORKS, "constant"]},
    "siren, tanh at the end": lambda: siren(final_activation=activation("tanh")),
    "plain module": Module,
    "sum": lambda: Sum(siren(), perceptron(), Constant(out_features=2, value=0.7).double()),
    "product": lambda: Product(siren(), perceptron()),
    "product with one output": lambda: Product(siren(outputs=1), perceptron()),
    "product the other way": lambda: Product(perceptron(), siren(outputs=1)),
    "product with a constant": lambda: Product(Constant(value=0.3).double(), siren()),
    "g + d Φ": lambda: Sum(formula(2), Product(formula(1), siren())),
    "formula": lambda: Sum(formula(2), Constant(out_features=2).double()),
    "read-out": lambda: Readout(siren(), matrix(3, 2), matrix(3)),
    "read-out without shift": lambda: Readout(perceptron(), matrix(1, 2)),
    "affine map of a chain": lambda: AffineMap(siren(3), matrix(3, 2), matrix(3)),
    "affine map of a module": lambda: AffineMap(Module(), matrix(2, 2), matrix(2)),
    "affine map of a sum": lambda: AffineMap(Sum(siren(3), perceptron(3)), matrix(3, 2)),
    "restriction to the second axis": lambda: Restriction(siren(1), (1,), 2),
    "restriction to both, swapped": lambda: Restriction(siren(2), (1, 0), 2),
    "restriction of a product": lambda: Restriction(Product(siren(1), perceptron(1)), (0,), 2),
    "periodic": lambda: Periodic(siren(4), (2.0, 3.0)).double(),
    "periodic perceptron": lambda: Periodic(perceptron(4), (2.0, 3.0)).double(),
    "periodic module": lambda: Periodic(Readout(siren(4), matrix(2, 2)), (2.0, 3.0)).double(),
    "side by side": batched,
    **{f"expansion in {family}": functools.partial(expansion, family) for family in EXPANDED},
    "complex expansion": complex_expansion,
    "window": lambda: Window(2, 1, "gaussian", "0.1,-0.2,0.7"),
    "strip": lambda: Product(Window(2, 1, "strip", "0,-2.0,1.5,3.0"), siren()),
    "distance": lambda: Distance(2, 1, factor=0.7, rounding=0.1, at_0=0.2, at_1=-0.3),
    "modes": lambda: modes("free"),
    "mixed": lambda: modes("fixed", matrix(3, 2)),
    "expansion in functions of the user": lambda: Expansion(formula(2), 2),
    "expansion in a product": lambda: Product(formula(1), Sum(siren(), expansion("waves"))),
    "tiles in a product": lambda: Product(formula(1), network("tiled")),
    "composites within composites": lambda: Sum(
        Product(Restriction(siren(1, 1), (0,), 2), AffineMap(perceptron(), matrix(2, 2))),
        Readout(Product(formula(2), siren()), matrix(2, 2)),
    ),
}


def points_of(count: int = 8) -> Tensor:
    return torch.rand(count, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 1.8 - 0.9


def same(found: Tensor, expected: Tensor, bound: float = 1e-10) -> bool:
    """Return whether ‖found − expected‖ ≤ bound ‖expected‖, and of nothing whether it is nothing to rounding."""
    size = float(expected.detach().norm())
    return found.shape == expected.shape and float((found - expected).detach().norm()) <= bound * max(size, 1e-3)


def wrong(field: nn.Module, needs: Set[Derivative], *, gradients: bool = True) -> list[str]:
    """Return which derivatives of a field, and which of their gradients, are not those of the oracle."""
    points = points_of().requires_grad_()
    found, expected = (each(field, points, needs) for each in (kernels.evaluate, reference.evaluate))
    assert found.keys() == expected.keys() == set(needs)
    bad = [str(need) for need in needs if not same(found[need], expected[need])]
    if gradients and any(each.requires_grad for each in expected.values()):
        names, inputs = zip(("points", points), *field.named_parameters(), strict=True)
        learnt = [each for each in inputs if each.requires_grad]
        nothing = sum(0 * each.sum() for each in learnt)  # what is zero everywhere has no history
        losses = [sum((each[need] - 0.3).square().mean() for need in needs) + nothing for each in (found, expected)]
        by = [torch.autograd.grad(each, learnt, retain_graph=True, materialize_grads=True) for each in losses]
        bad += [f"gradient by {name}" for name, one, other in zip(names, *by, strict=False) if not same(one, other)]
    return bad


@pytest.mark.parametrize("kind", FIELDS)
def test_the_value_is_that_of_the_forward_method(kind: str) -> None:
    field, points = FIELDS[kind](), points_of()
    found = kernels.evaluate(field, points, {"value"})["value"]
    assert same(found, field(points), 1e-12)
    assert found.shape == (8, field.out_features)
    assert found.dtype == torch.float64


@pytest.mark.parametrize("kind", FIELDS)
def test_up_to_second_order_together(kind: str) -> None:
    assert wrong(FIELDS[kind](), UP_TO_TWO) == []


@pytest.mark.parametrize("kind", FIELDS)
def test_up_to_fourth_order_together(kind: str) -> None:
    assert wrong(FIELDS[kind](), EVERYTHING, gradients=False) == []


@pytest.mark.parametrize("need", SINGLES, ids=lambda each: f"{getattr(each, 'axes', each)}")
@pytest.mark.parametrize("kind", FIELDS)
def test_each_derivative_by_itself(kind: str, need: Derivative) -> None:
    """With its gradients by the points and by all parameters, which for order 4 are derivatives of order 5."""
    gradients = not isinstance(need, Partial) or len(need.axes) < 4
    assert wrong(FIELDS[kind](), {need}, gradients=gradients) == []


@pytest.mark.parametrize(
    "kind", ["network siren", "network tanh", "g + d Φ", "periodic", "network tiled", "side by side"]
)
def test_gradients_of_fourth_order(kind: str) -> None:
    assert wrong(FIELDS[kind](), {Partial((0, 0, 0, 0)), Partial((0, 0, 1, 1))}) == []


@pytest.mark.parametrize("kind", FIELDS)
def test_without_grad_nothing_is_recorded(kind: str) -> None:
    field = FIELDS[kind]()
    with torch.no_grad():
        found = kernels.evaluate(field, points_of(), UP_TO_TWO)
    expected = reference.evaluate(field, points_of(), UP_TO_TWO)
    assert not any(each.requires_grad for each in found.values())
    assert all(same(found[need], expected[need]) for need in UP_TO_TWO)


@pytest.mark.parametrize("kind", FIELDS)
def test_work_and_memory_are_counted(kind: str) -> None:
    field = FIELDS[kind]()
    needs: list[set[Derivative]] = [{"value"}, {"hessian"}]
    assert [kernels.work(field, each) >= 0 for each in needs] == [True, True]
    assert kernels.work(field, needs[1]) >= kernels.work(field, needs[0])
    assert kernels.memory(field, needs[0], 100) <= kernels.memory(field, needs[0], 10_000)
    assert kernels.block_size(field, needs[0]) > 0


@pytest.mark.parametrize("kind", [*(f"network {name}" for name in NETWORKS), *PARTLY])
def test_a_network_is_rebuilt_from_what_it_says_of_itself(kind: str) -> None:
    field = FIELDS[kind]()
    description = Network.of(field)
    again = Network.from_json(description.to_json()).build().double()
    again.load_state_dict(field.state_dict())
    assert Network.of(again) == description
    assert torch.equal(again(points_of()), field(points_of()))
    assert all(each.is_meta for each in description.blank().parameters())


@pytest.mark.parametrize("kind", FIELDS)
def test_fast_kernels_are_used(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is asked for closed forms, modules of plain PyTorch, and periodic fields of those without a chain."""
    asked: list[str] = []
    evaluate = reference.evaluate

    def watched(field: nn.Module, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
        asked.append(type(field).__name__)
        return evaluate(field, points, needs)

    monkeypatch.setattr(reference, "evaluate", watched)
    kernels.evaluate(FIELDS[kind](), points_of(), EVERYTHING)
    assert set(asked) <= ({"Periodic"} if kind == "periodic module" else {"Module", "_Function", "Window", "Distance"})


# ---- tests of the test


class Broken(Composite):
    """Twice a field, whose derivatives of second order are those of the field itself."""

    def __init__(self, field: Siren) -> None:
        super().__init__()
        self.in_features, self.out_features, self.field = field.in_features, field.out_features, field

    def parts(self, needs: Set[Derivative]) -> list[tuple[nn.Module | Chain, Set[Derivative]]]:
        return [(self.field, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        found = evaluate(self.field, points, needs)
        return {need: each if need in ("laplacian", "hessian") else 2 * each for need, each in found.items()}


class Detached(Composite):
    """A field whose derivatives are right, and do not reach its parameters."""

    def __init__(self, field: Siren) -> None:
        super().__init__()
        self.in_features, self.out_features, self.field = field.in_features, field.out_features, field

    def parts(self, needs: Set[Derivative]) -> list[tuple[nn.Module | Chain, Set[Derivative]]]:
        return [(self.field, needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        found = dict(evaluate(self.field, points, needs))
        jacobian = found.pop("jacobian", None)
        return found if jacobian is None else found | {"jacobian": jacobian.detach()}


class Unlike(Layered):
    """A network whose chain is not what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.in_features, self.out_features, self.layers = 2, 1, nn.Sequential(nn.Linear(2, 4), Sine(), nn.Linear(4, 1))

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points)

    def chain(self) -> Chain:
        return Chain([Affine(layer.weight) if isinstance(layer, nn.Linear) else Sine() for layer in self.layers])


def test_what_is_broken_is_found() -> None:
    assert wrong(Broken(siren()), {"laplacian"})[0] == "laplacian"
    assert "hessian" in wrong(Broken(siren()), UP_TO_TWO)
    assert "jacobian" not in wrong(Broken(siren()), UP_TO_TWO)
    assert any("gradient by field" in each for each in wrong(Detached(siren()), {"jacobian", "value"}))
    assert "value" in wrong(Unlike().double(), {"value"})


def test_every_composite_is_judged() -> None:
    def all_within(field: nn.Module) -> set[type]:
        return {type(each) for each in field.modules()}

    judged = set().union(*(all_within(make()) for make in FIELDS.values()))
    known = {
        each
        for each in (vars(compose) | vars(coordinates) | vars(expansions)).values()
        if isinstance(each, type) and issubclass(each, Composite)
    }
    assert known - {Composite} <= judged
    assert {TiledSiren, Batched, Periodic} <= judged
    assert isinstance(siren(), Field)
