"""Tests of the field file: what is saved comes back, and what is broken or hostile is refused in one line."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import sinefield
from sinefield import checkpoint
from sinefield.fields.activations import activation
from sinefield.fields.field import NETWORKS, build
from sinefield.fields.siren import Siren

SMALL: dict[str, int | float | str] = {"hidden_features": 8, "hidden_layers": 1}


def made(name: str = "siren", **settings: int | float | str) -> nn.Module:
    torch.manual_seed(0)
    return build(name, 2, 3, **(SMALL | settings))


def header_of(path: Path) -> dict[str, Any]:
    """Return the header as any reader of safetensors sees it."""
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["sinefield"]
    return json.loads(metadata["sinefield"])


def described(architecture: Any = "siren", inputs: Any = 2, outputs: Any = 3, **settings: Any) -> dict[str, Any]:
    network = {"architecture": architecture, "in_features": inputs, "out_features": outputs, "settings": settings}
    return {"version": 1, "network": network}


def written(path: Path, header: Any, tensors: dict[str, Tensor] | None = None) -> Path:
    """Write a file whose header need not be true; text is written as it is."""
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(made().state_dict() if tensors is None else tensors, path, metadata={"sinefield": text})
    return path


def refused(path: Path, *words: str) -> None:
    """Check that a file is refused in one short line that names it, and without much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"fit it again|update sinefield|give a field file") as caught:
            checkpoint.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 600 + len(str(path))
    for word in words:
        assert word in message, message
    assert peak < 50e6


