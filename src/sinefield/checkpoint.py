"""Fields as files.

Format, version 3
-----------------
A field file is a safetensors file. Its metadata MUST hold one key ``sinefield`` whose value is a JSON object
of at most 64 KiB:

``version``   MUST be an integer; a reader MUST refuse one higher than it knows.
``fields``    MUST be an object of one or more networks by name, the main one first: ``architecture``, a name of
              :data:`sinefield.fields.NETWORKS`; ``in_features`` and ``out_features``, integers; ``settings``, an object
              of numbers and strings; it MAY have ``axes``, names of its coordinates; an assembly, a sum or a product,
              MUST have ``parts``, a list of networks. A name MUST NOT hold ``/``.
``main``      MUST be the name of the main field, as JSON objects have no order.
``signal``    MAY be null; otherwise an object with ``kind``, the coordinate mapping and the value range. What is not
              text of it, such as a colour profile, is not in the header: ``signal/NAME`` MUST be a tensor of bytes.
``source``    MAY tell what the fields were fitted to, see :class:`sinefield.io.source.Source`.
``problem``   SHOULD name the problem, ``recipe`` hold the recipe, ``metrics`` what was reached, ``seed`` the
              seed, ``sinefield`` the version of the package. A reader MUST NOT depend on them, and MUST ignore
              keys it does not know.
``resume``    MAY hold all that is needed to go on with a search; see :class:`sinefield.snapshot.Snapshot`.

The tensors MUST be those of the networks, by name (``NAME/…``), shape and type, those of the signal (``signal/…``),
and, for a search to go on with, others whose names begin with ``resume/``; a reader MUST check the first before it
allocates anything of the sizes that the header claims, and MAY leave out the last. Nothing is ever unpickled. The
header holds no time and no path: the same fields, fitted to the same file, give the same bytes.

Version 2 had no tensors of the signal, and is what is written where there are none. Version 1 had one ``network`` in
place of ``fields``, and its tensors under their own names.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from sinefield.fields import Network
from sinefield.io.embedded import plain_file
from sinefield.io.files import replacing
from sinefield.snapshot import Snapshot

VERSION: Final = 3
HEADER_LIMIT: Final = 64 * 1024
_KEY = "sinefield"
_RESUME, _SIGNAL = "resume/", "signal/"
_AGAIN = "fit it again, or get another copy"


def save(
    path: str | Path,
    fields: nn.Module | Mapping[str, nn.Module],
    /,
    *,
    snapshot: Snapshot | None = None,
    **header: Any,
) -> None:
    """Write fields to a file, whole or not at all.

    Args:
        path: where; ``.safetensors`` is the usual ending.
        fields: networks of :data:`sinefield.fields.NETWORKS` by name, the main one first; or one network.
        snapshot: of a search to go on with; None: it is over.
        **header: what else to store, as JSON: ``signal``, which may hold bytes, ``problem``, ``recipe``, ``metrics``,
            ``seed``, ``source``; what the format itself defines is left out.

    Raises:
        ValueError: a field is not such a network, so that it could not be loaded again, or holds NaN.
        OSError: the place cannot be written to.
    """
    from safetensors.torch import save_file

    named = {"u": fields} if isinstance(fields, nn.Module) else dict(fields)
    if not named:
        raise ValueError(f"cannot save {path}: there is no field; give a network, or networks by name")
    networks: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for name, field in named.items():
        if not _may_name(name):
            raise ValueError(f"a field cannot be saved under the name {name!r}; give it a name like u")
        # Copies: fields may be parts of one another, and a file holds no tensor twice.
        own = {inner: tensor.detach().cpu().contiguous().clone() for inner, tensor in field.state_dict().items()}
        try:
            network = Network.of(field)
            _check(network.blank(), {inner: (tuple(each.shape), each.dtype) for inner, each in own.items()})
        except ValueError as error:
            raise ValueError(f"a {type(field).__name__} cannot be saved as a field: {error}") from error
        if not _all_finite(own):
            raise ValueError(f"cannot save {path}: the field's weights hold NaN or infinity; fit it at a lower rate")
        networks[name] = network.to_json()
        tensors |= {f"{name}/{inner}": each for inner, each in own.items()}
    signal = header.get("signal") or {}
    told = {name: each for name, each in signal.items() if isinstance(each, bytes)}
    if told:
        header["signal"] = {name: each for name, each in signal.items() if name not in told}
        tensors |= {
            f"{_SIGNAL}{name}": torch.frombuffer(bytearray(each), dtype=torch.uint8) for name, each in told.items()
        }
    contents = {**finite(header), "version": VERSION if told else 2, "fields": networks, "main": next(iter(named))}
    contents.pop("resume", None)
    if snapshot is not None:
        contents["resume"] = snapshot.to_json()
        tensors |= {f"{_RESUME}{name}": each.contiguous() for name, each in snapshot.all_tensors().items()}
    stored = json.dumps(contents, sort_keys=True, allow_nan=False)
    if len(stored) > HEADER_LIMIT:
        raise ValueError(
            f"the header of {path} would have {len(stored)} bytes; at most {HEADER_LIMIT} are allowed, store less"
        )
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_KEY: stored})


def networks_of(fields: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return the networks of fields by name as JSON, without their weights.

    Raises:
        ValueError: a field is none that is built by name.
    """
    return {name: Network.of(each).to_json() for name, each in fields.items()}


