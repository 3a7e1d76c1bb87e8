"""A network of plain functions: what a model of another library has, as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


def from_functions(init: Callable[[Any, Any], Any], apply: Callable[[Any, Any], Any]) -> Layer:
    """Return the layer of a network that is given as two functions.

    The parameters are stored as nested dictionaries under the names of their places, such as
    `("layers", "0", "weight")`, whatever containers the functions have. What options act on follows
    from the last name: weight decay on all but `bias`, `gain`, `shift` and `slope`; the penalties
    and the optimizers that know matrices on `kernel`, whose last axis counts the outputs. The
    network has no state beside its parameters, and does in training what it does at evaluation.

    Args:
        init: `init(key, inputs)` returns the parameters for inputs of the shape `[1, *features]`: a
            tree of float arrays. What is no array in it, such as an activation or a Python number,
            is given to `apply` as it is, and not trained.
        apply: `apply(params, inputs)` returns the outputs of a batch, `[batch, outputs]`.
    """

    def named(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        inputs = jnp.zeros((1, *shape))
        tree = init(key, inputs)
        outputs = jax.eval_shape(lambda: apply(tree, inputs))
        return _as_dictionaries(tree), {}, outputs.shape[1:]

    def applied(
        params: Params, state: LayerState, inputs: Float[Array, "batch *features"], training: bool
    ) -> tuple[Float[Array, "batch outputs"], LayerState]:
        found: list[Any] = []

        def places() -> None:
            tree = init(jax.random.key(0), jnp.zeros_like(inputs[:1]))
            leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
            rest = [(path, None if _is_array(leaf) else leaf) for path, leaf in leaves]
            found.append((rest, structure))

        jax.eval_shape(places)
        [(rest, structure)] = found
        leaves = [_at(params, _names(path)) if leaf is None else leaf for path, leaf in rest]
        return apply(jax.tree.unflatten(structure, leaves), inputs), state

    return Layer(named, applied)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _as_dictionaries(tree: Any) -> Params:
    """The arrays of a tree in nested dictionaries, under the names of their places."""
    found: Params = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _is_array(leaf):
            continue
        *parents, last = _names(path)
        node = found
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = leaf
    return found


def _at(params: Params, names: list[str]) -> Float[Array, "..."]:
    """The array at a place."""
    node: Any = params
    for name in names:
        node = node[name]
    return node


def _names(path: tuple[Any, ...]) -> list[str]:
    """The names on a path of JAX: keys, attributes, and positions as digits."""
    parts = [
        str(getattr(part, "key", getattr(part, "name", getattr(part, "idx", part))))
        for part in path
    ]
    return parts or ["parameters"]
