"""Tests of searches that go on: stopped anywhere and resumed, they end with the bytes of those that never stopped."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sinefield import Box, Constraint, PointCloud, Problem, Siren, checkpoint, problems, solution, solve
from sinefield.constraint import Fading
from sinefield.norms import Huber
from sinefield.problems import tiles
from sinefield.search import Checkpointing
from sinefield.solution import Progress, Solution
from sinefield.solvers import Muon, Soap, TorchOptimiser

PIXELS = np.random.default_rng(0).random((20, 24))
TINY: Mapping[str, Any] = {"hidden_features": 8, "hidden_layers": 1}


def circle() -> np.ndarray[Any, Any]:
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    return np.stack([np.cos(angles), 0.7 * np.sin(angles)], axis=1)


@dataclass(frozen=True)
class Search:
    """A problem, and settings that override the recipe's."""

    problem: Callable[[], Problem]
    changes: Mapping[str, Any] = field(default_factory=dict)

    def run(self, **options: Any) -> Solution:
        return solve(self.problem(), compiled=False, **self.changes, **options)


def picture(**settings: Any) -> Search:
    """Return a search of 8 steps a pass, whose records are 32 steps apart."""
    return Search(partial(problems.image, PIXELS, **TINY), {"batch": 64, "passes": 4, **settings})


SEARCHES = {
    "values": picture(passes=10),
    "derivatives": Search(partial(problems.image, PIXELS, ("gradient",), **TINY), {"batch": 64, "passes": 3}),
    "tiles": Search(partial(problems.image, PIXELS, tiles=(2, 3), **TINY), {"batch": 96, "passes": 4}),
    "shape": Search(partial(problems.shape, circle(), terms="digs", **TINY), {"batch": 8192, "passes": 3}),
    "Muon": picture(solver=Muon(1e-2)),
    "SOAP": picture(solver=Soap(1e-3, every=3)),
    "an optimiser of PyTorch": picture(solver=TorchOptimiser(torch.optim.NAdam)),
    "clipped and averaged": picture(clip=0.5, average=0.9),
    "dropout": Search(partial(problems.image, PIXELS, dropout=0.2, **TINY), {"batch": 64, "passes": 4}),
    "dropout in tiles' time": Search(
        partial(problems.image, PIXELS, dropout=0.1, **TINY),
        {"batch": 64, "passes": 4, "average": 0.5, "rounding": True},
    ),
    "full batch": picture(batch=None, passes=30),
}


