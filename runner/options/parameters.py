"""The names of parameters, and which of them are treated differently because of their name.

Models name their arrays by these constants; weight decay, penalties and layerwise optimizers find
them by the functions below. The parameters are nested dictionaries, so the path of an array is
the sequence of keys that leads to it: `("hidden_1", "dense", "kernel")`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runner.lazy import jax
from runner.options.layer import Params

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Path = tuple[str, ...]

KERNEL = "kernel"
"""The weights of an affine map or a convolution; the last axis counts the outputs."""

BIAS = "bias"
"""What an affine map or a convolution adds, one number for each output."""

GAIN, SHIFT = "gain", "shift"
"""What a normalization multiplies by and adds, one number each for every unit or channel."""

SLOPE = "slope"
"""What a learned activation multiplies negative inputs by."""

LOGITS = "logits"
"""The last layer of a network."""


def is_kernel(path: Path) -> bool:
    """Whether the array is a kernel: the parameters that `l2` and `l1` penalize."""
    return path[-1:] == (KERNEL,)


def is_hidden_kernel(path: Path) -> bool:
    """Whether the array is a kernel of any layer but the last."""
    return is_kernel(path) and LOGITS not in path


def is_weight(path: Path) -> bool:
    """Whether the array is neither a bias nor part of a normalization or an activation.

    These are the parameters that weight decay applies to and whose steps LARS scales: kernels,
    and arrays under names of their own.
    """
    return path[-1:] not in {(BIAS,), (GAIN,), (SHIFT,), (SLOPE,)}


def mask(params: Params, includes: Callable[[Path], bool]) -> Any:
    """Return a tree of booleans in the structure of the parameters: `includes` of every path."""
    return map_with_path(lambda path, _: includes(path), params)


def map_with_path(function: Callable[[Path, Float[Array, "..."]], Any], params: Params) -> Any:
    """Return a tree in the structure of the parameters: `function` of every path and array."""
    return jax.tree_util.tree_map_with_path(lambda path, x: function(_names(path), x), params)


def named(params: Params) -> dict[Path, Float[Array, "..."]]:
    """Return the arrays by their paths, in the order of JAX's trees."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {_names(path): array for path, array in leaves}


def layer_index(params: Params, paths: Sequence[str]) -> Any:
    """Return a tree in the structure of the parameters: the index of the layer of each array.

    It is the layer with the longest path that is a beginning of the array's own. What is in none of
    them, as a normalization after the last hidden layer, belongs to the last one, the logits.

    Args:
        params: the parameters.
        paths: where the parameters of each layer are, keys joined by dots.
    """
    places = [tuple(path.split(".")) for path in paths]

    def index(path: Path, _: Any) -> int:
        around = [i for i, place in enumerate(places) if path[: len(place)] == place]
        return max(around, key=lambda i: len(places[i]), default=len(places) - 1)

    return map_with_path(index, params)


def kernels(params: Params) -> list[Float[Array, "..."]]:
    """Return the kernels, in the order of JAX's trees."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [array for path, array in leaves if is_kernel(_names(path))]


def _names(path: tuple[Any, ...]) -> Path:
    """The keys of the dictionaries on a path of JAX's; other containers have none."""
    return tuple(getattr(key, "key", "") for key in path)
