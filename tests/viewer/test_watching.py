"""Tests of watching a fit: what is copied and when, what the server tells of it, and who it answers."""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fields_of_kinds import field_of
from sinefield.problem import Problem
from sinefield.viewer import watching
from sinefield.viewer.page import policy
from sinefield.viewer.watching import Watched
from watched_fits import move, problem_of, progress_of, serving


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LAST", 0.2)


def ask(port: int, path: str, method: str = "GET", host: str = "") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


def now(port: int, have: int) -> dict[str, Any]:
    status, headers, body = ask(port, f"/now.json?have={have}")
    assert (status, headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(body)
    return found


def weights_of(told: dict[str, Any]) -> Any:
    return np.frombuffer(base64.b64decode(told["weights"]), np.float32)


def bias_of(field: torch.nn.Module) -> float:
    """Return the last number of a field, which is that of its description too."""
    return float(list(field.parameters())[-1].detach().ravel()[-1])


def test_a_page_is_told_how_far_the_fit_is_and_sent_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.0)
    with serving("grey", tmp_path) as (observe, field, port):
        observe(progress_of(field))
        first = now(port, 0)
        assert first["told"] == "step 1,200 · pass 3.2 · loss 1.23e-02 · psnr 31.25 · 4.5 s"
        assert first["field"]["type"] == "chain"
        assert not first["done"]
        assert weights_of(first)[-1] == bias_of(field)
        assert "field" not in now(port, first["number"])
        move(field)
        assert "field" not in now(port, first["number"])  # a copy was taken, not what is being trained
        observe(progress_of(field, 1201))
        second = now(port, first["number"])
        assert second["told"].startswith("step 1,201 · ")
        assert second["number"] > first["number"]
        assert weights_of(second)[-1] == pytest.approx(weights_of(first)[-1] + 0.01)
    with pytest.raises(OSError):  # noqa: PT011 - nobody listens any more, as the system says it
        ask(port, "/")


def test_weights_are_copied_once_a_second_and_while_a_page_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("sinefield.viewer.watching.time.monotonic", lambda: clock[0])
    found, (field, _) = Watched(problem_of("grey"), Path("grey.safetensors")), field_of("grey")
    for _ in range(50):
        found(progress_of(field))
        clock[0] += 0.5
    assert found.number == 1  # for the page to begin with
    found.now(0)
    for _ in range(8):
        found(progress_of(field))
        clock[0] += 0.5
    assert found.number == 1 + 4
    for _ in range(50):
        found(progress_of(field))
        clock[0] += 0.5
    assert found.number <= 1 + 6  # the page was closed


def test_a_page_that_is_being_made_does_not_hold_up_the_fit() -> None:
    found, (field, _) = Watched(problem_of("grey"), Path("grey.safetensors")), field_of("grey")
    with found._lock:
        found(progress_of(field))
    assert found.number == 0
    found(progress_of(field))
    assert found.number == 1


def test_the_last_field_is_what_the_fit_found(tmp_path: Path) -> None:
    with serving("tiled", tmp_path) as (observe, field, port):
        observe(progress_of(field))
        ask(port, "/")
        told = now(port, 0)
        move(field)
        observe.end()
        last = now(port, told["number"])
        assert last["done"]
        assert last["told"].startswith("The search is over: step 1,200")
        assert np.any(weights_of(last) != weights_of(told))


def test_the_page_is_of_the_field_and_may_ask_its_own_server_alone(tmp_path: Path) -> None:
    with serving("shape", tmp_path) as (observe, field, port):
        observe(progress_of(field))
        status, headers, body = ask(port, "/")
        assert (status, body[:15]) == (200, "<!DOCTYPE html>")
        assert '"live": 1' in body
        for each in (headers["content-security-policy"], body.replace("&#x27;", "'")):
            assert "connect-src 'self'; base-uri 'none'" in each
        assert "default-src 'none'" in headers["content-security-policy"]
        assert now(port, 0)["lipschitz"] >= 1.2
        assert "connect-src" not in policy()
        for path, method, host, expected in (
            ("/now.json", "GET", "", 400),
            ("/now.json?have=-1", "GET", "", 400),
            ("/now.json?have=1e3", "GET", "", 400),
            (f"/now.json?have={'9' * 99}", "GET", "", 400),
            ("/now.json?have=0", "POST", "", 405),
            ("/now.json?have=0", "GET", "evil.example", 421),
            ("/field.safetensors", "GET", "", 404),
            ("/../shape.safetensors", "GET", "", 404),
        ):
            assert ask(port, path, method, host)[0] == expected, path


def test_a_field_that_the_page_cannot_evaluate_is_told_as_none(tmp_path: Path) -> None:
    with serving("unknown", tmp_path) as (observe, field, port):
        observe(progress_of(field))
        assert now(port, 0) == {"told": observe.told, "done": False, "number": 1, "field": None}
        assert "cannot evaluate" in ask(port, "/")[2]


def test_what_has_no_page_is_refused() -> None:
    with pytest.raises(ValueError, match="a fit to 'numbers' cannot be watched: it is of no signal"):
        Watched(Problem("numbers", (), {}), Path("numbers.safetensors"))
