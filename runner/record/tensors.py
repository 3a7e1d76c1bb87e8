"""Trees of arrays in safetensors files, under readable names.

The format describes itself, needs no pickle, and can be read without this package:

    from safetensors.numpy import load_file
    load_file("final.safetensors")["hidden_1.dense.kernel"]

An array is named by the keys of its path in the tree, joined by dots.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.lazy import jax
from runner.whole_files import replace_bytes, replacing

Tensors = dict[str, npt.NDArray]

_SMALL = 2**20
"""Arrays with at most as many bytes are copied and written at once, which takes half the time."""


class TensorsError(ValueError):
    """A file does not hold what it should."""


def named(tree: Any, prefix: str = "") -> Tensors:
    """The arrays of a tree by name.

    Args:
        tree: nested dictionaries, named tuples and sequences of arrays.
        prefix: what the names start with.
    """
    leaves = described(tree)
    return {prefix + name: np.asarray(leaf, order="C") for name, leaf in leaves.items()}


def described(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by name: arrays, or their shapes and types."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {".".join(map(_key, path)): leaf for path, leaf in leaves}


def shape_of(array: Any) -> str:
    """The shape of an array, in words: `[64,10]`."""
    return f"[{','.join(map(str, array.shape))}]"


def _key(entry: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def nested(tensors: Mapping[str, npt.NDArray]) -> dict[str, Any]:
    """The arrays in nested dictionaries, by the parts of their names."""
    tree: dict[str, Any] = {}
    for name, array in tensors.items():
        *above, last = name.split(".")
        node = tree
        for key in above:
            node = node.setdefault(key, {})
        node[last] = array
    return tree


def restored(template: Any, tensors: Mapping[str, npt.NDArray], *, checked: bool = True) -> Any:
    """A tree with arrays from a file.

    Args:
        template: a tree of the same structure, with the shape and the type of each array.
        tensors: the arrays by name.
        checked: whether shapes and types must be those of the template.

    Raises:
        TensorsError: one is missing, or has another shape or type; the message names it.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(template)
    leaves = []
    for path, expected in paths:
        name = ".".join(map(_key, path))
        array = tensors.get(name)
        if array is None:
            raise TensorsError(f"{name} is missing")
        if checked and (array.shape, array.dtype) != (expected.shape, expected.dtype):
            have, want = _kind(array), _kind(expected)
            raise TensorsError(f"{name} is {have} there, and must be {want}")
        leaves.append(array)
    return jax.tree.unflatten(structure, leaves)


def _kind(array: Any) -> str:
    return f"{array.dtype}{shape_of(array)}"


def write_tensors(
    file: Path, tensors: Mapping[str, Any], facts: Mapping[str, str], *, durable: bool = False
) -> None:
    """Replace a file, as a whole.

    Args:
        file: the file.
        tensors: the arrays by name.
        facts: texts by name, for the header of the file.
        durable: see `runner.whole_files.replacing`.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save, save_file

    if sum(array.nbytes for array in tensors.values()) <= _SMALL:
        replace_bytes(file, save(dict(tensors), dict(facts)), durably=durable)
        return
    with replacing(file, durably=durable) as temporary:
        mode = temporary.stat().st_mode
        try:
            save_file(dict(tensors), temporary, dict(facts))
        except SafetensorError as error:
            raise OSError(f"{error}") from error
        temporary.chmod(mode)  # else only the user could read it


def read_facts(file: Path) -> dict[str, str]:
    """The facts in the header of a file, whose arrays are not read.

    Raises:
        OSError: it cannot be read.
        TensorsError: it is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as found:
            return dict(found.metadata() or {})
    except SafetensorError as error:
        raise TensorsError(f"{file}: is not a safetensors file: {error}") from error


def read_tensors(file: Path) -> tuple[Tensors, dict[str, str]]:
    """The arrays and the facts in a file.

    Raises:
        OSError: it cannot be read.
        TensorsError: it is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as found:
            tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
            return tensors, dict(found.metadata() or {})
    except SafetensorError as error:
        raise TensorsError(f"{file}: is not a safetensors file: {error}") from error
