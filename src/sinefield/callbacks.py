"""What watches a fit: the progress bar, the log for TensorBoard, the film of the training."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from sinefield.history import Record
from sinefield.io.files import replacing
from sinefield.problem import Problem
from sinefield.solution import Observer, Progress

if TYPE_CHECKING:
    from rich.console import Console

ANIMATIONS = (".gif", ".mp4")


def together(observers: Sequence[Observer]) -> Observer:
    """Return an observer that calls several."""

    def observe(progress: Progress) -> None:
        for each in observers:
            each(progress)

    return observe


class ProgressBar:
    """Shows passes, loss, PSNR and the time left, on a terminal; used as a context.

    Args:
        console: where; None: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("fitting"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[shown]}"),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("fit", total=1.0, shown="")
        self._next = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Draw, at most ten times a second."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 0.1
        left = progress.seconds * (1 - progress.fraction) / max(progress.fraction, 1e-9)
        self._bar.update(self._task, completed=progress.fraction, shown=describe(progress, left))


class ProgressLines:
    """Tells the same in a line now and then, for where there is no terminal: logs, pipes and notebooks.

    Args:
        file: where; None: standard error.
        every: seconds between two lines.
    """

    def __init__(self, file: TextIO | None = None, every: float = 10.0) -> None:
        self._file, self._every = file or sys.stderr, every
        self._next = time.monotonic() + every
        self._told = False  # whether the last line held what is to be known

    def __call__(self, progress: Progress) -> None:
        """Write a line where it is time, or something is to be known."""
        now = time.monotonic()
        news = bool(progress.notice) and not self._told
        if now < self._next and not news:
            return
        self._next, self._told = now + self._every, bool(progress.notice)
        left = progress.seconds * (1 - progress.fraction) / max(progress.fraction, 1e-9)
        self._file.write(f"fitting {100 * progress.fraction:3.0f} %  {describe(progress, left)}\n")
        self._file.flush()


def describe(progress: Progress, left: float) -> str:
    """Return passes, loss, PSNR, the seconds left and what else is to be known as a line."""
    parts = [f"pass {progress.passes:.1f}"]
    if progress.record is not None:
        parts.append(f"loss {progress.record.loss:.2e}")
        reached = progress.record.metrics
        if math.isfinite(reached.get("psnr", math.nan)):
            parts.append(f"{reached['psnr']:.1f} dB")
        parts += [f"{name} {reached[name]:.1e}" for name in ("residual", "error") if name in reached]
    if progress.fraction > 0.02:
        parts.append(f"{left:.0f} s left")
    if progress.notice:
        parts.append(progress.notice)
    return "  ".join(parts)


class TensorBoardLog:
    """Writes losses and metrics for TensorBoard.

    Args:
        folder: where; made if it is not there.

    Raises:
        ValueError: TensorBoard is not installed.
        NotADirectoryError: there is a file of that name.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError("--log needs TensorBoard; install it with: pip install 'sinefield[log]'")
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"cannot write the log to {folder}: it is a file; name a folder")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._seen: Record | None = None

    def __call__(self, progress: Progress) -> None:
        """Write each record once."""
        record = progress.record
        if record is None or record is self._seen:
            return
        self._seen = record
        self._writer.add_scalar("loss", record.loss, record.step)
        for kind, values in (("loss", record.losses), ("metric", record.metrics)):
            for name, value in values.items():
                self._writer.add_scalar(f"{kind}/{name}", value, record.step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class Film:
    """Draws the training of a picture as an animation.

    Args:
        problem: that of a picture.
        path: where to write it: ``.gif``, or ``.mp4`` with the extra ``video``.
        frames: how many frames, more of them early, when most happens.

    Raises:
        ValueError: the ending is of no animation, PyAV is missing, or the problem is no picture.
    """

    def __init__(self, problem: Problem, path: Path, frames: int = 32) -> None:
        check_animation(path)
        from sinefield import plots  # matplotlib takes half a second to import, and most fits draw nothing

        self._sheet = plots.Sheet(plots.Subject.of(problem, longest=128), dpi=72)
        self._path = path
        self._moments = [(index / (frames - 1)) ** 2 for index in range(frames)]
        self._frames: list[NDArray[np.uint8]] = []
        self._history: list[Record] = []

    def __call__(self, progress: Progress) -> None:
        """Draw a frame when its moment has come."""
        if progress.record is not None and (not self._history or progress.record is not self._history[-1]):
            self._history.append(progress.record)
        if not self._moments or progress.fraction < self._moments[0]:
            return
        while self._moments and progress.fraction >= self._moments[0]:
            self._moments.pop(0)
        found = self._history[-1].metrics if self._history else {}
        title = f"pass {progress.passes:.1f}, {progress.seconds:.1f} s of fitting"
        self._sheet.draw(progress.field, found, self._history, title)
        self._frames.append(self._sheet.frame())

    def save(self) -> None:
        """Write the animation, whole or not at all.

        Raises:
            ValueError: nothing was fitted, so there is no frame.
        """
        if not self._frames:
            raise ValueError(f"cannot write {self._path}: nothing was fitted, so there is no frame")
        write_animation(self._path, [*self._frames, *[self._frames[-1]] * 12])  # the end stays to be looked at


def check_animation(path: Path) -> None:
    """Check the ending of an animation to write.

    Raises:
        ValueError: it is none of :data:`ANIMATIONS`, or what writes it is not installed.
    """
    if path.suffix.lower() not in ANIMATIONS:
        raise ValueError(f"cannot write the animation {path}: its ending must be one of {', '.join(ANIMATIONS)}")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise ValueError("animations as MP4 need PyAV; install it with: pip install 'sinefield[video]', or name a .gif")


def write_animation(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    """Write frames ``(h, w, 3)`` as an animation, whole or not at all, in the format of its ending."""
    with replacing(path) as temporary:
        write: Callable[[Path, Sequence[NDArray[np.uint8]]], None]
        write = _write_gif if path.suffix.lower() == ".gif" else _write_mp4
        write(temporary, frames)


_FRAMES_A_SECOND = 12


def _write_gif(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    from PIL import Image

    # One palette for all frames, so that colours do not flicker.
    some = np.concatenate([frames[0], frames[len(frames) // 3], frames[-1]])
    palette = Image.fromarray(some).quantize(192)
    images = [Image.fromarray(each).quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=1000 // _FRAMES_A_SECOND, loop=0)


def _write_mp4(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    from sinefield.io.clips.encoding import encode

    with path.open("wb") as file:
        encode(file, "mp4", iter(frames), frames[0].shape[:2], _FRAMES_A_SECOND)