def finite(value: Any) -> Any:
    """Return a JSON value with infinity and NaN, which JSON does not have, as null."""
    if isinstance(value, Mapping):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(path: str | Path) -> nn.Module | dict[str, nn.Module]:
    """Return the field in a file, ready to call on points ``(n, d)``; fields by name where there are several.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no field, damaged, from a newer version, or not what its header says.
    """
    fields, _ = read_all(path)
    return next(iter(fields.values())) if len(fields) == 1 else fields


def read(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the main field in a file, and its header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for :func:`load`.
    """
    fields, header = read_all(path)
    return next(iter(fields.values())), header


def read_header(path: str | Path) -> dict[str, Any]:
    """Return the header of a field file, without what is not text of its signal.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no field file, or from a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with plain_file(path) as plain, safe_open(plain, framework="pt") as file:
            return _header(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path} is not a field file, or is damaged or cut short ({error})") from error


def read_all(path: str | Path) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """Return the fields in a file by name, the main one first, and its header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for :func:`load`.
    """
    fields, header, _ = _read(path, resuming=False)
    return fields, header


def read_snapshot(path: str | Path) -> tuple[dict[str, nn.Module], dict[str, Any], Snapshot]:
    """Return the fields in a file, its header, and the search to go on with.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for :func:`load`; or it holds no search to go on with.
    """
    fields, header, tensors = _read(path, resuming=True)
    if not isinstance(header.get("resume"), dict):
        raise ValueError(
            f"cannot resume from {path}: the fit in it was over, or was made without --checkpoint-every PASSES"
        )
    try:
        return fields, header, Snapshot.from_json(header["resume"], tensors)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"cannot resume from {path}: the state of its fit is damaged ({error!r})") from error


def _read(path: str | Path, *, resuming: bool) -> tuple[dict[str, nn.Module], dict[str, Any], dict[str, Tensor]]:
    with plain_file(path) as plain:
        return _read_plain(plain, path, resuming=resuming)


