"""Tests of Muon against its formula and PyTorch's own."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from sinefield import Constraint, PointCloud, Siren
from sinefield.fields.activations import Sine
from sinefield.fields.field import Layered
from sinefield.fields.tiled import TiledSiren
from sinefield.jet import Jet
from sinefield.kernels.matmul import Trial
from sinefield.objective import Batch, Objective
from sinefield.solvers import Adam, Muon, Solver, muon, orthogonalise


class Uneven(Layered):
    """A network whose hidden matrices are 12 x 6, 5 x 12 and 5 x 5."""

    def __init__(self) -> None:
        super().__init__()
        self.in_features, self.out_features = 1, 1
        widths = [1, 6, 12, 5, 5]
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), Sine(2.0)]
        self.layers = nn.Sequential(*layers, nn.Linear(5, 1))


HIDDEN = {"u.layers.2.weight", "u.layers.4.weight", "u.layers.6.weight"}


def fit(u: Jet, value: Tensor) -> Tensor:
    return u.value - value


def cloud(count: int = 20) -> PointCloud:
    points = torch.linspace(-1, 1, count)[:, None]
    return PointCloud(points, {"value": torch.sin(3 * points)})


def batch(step: int) -> Batch:
    return Batch([cloud().at(torch.arange(step, step + 7))])


def objective() -> Objective:
    torch.manual_seed(0)
    return Objective({"u": Uneven()}, [Constraint(cloud(), fit)])


def copy_gradients(source: Objective, target: Objective) -> None:
    for own, other in zip(source.parameters.values(), target.parameters.values(), strict=True):
        assert own.grad is not None
        other.grad = own.grad.clone()


def test_steps_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "_precision", lambda _device: torch.bfloat16)  # as PyTorch's
    mine, theirs = objective(), objective()
    solver = Muon(2e-2, rest=Adam(1e-2, (0.9, 0.99)))
    state = solver.init(mine)
    matrices = [each for name, each in theirs.parameters.items() if name in HIDDEN]
    others = [each for name, each in theirs.parameters.items() if name not in HIDDEN]
    other = torch.optim.Muon(matrices, lr=2e-2, weight_decay=0.0)
    slow = [others[0], others[1]]  # of the first layer, whose frequency of 2 lets it go 15 times as far
    groups = [{"params": slow, "lr": 0.15}, {"params": others[2:], "lr": 1e-2}]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
    start = {name: each.detach().clone() for name, each in mine.parameters.items()}
    for step in range(6):
        solver.step(mine, batch(step), state, 1.0)
        copy_gradients(mine, theirs)
        other.step()
        adam.step()
    for name, each in mine.parameters.items():
        # Muon computes in bfloat16, whose errors add up differently in another order.
        rtol, atol = (0.0, 2e-3) if name in HIDDEN else (1e-5, 1e-6)
        torch.testing.assert_close(each, theirs.parameters[name], rtol=rtol, atol=atol)
        assert not torch.equal(each, start[name])


def test_a_step_is_that_of_the_formula() -> None:
    """W ← W − rate √max(1, m/n) U Vᵀ, of momentum with Nesterov's look ahead; U Vᵀ to the precision of five steps."""
    made = objective()
    solver = Muon(1e-1, momentum=0.8)
    state = solver.init(made)
    averages = {name: torch.zeros_like(made.parameters[name]) for name in HIDDEN}
    for step in range(3):
        before = {name: made.parameters[name].detach().clone() for name in HIDDEN}
        solver.step(made, batch(step), state, 0.5)
        for name in HIDDEN:
            gradient = made.parameters[name].grad
            assert gradient is not None
            averages[name] = 0.8 * averages[name] + 0.2 * gradient
            ahead = 0.8 * averages[name] + 0.2 * gradient
            rows, columns = ahead.shape
            expected = 0.05 * max(1, rows / columns) ** 0.5 * orthogonalise(ahead[None])[0].float()
            moved = before[name] - made.parameters[name].detach()
            torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-6)
            torch.testing.assert_close(state.averages[name], averages[name])


def test_tiles_are_moved_as_each_would_be_alone() -> None:
    torch.manual_seed(0)
    tiled = TiledSiren(1, 1, hidden_features=8, tiles="3")
    made = Objective({"u": tiled}, [Constraint(cloud(), fit)])
    solver = Muon(1e-1, momentum=0.0)
    state = solver.init(made)
    assert state.matrices == ["u.tiles.layers_2_weight", "u.tiles.layers_4_weight"]
    before = made.parameters["u.tiles.layers_2_weight"].detach().clone()
    solver.step(made, Batch([cloud().at(torch.arange(20))]), state, 1.0)
    gradient = made.parameters["u.tiles.layers_2_weight"].grad
    assert gradient is not None
    for tile in range(3):
        moved = before[tile] - made.parameters["u.tiles.layers_2_weight"].detach()[tile]
        torch.testing.assert_close(moved / 1e-1, orthogonalise(gradient[tile][None])[0].float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalise(matrices).float()
    for one, other in zip(found, matrices, strict=True):
        u, _, v = torch.linalg.svd(other, full_matrices=False)
        values = torch.linalg.svdvals(one)
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
        cosine = float((one * (u @ v)).sum() / one.norm() / (u @ v).norm())
        assert cosine > 0.95


def test_bfloat16_is_used_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for rounded, expected in ((2.0, torch.bfloat16), (1.0, torch.float32)):
        monkeypatch.setattr(muon, "trial", lambda _threads, rounded=rounded: Trial(1.0, 1.0, rounded))
        muon._precision.cache_clear()
        found[expected] = orthogonalise(torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(2)))
        assert found[expected].dtype == expected
    muon._precision.cache_clear()
    torch.testing.assert_close(found[torch.bfloat16].float(), found[torch.float32], rtol=0, atol=0.05)


@pytest.mark.parametrize("module", [Siren(1, 1, 8, 0), nn.Linear(1, 1)], ids=["no hidden layer", "one layer"])
def test_without_hidden_matrices_it_is_adam(module: nn.Module) -> None:
    weights = {name: each.detach().clone() for name, each in module.state_dict().items()}
    ends = []
    solvers: list[Solver] = [Muon(rest=Adam(1e-2)), Adam(1e-2)]
    for solver in solvers:
        module.load_state_dict(weights)
        made = Objective({"u": module}, [Constraint(cloud(), fit)])
        state = solver.init(made)
        for step in range(3):
            solver.step(made, batch(step), state, 1.0)
        ends.append(made.vector())
    assert torch.equal(*ends)


def test_matrices_without_a_gradient_are_left() -> None:
    torch.manual_seed(0)
    fields = {"u": Siren(1, 1, 8, 2), "v": Siren(1, 1, 8, 2)}
    made = Objective(fields, [Constraint(cloud(), lambda u, value: u.value - value)])
    start = {name: each.detach().clone() for name, each in made.parameters.items()}
    solver = Muon()
    solver.step(made, batch(0), solver.init(made), 1.0)
    for name, each in made.parameters.items():
        assert torch.equal(each, start[name]) == name.startswith("v."), name


@pytest.mark.parametrize(
    ("rate", "momentum", "message"),
    [(-1.0, 0.95, "matrix_rate of a solver must be a positive number"), (1e-3, 1.0, r"momentum of Muon lies in \[0")],
)
def test_settings_out_of_range_are_refused(rate: float, momentum: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Muon(rate, momentum)
