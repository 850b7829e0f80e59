"""Tests of fits that stop and go on, as a user does it: a signal, a file, and the same bytes in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import run, run_alone

OPTIONS = ["sample:camera", "--resize", "32", "--width", "16", "--depth", "1", "--batch", "64", "--passes", "6"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the field of a fit that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = run(folder, "fit", *OPTIONS, "-o", "a.safetensors")
    assert done.returncode == 0, done.stderr
    return (folder / "a.safetensors").read_bytes()


def interrupted(folder: Path, *options: str) -> str:
    """Return what was said of a long fit that was interrupted once its first checkpoint was there."""
    command = [sys.executable, "-m", "sinefield", "fit", *options, "-o", "a.safetensors", "--checkpoint-every", "0.25"]
    # A command that a test runner starts in the background may have been told to ignore the signal.
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 120
    while not (folder / "a.safetensors").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    said, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return said


def test_what_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    long = [*OPTIONS[:-1], "400"]
    said = interrupted(tmp_path, *long)
    assert "stopped by you, and can go on with --resume" in said
    kept = (tmp_path / "a.safetensors").read_bytes()
    # From where it was stopped twice: once on, interrupted again, and once to the end of fewer passes is another fit.
    refused = run(tmp_path, "fit", *OPTIONS, "-o", "a.safetensors", "--resume", "a.safetensors")
    assert refused.returncode == 2
    assert "the recipe's passes is another: it was 400" in refused.stderr
    assert (tmp_path / "a.safetensors").read_bytes() == kept


def test_a_checkpoint_goes_on_to_the_same_bytes(tmp_path: Path, whole: bytes) -> None:
    script = (
        "import pathlib, sys; from sinefield import Checkpointing, problems, solve; "
        "problem = problems.image('sample:camera', longest=32, hidden_features=16, hidden_layers=1)\n"
        "def stop(progress):\n"
        "    if progress.step == 41: sys.exit(0)\n"
        "kept = Checkpointing(pathlib.Path('b.safetensors'), 0.3)\n"
        "solve(problem, passes=6.0, batch=64, observe=stop, checkpointing=kept)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "b.safetensors").read_bytes()) > len(whole)
    gone_on = run_alone(tmp_path, "fit", *OPTIONS, "-o", "c.safetensors", "--resume", "b.safetensors")
    assert gone_on.returncode == 0, gone_on.stderr
    assert (tmp_path / "c.safetensors").read_bytes() == whole
    assert run(tmp_path, "info", "b.safetensors").returncode == 0  # a checkpoint is a field like any other


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "1"], "the seed is another"),
        (["--learning-rate", "1e-3"], "the recipe's rest learning_rate is another"),
        (["--matrix-rate", "1e-3"], "the recipe's matrix_rate is another"),
        (["--recipe", "best"], "the recipe's"),
    ],
)
def test_another_fit_is_told_in_a_line(tmp_path: Path, options: list[str], words: str) -> None:
    interrupted(tmp_path, *[*OPTIONS[:-1], "400"])
    said = run(tmp_path, "fit", *[*OPTIONS[:-1], "400"], *options, "-o", "b.safetensors", "--resume", "a.safetensors")
    assert said.returncode == 2
    assert words in said.stderr
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "b.safetensors").exists()


def test_what_is_over_cannot_be_resumed(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(whole)
    said = run(tmp_path, "fit", *OPTIONS, "-o", "b.safetensors", "--resume", "a.safetensors")
    assert said.returncode == 2
    assert "was over, or was made without --checkpoint-every" in said.stderr


def test_a_checkpoint_is_written_at_least_now_and_then(tmp_path: Path) -> None:
    said = run(tmp_path, "fit", *OPTIONS, "--checkpoint-every", "0")
    assert said.returncode == 2
    assert "--checkpoint-every is a positive number of passes, got 0" in said.stderr
