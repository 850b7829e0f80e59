"""Tests of what benchmarks stand on: the README's numbers are the results', and the peers compute what they should."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import peers
import sinefield
import table


def test_the_numbers_of_the_readme_are_those_of_the_results() -> None:
    readme = table.README.read_text()
    assert readme == table.written(readme), "run python benchmarks/table.py --write"


def test_a_readme_without_a_place_for_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the tables"):
        table.written("# Sinefield")


def test_where_plain_pytorch_is_level_is_said() -> None:
    rows = [table.Row("one", "", "", "", 1.1), table.Row("other", "", "", "", 3.0), table.Row("none", "", "", "")]
    assert table.verdict(rows) == (
        "Plain PyTorch in mini-batches is level with Sinefield, or ahead of it, on: one (1.1 x). "
        "Sinefield is ahead of it on: other (3 x)."
    )


def test_the_rival_is_the_best_of_its_study() -> None:
    found = json.loads((table.RESULTS / "study_peer.json").read_text())["results"]
    best = max(found["choices"], key=lambda each: each["mean"])
    assert {name: best[name] for name in found["best"]} == found["best"]
    assert peers.Choice(**found["best"]) == peers.CHOSEN


def wave(dimension: int, outputs: int) -> nn.Sequential:
    """Return a network that is Φ_k(x) = k sin(3 Σ x_i), k = 1 … c: one sine layer and a read-out."""
    first, last = peers.SineLayer(dimension, 1, 3.0, is_first=True), nn.Linear(1, outputs)
    with torch.no_grad():
        first.linear.weight.fill_(1.0)
        first.linear.bias.zero_()
        last.weight.copy_(torch.arange(1.0, outputs + 1)[:, None])
        last.bias.zero_()
    return nn.Sequential(first, last).double()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # which torch.func calls itself, the first time
@pytest.mark.parametrize("derivative", [peers.nested, peers.by_torch_func, peers.by_hand])
@pytest.mark.parametrize(("dimension", "outputs"), [(1, 1), (2, 3), (3, 1)])
def test_derivatives_of_the_peers_are_those_of_a_closed_form(
    derivative: Callable[[nn.Sequential, Tensor, str], Tensor], dimension: int, outputs: int
) -> None:
    points = torch.rand(5, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    phase, factors = 3 * points.sum(1, keepdim=True), torch.arange(1.0, outputs + 1, dtype=torch.float64)
    slope, bend = 3 * phase.cos() * factors, -9 * phase.sin() * factors
    network = wave(dimension, outputs)
    torch.testing.assert_close(
        derivative(network, points, "jacobian"), slope[:, :, None].expand(-1, -1, dimension).clone()
    )
    hessian = bend[:, :, None, None].expand(-1, -1, dimension, dimension).clone()
    torch.testing.assert_close(derivative(network, points, "hessian"), hessian)
    if outputs == 1:  # nested autograd, as released, sums the outputs of a Laplacian
        torch.testing.assert_close(derivative(network, points, "laplacian"), dimension * bend)


def test_the_rival_visits_pixels_once_a_pass() -> None:
    fit = peers.MiniBatches(
        sinefield.problems.image("sample:camera", longest=16), 2.0, choice=peers.Choice(32, 1e-3, 30)
    )
    assert (len(fit.points), fit.steps) == (256, 16)
    visited: Counter[tuple[float, ...]] = Counter()

    def note(_network: nn.Module, inputs: tuple[Tensor]) -> None:
        visited.update(tuple(each) for each in inputs[0].tolist())

    fit.network.register_forward_pre_hook(note)
    for _ in range(fit.steps):
        fit.step()
    assert len(visited) == 256
    assert set(visited.values()) == {2}
    assert fit.optimiser.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)


def test_the_rival_learns() -> None:
    fit = peers.MiniBatches(
        sinefield.problems.image("sample:camera", longest=16), 30.0, choice=peers.Choice(64, 1e-3, 30)
    )
    before = fit.psnr()
    rows = fit.train(looks=3)
    assert [round(row["passes"]) for row in rows] == [10, 20, 30]
    assert rows[-1]["psnr"] > before + 10


def test_products_are_put_back() -> None:
    setting = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at run time
    before = setting.fp32_precision
    with peers.onednn_products():
        assert setting.fp32_precision == "bf16"
    assert setting.fp32_precision == before
