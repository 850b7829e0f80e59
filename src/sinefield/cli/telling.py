"""``sinefield info``: what is in a field file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sinefield.cli import options, report
from sinefield.export import formats
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.export.subject import Subject


def info(field: options.FieldArgument, as_json: options.Json = False) -> None:
    """Tell what is in a field file, how it was made, and what it can be exported to."""
    with pause_garbage_collection():
        import sinefield.priors  # noqa: F401 - so that priors are known networks
        from sinefield import checkpoint
        from sinefield.export.subject import Subject
        from sinefield.fields import Network

    fields, header = checkpoint.read_all(field)
    subject = Subject(field, next(iter(fields.values())), dict(header))
    described = {name: Network.of(module).to_json() for name, module in fields.items()}  # whatever version it is of
    counts = {name: sum(each.numel() for each in module.parameters()) for name, module in fields.items()}
    header["parameters"] = sum(counts.values())
    stored = (header.get("signal") or {}).items()
    header["signal"] = {name: f"{len(each)} bytes" if isinstance(each, bytes) else each for name, each in stored}
    header |= _size_of(subject)
    written, refused = _formats_of(subject)
    header["exports"] = written
    networks = " and ".join(f"{name} a {described[name]['architecture']}" for name in fields)
    lines = [f"{field}: {networks}, {header['parameters']:,} parameters, {header['bytes'] / 1024:.0f} KiB"]
    told: dict[str, Any] = {"problem": header.get("problem"), "source": (header.get("source") or {}).get("name")}
    told |= {name: described[name]["settings"] for name in fields}
    told["samples"] = _samples(header)
    told |= {name: header.get(name) for name in ("signal", "recipe", "metrics", "imported", "seed", "version")}
    told |= {"sinefield": header.get("sinefield"), "exports": ", ".join(each or "a folder" for each in written)}
    told |= {f"not {ending}": why for ending, why in refused.items()}
    report.show(header, "\n".join([*lines, *_lines(told)]), as_json=as_json)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    for name, each in told.items():
        if each is not None:
            text = ", ".join(f"{key} {value}" for key, value in each.items()) if isinstance(each, dict) else str(each)
            yield f"  {name:<10} {text}"


def _size_of(subject: Subject) -> dict[str, Any]:
    """Return how large the field file is, and of how many samples, one for all values at a place."""
    found: dict[str, Any] = {"bytes": subject.size}
    if subject.lattice is not None:
        found["samples"] = math.prod(subject.lattice.shape)
        found["bits_per_sample"] = 8 * found["bytes"] / found["samples"]
    return found


def _samples(header: Mapping[str, Any]) -> str | None:
    if "samples" not in header:
        return None
    signal = header["signal"]
    own = f", {signal['bits'] * signal['channels']} in the original" if "bits" in signal else ""
    return f"{header['samples']:,}, {header['bits_per_sample']:.3g} bits each{own}"


def _formats_of(subject: Subject) -> tuple[list[str], dict[str, str]]:
    """Return the endings that the field can be exported to, and why it cannot be to others."""
    written: list[str] = []
    refused: dict[str, str] = {}
    for ending, form in formats.FORMATS.items():
        try:
            form.check(subject)
        except ValueError as error:
            refused[ending] = str(error).removeprefix(f"{subject.path} ").removeprefix("cannot be exported so: ")
        else:
            written.append(ending)
    return written, refused
