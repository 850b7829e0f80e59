"""Tests of ``sinefield import``, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from siren_pytorch import SirenNet

from command import run_alone, run_here


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "theirs.pth"
    torch.save(SirenNet(2, 16, 3, 2).state_dict(), path)  # noqa: TID251  # as others do
    return path


def test_a_network_of_others_is_rendered(weights: Path) -> None:
    done = run_alone(weights.parent, "import", "theirs.pth", "--kind", "image", "--shape", "6x8")
    assert done.returncode == 0, done.stderr
    assert "theirs.safetensors: siren-pytorch, ω₀ = 30 and 1" in done.stdout
    assert "because    tensors are named layers.0." in done.stdout
    assert run_here(weights.parent, "render", "theirs.safetensors", "out.png").returncode == 0
    network = SirenNet(2, 16, 3, 2)
    network.load_state_dict(torch.load(weights, weights_only=True))  # noqa: TID251  # as others do
    y, x = torch.meshgrid(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 8), indexing="ij")
    with torch.no_grad():
        expected = (network(torch.stack([y, x], dim=-1)).numpy() + 1) * 127.5
    with Image.open(weights.with_name("out.png")) as picture:
        assert np.abs(np.asarray(picture) - expected.clip(0, 255)).max() <= 0.51


def test_without_a_kind_that_is_told(weights: Path) -> None:
    done = run_here(weights.parent, "import", "theirs.pth", "-o", "field.safetensors", "--json")
    assert json.loads(done.stdout)["signal"] is None
    assert "not told; give --kind and --shape" in run_here(weights.parent, "import", "theirs.pth", "--force").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.pth",), "there is no file nowhere.pth to import"),
        (("theirs.pth", "-o", "out.png"), "its ending must be .safetensors"),
        (
            ("theirs.pth", "--kind", "audio", "--rate", "8000"),
            "cannot import theirs.pth: the network takes 2 coordinates",
        ),
        (("theirs.pth", "--shape", "6,8"), "--shape is numbers with 'x' between"),
        (("theirs.pth", "--values", "0"), "--values is two numbers with a comma between"),
        (("theirs.pth", "--layout", "mine"), "unknown layout 'mine'"),
        (("text.pth",), "text.pth is no file of weights of PyTorch"),
        (("copy.safetensors", "-o", "copy.safetensors"), "it is the input copy.safetensors"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_line(weights: Path, arguments: tuple[str, ...], told: str) -> None:
    weights.with_name("text.pth").write_text("hello")
    weights.with_name("copy.safetensors").write_bytes(weights.read_bytes())
    done = run_here(weights.parent, "import", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not weights.with_name("theirs.safetensors").exists()
