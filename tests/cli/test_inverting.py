"""``sinefield solve inverse-helmholtz`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scipy.io

import scattering
from sinefield import cli


def status_of(command: list[str]) -> object:
    """Return the exit status of a command."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(command)
    return stopped.value.code


def test_the_slowness_of_a_file_is_found_drawn_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survey = scattering.survey(receivers=9, sources=3)
    path, output, figure = tmp_path / "survey.mat", tmp_path / "m.safetensors", tmp_path / "m.png"
    scipy.io.savemat(
        path, {"source": survey.sources, "receivers": survey.receivers, "rec_val": survey.pressures[0].T.conj()}
    )
    command = ["solve", "inverse-helmholtz", str(path), "-o", str(output), "--quiet"]
    assert status_of(command) == 2
    assert "the file does not tell wavenumber; give --wavenumber" in capsys.readouterr().err
    assert status_of([*command, "--wavenumber", "20", "--seconds", "2", "--figure", str(figure), "--json"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert result["converged"]
    assert result["metrics"]["residual"] < 0.05
    assert any("pressures follow e^(+iωt)" in note for note in result["notes"])
    assert figure.stat().st_size > 10_000
    assert status_of([*command, "--wavenumber", "20", "--seconds", "0.1", "--accuracy", "1e-5", "--force"]) == 1
    capsys.readouterr()
    assert status_of([*command, "--wavenumber", "20", "--domain=-0.1,0.1,-0.1,0.1", "--force"]) == 2
    assert "3 of the 3 sources are outside of the rectangle [-0.1, 0.1] × [-0.1, 0.1]" in capsys.readouterr().err
