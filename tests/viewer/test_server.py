"""Tests of the server: who it answers, what it serves, and what it survives."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fields_of_kinds import write_field
from serving import serving
from sinefield.viewer.server import Served, listen


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_field("grey", tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def port(field: Path) -> Iterator[int]:
    with serving(field) as found:
        yield found


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host="host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def test_the_page_and_the_field_are_served(port: int, field: Path) -> None:
    status, headers, body = ask(port)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert body.startswith(b"<!DOCTYPE html>")
    status, _, body = ask(port, "/field.safetensors")
    assert (status, body) == (200, field.read_bytes())


def test_every_answer_has_a_strict_policy(port: int) -> None:
    for path, host in (("/", None), ("/nothing", None), ("/", "evil.example")):
        _, headers, _ = ask(port, path, **({} if host is None else {"host": host}))
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?:|\*", policy)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1", "localhost:1", "127.0.0.1:{}.evil", ""]
)
def test_other_hosts_are_refused(port: int, host: str) -> None:
    status, _, body = ask(port, host=host.format(port))
    assert status == 421
    assert b"sinefield" not in body
    assert ask(port, host=f"LOCALHOST:{port}")[0] == 200


def test_two_hosts_are_refused(port: int) -> None:
    assert exchange(port, f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n\r\n".encode())[0] in (
        b"HTTP/1.1 400 Bad Request",
        b"HTTP/1.1 421 Misdirected Request",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/field.safetensors/../../x",
        "//etc/passwd",
        "/static/style.css",
        "/field.safetensors%00",
        "/grey.safetensors",
    ],
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    status, _, body = ask(port, path)
    assert status == 404
    assert b"root:" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    assert ask(port, "/field.safetensors", method)[0] == 405


def exchange(port: int, request: bytes) -> list[bytes]:
    """Send bytes, and return the lines that come back until the connection is closed, or for half a second."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
        connection.sendall(request)
        try:
            while more := connection.recv(65536):
                found += more
        except (TimeoutError, ConnectionResetError):
            pass
    return found.split(b"\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: minus\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
        b"\x00" * 1000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /\u2603 HTTP/1.1\r\n\r\n".encode(),
    ],
    ids=["tls", "cut", "version", "header", "length", "long", "zeros", "chunks", "snowman"],
)
def test_malformed_requests_are_survived(port: int, request_: bytes) -> None:
    first = exchange(port, request_)[0]
    assert first == b"" or re.match(rb"HTTP/1.1 4\d\d ", first), first
    assert ask(port)[0] == 200


def test_other_addresses_of_this_machine_are_not_listened_on(port: int) -> None:
    with socket.socket() as other:
        other.settimeout(0.5)
        with pytest.raises(OSError):  # noqa: PT011 - refused, or no such address, as the system says it
            other.connect(("127.0.0.2", port))


def test_a_page_follows_its_field(tmp_path: Path) -> None:
    path = write_field("grey", tmp_path)
    served = Served(path)
    before = served.page()
    assert served.page() is before
    write_field("colour", tmp_path).replace(path)
    assert served.page() != before
    with serving(path) as port:
        assert ask(port)[0] == 200
        path.write_bytes(b"no field")
        status, headers, body = ask(port)
        assert (status, headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert b"not a field file" in body
        path.unlink()
        assert ask(port)[0] == 503
        assert ask(port, "/field.safetensors")[0] == 503


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="it is in use; choose another with --port"):
            listen(taken.getsockname()[1])


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_have_a_range(port: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 65535"):
        listen(port)
