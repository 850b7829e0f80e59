"""Tests of folders for the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

import sinefield
from exported import IMAGE, network, points_of
from sinefield import checkpoint
from sinefield.export import hub
from sinefield.export.subject import Subject


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "photo.safetensors"
    source = {"name": "holiday | `photo`.png", "place": "", "content": ""}
    checkpoint.save(path, network("siren"), signal=IMAGE, metrics={"psnr": 41.25}, source=source)
    return Subject.read(path)


def test_a_folder_is_loaded_as_a_field(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        folder = tmp_path / name
        assert hub.write(subject, folder).startswith("a folder of model.safetensors")
        assert sorted(each.name for each in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
        assert (folder / "model.safetensors").read_bytes() == subject.path.read_bytes()
        loaded, points = sinefield.load(folder), points_of(5, 2)
        assert isinstance(loaded, nn.Module)
        assert torch.equal(loaded(points), subject.field(points))
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_the_configuration_is_the_header(subject: Subject, tmp_path: Path) -> None:
    hub.write(subject, tmp_path / "hub")
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["fields"]["u"]["settings"]["hidden_features"] == 12
    assert config["signal"]["shape"] == [6, 8]
    assert config["library_name"] == "sinefield"


def test_the_card_has_what_the_hub_reads(subject: Subject) -> None:
    _, front, text = hub.card_of(subject).split("---\n", 2)
    told = yaml.safe_load(front)
    assert told["library_name"] == "sinefield"
    assert "image" in told["tags"]
    assert "# holiday | _photo_.png" in text
    assert "| psnr | 41.25 |" in text
    assert "| samples of the original | 6 y x 8 x |" in text


def test_nothing_is_left_where_a_folder_cannot_be_made(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Subject) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr(hub, "card_of", fail)
    with pytest.raises(OSError, match="the disk is full"):
        hub.write(subject, tmp_path / "hub")
    assert [each.name for each in tmp_path.iterdir()] == ["photo.safetensors"]