class TestRoundTrip:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_every_network(self, tmp_path: Path, name: str) -> None:
        field = made(name)
        checkpoint.save(tmp_path / "f.safetensors", field)
        torch.manual_seed(1)  # what is drawn while loading must not matter
        loaded = checkpoint.load(tmp_path / "f.safetensors")
        points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        assert torch.equal(loaded(points), field(points))
        assert not loaded.training
        assert {key: each.requires_grad for key, each in loaded.named_parameters()} == {
            key: each.requires_grad for key, each in field.named_parameters()
        }

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("siren", {"first_omega": 7.5, "hidden_omega": 12.0}),
            ("siren", {"dropout": 0.3}),
            ("siren", {"final_activation": "tanh"}),
            ("siren", {"final_activation": "sigmoid", "hidden_layers": 0}),
            ("relu-nerf", {"frequencies": 3}),
            ("relu-fourier", {"frequencies": 5, "scale": 2.0}),
            ("relu-rbf", {"frequencies": 6, "scale": 3.0}),
            ("tanh", {"hidden_layers": 0}),
        ],
        ids=str,
    )
    def test_settings(self, tmp_path: Path, name: str, settings: dict[str, int | float | str]) -> None:
        field = made(name, **settings).eval()
        checkpoint.save(tmp_path / "f.safetensors", field)
        loaded = checkpoint.load(tmp_path / "f.safetensors")
        points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        assert torch.equal(loaded(points), field(points))
        assert loaded.settings == field.settings
        assert loaded.architecture == name

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_precision_is_kept(self, tmp_path: Path, dtype: torch.dtype) -> None:
        field = made().to(dtype)
        checkpoint.save(tmp_path / "f.safetensors", field)
        loaded = checkpoint.load(tmp_path / "f.safetensors")
        assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), field.parameters(), strict=True))
        assert {each.dtype for each in loaded.parameters()} == {dtype}

    def test_loaded_field_can_be_trained(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made())
        loaded = checkpoint.load(tmp_path / "f.safetensors")
        loaded(torch.rand(4, 2)).sum().backward()
        assert all(each.grad is not None for each in loaded.parameters())

    def test_public_name_loads_with_nothing_but_the_path(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made("relu-fourier"))
        assert sinefield.load(str(tmp_path / "f.safetensors")).architecture == "relu-fourier"

    def test_header_is_what_the_format_says(self, tmp_path: Path) -> None:
        stored = {"signal": {"kind": "image", "height": 3}, "problem": "image", "metrics": {"psnr": 30.5}, "seed": 4}
        checkpoint.save(tmp_path / "f.safetensors", made(final_activation="tanh"), **stored)
        header = header_of(tmp_path / "f.safetensors")
        assert header == {
            "version": 1,
            "network": {
                "architecture": "siren",
                "in_features": 2,
                "out_features": 3,
                "settings": {
                    **SMALL,
                    "first_omega": 30.0,
                    "hidden_omega": 30.0,
                    "dropout": 0.0,
                    "final_activation": "tanh",
                },
            },
            **stored,
        }
        assert checkpoint.read(tmp_path / "f.safetensors")[1] == header

    def test_infinity_and_nan_become_null(self, tmp_path: Path) -> None:
        metrics = {"psnr": float("inf"), "ssim": float("nan"), "more": [1.0, (float("-inf"), 2)]}
        checkpoint.save(tmp_path / "f.safetensors", made(), metrics=metrics)
        assert header_of(tmp_path / "f.safetensors")["metrics"] == {
            "psnr": None,
            "ssim": None,
            "more": [1.0, [None, 2]],
        }

    def test_header_cannot_replace_what_the_format_defines(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made(), version=99, network={})
        assert checkpoint.load(tmp_path / "f.safetensors").architecture == "siren"

    def test_same_field_gives_same_bytes_anywhere_at_any_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        header = {"metrics": {"psnr": 30.0, "ssim": 0.9}, "problem": "image"}
        checkpoint.save(tmp_path / "a.safetensors", made(), **header)
        monkeypatch.setattr("time.time", lambda: 0.0)
        monkeypatch.chdir(tmp_path / "elsewhere")
        backwards = {"problem": "image", "metrics": {"ssim": 0.9, "psnr": 30.0}}
        checkpoint.save("b.safetensors", made(), **backwards)
        content = (tmp_path / "a.safetensors").read_bytes()
        assert content == (tmp_path / "elsewhere" / "b.safetensors").read_bytes()
        assert str(tmp_path).encode() not in content

    def test_loading_and_saving_changes_nothing(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "a.safetensors", made(), problem="image")
        field, header = checkpoint.read(tmp_path / "a.safetensors")
        checkpoint.save(tmp_path / "b.safetensors", field, **header)
        assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()

    def test_unknown_keys_are_ignored(self, tmp_path: Path) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL) | {"future": [1, {"a": None}]})
        assert checkpoint.read(path)[1]["future"] == [1, {"a": None}]


class TestSavingFails:
    @pytest.mark.parametrize(
        ("field", "words"),
        [
            (nn.Linear(2, 1), "a Linear cannot be saved"),
            (Siren(2, 1, 8, 1, final_activation=nn.Tanh()), "unknown activation"),
            (nn.Sequential(nn.Linear(2, 1)), "a Sequential cannot be saved"),
        ],
        ids=["linear", "foreign activation", "sequence"],
    )
    def test_unsupported_field(self, tmp_path: Path, field: nn.Module, words: str) -> None:
        self.kept(tmp_path, ValueError, words, field)

    def test_changed_network(self, tmp_path: Path) -> None:
        field = made()
        field.layers[-1] = nn.Linear(8, 5)
        self.kept(tmp_path, ValueError, r"a Siren cannot be saved as a field: tensor .* has shape", field)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_weights_that_could_not_be_loaded(self, tmp_path: Path, bad: float) -> None:
        field = made()
        nn.init.constant_(field.layers[0].weight, bad)
        self.kept(tmp_path, ValueError, "NaN or infinity; fit it at a lower rate", field)

    def test_header_over_the_limit(self, tmp_path: Path) -> None:
        self.kept(tmp_path, ValueError, "at most 65536 are allowed", made(), problem="x" * 65_536)

    def test_header_that_is_no_json(self, tmp_path: Path) -> None:
        self.kept(tmp_path, TypeError, "JSON", made(), problem=object())

    def test_writing_that_breaks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_: Any, path: Path, **__: Any) -> None:
            path.write_bytes(b"half")
            raise OSError("no space left on device")

        monkeypatch.setattr("safetensors.torch.save_file", broken)
        self.kept(tmp_path, OSError, "no space left", made())

    def test_folder_without_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.access", lambda *_: False)
        self.kept(tmp_path, PermissionError, "choose another place", made())

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="make it first"):
            checkpoint.save(tmp_path / "none" / "f.safetensors", made())

    @staticmethod
    def kept(folder: Path, kind: type[Exception], words: str, field: nn.Module, **header: Any) -> None:
        """Check that saving fails, keeps the file that was there, and leaves no other."""
        path = folder / "f.safetensors"
        path.write_bytes(b"precious")
        with pytest.raises(kind, match=words) as caught:
            checkpoint.save(path, field, **header)
        assert "\n" not in str(caught.value)
        assert [each.read_bytes() for each in folder.iterdir()] == [b"precious"]


