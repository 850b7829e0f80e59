"""Tests of ``sinefield view`` and ``sinefield fit --watch`` as they are run."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import run, run_here
from fields_of_kinds import write_field


def write_picture(path: Path) -> None:
    Image.linear_gradient("L").resize((24, 16)).save(path)


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


def watched(folder: Path, *command: str, kind: bytes, patience: int) -> int | None:
    """Look at the page and the field of a running command, end it by Ctrl-C and return its exit status."""
    whole = [sys.executable, "-m", "sinefield", *command, "--watch", "--no-browser", "--port", "0"]
    with subprocess.Popen(whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        told = re.fullmatch(r"watch it at http://127.0.0.1:(\d+)/\n", running.stderr.readline())
        assert told
        connection = http.client.HTTPConnection("127.0.0.1", int(told[1]), timeout=60)
        for path, held in (("/", b"<!DOCTYPE html>"), ("/now.json?have=0", b'"field": {"type": "%s"' % kind)):
            connection.request("GET", path)
            assert held in connection.getresponse().read()
        connection.close()
        running.send_signal(signal.SIGINT)
        running.wait(patience)
        return running.returncode


def test_a_fit_is_watched_until_ctrl_c_which_saves_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "photo.png")
    command = ("fit", "photo.png", "--width", "16", "--seconds", "60")
    assert watched(tmp_path, *command, kind=b"chain", patience=20) == 0
    assert (tmp_path / "photo.safetensors").exists()


def test_an_equation_is_watched_as_it_is_solved(tmp_path: Path) -> None:
    """Page and server are those of fits: asked, the server tells what the first step of Gauss-Newton found."""
    watched(tmp_path, "solve", "burgers", "--features", "400", kind=b"slabs", patience=30)
    assert (tmp_path / "burgers.safetensors").exists()
    found = run_here(tmp_path, "solve", "heat", "--no-browser")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "--port and --no-browser are options of --watch" in found.stderr


def test_what_cannot_be_watched_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(tmp_path / "photo.png")
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "one.png")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = {
            ("photo.png", "--watch", "--port", port): f"cannot listen on port {port}: it is in use",
            ("photo.png", "--watch", "--port", "70000"): "the port is 70000; expected 1 to 65535",
            ("photo.png", "--port", "0"): "--port and --no-browser are options of --watch",
            ("photo.png", "--no-browser"): "--port and --no-browser are options of --watch",
            ("photos", "--watch"): "--watch",
        }
        for arguments, told in refused.items():
            found = run_here(tmp_path, "fit", *arguments)
            assert (found.returncode, found.stderr.count("\n")) == (2, 1), found.stderr
            assert told in found.stderr
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        found = run_here(tmp_path, "fit", "photo.png", "--watch")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "pip install 'sinefield[view]'" in found.stderr
    assert not list(tmp_path.glob("*.safetensors"))