def _read_plain(
    plain: Path, path: str | Path, *, resuming: bool
) -> tuple[dict[str, nn.Module], dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if plain.is_dir():
        raise ValueError(f"{path} is a folder; give a field file in it")
    if not plain.is_file():
        raise FileNotFoundError(f"there is no field file {path}; make one with: sinefield fit IMAGE -o {path}")
    with plain.open("rb"):  # an error of permissions that names the file, which safetensors' own does not
        pass
    kinds = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16}
    fields: dict[str, nn.Module] = {}
    try:
        with safe_open(plain, framework="pt") as file:
            header = _header(file.metadata() or {})
            names = list(file.keys())
            own = [name for name in names if not name.startswith((_RESUME, _SIGNAL))]
            slices = {name: file.get_slice(name) for name in own}
            stored = {
                name: (tuple(each.get_shape()), kinds.get(each.get_dtype(), torch.int64))
                for name, each in slices.items()
            }
            for field, network in _networks(header).items():
                blank = Network.from_json(network).blank()
                places = _places(header, field, stored)
                _check(blank, {inner: stored[place] for inner, place in places.items()})
                tensors = {inner: file.get_tensor(place) for inner, place in places.items()}
                if not _all_finite(tensors):
                    raise ValueError("its weights hold NaN or infinity")
                blank.load_state_dict(tensors, assign=True)
                fields[field] = blank.eval()
            known = {place for field in fields for place in _places(header, field, stored).values()}
            if unknown := sorted(stored.keys() - known):
                raise ValueError(f"tensor {reprlib.repr(unknown[0])} is of none of its fields")
            kept = {name.removeprefix(_RESUME): file.get_tensor(name) for name in names if name.startswith(_RESUME)}
            if isinstance(header.get("signal"), dict):
                told = {name: file.get_tensor(name) for name in names if name.startswith(_SIGNAL)}
                header["signal"] |= {name.removeprefix(_SIGNAL): _bytes_of(each) for name, each in told.items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a field file, or is damaged or cut short ({error}); {_AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be loaded: {' '.join(str(error).split())}; {_AGAIN}") from error
    return fields, header, kept if resuming else {}


def _bytes_of(tensor: Tensor) -> bytes:
    """Return the bytes of the signal that a tensor holds.

    Raises:
        ValueError: it holds something else.
    """
    if tensor.dtype != torch.uint8 or tensor.ndim != 1:
        raise ValueError("its tensors of the signal are no bytes")
    return tensor.numpy().tobytes()


def _networks(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the networks of a header by name, the main one first.

    Raises:
        ValueError: there are none.
    """
    if header["version"] == 1:
        return {"u": header.get("network")}
    networks, main = header.get("fields"), header.get("main")
    if not isinstance(networks, dict) or not isinstance(main, str) or main not in networks:
        raise ValueError("its header describes no network")
    for name in networks:
        if not _may_name(name):
            raise ValueError(f"its header names a field {reprlib.repr(name)}, which no field may be named")
    return {main: networks[main], **networks}


def _may_name(name: str) -> bool:
    """Return whether a field may have a name, which begins those of its tensors, as resume and signal begin others."""
    return "/" not in name and name not in ("", "resume", "signal")


def _places(header: Mapping[str, Any], field: str, stored: Mapping[str, Any]) -> dict[str, str]:
    """Return where each tensor of a field is stored, by its name in the field."""
    if header["version"] == 1:
        return {_renamed(name): name for name in stored}
    return {name.removeprefix(f"{field}/"): name for name in stored if name.startswith(f"{field}/")}


def _renamed(name: str) -> str:
    """Return the name that a tensor of version 1 has now: tiles were lists of maps, stack.maps.1.weight."""
    parts = name.split(".")
    if parts[:2] == ["stack", "maps"] and len(parts) == 4 and parts[2].isdecimal():
        return f"tiles.layers_{2 * int(parts[2])}_{parts[3]}"
    return name


def _all_finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(each).all()) for each in tensors.values())


def _header(metadata: Mapping[str, str]) -> dict[str, Any]:
    if _KEY not in metadata:
        raise ValueError("it is a safetensors file but no field: its metadata has no 'sinefield' header")
    if len(metadata[_KEY]) > HEADER_LIMIT:
        raise ValueError(f"its header has {len(metadata[_KEY])} bytes; at most {HEADER_LIMIT} are allowed")
    try:
        header = finite(json.loads(metadata[_KEY]))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or type(header.get("version")) is not int:
        raise ValueError("its header has no version number")
    if not 1 <= header["version"] <= VERSION:
        raise ValueError(
            f"it has format version {header['version']}, this sinefield reads 1 to {VERSION}; update sinefield"
        )
    return header


def _check(field: nn.Module, stored: Mapping[str, tuple[tuple[int, ...], torch.dtype]]) -> None:
    """Check that the tensors stored are those of ``field``.

    Raises:
        ValueError: they are not.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in field.state_dict().items()}
    shapes = {name: shape for name, (shape, _) in stored.items()}
    if expected != shapes:
        differing = sorted(name for name in expected.keys() | shapes if expected.get(name) != shapes.get(name))
        name = differing[0]
        raise ValueError(
            f"tensor {reprlib.repr(name)} has shape {shapes.get(name, 'none')} where its network has "
            f"{expected.get(name, 'none')}"
        )
    kinds = {dtype for _, dtype in stored.values()}
    if len(kinds) != 1 or not next(iter(kinds)).is_floating_point:
        raise ValueError(f"its tensors must all be floats of one precision, got {sorted(map(str, kinds))}")
