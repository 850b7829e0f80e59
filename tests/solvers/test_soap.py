"""Tests of SOAP against its formula, the SOAP of pytorch_optimizer, and Adam where a Hessian is badly conditioned."""

from __future__ import annotations

import itertools

import pytest
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn

from sinefield import Constraint, PointCloud, Siren
from sinefield.objective import Batch, Objective
from sinefield.solvers import Adam, Soap, Solver


def fitted() -> Objective:
    torch.manual_seed(0)
    points = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    field = Siren(1, 1, 6, 1, first_omega=5.0).double()
    return Objective(
        {"u": field},
        [Constraint(PointCloud(points, {"value": torch.sin(3 * points)}), lambda u, value: u.value - value)],
    )


def batch(made: Objective, step: int) -> Batch:
    domain = made.groups[0].domain
    assert isinstance(domain, PointCloud)
    return Batch([domain.at(torch.arange(step, step + 15))])


MATRICES = ["u.layers.0.weight", "u.layers.2.weight", "u.layers.4.weight"]


def test_steps_are_those_of_the_formula() -> None:
    """Of the hidden matrix, with the bases renewed every second step."""
    made, solver = fitted(), Soap(1e-2, (0.8, 0.9), forgetting=0.7, every=2)
    state = solver.init(made)
    name = "u.layers.2.weight"
    left, right, mean, square = (torch.zeros(6, 6, dtype=torch.float64) for _ in range(4))
    bases: list[Tensor] = []
    for step in range(9):
        before = made.parameters[name].detach().clone()
        solver.step(made, batch(made, step), state, 0.5)
        moved = made.parameters[name].detach() - before
        g = made.parameters[name].grad
        assert g is not None
        left, right = 0.7 * left + 0.3 * g @ g.T, 0.7 * right + 0.3 * g.T @ g
        if step == 0:  # the first gradient tells the bases alone
            assert not moved.any()
            bases = [torch.linalg.eigh(each).eigenvectors.flip(-1) for each in (left, right)]
            continue
        turned = bases[0].T @ g @ bases[1]
        mean, square = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * turned**2
        first = bases[0].T @ mean @ bases[1] / (1 - 0.8**step)
        second = square / (1 - 0.9**step)
        expected = -0.5e-2 * bases[0] @ (first / (second.sqrt() + 1e-8)) @ bases[1].T
        # Directions of which a gradient has next to nothing are told by rounding errors.
        torch.testing.assert_close(moved, expected, rtol=0, atol=1e-6)
        if step % 2 == 0:
            for axis, average in enumerate((left, right)):
                order = torch.diagonal(bases[axis].T @ average @ bases[axis]).argsort(descending=True)
                square = square.index_select(axis, order)
                bases[axis] = torch.linalg.qr(average @ bases[axis][:, order]).Q


def test_steps_of_a_matrix_are_those_of_pytorch_optimizer() -> None:
    mine, theirs = fitted(), fitted()
    solver, name = Soap(1e-3, (0.9, 0.95), forgetting=0.95, every=3), "u.layers.2.weight"
    state = solver.init(mine)
    optimiser = SOAP(
        [theirs.parameters[name]],
        lr=1e-3,
        betas=(0.9, 0.95),
        shampoo_beta=0.95,
        weight_decay=0.0,
        precondition_frequency=3,
    )
    for step in range(12):
        solver.step(mine, batch(mine, step), state, 1.0)
        gradient = mine.parameters[name].grad
        assert gradient is not None
        theirs.parameters[name].grad = gradient.clone()
        optimiser.step()
        # Steps are of 1e-3. Theirs takes the new bases in single precision.
        torch.testing.assert_close(mine.parameters[name], theirs.parameters[name], rtol=0, atol=2e-5)
    moved = mine.parameters[name] - fitted().parameters[name]
    assert float(moved.detach().abs().max()) > 5e-3


def test_the_first_layer_is_slower_by_its_frequency() -> None:
    assert [Soap().init(fitted()).scales[name] for name in MATRICES] == [6.0, 1.0, 1.0]  # ω₀ is 5, not 30


class Matrix(nn.Module):
    """W ``(8, 8)`` as a field: its value at point number k is row k of A W B."""

    def __init__(self, left: Tensor, right: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8, dtype=torch.float64))
        self.left, self.right = left, right

    def forward(self, points: Tensor) -> Tensor:
        rows: Tensor = self.left[points[:, 0].long()]
        return rows @ self.weight @ self.right


def rotated(condition: float, seed: int) -> Tensor:
    """Return a matrix with singular values from 1 to 1/condition, along random directions."""
    generator = torch.Generator().manual_seed(seed)
    u, v = (torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64, generator=generator)).Q for _ in range(2))
    values = torch.pow(condition, -torch.linspace(0, 1, 8, dtype=torch.float64))
    matrix: Tensor = u @ values.diag() @ v
    return matrix


def quadratic() -> Objective:
    """‖A W B − C‖², whose Hessian is the Kronecker product of AᵀA and B Bᵀ, of condition 10⁴."""
    left, right = rotated(10.0, 0), rotated(10.0, 1)
    wanted = torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cloud = PointCloud(torch.arange(8.0, dtype=torch.float64)[:, None], {"value": left @ wanted @ right})
    return Objective({"w": Matrix(left, right)}, [Constraint(cloud, lambda w, value: w.value - value)])


def descend(solver: Solver, steps: int) -> float:
    """Return the part of the objective that is left after some steps, along half a cosine to 0."""
    made = quadratic()
    domain = made.groups[0].domain
    assert isinstance(domain, PointCloud)
    state, full = solver.init(made), Batch([domain.at(torch.arange(8))])
    losses = [
        float(
            solver.step(made, full, state, (1 + torch.cos(torch.tensor(torch.pi * k / steps)).item()) / 2)["constraint"]
        )
        for k in range(steps)
    ]
    return losses[-1] / losses[0]


def test_a_badly_conditioned_kronecker_hessian() -> None:
    """In the eigenbasis the Hessian is diagonal, which Adam is made for; along the axes it is not."""
    rates = (3e-3, 1e-2, 3e-2)
    soap = min(descend(Soap(rate), 300) for rate in rates)
    adam = min(descend(Adam(rate), 300) for rate in rates)
    assert soap < 0.1 * adam, (soap, adam)


def test_vectors_and_long_matrices_take_the_steps_of_adam() -> None:
    made, other = fitted(), fitted()
    solvers = Soap(1e-3, (0.9, 0.95), largest=5), Adam(1e-3, (0.9, 0.95))
    states = solvers[0].init(made), solvers[1].init(other)
    for step in range(4):
        solvers[0].step(made, batch(made, step), states[0], 1.0)
        solvers[1].step(other, batch(other, step), states[1], 1.0)
    assert torch.equal(made.vector(), other.vector())
    assert Soap(largest=6).init(made).matrices == MATRICES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate of a solver must be a positive number"),
        ({"betas": (0.9, 1.0)}, "SOAP needs betas and forgetting in"),
        ({"forgetting": -0.1}, "SOAP needs betas and forgetting in"),
        ({"every": 0}, "every ≥ 1"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Soap(**settings)  # type: ignore[arg-type]


def test_bases_stay_orthogonal() -> None:
    made, solver = fitted(), Soap(1e-2, every=1)
    state = solver.init(made)
    for step in range(20):
        solver.step(made, batch(made, step), state, 1.0)
    for name, side in itertools.product(MATRICES, ("left", "right")):
        basis = state.of(name)[f"{side}_basis"]
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis), dtype=basis.dtype), rtol=0, atol=1e-12)