class TestBrokenFiles:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no field file .*; make one with") as caught:
            checkpoint.load(tmp_path / "none.safetensors")
        assert str(tmp_path / "none.safetensors") in str(caught.value)

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "is a folder")

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made())

        def locked(self: Path, *_: Any) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", locked)  # the superuser may read everything
        with pytest.raises(PermissionError, match=r"Permission denied: .*f\.safetensors"):
            checkpoint.load(tmp_path / "f.safetensors")

    @pytest.mark.parametrize("part", [0.0, 0.001, 0.005, 0.1, 0.4, 0.9, 0.999])
    def test_cut_short(self, tmp_path: Path, part: float) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, made())
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        refused(path, "damaged or cut short")

    def test_continued(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, made())
        path.write_bytes(path.read_bytes() + b"more")
        refused(path, "damaged")

    @pytest.mark.parametrize("seed", range(5))
    def test_random_bytes(self, tmp_path: Path, seed: int) -> None:
        path = tmp_path / "f.safetensors"
        noise = torch.randint(0, 256, (200 * seed + 9,), generator=torch.Generator().manual_seed(seed))
        path.write_bytes(bytes(noise.tolist()))
        refused(path, "not a field file")

    @pytest.mark.parametrize(
        "content",
        [
            b"hello, this is text",
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            struct.pack("<Q", 2**62) + b"{}",
            struct.pack("<Q", 2) + b"[]",
            struct.pack("<Q", 2) + b"\xff\xff",
        ],
        ids=["text", "png", "endless header", "list", "no text"],
    )
    def test_not_safetensors(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "f.safetensors").write_bytes(content)
        refused(tmp_path / "f.safetensors", "not a field file")

    @pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
    def test_no_header_of_ours(self, tmp_path: Path, metadata: dict[str, str] | None) -> None:
        save_file(made().state_dict(), tmp_path / "f.safetensors", metadata=metadata)
        refused(tmp_path / "f.safetensors", "no field", "'sinefield' header")

    @pytest.mark.parametrize("place", range(0, 60, 4))
    def test_any_byte_of_the_header_may_be_wrong(self, tmp_path: Path, place: int) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, made())
        content = bytearray(path.read_bytes())
        content[place] ^= 0x55
        path.write_bytes(content)
        refused(path)


