"""``sinefield solve`` as a user runs it: what is written, said and refused, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sinefield
from command import run, run_alone
from sinefield import cli
from sinefield.laws import LAWS

POISSON = ["solve", "poisson", "--features", "200", "--quiet"]
KNOWN = ["--source=-2*pi^2*sin(pi*x)*sin(pi*y)", "--exact", "sin(pi*x)*sin(pi*y)"]


def test_an_equation_is_solved_drawn_saved_and_rendered(tmp_path: Path) -> None:
    done = run(tmp_path, *POISSON, *KNOWN, "--figure", "figure.png", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["converged"]
    assert result["metrics"]["error"] < 1e-8
    assert result["files"] == {"field": "poisson.safetensors", "figure": "figure.png"}
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    field = sinefield.load(tmp_path / "poisson.safetensors")
    assert isinstance(field, torch.nn.Module)
    middle = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    assert field(middle).item() == pytest.approx(1, abs=1e-8)
    done = run(tmp_path, "render", "poisson.safetensors", "laplacian.npy", "--size", "3x3", "--quantity", "laplacian")
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "laplacian.npy")[1, 1, 0] == pytest.approx(-2 * np.pi**2, abs=1e-6)


def test_what_is_not_solved_has_exit_status_1_and_is_kept(tmp_path: Path) -> None:
    done = run(tmp_path, *POISSON, "--source", "where(x < 0.37, 1, 0)")  # a jump, which sines do not have
    assert done.returncode == 1
    assert "not solved: 'poisson' holds to" in done.stdout
    assert (tmp_path / "poisson.safetensors").exists()


def test_too_few_features_are_told_in_a_line_before_solving(tmp_path: Path) -> None:
    done = run_alone(tmp_path, "solve", "poisson", "--source", "1", "--shift", "10000", "--features", "60", "--quiet")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "sinefield: 60 features are too few for waves of this equation, of which the domain has 796;"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--disc", "0,0,0.1"], "--disc is 4 numbers with ',' between"),
        (["--block", "0,0,a,b,2"], "--block is 5 numbers with ',' between"),
        (["--disc", "0.1,0,0.1,0"], "a speed is positive and finite everywhere"),
        (["--block", "0,0,0.2,-0.1,2"], "has a size and lies within [-1, 1]²"),
        (["--disc", "0.1,0,0.1,2", "--block", "0,0,0.2,0.1,2"], "give one of them"),
    ],
)
def test_a_piece_that_is_none_is_refused_in_a_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = run(tmp_path, "solve", "helmholtz", *arguments)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "z"], "unknown name 'z' in 'z'; there are x, y, pi, e"),
        (["--source", "1 +"], "is no expression"),
        (["--domain", "cube"], "unknown domain 'cube'"),
        (["--domain", "0,1,1,0"], "each lower bound of a box must be below the upper one"),
        (["--source", "1/x", "--domain", "disc", "--boundary", "log(x)"], "is not finite at"),
        (["--accuracy", "-1"], "a positive number was expected"),
        (["-o", "a.png"], "its ending must be .safetensors"),
        (["--figure", "a.wav"], "its ending must be one of .png"),
        (["--animate", "a.png"], "its ending must be one of .gif"),
        (["--animate", "a.gif"], "an animation is of a field of a time t"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["solve", "poisson", "--features", "40", "--quiet", *arguments])
    assert stopped.value.code == 2
    shown = capsys.readouterr().err.strip()
    assert told in shown
    assert len(shown.splitlines()) == 1


class TestFiles:
    """A solution is replaced by that of the same equation alone."""

    def test_of_the_same_equation(self, tmp_path: Path) -> None:
        assert run(tmp_path, *POISSON, *KNOWN).returncode == 0
        assert run(tmp_path, *POISSON, *KNOWN).returncode == 0

    def test_of_another(self, tmp_path: Path) -> None:
        assert run(tmp_path, *POISSON, *KNOWN).returncode == 0
        kept = (tmp_path / "poisson.safetensors").read_bytes()
        done = run(tmp_path, *POISSON, "--boundary", "x")
        assert done.returncode == 2
        assert "it holds the field of another poisson; choose another name with -o, or replace it with --force" in (
            done.stderr
        )
        assert (tmp_path / "poisson.safetensors").read_bytes() == kept
        assert run(tmp_path, *POISSON, "--boundary", "x", "--force").returncode == 0

    def test_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "poisson.safetensors").write_text("notes")
        done = run(tmp_path, *POISSON, *KNOWN)
        assert done.returncode == 2
        assert (tmp_path / "poisson.safetensors").read_text() == "notes"


@pytest.mark.parametrize("name", LAWS)
def test_help_of_every_law(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["solve", name, "--help"])
    assert stopped.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: sinefield solve {name}" in shown
    assert all(flag in shown for each in LAWS[name].options.declared().values() for flag in each.flag)
