"""Tests of matrix products: PyTorch's setting is put back, and oneDNN is used where it is faster and exact enough."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sinefield import Siren, jet
from sinefield.kernels import matmul
from sinefield.kernels.matmul import Trial

CPU = torch.device("cpu")


def setting() -> str:
    found: str = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]  # PyTorch adds it at run time
    return found


@pytest.fixture
def _onednn_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "trial", lambda _threads: Trial(1.0, 2.0, 0.0))


@pytest.mark.usefixtures("_onednn_wins")
def test_the_setting_holds_inside_and_is_put_back() -> None:
    before = setting()
    with matmul.fast_products(CPU):
        assert setting() == "bf16"
    assert setting() == before
    with pytest.raises(KeyError), matmul.fast_products(CPU):
        raise KeyError
    assert setting() == before


@pytest.mark.usefixtures("_onednn_wins")
def test_a_jet_and_its_gradient_leave_the_setting_alone() -> None:
    before = setting()
    seen: list[str] = []
    points = torch.rand(5, 2, requires_grad=True)
    value = jet(Siren(2, 1, 8, 1), points).value
    value.register_hook(lambda _gradient: seen.append(setting()))
    assert setting() == before
    value.sum().backward()
    assert seen == [before]
    assert setting() == before


def test_where_onednn_loses_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "trial", lambda _threads: Trial(1.0, 1.2, 0.0))
    before = setting()
    with matmul.fast_products(CPU):
        assert setting() == before


def test_other_devices_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul, "trial", lambda _threads: pytest.fail("tried"))
    with matmul.fast_products(torch.device("cuda")):
        pass


def test_a_trial_says_what_is_used() -> None:
    assert Trial(1.0, 2.0, 0.0).use_onednn
    assert not Trial(1.0, 0.0, 0.0).use_onednn
    assert Trial(1.0, 2.0, 0.0).best == Trial(2.0, 0.0, 0.0).best == 2.0
    assert Trial(1.0, 2.0, 3.0).use_rounded
    assert not Trial(1.0, 2.0, 2.0).use_rounded


def test_the_trial_of_this_machine() -> None:
    found = matmul.trial(torch.get_num_threads())
    assert found.default > 0
    assert found.rounded > 0
    assert matmul.trial(torch.get_num_threads()) is found


def test_products_that_round_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16 units may take the setting at its word: its error is 2⁻⁹."""
    original = Tensor.__matmul__

    def rounding(left: Tensor, right: Tensor) -> Tensor:
        if setting() == "bf16" and left.dtype == torch.float32:
            return original(left.bfloat16().float(), right.bfloat16().float())
        return original(left, right)

    monkeypatch.setattr(Tensor, "__matmul__", rounding)
    assert matmul._try_products().onednn == 0


@pytest.mark.parametrize("shape", [(1024, 256, 256), (256, 1024, 256), (4096, 256, 256), (100, 64, 3)])
def test_fast_products_lose_no_more_than_twice_what_plain_ones_do(shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(1)
    left, right = torch.randn(rows, inner, generator=generator), torch.randn(inner, columns, generator=generator)
    exact = left.double() @ right.double()
    plain = float((left @ right - exact).norm() / exact.norm())
    with matmul.fast_products(CPU):
        fast = float((left @ right - exact).norm() / exact.norm())
    assert fast <= 2 * plain + torch.finfo(torch.float32).eps


@pytest.mark.usefixtures("_onednn_wins")
def test_threads_that_overlap_leave_the_setting_as_it_was() -> None:
    """The first one to come is the first one to go: what the second one found is not what is put back."""
    before = setting()
    came, go = threading.Event(), threading.Event()
    inside: list[str] = []

    def stay() -> None:
        with matmul.fast_products(CPU):
            came.set()
            go.wait(10)
            inside.append(setting())

    with matmul.fast_products(CPU):
        thread = threading.Thread(target=stay)
        thread.start()
        assert came.wait(10)
    assert setting() == "bf16"  # the other thread still multiplies
    go.set()
    thread.join(10)
    assert inside == ["bf16"]
    assert setting() == before


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where a trial is kept, in a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sinefield" / "products.json"


def tried(monkeypatch: pytest.MonkeyPatch, *found: Trial) -> list[Trial]:
    """Have trials find these, one after the other; return those that are left."""
    left = list(found)
    monkeypatch.setattr(matmul, "_try_products", lambda: left.pop(0))
    return left


def test_a_trial_is_kept_for_the_next_process(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tried(monkeypatch, Trial(1.0, 2.0, 3.0), Trial(4.0, 5.0, 6.0))
    again = matmul.trial.__wrapped__  # as a process does it that has not asked before
    assert again(1) == again(1) == Trial(1.0, 2.0, 3.0)
    assert again(2) == Trial(4.0, 5.0, 6.0)  # with more threads it is another
    assert again(1) == Trial(1.0, 2.0, 3.0)
    assert not left
    assert kept.is_file()
    assert [each.name for each in kept.parent.iterdir()] == ["products.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": {"default": 1}}', '{"a": 1}', "\x00"])
def test_a_file_that_is_no_trial_is_replaced(kept: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    kept.parent.mkdir()
    kept.write_text(content)
    tried(monkeypatch, Trial(1.0, 2.0, 3.0))
    assert matmul.trial.__wrapped__(1) == matmul.trial.__wrapped__(1) == Trial(1.0, 2.0, 3.0)


def test_where_nothing_can_be_kept_it_is_tried_each_time(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.parent.write_text("a file where the folder would be")
    tried(monkeypatch, Trial(1.0, 2.0, 3.0), Trial(4.0, 5.0, 6.0))
    assert matmul.trial.__wrapped__(1) == Trial(1.0, 2.0, 3.0)
    assert matmul.trial.__wrapped__(1) == Trial(4.0, 5.0, 6.0)
