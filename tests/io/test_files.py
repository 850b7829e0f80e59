"""Tests of files written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sinefield.io.files import check_writable, replacing


class BrokenError(Exception):
    """What goes wrong in the middle of writing."""


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    previous = os.umask(request.param)
    yield request.param
    os.umask(previous)


def refused(kind: type[Exception], path: Path) -> str:
    """Return the message, one line, of the refusal to write ``path``, by either function."""
    with pytest.raises(kind) as first:
        check_writable(path)
    with pytest.raises(kind) as second, replacing(path):
        pytest.fail("the block must not be entered")
    message = str(first.value)
    assert message == str(second.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_content_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "field.bin"
    target.write_bytes(b"before")
    with replacing(target) as temporary:
        temporary.write_bytes(b"after")
        assert target.read_bytes() == b"before"
    assert target.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [target]


def test_temporary_file_lies_beside_the_target_with_its_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "picture.TIFF") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".TIFF"
        assert temporary != tmp_path / "picture.TIFF"


@pytest.mark.parametrize("failure", [BrokenError, KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("before", [b"precious", None])
def test_failure_keeps_what_was_there_and_leaves_nothing_else(
    tmp_path: Path, failure: type[BaseException], before: bytes | None
) -> None:
    target = tmp_path / "field.bin"
    if before is not None:
        target.write_bytes(before)

    def fail_halfway() -> None:
        with replacing(target) as temporary:
            temporary.write_bytes(b"half of it")
            raise failure

    with pytest.raises(failure):
        fail_halfway()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_target_is_kept_when_the_temporary_file_vanishes(tmp_path: Path) -> None:
    target = tmp_path / "field.bin"
    target.write_bytes(b"precious")
    with pytest.raises(FileNotFoundError), replacing(target) as temporary:
        temporary.unlink()
    assert target.read_bytes() == b"precious"


def test_content_is_flushed_to_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "field.bin"
    order: list[tuple[str, int]] = []
    sync, move = os.fsync, Path.replace

    def record_sync(handle: int) -> None:
        order.append(("sync", os.fstat(handle).st_ino))
        sync(handle)

    def record_move(source: Path, destination: Path) -> Path:
        order.append(("move", source.stat().st_ino))
        return move(source, destination)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_move)
    with replacing(target) as temporary:
        temporary.write_bytes(b"content")
    assert order == [("sync", target.stat().st_ino), ("move", target.stat().st_ino)]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)], indirect=["umask"])
def test_mode_is_that_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    with replacing(tmp_path / "field.bin") as temporary:
        temporary.write_bytes(b"content")
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "field.bin").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == mode


@pytest.mark.parametrize("name", ["x" * 240 + ".bin", "é" * 120 + ".bin", "no suffix", ".hidden", "two.parts.bin"])
def test_every_name_that_the_file_system_takes_is_taken(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as temporary:
        temporary.write_bytes(b"content")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_path_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with replacing("field.bin") as temporary:
        temporary.write_bytes(b"content")
    assert (tmp_path / "field.bin").read_bytes() == b"content"


def test_folder_cannot_be_written_as_a_file(tmp_path: Path) -> None:
    assert "name a file in it" in refused(IsADirectoryError, tmp_path)


@pytest.mark.parametrize("between", ["nowhere", "file"])
def test_missing_folder_is_named(tmp_path: Path, between: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = refused(FileNotFoundError, tmp_path / between / "field.bin")
    assert f"no folder {tmp_path / between}" in message
    assert "make it first" in message


def test_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser may write everywhere, so the system's answer is replaced.
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == tmp_path and mode & os.W_OK))
    message = refused(PermissionError, tmp_path / "field.bin")
    assert f"no permission to write in {tmp_path}" in message
    assert "choose another place" in message
    assert list(tmp_path.iterdir()) == []


def test_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no plain file" in refused(FileExistsError, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_check_alone_writes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "field.bin")
    assert list(tmp_path.iterdir()) == []
