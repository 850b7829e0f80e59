"""The command line as a user runs it: in a process of its own, in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import forks
import sinefield.cli


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``sinefield`` answered in a folder, in a fork of a process that has PyTorch imported."""
    return forks.run(folder, "-m", "sinefield", *arguments)


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``sinefield`` answered in a folder, in a Python of its own: what it imports and hashes is its own."""
    return subprocess.run(
        [sys.executable, "-m", "sinefield", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_here(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``sinefield`` answers in a folder, in this process: much faster, where nothing is left behind."""
    written, told, status = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(folder), contextlib.redirect_stdout(written), contextlib.redirect_stderr(told):
        try:
            sinefield.cli.main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, status, written.getvalue(), told.getvalue())
