"""Matrix products at the machine's speed.

PyTorch multiplies float32 matrices on a CPU with MKL, which takes a slow path on processors that are not Intel's.
oneDNN, which comes with PyTorch too, is up to twice as fast there. The switch that selects it permits rounding the
factors to bfloat16, which some processors do and others do not: so it is used only where a trial on the
running machine shows that it is faster and rounds no worse than twice what the default does.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import final

import torch
from torch import Tensor

_SPEEDS = ("default", "onednn", "rounded")
_TRIAL = (1024, 256, 256)  # rows, inputs and outputs: a hidden layer of the usual width and batch


@final
@dataclass(frozen=True)
class Trial:
    """What float32 products are like on this machine.

    Args:
        default: FLOP per second of PyTorch's default product.
        onednn: FLOP per second of oneDNN's; 0 where it is not available or not exact enough.
        rounded: FLOP per second of products of bfloat16 factors.
    """

    default: float
    onednn: float
    rounded: float

    @property
    def use_onednn(self) -> bool:
        """Whether oneDNN is exact enough and clearly the faster one."""
        return self.onednn > 1.3 * self.default

    @property
    def best(self) -> float:
        """FLOP per second of the faster one: the peak that a fit can be compared with."""
        return max(self.default, self.onednn)

    @property
    def use_rounded(self) -> bool:
        """Whether products of bfloat16 factors repay rounding them."""
        return self.rounded > 1.4 * self.best


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Let float32 products inside run at the machine's speed; PyTorch's setting is put back afterwards."""
    if device.type != "cpu" or not trial(torch.get_num_threads()).use_onednn:
        yield
        return
    with _onednn:
        yield


@final
class _Switch:
    """The setting of PyTorch, one for the whole process, that selects oneDNN's products: on while anyone needs it.

    Threads come and go as they like: the first one in keeps what the setting was, the last one out puts it back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = ""

    def __enter__(self) -> None:
        settings = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at run time
        with self._lock:
            if self._users == 0:
                self._before = settings.fp32_precision
                settings.fp32_precision = "bf16"
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                torch.backends.mkldnn.matmul.fp32_precision = self._before  # type: ignore[attr-defined]  # as above


_onednn = _Switch()


@cache
def trial(threads: int) -> Trial:
    """Return the speed of float32 products with so many threads, tried once on a machine and then remembered.

    It is kept in the user's cache folder: what is chosen by it must not depend on what else the machine does when a
    process starts, as the same seed shall give the same bytes.
    """
    key = f"{processor()}, {torch.__version__}, {threads} threads"
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinefield" / "products.json"
    known = _remembered(path)
    if key in known:
        return known[key]
    found = _try_products()
    with suppress(OSError):  # where nothing can be kept it is tried each time
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({name: asdict(each) for name, each in (known | {key: found}).items()}, file, indent=1)
        Path(name).replace(path)
    return found


def processor() -> str:
    """Return what the processor is called, with its family and model: some share a name."""
    told: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            told.setdefault(name.strip(), value.strip())
    found = [told[name] for name in ("model name", "cpu family", "model") if name in told]
    return " ".join(found) or platform.processor() or platform.machine()


def _remembered(path: Path) -> dict[str, Trial]:
    """Return the trials that a file holds; none where it cannot be read, or was damaged."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): Trial(*(float(each[name]) for name in _SPEEDS)) for key, each in stored.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _try_products() -> Trial:
    rows, inputs, outputs = _TRIAL
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(rows, inputs, generator=generator)
    right = torch.randn(inputs, outputs, generator=generator)
    adjoint = torch.randn(rows, outputs, generator=generator)
    exact, wide = left.double() @ right.double(), left.double().T @ adjoint.double()

    def error() -> float:
        """Return the larger relative error of a layer's product and of that of its weights' gradient."""
        along = (left @ right - exact).norm() / exact.norm()
        across = (left.T @ adjoint - wide).norm() / wide.norm()
        return float(torch.maximum(along, across))

    work = 2 * rows * inputs * outputs
    low_left, low_right = left.bfloat16(), right.bfloat16()
    default, default_error = work / _seconds(lambda: left @ right), error()
    rounded = work / _seconds(lambda: low_left @ low_right)
    if not torch.backends.mkldnn.is_available():
        return Trial(default, 0.0, rounded)
    with _onednn:
        onednn, onednn_error = work / _seconds(lambda: left @ right), error()
    return Trial(default, onednn if onednn_error <= 2 * default_error else 0.0, rounded)


def _seconds(product: Callable[[], Tensor]) -> float:
    """Return the least time of a product: what else the machine does must not decide which is used."""
    times = []
    for _ in range(12):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    return min(times)
