"""Tests of networks of others: a zoo of files as others write them imports right, and damaged ones are refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from siren_pytorch import SirenNet
from torch import Tensor, nn

from sinefield import foreign
from sinefield.foreign import Conventions

Network = Callable[[Tensor], Tensor]
Written = tuple[Network, dict[str, Any]]


class SineLayer(nn.Module):
    """A layer as the paper's notebook has it."""

    def __init__(self, inputs: int, outputs: int, omega: float = 30.0, first: bool = False) -> None:
        super().__init__()
        self.omega_0 = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else (6 / inputs) ** 0.5 / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * self.linear(x))


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


class Net(nn.Module):
    """Whatever holds its layers in an attribute ``net``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.net(x)
        return found


def save(path: Path, tensors: Any) -> None:
    torch.save(tensors, path)  # noqa: TID251  # as others do


def tutorial(sine_last: bool = False, omega: float = 30.0) -> Net:
    last = SineLayer(16, 3) if sine_last else nn.Linear(16, 3)
    return Net(nn.Sequential(SineLayer(2, 16, omega, first=True), SineLayer(16, 16), SineLayer(16, 16), last))


def official() -> Net:
    blocks = [nn.Sequential(nn.Linear(n, 16), Sine()) for n in (2, 16, 16)]
    return Net(Net(nn.Sequential(*blocks, nn.Sequential(nn.Linear(16, 3)))))


def write_official(path: Path) -> Written:
    network = official()
    save(path, network.state_dict())
    return network, {}


def write_official_checkpoint(path: Path) -> Written:
    """A training checkpoint, from several devices, with an optimiser beside the weights."""
    network = official()
    weights = {f"module.{name}": each for name, each in network.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.zeros(1, 2)).sum().backward()
    optimiser.step()
    weights = {f"module.{name}": each.clone() for name, each in network.state_dict().items()}
    save(path, {"epoch": 3, "optimizer": optimiser.state_dict(), "model": weights})
    return network, {}


def write_siren_pytorch(path: Path) -> Written:
    network = SirenNet(dim_in=2, dim_hidden=16, dim_out=3, num_layers=3)
    save(path, network.state_dict())
    return network, {}


def write_siren_pytorch_with_settings(path: Path) -> Written:
    network = SirenNet(2, 16, 3, 2, w0=2.0, w0_initial=45.0, use_bias=False, final_activation=nn.Sigmoid())
    save(path, {"state_dict": {f"siren.{name}": each for name, each in network.state_dict().items()}})
    return network, {"first_omega": 45.0, "hidden_omega": 2.0, "final": "sigmoid"}


def write_tutorial(path: Path) -> Written:
    network = tutorial()
    save(path, network.state_dict())
    return network, {}


def write_tutorial_with_a_last_sine(path: Path) -> Written:
    network = tutorial(sine_last=True)
    save(path, network.state_dict())
    return network, {}


def write_image_siren(path: Path) -> Written:
    """Compiled, in safetensors, with a first ω₀ of its own."""
    network = tutorial(omega=60.0)
    weights = {f"_orig_mod.{name}": each.contiguous() for name, each in network.state_dict().items()}
    safetensors.torch.save_file(weights, path)
    return network, {"first_omega": 60.0}


def write_coin(path: Path) -> Written:
    layers = [SineLayer(2, 16, first=True), SineLayer(16, 16)]
    last = nn.Linear(16, 3)
    weights = {
        f"net.{k}.linear.{name}": each
        for k, layer in enumerate(layers)
        for name, each in layer.linear.state_dict().items()
    }
    weights |= {f"last_layer.linear.{name}": each for name, each in last.state_dict().items()}
    save(path, weights)
    return nn.Sequential(*layers, last), {}


def write_functa(path: Path) -> Written:
    """Arrays of Haiku, whose weights are (inputs, outputs)."""
    layers = [SineLayer(2, 16, first=True), SineLayer(16, 16)]
    last = SineLayer(16, 3)
    arrays: dict[str, Any] = {}
    for k, layer in enumerate((*layers, last)):
        name = "siren/modulated_siren_layer" + (f"_{k}" if k else "") + "/linear"
        arrays |= {f"{name}/w": layer.linear.weight.detach().numpy().T, f"{name}/b": layer.linear.bias.detach().numpy()}
    np.savez(path, **arrays)
    return nn.Sequential(*layers, last.linear), {}


def write_flax(path: Path) -> Written:
    layers = [nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 3)]
    arrays: dict[str, Any] = {}
    for k, layer in enumerate(layers):
        arrays[f"params/Dense_{k}/kernel"] = layer.weight.detach().numpy().T
        arrays[f"params/Dense_{k}/bias"] = layer.bias.detach().numpy()
    np.savez(path, **arrays)
    return nn.Sequential(layers[0], Sine(), layers[1], Sine(), layers[2]), {"first_omega": 30.0}


def write_sequential(path: Path) -> Written:
    """A plain sequence, layers of different widths, half precision."""
    layers = [nn.Linear(2, 12), nn.Linear(12, 20), nn.Linear(20, 3)]
    network = nn.Sequential(layers[0], Sine(), layers[1], Sine(), layers[2]).half()
    save(path, network.state_dict())
    return network.double(), {"first_omega": 30.0}


def write_weight_norm(path: Path) -> Written:
    network = tutorial()
    for each in network.modules():
        if isinstance(each, nn.Linear):
            nn.utils.parametrizations.weight_norm(each)
    with torch.no_grad():
        network.net[1].linear.parametrizations.weight.original0.mul_(1.7)  # type: ignore[index]
    save(path, network.state_dict())
    return network, {}


WRITERS: dict[str, tuple[str, Callable[[Path], Written]]] = {
    "official": (".pth", write_official),
    "official, of a training run": (".ckpt", write_official_checkpoint),
    "siren-pytorch": (".pt", write_siren_pytorch),
    "siren-pytorch, with settings": (".pth", write_siren_pytorch_with_settings),
    "tutorial": (".pth", write_tutorial),
    "tutorial, a sine last": (".pth", write_tutorial_with_a_last_sine),
    "tutorial, in safetensors": (".safetensors", write_image_siren),
    "coin": (".pt", write_coin),
    "functa": (".npz", write_functa),
    "flax": (".npz", write_flax),
    "numbered": (".pth", write_sequential),
    "tutorial, weight norm": (".pth", write_weight_norm),
}


def imported(path: Path, **told: Any) -> tuple[nn.Module, Any]:
    own = {name: told.pop(name) for name in ("first_omega", "hidden_omega") if name in told}
    return foreign.adopt(foreign.recognise(foreign.read_weights(path)), Conventions(**told), **own)


@pytest.mark.parametrize("name", WRITERS)
def test_networks_of_others_import_right(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    ending, write = WRITERS[name]
    path = tmp_path / f"weights{ending}"
    network, told = write(path)
    field, signal = imported(path, **told)
    assert signal is None
    points = torch.rand(200, 2, dtype=torch.float64) * 2 - 1
    assert isinstance(network, nn.Module)
    with torch.no_grad():
        expected, found = network.double()(points), field.double()(points)
    assert float((found - expected).abs().max()) < 1e-6
    assert float(expected.std()) > 0.01
    assert foreign.recognise(foreign.read_weights(path)).layout.name == name.partition(",")[0]


def without(weights: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in weights.items() if name not in names}


class Bomb:
    """What leaves a folder behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def write_cut_short(path: Path) -> None:
    save(path, tutorial().state_dict())
    path.write_bytes(path.read_bytes()[:2000])


