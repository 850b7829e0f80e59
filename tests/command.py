"""The command line as a user runs it: in a subprocess, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``sinefield`` answered in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "sinefield", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
