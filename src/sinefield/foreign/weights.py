"""Weights in files of others: PyTorch's, safetensors and NumPy's, read without running anything that is in them."""

from __future__ import annotations

import re
import reprlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_HOLDERS: Final = ("state_dict", "model_state_dict", "model", "network", "net", "params", "weights")
"""Under which names training scripts put the weights beside what else they save, in the order of trust."""


def read_weights(path: str | Path) -> dict[str, Doubles]:
    """Return the weights in a file by name, in its order, in double precision.

    Names are joined by dots. Weights in two factors, direction and length, are multiplied out, as
    ``torch.nn.utils.weight_norm`` would. Numbers, names and optimisers that stand beside the weights are left out.

    Args:
        path: a ``.pth``, ``.pt`` or ``.ckpt`` of PyTorch, a ``.safetensors``, or an ``.npz`` of NumPy.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no weights, is damaged, or could only be read by running code that is in it.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file} to import")
    endings: Mapping[str, Callable[[Path], Any]] = {".safetensors": _of_safetensors, ".npz": _of_numpy}
    found = endings.get(file.suffix.lower(), _of_torch)(file)
    weights = dict(_flattened(_held(found, file)))
    if not weights:
        raise ValueError(f"{file} holds no tensors; save model.state_dict()")
    return _multiplied_out({name: _checked(each, name, file) for name, each in weights.items()})


def _of_torch(path: Path) -> Any:
    """Return what a file of PyTorch holds.

    Raises:
        ValueError: it is none, is damaged, or holds objects, whose making would run code.
    """
    try:
        # The one place where a pickle is read, by PyTorch's reader of tensors and plain containers alone.
        return torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except Exception as error:  # of any kind, where a file is damaged
        told = " ".join(str(error).split())
        if found := re.search(r"(?:Unsupported (?:global: GLOBAL|class)|unsupported GLOBAL) ([\w.]+)", told):
            raise ValueError(
                f"{path} holds an object of the class {found[1]}, whose reading would run code; save "
                "model.state_dict() in its place"
            ) from None
        if "TorchScript" in told:
            raise ValueError(f"{path} is a program of TorchScript; save model.state_dict() in its place") from None
        raise ValueError(f"{path} is no file of weights of PyTorch, or is damaged or cut short") from None


def _of_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file, or is damaged or cut short ({error})") from error


def _of_numpy(path: Path) -> Any:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            raise ValueError(f"{path} holds objects, whose reading would run code; save arrays alone") from error
        raise ValueError(f"{path} is no NPZ file, or is damaged or cut short") from error


def _held(found: Any, path: Path) -> Mapping[str, Any]:
    """Return the weights among what a training script saved.

    Raises:
        ValueError: it is not by name.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds a {type(found).__name__} and no tensors by name; save model.state_dict()")
    if not any(_is_array(each) for each in found.values()):
        for name in _HOLDERS:
            if isinstance(found.get(name), Mapping) and any(_flattened(found[name])):
                return _held(found[name], path)
    return found


def _is_array(each: Any) -> bool:
    return isinstance(each, torch.Tensor | np.ndarray)


def _flattened(found: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in found.items():
        if isinstance(each, Mapping):
            yield from _flattened(each, f"{before}{name}.")
        elif _is_array(each):
            yield f"{before}{name}".replace("/", "."), each


def _checked(each: Any, name: str, path: Path) -> Doubles:
    """Return a tensor in double precision.

    Raises:
        ValueError: it holds no real numbers, or NaN or infinity.
    """
    real = each.is_floating_point() if isinstance(each, torch.Tensor) else np.issubdtype(each.dtype, np.floating)
    if not real:
        kind = str(each.dtype).removeprefix("torch.")
        raise ValueError(f"{path}: the tensor {reprlib.repr(name)} is of type {kind}, not of floats")
    array: Doubles = each.double().numpy() if isinstance(each, torch.Tensor) else each.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: the tensor {reprlib.repr(name)} holds NaN or infinity")
    return array


def _multiplied_out(weights: dict[str, Doubles]) -> dict[str, Doubles]:
    """Return weights with the factors of weight normalisation multiplied: W = g v / ‖v‖, row by row."""
    factors = (
        (".weight_g", ".weight_v"),
        (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    )
    found: dict[str, Doubles] = {}
    for name, each in weights.items():
        for length, direction in factors:
            stem = name.removesuffix(direction)
            if stem != name and stem + length in weights:
                norms = np.linalg.norm(each.reshape(len(each), -1), axis=1).reshape(-1, *[1] * (each.ndim - 1))
                found[f"{stem}.weight"] = weights[stem + length].reshape(norms.shape) * each / norms
                break
            if (stem := name.removesuffix(length)) != name and stem + direction in weights:
                break
        else:
            found[name] = each
    return found