def weights_with(**changes: Any) -> dict[str, Any]:
    return {**tutorial().state_dict(), **{name.replace("__", "."): each for name, each in changes.items()}}


DAMAGED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "one is missing": (
        "",
        lambda path: save(path, without(tutorial().state_dict(), "net.1.linear.weight", "net.1.linear.bias")),
    ),
    "has no bias, and others have one": (
        "",
        lambda path: save(path, without(tutorial().state_dict(), "net.2.linear.bias")),
    ),
    r"layer of 'net.1.linear.bias' has no weight": (
        "",
        lambda path: save(path, without(tutorial().state_dict(), "net.1.linear.weight")),
    ),
    "tensor 'net.9.gain' belongs to no layer": ("", lambda path: save(path, weights_with(net__9__gain=torch.ones(3)))),
    r"'net.2.linear.weight' takes 15 features, and the layer before gives 16": (
        "",
        lambda path: save(path, weights_with(net__2__linear__weight=torch.ones(16, 15))),
    ),
    r"'net.2.linear.bias' has shape \(9,\) where \(16,\)": (
        "",
        lambda path: save(path, weights_with(net__2__linear__bias=torch.ones(9))),
    ),
    r"'net.0.linear.weight' holds NaN": (
        "",
        lambda path: save(path, weights_with(net__0__linear__weight=torch.full((16, 2), torch.nan))),
    ),
    "of type int64, not of floats": (
        "",
        lambda path: save(path, weights_with(net__0__linear__bias=torch.ones(16).long())),
    ),
    "the weight of a layer has two axes": (
        "",
        lambda path: save(path, weights_with(net__0__linear__weight=torch.ones(16, 2, 3, 3))),
    ),
    "holds a list and no tensors by name": ("", lambda path: save(path, [torch.ones(2)])),
    "holds no tensors": ("", lambda path: save(path, {"epoch": 3})),
    r"holds an object of the class [\w.]*Net, whose reading would run code": ("", lambda path: save(path, tutorial())),
    "is damaged or cut short": ("", write_cut_short),
    "it is modulated by another network, which is not imported": (
        "",
        lambda path: save(path, weights_with(modulator__layers__0__weight=torch.ones(16, 4))),
    ),
    "holds objects, whose reading would run code": (
        ".npz",
        lambda path: np.savez(path, params=np.array([{"w": 1}], dtype=object)),
    ),
    "is no safetensors file": (".safetensors", lambda path: path.write_bytes(b"not a file of tensors at all")),
    "do not tell ω₀; tell it with --first-omega": ("", write_sequential),
    "no known network names its tensors a, b": (
        "",
        lambda path: save(path, {"a": torch.ones(2, 2), "b": torch.ones(2)}),
    ),
    "there is one layer": ("", lambda path: save(path, {"net.0.linear.weight": torch.ones(3, 2)})),
}


