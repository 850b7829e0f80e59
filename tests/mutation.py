"""Files with faults: mutated copies of sound ones, read in a process with limits.

Whatever a file holds, its reader answers with a result or with one line: no traceback, no hang, no more than 2 GiB, and
nothing on standard error besides.
"""

from __future__ import annotations

import importlib
import json
import random
import resource
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import forks

MEMORY = 2 << 30
"""Bytes that a reader may take beyond what the process has after its imports."""

SECONDS = 20.0
"""How long a reader may take for a small file."""

_HEADER = 512  # bytes at the beginning, where most mutations are
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Return a copy with one to four faults, most of them near the beginning: other bytes, numbers, lengths."""
    found = bytearray(content)
    for _ in range(generator.randint(1, 4)):
        if not found:
            break
        near = generator.random() < 0.8
        place = generator.randrange(min(len(found), _HEADER) if near else len(found))
        match generator.randrange(7):
            case 0:
                found[place] = generator.randrange(256)
            case 1:
                found[place] ^= 1 << generator.randrange(8)
            case 2:
                size = generator.choice([1, 2, 4, 8])
                order: str = generator.choice(["little", "big"])
                number = generator.choice(_NUMBERS) % 256**size
                found[place : place + size] = number.to_bytes(size, "little" if order == "little" else "big")
            case 3:
                del found[place : place + generator.randint(1, 16)]
            case 4:
                found[place:place] = generator.randbytes(generator.randint(1, 16))
            case 5:
                del found[generator.randrange(len(found)) :]
            case _:
                other = generator.randrange(len(found))
                found[place : place + 8] = found[other : other + 8]
    return bytes(found)


def check_reader(reader: str, files: Sequence[Path], count: int, folder: Path, *, seed: int = 0) -> None:
    """Check that a reader answers with a result or one line for mutated copies of files.

    Args:
        reader: as ``"module:function"``, of a path.
        files: small and sound; their endings are kept.
        count: mutations of all files together.
        folder: for the copies; the last one stays, for the test to be repeated by hand.
        seed: of the mutations.
    """
    done = 0
    while done < count:
        arguments = json.dumps([reader, [str(each) for each in files], done, count, str(folder), seed])
        process = forks.run(Path.cwd(), __file__, arguments)
        report = folder / "report.json"
        number, fault = json.loads(report.read_text()) if report.exists() else (done, "nothing was read")
        last = f"mutation {number} of {reader}, kept in {folder}"
        assert process.returncode == 0, f"{last}: status {process.returncode}, {fault}: {process.stderr[-2000:]}"
        assert fault is None, f"{last}: {fault}"
        assert process.stderr == "", f"{last}: on standard error: {process.stderr[:2000]}"
        done = number + 1


def _mutants(files: Sequence[Path], start: int, stop: int, seed: int) -> Iterator[tuple[int, Path, bytes]]:
    contents = [each.read_bytes() for each in files]
    for number in range(start, stop):
        chosen = number % len(files)
        yield number, files[chosen], mutate(contents[chosen], random.Random(f"{seed} {number}"))


def _work(reader: str, names: Sequence[str], start: int, stop: int, folder: str, seed: int) -> None:
    module, _, attribute = reader.partition(":")
    read = getattr(importlib.import_module(module), attribute)
    report = Path(folder) / "report.json"
    for each in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(Path(each))  # a sound file: what is imported late is imported now
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number, path, content in _mutants([Path(each) for each in names], start, stop, seed):
        copy = Path(folder) / f"mutant{''.join(path.suffixes)}"
        copy.write_bytes(content)
        report.write_text(json.dumps([number, f"the process ended, after {SECONDS:g} s if by signal 14"]))
        fault = None
        signal.setitimer(signal.ITIMER_REAL, SECONDS)  # ends the process, even where it is in a library of C
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(copy)
        except (ValueError, OSError) as error:
            told = str(error)
            if (
                not told.strip()
                or "\n" in told
                or type(error).__module__ not in ("builtins", "sinefield.io.allocation")
            ):
                fault = f"the error {type(error).__name__}: {told!r}"
        except BaseException as error:
            fault = f"the error {type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        report.write_text(json.dumps([number, fault]))
        if fault is not None:
            return


if __name__ == "__main__":
    _work(*json.loads(sys.argv[1]))
