"""Tests of ``sinefield view`` as it is run."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from command import run
from fields_of_kinds import write_field


def test_a_field_is_served_until_ctrl_c(tmp_path: Path) -> None:
    write_field("grey", tmp_path)
    command = [sys.executable, "-m", "sinefield", "view", "grey.safetensors", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        told = re.fullmatch(
            r"grey.safetensors: http://127.0.0.1:(\d+)/ \(Ctrl-C ends it\)\n", running.stdout.readline()
        )
        assert told
        connection = http.client.HTTPConnection("127.0.0.1", int(told[1]), timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        running.send_signal(signal.SIGINT)
        running.wait(20)
        assert running.stderr.read() in ("", "sinefield: stopped; nothing was written\n")


def test_what_cannot_be_served_is_told_in_a_line(tmp_path: Path) -> None:
    write_field("grey", tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = run(tmp_path, "view", "grey.safetensors", "--no-browser", "--port", port)
    assert found.returncode == 2
    assert (
        found.stderr
        == f"sinefield: cannot listen on port {port}: it is in use; choose another with --port, 0 for any\n"
    )
    (tmp_path / "no.safetensors").write_bytes(b"no")
    found = run(tmp_path, "view", "no.safetensors", "--no-browser")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "is not a field file" in found.stderr