class TestHostileHeaders:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "nonsense",
            "[1",
            "'{}'",
            "[" * 30_000,
            '{"a":' * 10_000,
            "[" * 5000 + "]" * 5000,
            "9" * 5000,
            '{"version": ' + "9" * 5000 + "}",
        ],
        ids=["empty", "open", "word", "list", "quotes", "deep list", "deep object", "closed", "number", "version"],
    )
    def test_not_json(self, tmp_path: Path, text: str) -> None:
        refused(written(tmp_path / "f.safetensors", text), "header is not JSON")

    @pytest.mark.parametrize(
        "header",
        [
            [],
            None,
            "text",
            1,
            {},
            {"version": None},
            {"version": True},
            {"version": "1"},
            {"version": 1.0},
            {"version": [1]},
        ],
        ids=str,
    )
    def test_no_version(self, tmp_path: Path, header: Any) -> None:
        if isinstance(header, dict) and header:
            header = described(**SMALL) | header
        refused(written(tmp_path / "f.safetensors", json.dumps(header)), "no version number")

    @pytest.mark.parametrize("version", [2, 0, -1, 10**30])
    def test_other_version(self, tmp_path: Path, version: int) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL) | {"version": version})
        refused(path, f"format version {version}", "update sinefield")

    def test_over_the_limit(self, tmp_path: Path) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL) | {"more": "x" * 65_536})
        refused(path, "at most 65536 are allowed")

    @pytest.mark.parametrize(
        "network",
        [None, [], "siren", {}, {"architecture": "siren"}, {"architecture": "siren", "settings": []}],
        ids=str,
    )
    def test_no_network(self, tmp_path: Path, network: Any) -> None:
        path = tmp_path / "f.safetensors"
        refused(written(path, {"version": 1, "network": network}), "describes no network")
        refused(written(path, {"version": 1}), "describes no network")

    @pytest.mark.parametrize("name", ["nope", "", "Siren", None, 3, ["siren"], {"siren": 1}, "x" * 5000, "\ud800"])
    def test_unknown_network(self, tmp_path: Path, name: Any) -> None:
        refused(written(tmp_path / "f.safetensors", described(name, **SMALL)), "unknown network", "knows siren")

    @pytest.mark.parametrize("size", [-1, 0, 10**12, 2.0, True, "2", None, [2], float("nan")])
    @pytest.mark.parametrize("which", ["inputs", "outputs"])
    def test_sizes_of_input_and_output(self, tmp_path: Path, size: Any, which: str) -> None:
        refused(written(tmp_path / "f.safetensors", described(**SMALL, **{which: size})))

    @pytest.mark.parametrize("name", ["hidden_features", "hidden_layers"])
    @pytest.mark.parametrize(
        "value",
        [10**12, 10**9, 10**400, -1, 2.5, 8.0, True, "8", "x" * 5000, None, [8], {}, float("nan"), float("inf")],
    )
    def test_sizes_of_a_siren(self, tmp_path: Path, name: str, value: Any) -> None:
        refused(written(tmp_path / "f.safetensors", described(**(SMALL | {name: value}))), "integers up to")

    @pytest.mark.parametrize("architecture", ["relu-nerf", "relu-fourier", "relu-rbf"])
    @pytest.mark.parametrize("value", [10**9, -5, 2.5, "8", True, [8], float("nan")])
    def test_sizes_of_an_encoding(self, tmp_path: Path, architecture: str, value: Any) -> None:
        header = described(architecture, **SMALL, frequencies=value)
        tensors = made(architecture).state_dict()
        refused(written(tmp_path / "f.safetensors", header, tensors), "frequencies must be integers up to")

    @pytest.mark.parametrize(
        "settings",
        [
            {"first_omega": float("nan")},
            {"first_omega": float("inf")},
            {"first_omega": -1.0},
            {"first_omega": 0},
            {"first_omega": "30"},
            {"first_omega": 10**400},
            {"hidden_omega": None},
            {"hidden_omega": [30.0]},
            {"dropout": 1.0},
            {"dropout": "a"},
            {"dropout": -0.1},
            {"final_activation": "nope"},
            {"final_activation": 3},
            {"final_activation": "x" * 5000},
            {"initialise": "x"},
            {"unknown": 1},
            {"in_features": 2},
            {"name": "relu"},
            {"frequencies": 3},
            {"self": 1},
            {"": 1},
        ],
        ids=lambda each: str(each)[:40],
    )
    def test_other_settings(self, tmp_path: Path, settings: dict[str, Any]) -> None:
        header = described()
        header["network"]["settings"] = SMALL | settings
        refused(written(tmp_path / "f.safetensors", header))

    @pytest.mark.parametrize("settings", [{"scale": float("nan")}, {"scale": float("inf")}, {"scale": "wide"}])
    def test_scale_of_an_encoding(self, tmp_path: Path, settings: dict[str, Any]) -> None:
        header, tensors = described("relu-rbf", **SMALL, **settings), made("relu-rbf").state_dict()
        refused(written(tmp_path / "f.safetensors", header, tensors))

    def test_bigger_network_than_the_tensors_is_built_without_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        devices = set()
        construct = nn.Linear.__init__

        def watched(layer: nn.Linear, *arguments: Any, **options: Any) -> None:
            construct(layer, *arguments, **options)
            devices.add(layer.weight.device.type)

        monkeypatch.setattr(nn.Linear, "__init__", watched)
        path = written(tmp_path / "f.safetensors", "placeholder")
        devices.clear()
        header = described("siren", 4096, 4096, hidden_features=65_536, hidden_layers=8)
        written(path, header, {"layers.0.weight": torch.ones(3, 2)})
        devices.clear()
        refused(path, "has shape", "where its network has")
        assert devices == {"meta"}


