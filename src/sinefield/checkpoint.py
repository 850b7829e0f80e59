"""Fields as files.

Format, version 1
-----------------
A field file is a safetensors file. Its metadata MUST hold one key ``sinefield`` whose value is a JSON object
of at most 64 KiB:

``version``   MUST be an integer; a reader MUST refuse one higher than it knows.
``network``   MUST be an object: ``architecture``, a name of :data:`sinefield.fields.perceptron.NETWORKS`; ``in_features``
              and ``out_features``, positive integers; ``settings``, an object of numbers and strings.
``signal``    MAY be null; otherwise an object with ``kind``, the coordinate mapping and the value range.
``problem``   SHOULD name the problem, ``recipe`` hold the recipe, ``metrics`` what was reached, ``seed`` the
              seed, ``sinefield`` the version of the package. A reader MUST NOT depend on them, and MUST ignore
              keys it does not know.

The tensors MUST be exactly those of the network, by name, shape and type; a reader MUST check them before it
allocates anything of the sizes that the header claims. Nothing is ever unpickled. The header holds no time
and no path: the same field gives the same bytes.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sinefield.fields import Network
from sinefield.io.files import replacing

VERSION = 1
HEADER_LIMIT = 64 * 1024
_KEY = "sinefield"
_AGAIN = "fit it again, or get another copy"


def save(path: str | Path, field: nn.Module, **header: Any) -> None:
    """Write a field to a file, whole or not at all.

    Args:
        path: where; ``.safetensors`` is the usual ending.
        field: a network of :data:`sinefield.fields.perceptron.NETWORKS`.
        **header: what else to store, as JSON: ``signal``, ``problem``, ``recipe``, ``metrics``, ``seed``.

    Raises:
        ValueError: the field is not such a network, so that it could not be loaded again.
        OSError: the place cannot be written to.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in field.state_dict().items()}
    try:
        network = Network.of(field)
        _check(network.blank(), {name: (tuple(each.shape), each.dtype) for name, each in tensors.items()})
    except ValueError as error:
        raise ValueError(f"a {type(field).__name__} cannot be saved as a field: {error}") from error
    if not _all_finite(tensors):
        raise ValueError(f"cannot save {path}: the field's weights hold NaN or infinity; fit it at a lower rate")
    stored = json.dumps(
        {**finite(header), "version": VERSION, "network": network.to_json()}, sort_keys=True, allow_nan=False
    )
    if len(stored) > HEADER_LIMIT:
        raise ValueError(
            f"the header of {path} would have {len(stored)} bytes; at most {HEADER_LIMIT} are allowed, store less"
        )
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_KEY: stored})


def finite(value: Any) -> Any:
    """Return a JSON value with infinity and NaN, which JSON does not have, as null."""
    if isinstance(value, Mapping):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load(path: str | Path) -> nn.Module:
    """Return the field in a file, ready to call on points ``(n, d)``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no field, damaged, from a newer version, or not what its header says.
    """
    return read(path)[0]


def read(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the field in a file and its header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as for :func:`load`.
    """
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder; give a field file in it")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no field file {path}; make one with: sinefield fit IMAGE -o {path}")
    with Path(path).open("rb"):  # an error of permissions that names the file, which safetensors' own does not
        pass
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(file.metadata() or {})
            field = Network.from_json(header.get("network")).blank()
            names = list(file.keys())
            slices = {name: file.get_slice(name) for name in names}
            dtypes = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16}
            stored = {
                name: (tuple(each.get_shape()), dtypes.get(each.get_dtype(), torch.int64))
                for name, each in slices.items()
            }
            _check(field, stored)
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a field file, or is damaged or cut short ({error}); {_AGAIN}") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {' '.join(str(error).split())}; {_AGAIN}") from error
    if not _all_finite(tensors):
        raise ValueError(f"{path} cannot be loaded: its weights hold NaN or infinity; {_AGAIN}")
    field.load_state_dict(tensors, assign=True)
    field.eval()
    return field, header


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
