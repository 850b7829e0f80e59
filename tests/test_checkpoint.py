"""Tests of the field file: what is saved comes back, and what is broken or hostile is refused in one line."""

from __future__ import annotations

import json
import math
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
from sinefield.fields import Network, Product, Sum
from sinefield.fields.activations import activation
from sinefield.fields.field import NETWORKS, build
from sinefield.fields.siren import Siren
from sinefield.fields.slabs import Slabs
from sinefield.fields.stretched import Stretched
from sinefield.jet import jet

SMALL: dict[str, int | float | str] = {"hidden_features": 8, "hidden_layers": 1}


def made(name: str = "siren", **settings: int | float | str) -> nn.Module:
    torch.manual_seed(0)
    return build(name, 2, 3, **(SMALL | settings))


def header_of(path: Path) -> dict[str, Any]:
    """Return the header as any reader of safetensors sees it."""
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["sinefield"]
    header: dict[str, Any] = json.loads(metadata["sinefield"])
    return header


def described(architecture: Any = "siren", inputs: Any = 2, outputs: Any = 3, **settings: Any) -> dict[str, Any]:
    network = {"architecture": architecture, "in_features": inputs, "out_features": outputs, "settings": settings}
    return {"version": 2, "main": "u", "fields": {"u": network}}


def written(path: Path, header: Any, tensors: dict[str, Tensor] | None = None) -> Path:
    """Write a file whose header need not be true; text is written as it is. The tensors are those of the field u."""
    text = header if isinstance(header, str) else json.dumps(header)
    named = {f"u/{name}": each for name, each in (made().state_dict() if tensors is None else tensors).items()}
    save_file(named, path, metadata={"sinefield": text})
    return path


