"""Programs in forks of one process, which has imported what most of them need: starting Python anew takes seconds.

Run as a program, this is that process: each line of its input asks for a program, each of its output is how one ended.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = ("sinefield.cli.commands", "sinefield.plots.pictures", "sinefield.problems", "sinefield.solve")
SECONDS = 300


def run(folder: Path, *program: str) -> subprocess.CompletedProcess[str]:
    """Return what ``python *program`` answered in a folder: a file, or a module after ``-m``, and its arguments."""
    server = _server()
    assert server.stdin
    assert server.stdout
    with tempfile.TemporaryDirectory() as told:
        standard = [Path(told) / name for name in ("in", "out", "err")]
        for path in standard:
            path.touch()
        server.stdin.write(json.dumps([str(folder), program, dict(os.environ), list(map(str, standard))]) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(program, status, *(path.read_text() for path in standard[1:]))


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # closes its input, at the end of which it ends
    return server


def main() -> None:
    """Answer requests; a fork leaves the loop, and ends as Python does after its program."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # what every fork would otherwise look through as it ends
    for line in sys.stdin:
        folder, program, environment, standard = json.loads(line)
        if child := os.fork():
            sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
            sys.stdout.flush()
            continue
        for number, path in enumerate(standard):
            os.dup2(os.open(path, os.O_RDWR), number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        signal.alarm(SECONDS)
        if program[0] == "-m":
            sys.path[0] = folder
            sys.argv[1:] = program[2:]
            runpy.run_module(program[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = str(Path(program[0]).parent)
            sys.argv[1:] = program[1:]
            runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main()
