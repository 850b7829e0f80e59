"""Every benchmark runs: tiny, quick, and writing nothing.

They are what ``pytest -m smoke`` runs, in forks of a process that has PyTorch imported; what hangs is ended there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import forks

FOLDER = Path(__file__).parents[1] / "benchmarks"
PROGRAMS = sorted(each for each in FOLDER.glob("*.py") if "__main__" in each.read_text() and each.name != "table.py")


@pytest.mark.smoke
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.stem)
def test_a_benchmark_runs(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = forks.run(tmp_path, str(program), "--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
