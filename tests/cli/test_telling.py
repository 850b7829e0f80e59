"""Tests of ``sinefield info``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from siren_pytorch import SirenNet

from command import run_here
from exported import IMAGE, SIGNALS, network
from sinefield import checkpoint
from sinefield.fields import TiledSiren


def test_size_and_bits_of_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "photo.safetensors"
    checkpoint.save(path, network("siren"), signal=IMAGE, metrics={"psnr": 40.5}, recipe={"name": "fast"})
    told = run_here(tmp_path, "info", "photo.safetensors").stdout
    bits = 8 * path.stat().st_size / 48
    assert f"  samples    48, {bits:.3g} bits each, 24 in the original" in told
    assert "  metrics    psnr 40.5" in told
    assert "  exports    .onnx, .glsl, .py, .html, a folder" in told
    assert "  not .glb   is of kind 'image'; only shapes" in told
    found = json.loads(run_here(tmp_path, "info", "photo.safetensors", "--json").stdout)
    assert found["bytes"] == path.stat().st_size
    assert found["bits_per_sample"] == pytest.approx(bits)
    assert found["exports"] == [".onnx", ".glsl", ".py", ".html", ""]


def test_what_is_told_to_be_exported_is(tmp_path: Path) -> None:
    cases = {
        "shape": (network("siren", 3, 1), SIGNALS["shape"][1]),
        "tiled": (TiledSiren(2, 3, hidden_features=4, tiles="2x2"), IMAGE),
        "wide": (network("siren", 2, 5), {**IMAGE, "channels": 5, "alpha": False}),
        "nothing": (network("siren"), None),
    }
    endings = (".onnx", ".glsl", ".glb", ".py", ".html", "")
    for name, (field, signal) in cases.items():
        checkpoint.save(tmp_path / f"{name}.safetensors", field, signal=signal)
        found = json.loads(run_here(tmp_path, "info", f"{name}.safetensors", "--json").stdout)
        for ending in endings:
            options = ["--resolution", "16"] if ending == ".glb" else []
            done = run_here(tmp_path, "export", f"{name}.safetensors", f"{name}{ending}", *options)
            assert (done.returncode == 0) == (ending in found["exports"]), (name, ending, done.stderr)
    told = run_here(tmp_path, "info", "tiled.safetensors").stdout
    assert "not .glsl  cannot be written as GLSL: it is of 4 tiles with 268 weights" in told
    assert "not .onnx" not in told


def test_where_an_imported_network_is_from(tmp_path: Path) -> None:
    torch.save(SirenNet(2, 8, 1, 2).state_dict(), tmp_path / "theirs.pth")  # noqa: TID251  # as others do
    assert run_here(tmp_path, "import", "theirs.pth").returncode == 0
    told = run_here(tmp_path, "info", "theirs.safetensors").stdout
    assert "  problem    imported" in told
    assert "  imported   layout siren-pytorch, reason tensors are named layers.0." in told
