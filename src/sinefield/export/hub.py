"""A field as a folder for the Hugging Face Hub: the field file, its header as JSON, and a model card."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sinefield import __version__
from sinefield.export.subject import Subject
from sinefield.io.embedded import STORED, plain_file
from sinefield.io.files import check_writable

_CARD = """\
---
library_name: sinefield
tags:
{tags}
---

# {title}

{about}

| | |
|---|---|
{rows}

## Use

```python
import sinefield
from huggingface_hub import hf_hub_download

field = sinefield.load(hf_hub_download("USER/NAME", "{stored}"))
field(points)  # values (n, {c}) at points (n, {d}); sinefield.jet(field, points) has the derivatives
```

{render}Written by sinefield {version}.
"""


def write(subject: Subject, path: Path) -> str:
    """Return in a few words what was written: a folder with the field file, ``config.json`` and ``README.md``.

    Args:
        subject: the field.
        path: the folder, which is made; one that is there is empty.

    Raises:
        OSError: the folder cannot be made.
    """
    check_writable(path / "config.json" if path.is_dir() else path)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:32]}.", dir=path.resolve().parent))
    try:
        with plain_file(subject.path) as stored:
            shutil.copyfile(stored, folder / STORED)
        config = json.dumps(config_of(subject), indent=2, sort_keys=True)
        (folder / "config.json").write_text(config + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card_of(subject), encoding="utf-8")
        mask = os.umask(0)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)  # temporary folders are private
        folder.replace(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return f"a folder of {STORED}, config.json and README.md, {_size(path / STORED)}"


def config_of(subject: Subject) -> dict[str, Any]:
    """Return what the file tells, without what is not text of it and the state of a search."""
    told = {name: each for name, each in subject.header.items() if name not in ("resume", "version")}
    signal = subject.signal_json()
    return {**told, "signal": None if signal is None else json.loads(signal), "library_name": "sinefield"}


def card_of(subject: Subject) -> str:
    """Return the model card."""
    field = subject.field
    kind = "" if subject.signal is None else subject.signal.kind
    tags = ["sinefield", "siren", "implicit-neural-representation", *([kind] if kind else [])]
    return _CARD.format(
        tags="\n".join(f"- {each}" for each in tags),
        title=subject.title,
        about=f"One small differentiable function{f' of kind {kind}' if kind else ''}, with derivatives of any order.",
        rows="\n".join(f"| {name} | {told} |" for name, told in _rows(subject)),
        stored=STORED,
        c=field.out_features,
        d=field.in_features,
        render="" if not kind else f"`sinefield render {STORED} OUT` evaluates it at any resolution.\n\n",
        version=__version__,
    )


def _rows(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield what a card tells of a field."""
    count = sum(each.numel() for each in subject.field.parameters())
    yield "network", f"{getattr(subject.field, 'architecture', 'assembled')}, {count:,} parameters"
    if subject.signal is not None:
        counts = [f"{each.count} {each.name}" for each in subject.signal.axes if each.count is not None]
        if counts:
            yield "samples of the original", " x ".join(counts)
    metrics = subject.header.get("metrics")
    if isinstance(metrics, Mapping):
        for name, value in metrics.items():
            if isinstance(value, int | float):
                yield "".join(each if each.isalnum() else " " for each in str(name))[:40], f"{value:.5g}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1000:,.0f} kB"
