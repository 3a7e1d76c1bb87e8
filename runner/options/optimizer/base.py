"""The base classes of all optimizers, and the weight decay that many of them share."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from runner.lazy import jax, jnp, optax
from runner.options import parameters
from runner.options.layer import Params
from runner.options.option import Option

if TYPE_CHECKING:
    from jaxtyping import Array, Float

State = TypeVar("State")
"""What an optimizer keeps from one step to the next: a `NamedTuple` of arrays."""


class Optimizer(Option):
    """A rule that turns gradients into updates of the parameters.

    `build` is called inside every (traced) step with the learning rate of that step, so any optax
    rule that accepts a float accepts a schedule. Only the transformation's state carries over to
    the next step; building the transformation costs nothing at run time.

    Beside the gradient, the state and the parameters, `update` receives keyword arguments, as
    optax's `GradientTransformationExtraArgs` does:

    - `value`: the loss of the batch at `params`, with the terms of the regularizations;
    - `grad`: the gradient of `value`, before any clipping or noise;
    - `value_fn`: `value` as a function of the parameters, for the same batch and the same dropout
      masks;
    - `gradient_at`: the gradient as a function of the parameters, clipped and with noise like the
      gradient that is passed to `update`;
    - `key`: random numbers of this step;
    - `layer_index`: a tree in the structure of the parameters that has the index of the layer of
      each array, as a Python number: 0 is the first layer with a kernel, the last are the logits.

    An optimizer that needs none of them and is written out rather than taken from optax derives
    from `UpdateRule`.
    """

    learning_rate: float

    momenta: ClassVar[tuple[str, ...]] = ()
    """The fields that a momentum schedule may set; the first one is set by default."""

    needs_float32: ClassVar[bool] = False
    """Whether the rule fails where the network is computed with less precision."""

    @abstractmethod
    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the rule for one step.

        Args:
            learning_rate: the rate of this step: `self.learning_rate` times the multipliers of
                the schedule, the warm-up and the batch size.
        """

    def evaluated(self, state: optax.OptState, params: Params) -> Params:
        """Return the parameters to evaluate: the trained ones, or an average of them."""
        return params

    def sharpness_limit(self) -> Float[Array, ""] | float | None:
        """Return below which product of learning rate and curvature its steps are stable.

        The curvature is the largest eigenvalue of the Hessian of a quadratic function. None where
        the rule is not stable up to such a number, or none is known.
        """
        return None

    def step_on_quadratic(self, curvature: float) -> list[list[float]] | None:
        """Return the matrix of a step at a constant rate on curvature theta^2 / 2.

        It maps (velocity, theta), or (theta) of a rule that keeps nothing, to those after the step.
        The square of its spectral radius is the factor a step of the excess in the long run. None
        where the rule is not linear, or its matrix is not known.

        Args:
            curvature: an eigenvalue of the Hessian; theta is the coordinate along its eigenvector.
        """
        return None

    def with_momentum(
        self, names: tuple[str, ...] | None, value: Callable[[Any], Any]
    ) -> Optimizer:
        """Return a copy with other momenta.

        Args:
            names: the fields to replace, out of `momenta`; None: the first of them.
            value: maps the number of a field to the new number.
        """
        chosen = names or self.momenta[:1]
        return dataclasses.replace(self, **{name: value(getattr(self, name)) for name in chosen})


class StepInputs(NamedTuple):
    """What a step is computed from, beside the optimizer's state."""

    gradient: Params  # of the batch's loss, after clipping and noise
    params: Params  # before the step
    learning_rate: Float[Array, ""]  # of this step


class UpdateRule(Optimizer, Generic[State]):
    """An optimizer that is written out as two functions: the first state, and one step."""

    @abstractmethod
    def init(self, params: Params) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def step(self, state: State, inputs: StepInputs) -> tuple[Params, State]:
        """Return the updates, which are added to the parameters, and the state after the step."""

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return `init` and `step` as an optax transformation."""

        def update(gradient: Params, state: State, params: Params) -> tuple[Params, State]:
            return self.step(state, StepInputs(gradient, params, learning_rate))

        return optax.GradientTransformation(self.init, update)


def square(tree: Params) -> Params:
    """Return the square of every number of a tree."""
    return jax.tree.map(jnp.square, tree)


def scale(factor: Float[Array, ""] | float, tree: Params) -> Params:
    """Return every number of a tree times `factor`."""
    return jax.tree.map(lambda x: factor * x, tree)


def velocity_with_rate(
    learning_rate: Float[Array, ""], momentum: Float[Array, ""] | float, *, nesterov: bool = False
) -> optax.GradientTransformation:
    """Return v <- momentum * v + learning_rate * g;  theta <- theta - v: the rate is part of v.

    Args:
        learning_rate: the rate of this step.
        momentum: the fraction of v that is kept.
        nesterov: whether theta <- theta - (learning_rate * g + momentum * v) instead.
    """
    return optax.chain(
        optax.scale_by_learning_rate(learning_rate), optax.trace(momentum, nesterov=nesterov)
    )


def decay_mask(decay_all: bool) -> Callable[[Params], Any]:
    """Return the function from parameters to booleans that says which of them decay.

    Args:
        decay_all: whether biases, gains and shifts decay as well.
    """
    return lambda params: parameters.mask(
        params, lambda path: decay_all or parameters.is_weight(path)
    )


def decay_term(params: Params, strength: Float[Array, ""] | float, decay_all: bool) -> Params:
    """Return `strength * theta` for the parameters that decay, and 0 for the others.

    Args:
        params: the parameters theta.
        strength: the weight decay, times the learning rate where the rule says so.
        decay_all: whether biases, gains and shifts decay as well.
    """
    decays = decay_mask(decay_all)(params)
    return jax.tree.map(lambda yes, p: strength * p if yes else jnp.zeros_like(p), decays, params)
