"""The problem of `rules.py` as the engine hands a problem to an optimizer's rule."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import rules

from runner.options.optimizer.base import Optimizer


def as_tree(theta: Any) -> dict[str, Any]:
    return {"kernel": theta[:12].reshape(rules.SHAPE), "bias": theta[12:]}


def as_vector(tree: dict[str, Any]) -> Any:
    return jnp.concatenate([tree["kernel"].ravel(), tree["bias"]])


def extra(params: dict[str, Any], key: Any) -> dict[str, Any]:
    """What the engine hands to a rule beside the gradient."""
    objective = lambda tree: rules.loss(as_vector(tree))  # noqa: E731
    value, slope = jax.value_and_grad(objective)(params)
    return {
        "value": value,
        "grad": slope,
        "value_fn": objective,
        "gradient_at": jax.grad(objective),
        "key": key,
        "layer_index": {"kernel": 0, "bias": 0},
    }


def stepped(optimizer: Optimizer, rate: Any, t: Any, params: Any, state: Any) -> Any:
    """The parameters and the state of the optimizer after step `t`, taken at a learning rate."""
    more = extra(params, jax.random.fold_in(jax.random.key(0), t))
    rule = optax.with_extra_args_support(optimizer.build(rate))
    updates, state = rule.update(more["grad"], state, params, **more)
    return optax.apply_updates(params, updates), state
