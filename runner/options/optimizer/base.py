"""What every optimizer is: numbers, and the optax transformation they build."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from runner.lazy import jax, jnp
from runner.options.option import Option

if TYPE_CHECKING:
    import optax
    from jaxtyping import Array, Float

EXEMPT_FROM_DECAY = ("bias", "gain", "shift")
"""Names of the parameters that weight decay leaves alone: biases, and those of normalizations."""


class Optimizer(Option):
    """A rule that turns gradients into updates.

    `build` is called anew inside every (traced) step with that step's learning rate, so any optax
    rule that accepts a float accepts a schedule. The transformation's state is what carries over;
    building it costs nothing at run time.

    `update(gradient, state, params, **extra)` is given, as optax does it for rules that ask for
    more than the gradient: `value`, the loss of the batch at `params` with the terms of the
    regularizations; `grad`, its gradient before any clipping or noise; `value_fn`, the same of the
    same batch (and dropout's same masks) as a function of the parameters;
    `gradient_at`, its gradient, treated like the one given, as such a function; and `key`, random
    numbers of this step.
    """

    learning_rate: float

    momenta: ClassVar[tuple[str, ...]] = ()
    """The numbers that may follow a momentum schedule, the usual one first."""

    @abstractmethod
    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the rule for one step.

        Args:
            learning_rate: this step's rate, `self.learning_rate` times the multipliers of the
                schedule and of the batch size.
        """

    def evaluated(self, memory: Any, params: Any) -> Any:
        """The parameters to evaluate: those that are trained, or an average of them."""
        return params

    def with_momentum(
        self, names: tuple[str, ...] | None, value: Callable[[Any], Any]
    ) -> Optimizer:
        """The same optimizer with `value` of its momentum (or of the named ones) in its place."""
        chosen = names or self.momenta[:1]
        return dataclasses.replace(self, **{name: value(getattr(self, name)) for name in chosen})


def zeros(params: Any) -> Any:
    """Zeros in the form of the parameters."""
    return jax.tree.map(jnp.zeros_like, params)


def decay_mask(everything: bool) -> Callable[[Any], Any]:
    """Which parameters weight decay applies to, as a function from them to a tree of booleans.

    Args:
        everything: whether it applies to biases and normalizations as well.
    """

    def applies(path: Any, _: Any) -> bool:
        return everything or not path or getattr(path[-1], "key", "") not in EXEMPT_FROM_DECAY

    return lambda params: jax.tree_util.tree_map_with_path(applies, params)


def decayed(params: Any, decay: Float[Array, ""] | float, everything: bool) -> Any:
    """`decay * theta` for the parameters that weight decay applies to, 0 for the others."""
    applies = decay_mask(everything)(params)
    return jax.tree.map(lambda use, p: decay * p if use else jnp.zeros_like(p), applies, params)
