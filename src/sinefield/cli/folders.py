"""``sinefield fit FOLDER -o FIELDS``: a field for each picture and recording in a folder, thousands at once."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from sinefield import kinds
from sinefield.cli import options, outputs, report
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.collection import Fitted
    from sinefield.io.source import Source

_EVERY = 10.0  # seconds between two lines of progress where there is no terminal
_KINDS = ("image", "audio")
_TAKEN = ("output", "kind", "seed", "as_json", "quiet", "force")  # options that hold for a folder too


@final
@dataclass
class _Told:
    """What became of the files of a folder."""

    psnr: dict[str, float] = field(default_factory=dict)
    kept: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    def leave_out(self, path: Path, why: object) -> None:
        """Tell in a line that a file has no field."""
        line = " ".join(str(why).split())
        self.left_out[str(path)] = line
        print(f"sinefield: left out {line if str(path) in line else f'{path}: {line}'}", file=sys.stderr)


def fit_folder(
    folder: Path,
    general: options.General,
    network: options.Network,
    training: options.Training,
    asked: Mapping[str, Any],
) -> None:
    """Fit each picture and recording in a folder and in the folders in it; fields that are there already are kept.

    Args:
        folder: of the signals.
        general: the options of ``fit``, of which those for a single signal are refused, as are all of the next three.
        network: of a single signal.
        training: of a single signal.
        asked: of a single signal.

    Raises:
        ValueError: an option for a single signal, no file in the folder, or none with a field at the end.
        SystemExit: some files were left out, or it was stopped, which was told.
    """
    _check_options(folder, general, network, training, asked)
    target = _target_of(folder, general.output)
    files = _files_in(folder, target)
    if not files:
        raise ValueError(f"the folder {folder} holds no file to fit; give a folder of pictures or recordings")
    with pause_garbage_collection():
        from sinefield.collection import fit_as_read
        from sinefield.io.source import Source

    told, begun = _Told(), time.monotonic()
    places = _places(files, folder, target)

    def pending() -> Iterator[tuple[int, Path]]:
        for number, path in enumerate(files):
            try:
                _check_kind(kinds.kind_of(path), general.kind)
                if _is_there(places[number], Source.of(path), general):
                    told.kept += 1
                    continue
            except (ValueError, OSError) as error:
                told.leave_out(path, error)
                continue
            yield number, path

    with report.warnings_told(), _progress(len(files), quiet=general.quiet) as show:
        found = fit_as_read(
            pending(), seed=general.seed, failed=lambda number, error: told.leave_out(files[number], error)
        )
        try:
            for number, each in found:
                places[number].parent.mkdir(parents=True, exist_ok=True)
                each.save(places[number])
                told.psnr[str(files[number])] = each.metrics["psnr"]
                show(files[number].name, each, len(told.psnr) + told.kept + len(told.left_out))
        except KeyboardInterrupt:
            told.stopped = True
    _report(folder, target, told, time.monotonic() - begun, as_json=general.as_json)


def _check_options(
    folder: Path,
    general: options.General,
    network: options.Network,
    training: options.Training,
    asked: Mapping[str, Any],
) -> None:
    """Refuse options that a folder does not have.

    Raises:
        ValueError: one of them is given.
    """
    given = dict(asked)
    for record in (general, network, training):
        for each in dataclasses.fields(record):
            if each.name not in _TAKEN and getattr(record, each.name) != each.default:
                given[each.name] = getattr(record, each.name)
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(f"{flags} is for a single signal, and {folder} is a folder; leave it out")
    if general.kind not in (None, *_KINDS):
        raise ValueError(
            f"of a folder {' and '.join(_KINDS)} are fitted, got --kind {general.kind}; fit files one by one"
        )


def _check_kind(kind: str, asked: str | None) -> None:
    """Check that a file is of a kind that is fitted, and of the one that is asked for; any but sound may be a picture.

    Raises:
        ValueError: it is not.
    """
    if kind not in (_KINDS if asked is None else (asked,)) and (asked != "image" or kind == "audio"):
        wanted = " and ".join(_KINDS) if asked is None else asked
        raise ValueError(f"it is of kind {kind}, and of this folder {wanted} are fitted; fit it by itself")


def _target_of(folder: Path, output: Path | None) -> Path:
    """Return the folder of the fields.

    Raises:
        ValueError: it is a file, or the folder itself.
    """
    target = output or Path(f"{folder.resolve().name}-fields")
    if target.exists() and not target.is_dir():
        raise ValueError(f"cannot write fields into {target}: it is a file; name a folder with -o")
    if target.resolve() == folder.resolve():
        raise ValueError(f"cannot write fields into {target}: it is that of the signals; name another with -o")
    return target


def _files_in(folder: Path, target: Path) -> list[Path]:
    """Return the files in a folder and in those in it, by name, but hidden ones and those of the target."""
    skipped = target.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and skipped not in path.resolve().parents
    )


def _places(files: list[Path], folder: Path, target: Path) -> list[Path]:
    """Return where the field of each file goes; files that differ in their ending alone keep it."""
    bare = [target / path.relative_to(folder).with_name(kinds.stem_of(path)) for path in files]
    counts = Counter(bare)
    whole = [target / path.relative_to(folder) for path in files]
    chosen = [one if counts[one] == 1 else other for one, other in zip(bare, whole, strict=True)]
    return [each.with_name(f"{each.name}.safetensors") for each in chosen]


def _is_there(place: Path, source: Source, general: options.General) -> bool:
    """Return whether the field of a source is there already, found as it would be now.

    Raises:
        FileExistsError: there is another's.
    """
    if not place.exists():
        return False
    from sinefield import checkpoint
    from sinefield.collection import RECIPE, SOUND_RECIPE

    outputs.check_field_file(place, source, force=general.force)
    try:
        header = checkpoint.read_header(place)
    except ValueError:  # no field; it may be replaced, as the check found
        return False
    same = header.get("source") == source.to_json() and header.get("seed") == general.seed
    recipe = header.get("recipe") or {}
    return same and (recipe.get("name") != RECIPE["name"] or recipe in (RECIPE, SOUND_RECIPE))


@contextmanager
def _progress(count: int, *, quiet: bool) -> Iterator[Callable[[str, Fitted, int], None]]:
    """Show each signal and what it reached: by a bar on a terminal, by lines now and then elsewhere.

    Yields:
        What is called with the name of a file, its field, and how many files are done.
    """
    if not quiet and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(bar_width=30), TextColumn("{task.completed}/{task.total}  {task.fields[shown]}"))
        with Progress(
            TextColumn("fitting"), *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
        ) as bar:
            task = bar.add_task("fit", total=count, shown="")
            yield lambda name, each, done: bar.update(
                task, completed=done, shown=f"{name} {each.metrics['psnr']:.1f} dB"
            )
        return
    following = time.monotonic() + _EVERY

    def tell(name: str, each: Fitted, done: int) -> None:
        nonlocal following
        if not quiet and time.monotonic() >= following:
            following = time.monotonic() + _EVERY
            print(f"fitting {done}/{count}  {name} {each.metrics['psnr']:.1f} dB", file=sys.stderr, flush=True)

    yield tell


def _report(folder: Path, target: Path, told: _Told, seconds: float, *, as_json: bool) -> None:
    """Print what became of a folder.

    Raises:
        ValueError: there is no field at all.
        SystemExit: some files have none, or it was stopped.
    """
    count, left = len(told.psnr), len(told.left_out)
    if count + told.kept == 0 and not told.stopped:
        raise ValueError(f"nothing in {folder} was fitted: {left} of {left} files were left out")
    worst = min(told.psnr, key=told.psnr.__getitem__, default=None)
    result = {
        "fields": str(target),
        "fitted": count,
        "kept": told.kept,
        "left_out": told.left_out,
        "stopped": told.stopped,
        "seconds": seconds,
        "psnr": told.psnr,
    }
    parts = [f"{count} fitted in {seconds:.1f} s"]
    if worst is not None:
        mean = sum(told.psnr.values()) / count
        parts.append(f"PSNR {mean:.1f} dB, the least {told.psnr[worst]:.1f} dB of {Path(worst).name}")
    parts += [f"{told.kept} were there"] * bool(told.kept) + [f"{left} left out"] * bool(left)
    parts += ["stopped by you; the same command goes on"] * told.stopped
    report.show(result, f"{target}: {'; '.join(parts)}", as_json=as_json)
    if told.stopped:
        raise SystemExit(130)
    if left:
        raise SystemExit(2)