@pytest.mark.parametrize("told", DAMAGED)
def test_damaged_files_are_refused_by_name(told: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ending, write = DAMAGED[told]
    path = tmp_path / f"weights{ending or '.pth'}"
    write(path)
    with pytest.raises(ValueError, match=told) as caught:
        imported(path)
    assert "\n" not in str(caught.value)


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ending in ("pth", "ckpt", "bin"):
        path = tmp_path / f"bomb.{ending}"
        save(path, {**tutorial().state_dict(), "bomb": Bomb()})
        with pytest.raises(
            ValueError, match=r"bomb.*holds an object of the class posix\.mkdir, whose reading would run"
        ):
            imported(path)
    assert not Path("exploded").exists()


def test_a_missing_file_and_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.pth to import"):
        foreign.read_weights("nowhere.pth")
    with pytest.raises(ValueError, match="unknown layout 'mine'; choose one of official, coin"):
        foreign.recognise({}, "mine")


def test_the_reason_is_told() -> None:
    weights = {name: each.double().numpy() for name, each in SirenNet(2, 16, 3, 3).state_dict().items()}
    reason = foreign.recognise(weights).reason
    assert re.search(r"named layers\.0\.\w+ … as those of the package siren-pytorch, ω₀ = 30 in the first", reason)
    assert reason.endswith("2 → 16 → 16 → 16 → 3")
    stored = {**weights, "layers.0.w0": np.array(12.0)}
    assert "ω₀ = 12 is stored in it" in foreign.recognise(stored).reason