@pytest.fixture(autouse=True)
def _several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tiles be solved two at a time."""
    monkeypatch.setattr(tiles, "TOGETHER", 2)


def bytes_of(found: Solution, folder: Path) -> bytes:
    found.save(folder / "whole.safetensors")
    return (folder / "whole.safetensors").read_bytes()


def watched(search: Search, folder: Path) -> tuple[Solution, dict[int, Path]]:
    """Return what a search finds that writes all that it needs after every step, and what it wrote by steps."""
    path = folder / "field.safetensors"
    kept: dict[int, Path] = {}

    def keep(progress: Progress) -> None:
        if path.exists():
            kept[progress.step] = Path(shutil.copy(path, folder / f"{progress.step}.safetensors"))

    found = search.run(checkpointing=Checkpointing(path, 1e-9), observe=keep)
    return found, kept


def comparable(found: Solution) -> list[Any]:
    return [replace(each, seconds=0.0) for each in found.history]


@pytest.mark.parametrize("name", SEARCHES)
def test_stopped_at_five_random_steps(name: str, tmp_path: Path) -> None:
    search = SEARCHES[name]
    plain = search.run()
    wanted = bytes_of(plain, tmp_path)
    found, kept = watched(search, tmp_path)
    assert bytes_of(found, tmp_path) == wanted  # writing changes nothing
    order = np.random.default_rng(sum(map(ord, name))).permutation(list(kept))
    assert len(order) >= 20
    for step in order[:5].tolist():
        again = search.run(resume=kept[step])
        assert bytes_of(again, tmp_path) == wanted, step
        assert comparable(again) == comparable(plain)
        assert again.history[-1].seconds > 0
        assert again.stopped == "budget"
        assert again.snapshot is None


def test_on_the_way_to_a_goal(tmp_path: Path) -> None:
    """What the schedule is spread over is found from records, and found again from those that were written."""
    y, x = np.mgrid[0:20, 0:24] / 24
    waves = partial(problems.image, np.sin(5 * x) * np.cos(4 * y), **TINY)
    search = Search(waves, {"batch": 64, "passes": 80, "learning_rate": 2e-3, "until": "psnr=32"})
    plain = search.run()
    assert plain.stopped == "goal"
    assert 4 < len(plain.history) < 20
    wanted = bytes_of(plain, tmp_path)
    last = plain.history[-1]
    without = replace(search, changes={**search.changes, "passes": last.passes, "until": None})
    assert bytes_of(without.run(), tmp_path) != wanted  # the goal has changed the rates
    _, kept = watched(search, tmp_path)
    for step in (1, 33, 64, last.step // 2, last.step - 1):
        again = search.run(resume=kept[step])
        assert bytes_of(again, tmp_path) == wanted, step
        assert comparable(again) == comparable(plain)
        assert again.stopped == "goal"


def test_another_goal_is_another_search(tmp_path: Path) -> None:
    _, kept = watched(picture(until="psnr=30", passes=1), tmp_path)
    with pytest.raises(ValueError, match=r"the recipe's until value is another: it was 30.0, and is 31.0 now"):
        picture(until="psnr=31", passes=1).run(resume=kept[2])


def test_tiles_are_stopped_in_each_part(tmp_path: Path) -> None:
    search = SEARCHES["tiles"]
    wanted = bytes_of(search.run(), tmp_path)
    _, kept = watched(search, tmp_path)
    by_part: dict[int, Path] = {}
    for path in kept.values():
        by_part[checkpoint.read_snapshot(path)[2].part] = path
    assert sorted(by_part) == [0, 1, 2]
    for path in by_part.values():
        assert bytes_of(search.run(resume=path), tmp_path) == wanted


def test_a_search_is_stopped_again_and_again(tmp_path: Path) -> None:
    search = SEARCHES["clipped and averaged"]
    wanted = bytes_of(search.run(), tmp_path)
    path = tmp_path / "field.safetensors"
    found = interrupted(search, path, after=3)
    for _ in range(3):
        found.save(path)
        found = interrupted(search, path, after=5, resume=path)
    found.save(path)
    steps = checkpoint.read_snapshot(path)[2].step
    assert steps == 4 + 3 * 6  # each goes on for the step in which it is pressed
    assert bytes_of(search.run(resume=path), tmp_path) == wanted


def test_resumed_in_another_process(tmp_path: Path) -> None:
    search = SEARCHES["Muon"]
    wanted = bytes_of(search.run(), tmp_path)
    _, kept = watched(search, tmp_path)
    np.save(tmp_path / "pixels.npy", PIXELS)
    script = """
import sys
import numpy as np
import torch
from sinefield import problems, solve
from sinefield.solvers import Muon
torch.set_num_threads(1)
pixels, start, end = sys.argv[1:]
problem = problems.image(np.load(pixels), hidden_features=8, hidden_layers=1)
found = solve(problem, compiled=False, batch=64, passes=4, solver=Muon(1e-2), resume=start)
found.save(end)
"""
    end = tmp_path / "end.safetensors"
    arguments = [str(tmp_path / "pixels.npy"), str(kept[13]), str(end)]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)
    assert end.read_bytes() == wanted


def test_a_search_over_continuous_domains_goes_on(tmp_path: Path) -> None:
    """A field and constraints of one's own, of which two fade and one is drawn afresh."""

    def run(**options: Any) -> Solution:
        torch.manual_seed(4)
        u = Siren(2, 1, hidden_features=8, hidden_layers=1)
        return solve(u, equation(), recipe="fast", batch=8192, passes=3, compiled=False, **options)

    path, kept = tmp_path / "field.safetensors", {}

    def keep(progress: Progress) -> None:
        if path.exists():
            kept[progress.step] = shutil.copy(path, tmp_path / f"{progress.step}.safetensors")

    wanted = bytes_of(run(), tmp_path)
    run(checkpointing=Checkpointing(path, 1e-9), observe=keep)
    for step in (2, 11, 17, 22, 23):
        assert bytes_of(run(resume=kept[step]), tmp_path) == wanted


def equation(**changes: Any) -> list[Constraint]:
    settings = {"side": 1.0, "norm": 0.5, "fades": 0.8, "target": 1.0, "source": 1.0} | changes
    omega = Box([-1.0, -1.0], [1.0, settings["side"]])
    cloud = PointCloud(torch.zeros(5, 2), {"value": torch.full((5, 1), settings["target"])})
    return [
        Constraint(omega, lambda u: u.laplacian - settings["source"], name="inside", norm=Huber(settings["norm"])),
        Constraint(omega.boundary, lambda u: u.value, name="edge", weight=Fading(10.0, 0.2, settings["fades"])),
        Constraint(cloud, lambda u, value: u.value - value, name="data"),
    ]