def one(path: Path) -> Any:
    """Return the field of a file that holds one."""
    field = checkpoint.load(path)
    assert isinstance(field, nn.Module)
    return field


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
    @pytest.mark.parametrize("name", list(NETWORKS))
    def test_every_network(self, tmp_path: Path, name: str) -> None:
        field = made(name)
        checkpoint.save(tmp_path / "f.safetensors", field)
        torch.manual_seed(1)  # what is drawn while loading must not matter
        loaded = one(tmp_path / "f.safetensors")
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
        loaded = one(tmp_path / "f.safetensors")
        points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        assert torch.equal(loaded(points), field(points))
        assert loaded.settings == field.settings
        assert loaded.architecture == name

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_precision_is_kept(self, tmp_path: Path, dtype: torch.dtype) -> None:
        field = made().to(dtype)
        checkpoint.save(tmp_path / "f.safetensors", field)
        loaded = one(tmp_path / "f.safetensors")
        assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), field.parameters(), strict=True))
        assert {each.dtype for each in loaded.parameters()} == {dtype}

    def test_loaded_field_can_be_trained(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made())
        loaded = one(tmp_path / "f.safetensors")
        loaded(torch.rand(4, 2)).sum().backward()
        assert all(each.grad is not None for each in loaded.parameters())

    def test_public_name_loads_with_nothing_but_the_path(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made("relu-fourier"))
        loaded = sinefield.load(str(tmp_path / "f.safetensors"))
        assert isinstance(loaded, nn.Module)
        assert loaded.architecture == "relu-fourier"

    def test_header_is_what_the_format_says(self, tmp_path: Path) -> None:
        stored: dict[str, Any] = {
            "signal": {"kind": "image", "height": 3},
            "problem": "image",
            "metrics": {"psnr": 30.5},
            "seed": 4,
        }
        checkpoint.save(tmp_path / "f.safetensors", made(final_activation="tanh"), **stored)
        header = header_of(tmp_path / "f.safetensors")
        assert header == {
            "version": 2,
            "main": "u",
            "fields": {
                "u": {
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
        checkpoint.save(tmp_path / "f.safetensors", made(), version=99, fields={}, main="v")
        assert one(tmp_path / "f.safetensors").architecture == "siren"

    def test_same_field_gives_same_bytes_anywhere_at_any_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        header: dict[str, Any] = {"metrics": {"psnr": 30.0, "ssim": 0.9}, "problem": "image"}
        checkpoint.save(tmp_path / "a.safetensors", made(), **header)
        monkeypatch.setattr("time.time", lambda: 0.0)
        monkeypatch.chdir(tmp_path / "elsewhere")
        backwards: dict[str, Any] = {"problem": "image", "metrics": {"ssim": 0.9, "psnr": 30.0}}
        checkpoint.save("b.safetensors", made(), **backwards)
        content = (tmp_path / "a.safetensors").read_bytes()
        assert content == (tmp_path / "elsewhere" / "b.safetensors").read_bytes()
        assert str(tmp_path).encode() not in content

    def test_loading_and_saving_changes_nothing(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "a.safetensors", made(), problem="image")
        field, header = checkpoint.read(tmp_path / "a.safetensors")
        checkpoint.save(tmp_path / "b.safetensors", field, **header)
        assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()

    def test_a_header_of_a_search_does_not_outlive_it(self, tmp_path: Path) -> None:
        checkpoint.save(tmp_path / "f.safetensors", made(), resume={"step": 3})
        assert "resume" not in header_of(tmp_path / "f.safetensors")

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
        field.get_submodule("layers").register_module("4", nn.Linear(8, 5))
        self.kept(tmp_path, ValueError, r"a Siren cannot be saved as a field: tensor .* has shape", field)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_weights_that_could_not_be_loaded(self, tmp_path: Path, bad: float) -> None:
        field = made()
        nn.init.constant_(field.get_parameter("layers.0.weight"), bad)
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

    @pytest.mark.parametrize("version", [4, 0, -1, 10**30])
    def test_other_version(self, tmp_path: Path, version: int) -> None:
        path = written(tmp_path / "f.safetensors", described(**SMALL) | {"version": version})
        refused(path, f"format version {version}, this sinefield reads 1 to 3", "update sinefield")

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
        refused(written(path, {"version": 2, "main": "u", "fields": {"u": network}}), "describes no network")
        refused(written(path, {"version": 2, "main": "u"}), "describes no network")
        refused(written(path, {"version": 1, "network": network}), "describes no network")
        refused(written(path, {"version": 1}), "describes no network")

    @pytest.mark.parametrize("fields", [None, [], {}, "u", 3], ids=str)
    def test_no_fields(self, tmp_path: Path, fields: Any) -> None:
        refused(written(tmp_path / "f.safetensors", described(**SMALL) | {"fields": fields}), "describes no network")

    @pytest.mark.parametrize("main", [None, "v", "", 1, ["u"], {"u": 1}, "x" * 5000], ids=lambda each: str(each)[:9])
    def test_another_main_field(self, tmp_path: Path, main: Any) -> None:
        refused(written(tmp_path / "f.safetensors", described(**SMALL) | {"main": main}), "describes no network")

    def test_two_main_fields(self, tmp_path: Path) -> None:
        """JSON with one key twice has the last of them."""
        text = json.dumps(described(**SMALL))
        refused(written(tmp_path / "f.safetensors", text[:-1] + ', "main": "v"}'), "describes no network")

    @pytest.mark.parametrize("name", ["u/v", "", "resume", "/"])
    def test_a_name_that_no_field_may_have(self, tmp_path: Path, name: str) -> None:
        header = described(**SMALL)
        header["fields"] = {name: header["fields"]["u"]}
        path = tmp_path / "f.safetensors"
        named = {f"{name}/{inner}": each for inner, each in made().state_dict().items()}
        save_file(named, path, metadata={"sinefield": json.dumps(header | {"main": name})})
        refused(path, "name")

    @pytest.mark.parametrize("name", ["nope", "", "Siren", None, 3, ["siren"], {"siren": 1}, "x" * 5000, "\ud800"])
    def test_unknown_network(self, tmp_path: Path, name: Any) -> None:
        refused(
            written(tmp_path / "f.safetensors", described(name, **SMALL)),
            "unknown network",
            "this sinefield knows",
            "siren,",
        )

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
        header["fields"]["u"]["settings"] = SMALL | settings
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
        assert torch.equal(one(path)(points), made()(points))

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
        assert torch.equal(one(path)(points), activation("sigmoid")(made()(points)))

    def test_of_no_field(self, tmp_path: Path) -> None:
        tensors = {f"u/{name}": each for name, each in made().state_dict().items()}
        for name in ("v/layers.0.weight", "layers.0.weight", "uu/layers.0.weight"):
            path = tmp_path / "f.safetensors"
            header = json.dumps(described(**SMALL))
            save_file(tensors | {name: torch.ones(8, 2)}, path, metadata={"sinefield": header})
            refused(path, f"tensor '{name}' is of none of its fields")

    def test_those_of_a_search_may_be_anything(self, tmp_path: Path) -> None:
        """Who only wants the field need not read them."""
        tensors = {f"u/{name}": each for name, each in made().state_dict().items()}
        others = {"resume/random": torch.zeros(9, dtype=torch.uint8), "resume/x": torch.tensor(float("nan"))}
        path = tmp_path / "f.safetensors"
        save_file(tensors | others, path, metadata={"sinefield": json.dumps(described(**SMALL))})
        points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0))
        assert torch.equal(one(path)(points), made()(points))
        with pytest.raises(ValueError, match=r"cannot resume from .*: the fit in it was over"):
            checkpoint.read_snapshot(path)


class TestSeveralFields:
    """Version 2 holds unknowns by name."""

    def saved(self, path: Path, **header: Any) -> dict[str, nn.Module]:
        torch.manual_seed(0)
        fields = {"u": build("siren", 2, 1, **SMALL), "m": build("relu-rbf", 1, 2, **SMALL, frequencies=5)}
        fields["a"] = build("constant", 0, 2, value=0.25)
        checkpoint.save(path, fields, **header)
        return fields

    def test_they_come_back_by_name_the_main_one_first(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        fields = self.saved(path, problem="two")
        loaded = sinefield.load(path)
        assert isinstance(loaded, dict)
        assert next(iter(loaded)) == "u"
        assert loaded.keys() == fields.keys()
        for name, each in fields.items():
            assert Network.of(loaded[name]) == Network.of(each)
            assert not loaded[name].training
            points = torch.rand(7, 2, generator=torch.Generator().manual_seed(0))[:, : each.in_features or 2]
            assert torch.equal(loaded[name](points), each(points))
        main, header = checkpoint.read(path)
        assert Network.of(main) == Network.of(fields["u"])
        assert header["main"] == "u"
        assert header["problem"] == "two"

    def test_the_main_one_need_not_be_the_first_of_the_alphabet(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, {"z": made("tanh"), "a": made()})
        assert list(checkpoint.read_all(path)[0]) == ["z", "a"]
        assert checkpoint.read(path)[0].architecture == "tanh"

    def test_one_by_a_name_of_its_own_is_the_module(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, {"pressure": made()})
        assert isinstance(checkpoint.load(path), nn.Module)
        assert list(checkpoint.read_all(path)[0]) == ["pressure"]

    def test_a_name_that_begins_another_is_no_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        checkpoint.save(path, {"u": made("tanh"), "u.layers": made("sigmoid"), "ü": made("elu")})
        loaded = checkpoint.load(path)
        assert isinstance(loaded, dict)
        assert {name: each.architecture for name, each in loaded.items()} == {
            "u": "tanh",
            "u.layers": "sigmoid",
            "ü": "elu",
        }

    def test_a_number_is_a_field(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        fields = self.saved(path)
        torch.nn.init.constant_(fields["a"].get_parameter("theta"), 3.5)
        checkpoint.save(path, fields["a"])
        assert one(path)(torch.zeros(2, 5)).tolist() == [[3.5, 3.5], [3.5, 3.5]]

    def test_same_fields_give_same_bytes(self, tmp_path: Path) -> None:
        fields = self.saved(tmp_path / "a.safetensors", problem="two")
        checkpoint.save(tmp_path / "b.safetensors", fields, problem="two")
        read, header = checkpoint.read_all(tmp_path / "a.safetensors")
        checkpoint.save(tmp_path / "c.safetensors", read, **header)
        contents = {path.read_bytes() for path in tmp_path.iterdir()}
        assert len(contents) == 1

    @pytest.mark.parametrize("name", ["u/v", "", "/", "resume"])
    def test_names_that_are_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match=f"cannot be saved under the name '{name}'; give it a name like u"):
            checkpoint.save(tmp_path / "f.safetensors", {"u": made(), name: made()})
        assert not list(tmp_path.iterdir())

    def test_no_field_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="there is no field; give a network, or networks by name"):
            checkpoint.save(tmp_path / "f.safetensors", {})

    @pytest.mark.parametrize("name", ["m/layers.0.centres", "u/layers.0.weight", "a/theta"])
    def test_any_of_them_may_miss_a_tensor(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "f.safetensors"
        self.saved(path)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
        del tensors[name]
        save_file(tensors, path, metadata=metadata)
        refused(path, "has shape none", repr(name.partition("/")[2]))

    def test_any_of_them_may_hold_nan(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        fields = self.saved(path)
        torch.nn.init.constant_(fields["a"].get_parameter("theta"), math.nan)
        with pytest.raises(ValueError, match="NaN or infinity; fit it at a lower rate"):
            checkpoint.save(path, fields)


PART = Network.of(build("siren", 2, 1, **SMALL)).to_json()


class TestAssemblies:
    """Sums and products of networks are stored with what they are made of."""

    def saved(self, path: Path) -> nn.Module:
        torch.manual_seed(0)
        field = Sum(made().double(), Product(made("tanh").double(), build("constant", 0, 1, value=2.0).double()))
        checkpoint.save(path, field)
        return field

    def test_slabs_and_stretched_coordinates_come_back(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        torch.manual_seed(0)
        parts = [Stretched(made().double(), 1, 0.25, 0.1, (-1.0, 1.0)) for _ in range(2)]
        field = Slabs(parts, [0.0, 0.5, 1.0])
        checkpoint.save(path, field)
        points = torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert torch.equal(one(path)(points), field(points))

    def test_they_come_back(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        field, loaded = self.saved(path), one(path)
        assert Network.of(loaded) == Network.of(field)
        points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert torch.equal(loaded(points), field(points))
        assert torch.equal(sinefield.jet(loaded, points).laplacian, sinefield.jet(field, points).laplacian)

    @pytest.mark.parametrize(
        ("network", "told"),
        [
            ({"architecture": "sum", "settings": {}}, "a sum is made of others"),
            ({"architecture": "sum", "settings": {}, "parts": 3}, "a sum is made of others"),
            ({"architecture": "siren", "settings": SMALL, "parts": [{}]}, "a siren is made of no others"),
            ({"architecture": "product", "settings": {}, "parts": [{}]}, "its header describes no network"),
            ({"architecture": "slabs", "settings": {"axis": 0}, "parts": [PART]}, "1 slabs have 2 rising edges"),
            ({"architecture": "stretched", "settings": {"axis": 0}, "parts": [PART]}, "cannot be built of these"),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, network: dict[str, Any], told: str) -> None:
        path = tmp_path / "f.safetensors"
        sizes = {"in_features": 2, "out_features": 1}
        header = {"version": 3, "main": "u", "fields": {"u": sizes | network}}
        save_file({"u/x": torch.zeros(1)}, path, metadata={"sinefield": json.dumps(header)})
        refused(path, told)

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_product_of_other_than_two(self, tmp_path: Path, count: int) -> None:
        path = tmp_path / "f.safetensors"
        part = Network.of(made()).to_json()
        network = {**part, "architecture": "product", "settings": {}, "parts": [part] * count}
        save_file(
            {"u/x": torch.zeros(1)},
            path,
            metadata={"sinefield": json.dumps({"version": 3, "main": "u", "fields": {"u": network}})},
        )
        refused(path, "cannot be built")

    def test_nesting_without_end(self, tmp_path: Path) -> None:
        path = tmp_path / "f.safetensors"
        network = Network.of(made()).to_json()
        for _ in range(300):
            network = {"architecture": "sum", "in_features": 2, "out_features": 1, "settings": {}, "parts": [network]}
        header = {"version": 3, "main": "u", "fields": {"u": network}}
        save_file({"u/x": torch.zeros(1)}, path, metadata={"sinefield": json.dumps(header)})
        refused(path, "cannot be loaded")


def described_of_version_1(field: nn.Module) -> dict[str, Any]:
    return {"version": 1, "network": Network.of(field).to_json(), "problem": "image"}


def written_of_version_1(path: Path, header: Any, tensors: dict[str, Tensor]) -> Path:
    """Write a file as version 1 was: one network in the header, tensors under their own names."""
    save_file(tensors, path, metadata={"sinefield": json.dumps(header)})
    return path


class TestVersion1:
    """Files of version 1 load as they did."""

    @pytest.mark.parametrize("name", [name for name in NETWORKS if name != "tiled"])
    def test_every_network(self, tmp_path: Path, name: str) -> None:
        field = made(name)
        path = written_of_version_1(tmp_path / "f.safetensors", described_of_version_1(field), field.state_dict())
        points = torch.rand(9, 2, generator=torch.Generator().manual_seed(0))
        assert torch.equal(one(path)(points), field(points))
        assert checkpoint.read(path)[1]["problem"] == "image"

    def tiled(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the header and tensors of a field in 2 x 3 tiles of version 1."""
        generator = torch.Generator().manual_seed(0)
        widths = [(8, 2), (8, 8), (3, 8)]
        tensors = {}
        for k, (rows, columns) in enumerate(widths):
            tensors[f"stack.maps.{k}.weight"] = torch.randn(6, rows, columns, generator=generator) / 8
            tensors[f"stack.maps.{k}.bias"] = torch.randn(6, rows, generator=generator)
        settings = {
            "hidden_features": 8,
            "hidden_layers": 1,
            "first_omega": 5.0,
            "hidden_omega": 3.0,
            "tiles": "2x3",
            "extent": "0.5x1.0",
            "overlap": 0.25,
        }
        network = {"architecture": "tiled", "in_features": 2, "out_features": 3, "settings": settings}
        return {"version": 1, "network": network}, tensors

    def test_tiles_are_the_sum_of_the_formula(self, tmp_path: Path) -> None:
        """Φ = Σ w_k Φ_k, in plain loops; w falls as S(t) = t³ (6t² − 15t + 10) over a quarter of a tile."""
        header, tensors = self.tiled()
        field = one(written_of_version_1(tmp_path / "f.safetensors", header, tensors))
        points = (torch.rand(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1) * (
            torch.tensor([0.5, 1.0])
        )

        def rise(t: float) -> float:
            t = min(max(t, 0.0), 1.0)
            return 6 * t**5 - 15 * t**4 + 10 * t**3

        for point in points:
            total = torch.zeros(3, dtype=torch.float64)
            for number in range(6):
                share, local = 1.0, []
                for place, count, half, k in zip(point.tolist(), (2, 3), (0.5, 1.0), divmod(number, 3), strict=True):
                    u = (place + half) * count / (2 * half)
                    left = rise((u - k) / 0.25 + 0.5) if k > 0 else 1.0
                    right = rise((k + 1 - u) / 0.25 + 0.5) if k + 1 < count else 1.0
                    share *= left * right
                    local.append((u - k - 0.5) * 2 / 1.25)
                row = torch.tensor(local, dtype=torch.float64)
                for layer, omega in ((0, 5.0), (1, 3.0)):
                    weight, bias = (
                        tensors[f"stack.maps.{layer}.{part}"][number].double() for part in ("weight", "bias")
                    )
                    row = torch.sin(omega * (weight @ row + bias))
                total += share * (tensors["stack.maps.2.weight"][number].double() @ row)
                total += share * tensors["stack.maps.2.bias"][number].double()
            torch.testing.assert_close(field(point[None])[0].double(), total, rtol=1e-4, atol=1e-5)

    def test_tiles_are_saved_again_as_version_2(self, tmp_path: Path) -> None:
        header, tensors = self.tiled()
        field = one(written_of_version_1(tmp_path / "f.safetensors", header, tensors))
        checkpoint.save(tmp_path / "g.safetensors", field)
        points = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        assert torch.equal(one(tmp_path / "g.safetensors")(points), field(points))
        assert header_of(tmp_path / "g.safetensors")["version"] == 2

    @pytest.mark.parametrize("name", ["stack.maps.0.weight", "stack.maps.2.bias"])
    def test_tiles_with_a_tensor_missing(self, tmp_path: Path, name: str) -> None:
        header, tensors = self.tiled()
        del tensors[name]
        refused(written_of_version_1(tmp_path / "f.safetensors", header, tensors), "has shape none")

    @pytest.mark.parametrize(
        "name", ["stack.maps.9.weight", "stack.maps.x.weight", "stack.other", "tiles.layers_0_bias"]
    )
    def test_tiles_with_a_foreign_tensor(self, tmp_path: Path, name: str) -> None:
        header, tensors = self.tiled()
        tensors[name] = torch.ones(6, 8)
        refused(written_of_version_1(tmp_path / "f.safetensors", header, tensors))

    def test_damage(self, tmp_path: Path) -> None:
        path, field = tmp_path / "f.safetensors", made()
        header, tensors = described_of_version_1(field), field.state_dict()
        for name, each in tensors.items():
            without = {key: other for key, other in tensors.items() if key != name}
            refused(written_of_version_1(path, header, without), name, "shape none")
            refused(written_of_version_1(path, header, tensors | {name: each[None].clone()}), name)
            refused(written_of_version_1(path, header, tensors | {name: each * math.nan}), "NaN or infinity")
        refused(written_of_version_1(path, header, tensors | {"extra": torch.ones(2)}), "'extra'", "none")
        refused(written_of_version_1(path, header | {"version": 2}, tensors), "describes no network")

    def test_there_is_nothing_to_resume(self, tmp_path: Path) -> None:
        field = made()
        path = written_of_version_1(tmp_path / "f.safetensors", described_of_version_1(field), field.state_dict())
        with pytest.raises(ValueError, match=r"cannot resume from .*: the fit in it was over"):
            checkpoint.read_snapshot(path)


def test_names_of_axes_are_kept(tmp_path: Path) -> None:
    field = Siren(1, 1, 8, 1)
    field.axes = "x"
    checkpoint.save(tmp_path / "a.safetensors", {"u": Siren(2, 1, 8, 1), "m": field})
    loaded = sinefield.load(tmp_path / "a.safetensors")
    assert isinstance(loaded, dict)
    names = [getattr(each, "axes", None) for each in loaded.values()]
    assert names == [None, ("x",)]
    points = torch.rand(4, 2)
    torch.testing.assert_close(jet(loaded["m"], points, axes="tx").value, field(points[:, 1:]))


def test_bytes_of_the_signal_are_kept_beside_its_json(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    signal = {"kind": "image", "profile": bytes(range(256)) * 1000, "bits": 8}
    checkpoint.save(path, made(), signal=signal)
    assert checkpoint.read(path)[1]["signal"] == signal
    assert header_of(path)["signal"] == {"kind": "image", "bits": 8}
    assert header_of(path)["version"] == 3
    checkpoint.save(path, made(), signal={"kind": "image"})
    assert header_of(path)["version"] == 2


def test_bytes_of_the_signal_that_are_none_are_refused(tmp_path: Path) -> None:
    tensors = {f"u/{name}": each for name, each in made().state_dict().items()} | {"signal/profile": torch.zeros(3)}
    header = described(**SMALL) | {"version": 3, "signal": {"kind": "image"}}
    save_file(tensors, tmp_path / "f.safetensors", metadata={"sinefield": json.dumps(header)})
    with pytest.raises(ValueError, match="its tensors of the signal are no bytes"):
        checkpoint.read(tmp_path / "f.safetensors")
