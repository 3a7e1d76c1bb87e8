"""Arrays as the argument `data`: which is which, by their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError
from runner.lazy import np

if TYPE_CHECKING:
    import numpy.typing as npt

_NAMES = {
    2: ("x", "y"),
    4: ("x_train", "y_train", "x_test", "y_test"),
    6: ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test"),
}


def named_arrays(data: Any) -> dict[str, npt.NDArray] | None:
    """The arrays in the argument `data`, called as in a file of `data=npz`.

    Args:
        data: inputs and targets; training inputs, training targets, test inputs and test targets;
            or six, with validation between them. Or arrays by name.

    Returns:
        The arrays by name; None if it is a choice of data (`"mnist"`) and no arrays.

    Raises:
        ConfigError: their number is another, or one cannot be an array.
    """
    if isinstance(data, Mapping):
        is_named = bool(data) and all(map(_is_array, data.values()))
        return {str(name): _array(name, data[name]) for name in data} if is_named else None
    if hasattr(data, "dtype") or hasattr(data, "columns"):
        raise ConfigError("data: is one array; expected inputs and targets: data=(x, y)")
    if not isinstance(data, tuple | list):
        return None
    if len(data) not in _NAMES:
        raise ConfigError(
            f"data: has {len(data)} arrays; expected (x, y), (x_train, y_train, x_test, y_test) or "
            "those with x_validation, y_validation between"
        )
    names = _NAMES[len(data)]
    return {name: _array(name, each) for name, each in zip(names, data, strict=True)}


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or isinstance(value, list | tuple)


def _array(name: Any, value: Any) -> npt.NDArray:
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise ConfigError(f"data, {name}: is no array: {error}".splitlines()[0]) from error
    if found.dtype.kind not in "biuf" and found.dtype.name == "bfloat16":
        return found.astype(np.float32)
    return found