def test_two_unknowns_go_on(tmp_path: Path) -> None:
    def run(**options: Any) -> Solution:
        torch.manual_seed(4)
        fields = {"u": Siren(1, 1, 8, 1), "m": Siren(1, 1, 8, 0)}
        cloud = PointCloud(torch.linspace(-1, 1, 50)[:, None])
        constraints = [Constraint(cloud, lambda u, m: u.gradient - m.value * u.points)]
        return solve(fields, constraints, batch=10, passes=4, compiled=False, **options)

    wanted = bytes_of(run(), tmp_path)
    path = tmp_path / "field.safetensors"

    def stop(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    run(checkpointing=Checkpointing(path, 1e-9), observe=stop)
    loaded = checkpoint.load(path)
    assert isinstance(loaded, dict)
    assert list(loaded) == ["u", "m"]
    assert bytes_of(run(resume=path), tmp_path) == wanted


# When it is written


@pytest.mark.parametrize(("every", "expected"), [(1.0, [8, 16, 24]), (0.5, [4, 8, 12, 16, 20, 24, 28]), (3.0, [24])])
def test_it_is_written_as_often_as_asked(
    every: float, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    save = checkpoint.save

    def counted(path: Path, fields: Any, /, **header: Any) -> None:
        written.append(header["snapshot"].step)
        save(path, fields, **header)

    monkeypatch.setattr(checkpoint, "save", counted)
    picture().run(checkpointing=Checkpointing(tmp_path / "f.safetensors", every))  # of 8 steps a pass, 4 passes
    assert written == expected


def test_what_is_written_is_a_field_as_any(tmp_path: Path) -> None:
    """It can be rendered while the search goes on."""
    _, kept = watched(picture(passes=6), tmp_path)
    field, header = checkpoint.read(kept[40])
    assert isinstance(field, Siren)
    assert header["signal"]["kind"] == "image"
    assert header["metrics"]["psnr"] > 0
    assert field(torch.zeros(1, 2)).shape == (1, 1)


# Ctrl-C


def interrupted(search: Search, path: Path, after: int, **options: Any) -> Solution:
    """Return what is found when Ctrl-C is pressed after some steps."""
    count = 0

    def press(_progress: Progress) -> None:
        nonlocal count
        count += 1
        if count == after:
            signal.raise_signal(signal.SIGINT)

    return search.run(checkpointing=Checkpointing(path, 100), observe=press, **options)


@pytest.mark.parametrize("after", [1, 6, 17])
@pytest.mark.parametrize("name", ["values", "tiles", "clipped and averaged", "dropout"])
def test_an_interrupted_search_keeps_all_that_it_needs(name: str, after: int, tmp_path: Path) -> None:
    search, usual = SEARCHES[name], signal.getsignal(signal.SIGINT)
    wanted = bytes_of(search.run(), tmp_path)
    path = tmp_path / "field.safetensors"
    found = interrupted(search, path, after)
    assert signal.getsignal(signal.SIGINT) is usual
    assert found.stopped == "interrupted"
    assert found.snapshot is not None
    assert not path.exists()
    found.save(path)
    again = search.run(resume=path)
    assert bytes_of(again, tmp_path) == wanted
    assert again.stopped == "budget"


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def press(progress: Progress) -> None:
        if progress.step == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    found = picture().run(checkpointing=Checkpointing(tmp_path / "f.safetensors", 100), observe=press)
    assert found.stopped == "interrupted"
    assert found.snapshot is None


def test_in_a_thread_of_its_own_there_is_no_ctrl_c(tmp_path: Path) -> None:
    """Signals reach the main thread alone; checkpoints are written all the same."""
    path = tmp_path / "f.safetensors"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(picture().run, checkpointing=Checkpointing(path, 1.0)).result()
    assert bytes_of(picture().run(resume=path), tmp_path) == bytes_of(picture().run(), tmp_path)


def test_without_checkpointing_nothing_is_kept() -> None:
    def press(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    found = picture().run(observe=press)
    assert found.stopped == "interrupted"
    assert found.snapshot is None


# What cannot be gone on from


def refused(path: Path, run: Callable[..., Solution], *words: str) -> None:
    """Check that a search is not gone on with, in one line that names the file and what is wrong."""
    with pytest.raises(ValueError, match="cannot resume from") as caught:
        run(resume=path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    for word in words:
        assert word in message, message


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A picture's search that was stopped."""
    path = tmp_path / "stopped.safetensors"
    interrupted(picture(), path, 5).save(path)
    assert picture().run(resume=path).stopped == "budget"
    return path


def test_another_problem(stopped: Path) -> None:
    other = Search(partial(problems.volume, PIXELS[:10].reshape(4, 10, 6), **TINY))
    refused(stopped, other.run, "the problem is another: it was 'image', and is 'volume' now")


def test_a_changed_pixel(stopped: Path) -> None:
    changed = PIXELS.copy()
    changed[3, 4] += 1 / 255
    search = Search(partial(problems.image, changed, **TINY), picture().changes)
    refused(stopped, search.run, "the input, or an option that changes it, is another")


def test_another_size(stopped: Path) -> None:
    search = Search(partial(problems.image, PIXELS[:-1], **TINY), picture().changes)
    refused(stopped, search.run, "is another")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": 1e-4}, ("the recipe's rest learning_rate is another", "0.0005", "0.0001")),
        ({"passes": 9}, ("the recipe's passes is another", "4", "9")),
        ({"solver": Muon()}, ("the recipe's",)),
        ({"recipe": "best"}, ("the recipe's",)),
        ({"seed": 1}, ("the seed is another", "0", "1")),
    ],
    ids=str,
)
def test_another_recipe_or_seed(stopped: Path, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    search = Search(picture().problem, {**picture().changes, **changes})
    refused(stopped, search.run, *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_features": 9}, "the network's u settings hidden_features is another: it was 8, and is 9 now"),
        ({"hidden_omega": 20.0}, "the network's u settings hidden_omega is another: it was 30.0, and is 20.0 now"),
        ({"dropout": 0.1}, "the network's u settings dropout is another: it was 0.0, and is 0.1 now"),
        ({"network": "tanh"}, "the network's u architecture is another: it was 'siren', and is 'tanh' now"),
        ({"tiles": (1, 2)}, "is another"),
        ({"final_activation": "tanh"}, "the network's u settings final_activation is another: it was None"),
    ],
    ids=str,
)
def test_another_network(stopped: Path, settings: dict[str, Any], words: str) -> None:
    search = Search(partial(problems.image, PIXELS, **(dict(TINY) | settings)), picture().changes)
    refused(stopped, search.run, words)


def test_another_version(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solution, "__version__", "99.0")
    refused(stopped, picture().run, "the version of sinefield is another", "99.0")


def test_a_search_that_is_over(tmp_path: Path) -> None:
    path = tmp_path / "over.safetensors"
    picture().run().save(path)
    refused(path, picture().run, "the fit in it was over")


def test_no_field_file(tmp_path: Path) -> None:
    path = tmp_path / "field.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no field file .*field\.safetensors"):
        picture().run(resume=path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a field file, or is damaged"):
        picture().run(resume=path)


@pytest.mark.parametrize("name", ["resume/random", "resume/history/0", "resume/parameters/u.layers.0.bias"])
def test_a_damaged_state(stopped: Path, name: str) -> None:
    import safetensors
    from safetensors.torch import save_file

    with safetensors.safe_open(stopped, framework="pt") as file:
        tensors = {each: file.get_tensor(each) for each in file.keys() if each != name}  # noqa: SIM118
        metadata = file.metadata()
    save_file(tensors, stopped, metadata=metadata)
    refused(stopped, picture().run, "the state of its fit is damaged")


@pytest.mark.parametrize("change", [{"side": 1.5}, {"norm": 0.6}, {"fades": 0.7}, {"target": 2.0}], ids=str)
def test_other_constraints_of_ones_own(change: dict[str, float], tmp_path: Path) -> None:
    """Nothing but what a problem is made of tells it from another one of the same name."""

    def run(constraints: list[Constraint], **options: Any) -> Solution:
        torch.manual_seed(4)
        u = Siren(2, 1, hidden_features=8, hidden_layers=0)
        return solve(u, constraints, batch=8192, passes=1, compiled=False, **options)

    path = tmp_path / "field.safetensors"
    run(equation(), checkpointing=Checkpointing(path, 1e-9))
    assert run(equation(), resume=path).stopped == "budget"
    refused(path, partial(run, equation(**change)), "the input, or an option that changes it, is another")
    refused(path, partial(run, equation(source=1.05)), "another problem (its equations have other residuals than")


def test_a_field_that_cannot_be_saved_is_told_at_once(tmp_path: Path) -> None:
    field, cloud = nn.Linear(1, 1), PointCloud(torch.zeros(4, 1))
    with pytest.raises(ValueError, match="a Linear cannot be saved as a field"):
        solve(
            field,
            [Constraint(cloud, lambda u: u.value)],
            checkpointing=Checkpointing(tmp_path / "f.safetensors", 1),
            passes=3,
        )


@pytest.mark.parametrize("every", [0.0, -1.0, math.nan, math.inf])
def test_as_often_as_never_is_refused(every: float) -> None:
    with pytest.raises(ValueError, match="every so many passes, a positive number"):
        Checkpointing(Path("a.safetensors"), every)
