"""Tests of warm starts: what a fit of a like signal knows is not learnt again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sinefield
from sinefield import problems
from sinefield.cli.commands import main
from sinefield.priors import begun_from


def wave(phase: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:24, 0:24] / 24
    values: NDArray[np.float64] = 127 + 100 * np.sin(9 * rows + phase) * np.cos(7 * columns)
    return values.astype(np.uint8)


def test_a_start_from_a_like_picture_is_ahead_of_a_new_one_and_is_left_as_it_was() -> None:
    first = sinefield.solve(problems.image(wave(0.0), hidden_features=24), recipe="fast", passes=60, rounding=False)
    kept = [each.detach().clone() for each in first.field.parameters()]
    other = problems.image(wave(0.15), hidden_features=24)
    new, warm = (
        sinefield.solve(each, recipe="fast", passes=6, rounding=False).metrics["psnr"]
        for each in (other, begun_from(other, first.field))
    )
    assert warm > new + 4
    assert all(bool((a == b).all()) for a, b in zip(kept, first.field.parameters(), strict=True))


def test_another_network_is_told() -> None:
    first = problems.image(wave(0.0), hidden_features=24)
    field = first.build(30.0)["u"]
    other = begun_from(problems.image(wave(0.0), hidden_features=16), field)
    with pytest.raises(ValueError, match=r"has another network: 24 x 2, .* in place of 16 x 2, .*--width") as caught:
        sinefield.solve(other, recipe="fast", passes=1)
    assert "\n" not in str(caught.value)


def test_the_command_line_starts_from_a_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (0, 1):
        Image.fromarray(wave(0.15 * number)).save(f"{number}.png")

    def fit(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["fit", *arguments, "--quiet"])
        return int(ended.value.code or 0), capsys.readouterr().err

    network = ["--width", "24", "--recipe", "fast"]
    assert fit("0.png", "-o", "a.safetensors", "--passes", "60", *network)[0] == 0
    assert fit("1.png", "-o", "b.safetensors", "--passes", "6", *network)[0] == 0
    started = ["1.png", "-o", "c.safetensors", "--passes", "6", "--width", "24", "--warm-start", "a.safetensors"]
    assert fit(*started)[0] == 0
    new, warm = (sinefield.checkpoint.read_header(tmp_path / f"{each}.safetensors")["metrics"]["psnr"] for each in "bc")
    assert warm > new + 4
    code, told = fit("1.png", "-o", "a.safetensors", "--warm-start", "a.safetensors", "--force")
    assert (code, "it is the input a.safetensors" in told) == (2, True)
    code, told = fit("1.png", "-o", "d.safetensors", "--warm-start", "a.safetensors")
    assert (code, "has another network" in told) == (2, True)