class TestTensors:
    def check(self, path: Path, tensors: dict[str, Tensor], *words: str) -> None:
        refused(written(path / "f.safetensors", described(**SMALL), tensors), *words)

    def test_the_right_ones_are_taken(self, tmp_path: Path) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL))
        points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
        assert torch.equal(checkpoint.load(path)(points), made()(points))

    @pytest.mark.parametrize("name", list(made().state_dict()))
    def test_missing(self, tmp_path: Path, name: str) -> None:
        tensors = {key: each for key, each in made().state_dict().items() if key != name}
        self.check(tmp_path, tensors, name, "shape none")

    @pytest.mark.parametrize(
        "extra", [torch.ones(2), torch.tensor(1.0), torch.ones(0)], ids=["vector", "scalar", "empty"]
    )
    def test_extra(self, tmp_path: Path, extra: Tensor) -> None:
        self.check(tmp_path, {**made().state_dict(), "extra": extra}, "'extra'", "none")

    def test_extra_with_a_long_name(self, tmp_path: Path) -> None:
        self.check(tmp_path, {**made().state_dict(), "a" * 9000: torch.ones(1)}, "has shape (1,)")

    def test_none_at_all(self, tmp_path: Path) -> None:
        self.check(tmp_path, {}, "none")

    @pytest.mark.parametrize(
        "change",
        [lambda w: w.T.contiguous(), lambda w: w.flatten(), lambda w: w[:4].clone(), lambda w: w[None].clone()],
    )
    def test_wrong_shape(self, tmp_path: Path, change: Any) -> None:
        tensors = made().state_dict()
        tensors["layers.0.weight"] = change(tensors["layers.0.weight"])
        self.check(tmp_path, tensors, "'layers.0.weight'", "(8, 2)", str(tuple(tensors["layers.0.weight"].shape)))

    @pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn])
    def test_wrong_type(self, tmp_path: Path, dtype: torch.dtype) -> None:
        self.check(
            tmp_path, {key: each.to(dtype) for key, each in made().state_dict().items()}, "floats of one precision"
        )

    def test_mixed_types(self, tmp_path: Path) -> None:
        tensors = made().state_dict()
        tensors["layers.0.weight"] = tensors["layers.0.weight"].double()
        self.check(tmp_path, tensors, "one precision", "float32", "float64")

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    def test_weights_that_are_no_numbers(self, tmp_path: Path, bad: float) -> None:
        tensors = made().state_dict()
        tensors["layers.2.weight"][3, 4] = bad
        self.check(tmp_path, tensors, "NaN or infinity")

    def test_of_another_network(self, tmp_path: Path) -> None:
        self.check(tmp_path, made("relu-rbf").state_dict(), "has shape")

    def test_final_activation_by_name(self, tmp_path: Path) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL, final_activation="sigmoid"))
        points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
        assert torch.equal(checkpoint.load(path)(points), activation("sigmoid")(made()(points)))
