"""Tests of the sample pictures, against ``skimage.data``."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from sinefield.io.image import read
from sinefield.io.pictures.library import SAMPLES, find_file


@pytest.mark.parametrize("name", SAMPLES)
def test_is_the_picture_of_scikit_image_and_in_its_wheel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any) -> None:
        raise AssertionError("a sample is downloaded")

    monkeypatch.setattr(socket.socket, "connect", offline)
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    picture, expected = read(f"sample:{name}"), read(getattr(skimage.data, name)())
    assert picture.name == f"sample:{name}"
    assert np.array_equal(picture.values, expected.values)
    assert (picture.low, picture.high, picture.bits) == (expected.low, expected.high, expected.bits)
    assert min(picture.values.shape[:2]) > 100


def test_camera_is_the_usual_one() -> None:
    assert read("sample:camera").values.shape == (512, 512, 1)


def test_all_but_the_one_that_is_no_file_are_read_without_scikit_image() -> None:
    assert [name for name in SAMPLES if find_file(name) is None] == ["horse"]


def test_files_that_have_moved_are_left_to_scikit_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = importlib.util.spec_from_file_location("skimage", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: elsewhere)
    assert find_file("camera") is None
    assert np.array_equal(read("sample:camera").values[..., 0], skimage.data.camera())


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"no sample 'nobody'; choose one of .*camera"):
        find_file("nobody")
