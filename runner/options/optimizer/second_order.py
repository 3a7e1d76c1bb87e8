"""Second-order methods: steps from the curvature of the batch's loss.

H is the Hessian of the loss of the current batch, so small batches give noisy curvature: these
methods are meant for `batch_size=full`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.base import Optimizer, decay_term, scale
from runner.options.option import Facts, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

    Loss = Callable[[Params], Float[Array, ""]]


class CurvatureRule(Optimizer):
    """A rule that uses the curvature of the batch's loss, meant for full batches."""

    needs_float32: ClassVar[bool] = True

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Warn when the batch is not full."""
        if facts.batch_size < facts.train_examples:
            yield (
                "the optimizer takes the curvature from a batch of "
                f"{facts.batch_size}, which is noisy; it is meant for batch_size=full"
            )


@option
class Newton(CurvatureRule):
    """theta <- theta - learning_rate * (H + damping * I)^-1 g.

    Newton's method with a regularized Hessian, Goodfellow et al. 2016, eq. 8.28 and algorithm 8.1:
    the step descends if `damping` exceeds the absolute value of the most negative eigenvalue. The
    whole matrix is held and factored, n^2 numbers and n^3 operations a step: models with more than
    `max_parameters` are refused.
    """

    learning_rate: float = number(1.0, minimum=0)
    damping: float = number(1.0, minimum=0)
    max_parameters: int = number(2000, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the damped Newton step."""

        def update(
            gradient: Params, state: optax.EmptyState, params: Params, *, value_fn: Loss, **_: Any
        ) -> tuple[Params, optax.EmptyState]:
            flat_params, unflatten = _flatten(params)
            flat_gradient = _flatten(gradient)[0]
            hessian = jax.hessian(lambda point: value_fn(unflatten(point)))(flat_params)
            damped = hessian + self.damping * jnp.eye(len(flat_params), dtype=flat_params.dtype)
            return unflatten(-learning_rate * jnp.linalg.solve(damped, flat_gradient)), state

        return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse models whose Hessian is too large."""
        count = facts.parameters()
        if count > self.max_parameters:
            yield (
                "max_parameters",
                f"the model has {count:,} parameters and the limit is {self.max_parameters:,} "
                f"(a Hessian of {4 * count**2 / 2**20:,.0f} MiB); use optimizer=newton_cg, "
                "a smaller model, or raise the limit",
            )


@option
class NewtonCG(CurvatureRule):
    """theta <- theta - learning_rate * d, (H + damping * I) d = g solved by conjugate gradients.

    The solver takes at most `iterations` products of the Hessian with a vector (each costs about
    two gradients; the matrix is never formed) and stops at ||residual|| <= min(1/2, sqrt(||g||)) *
    ||g||. A direction of negative curvature stops it with the solution so far, which is a descent
    direction. Nocedal & Wright 2006, algorithm 7.1 without its line search; Martens 2010.
    """

    learning_rate: float = number(1.0, minimum=0)
    damping: float = number(1.0, minimum=0)
    iterations: int = leaf(20, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the truncated Newton step."""

        def update(
            gradient: Params, state: optax.EmptyState, params: Params, *, value_fn: Loss, **_: Any
        ) -> tuple[Params, optax.EmptyState]:
            def damped_product(vector: Params) -> Params:
                product = hessian_product(value_fn, params, vector)
                return optax.tree.add_scale(product, self.damping, vector)

            solution = conjugate_gradients(damped_product, gradient, self.iterations)
            return scale(-learning_rate, solution), state

        return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


class ConjugateGradientState(NamedTuple):
    """The state of the conjugate gradient method."""

    solution: Params
    residual: Params
    direction: Params
    squared_norm: Float[Array, ""]  # of the residual
    iteration: Int[Array, ""]
    stop: Bool[Array, ""]  # the last direction had negative curvature


def conjugate_gradients(
    product: Callable[[Params], Params], target: Params, iterations: Int[Array, ""] | int
) -> Params:
    """Solve A x = target by the conjugate gradient method, as `NewtonCG` describes.

    Args:
        product: maps x to A x, for a symmetric A.
        target: the right-hand side; the solver starts at x = 0.
        iterations: the largest number of products.
    """
    target_norm = optax.tree.norm(target)
    tolerance = jnp.minimum(0.5, jnp.sqrt(target_norm)) * target_norm

    def unfinished(state: ConjugateGradientState) -> Bool[Array, ""]:
        far = jnp.sqrt(state.squared_norm) > tolerance
        return far & ~state.stop & (state.iteration < iterations)

    def iterate(state: ConjugateGradientState) -> ConjugateGradientState:
        image = product(state.direction)
        curvature = optax.tree.vdot(state.direction, image)
        negative = curvature <= 0
        step = state.squared_norm / jnp.where(negative, 1.0, curvature)
        # Negative curvature in the first direction: return that direction, the gradient.
        step = jnp.where(negative, jnp.where(state.iteration == 0, 1.0, 0.0), step)
        solution = optax.tree.add_scale(state.solution, step, state.direction)
        residual = optax.tree.add_scale(state.residual, -step, image)
        squared_norm = optax.tree.norm(residual, squared=True)
        conjugation = squared_norm / state.squared_norm
        direction = optax.tree.add_scale(residual, conjugation, state.direction)
        return ConjugateGradientState(
            solution, residual, direction, squared_norm, state.iteration + 1, negative
        )

    start = ConjugateGradientState(
        solution=optax.tree.zeros_like(target),
        residual=target,
        direction=target,
        squared_norm=target_norm**2,
        iteration=jnp.zeros((), int),
        stop=jnp.zeros((), bool),
    )
    return jax.lax.while_loop(unfinished, iterate, start).solution


@option
class LBFGS(CurvatureRule):
    """theta <- theta - a * learning_rate * P g: P from the last steps, a from a line search.

    P approximates the inverse Hessian by differences of parameters and gradients over the last
    `memory` steps (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5). The line
    search takes at most `search_steps` evaluations of the batch's loss to find an a that satisfies
    the strong Wolfe conditions (their algorithms 3.5 and 3.6).
    """

    learning_rate: float = number(1.0, above=0)
    memory: int = number(10, minimum=1)
    search_steps: int = number(20, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule with its zoom line search."""
        search = optax.scale_by_zoom_linesearch(self.search_steps, initial_guess_strategy="one")
        rule = optax.lbfgs(learning_rate, memory_size=self.memory, linesearch=search)

        def update(
            gradient: Params,
            state: optax.OptState,
            params: Params,
            *,
            value: Float[Array, ""],
            grad: Params,
            value_fn: Loss,
            **_: Any,
        ) -> tuple[Params, optax.OptState]:
            return rule.update(gradient, state, params, value=value, grad=grad, value_fn=value_fn)

        return optax.GradientTransformationExtraArgs(rule.init, update)


class SophiaState(NamedTuple):
    """Two moving averages and the number of steps."""

    m: Params  # of the gradient
    h: Params  # of the estimates of the Hessian's diagonal
    step: Int[Array, ""]


@option
class Sophia(Optimizer):
    """theta <- theta - learning_rate * (clip(m / max(rho * h, eps), -1, 1) + weight_decay * theta).

    m <- b1 * m + (1 - b1) * g, and every `interval` steps h <- b2 * h + (1 - b2) * u * (H u) with u
    from N(0, I), Hutchinson's estimate of the Hessian's diagonal. Liu et al. 2023, algorithm 3
    (Sophia-H); their Sophia-G estimates the diagonal with labels drawn from the model. Their
    `gamma` is `rho`. Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.96, minimum=0, below=1)
    b2: float = number(0.99, minimum=0, below=1)
    rho: float = number(0.01, above=0)
    eps: float = number(1e-12, above=0)
    interval: int = leaf(10, minimum=1)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return a clipped step, scaled by an estimate of the diagonal of the Hessian."""

        def init(params: Params) -> SophiaState:
            zeros = optax.tree.zeros_like(params)
            return SophiaState(zeros, zeros, jnp.zeros((), int))

        def update(
            gradient: Params,
            state: SophiaState,
            params: Params,
            *,
            value_fn: Loss,
            key: PRNGKeyArray,
            **_: Any,
        ) -> tuple[Params, SophiaState]:
            def estimated(h: Params) -> Params:
                return moving_average(h, hessian_diagonal(value_fn, params, key), self.b2)

            h = jax.lax.cond(state.step % self.interval == 0, estimated, lambda h: h, state.h)
            m = moving_average(state.m, gradient, self.b1)
            decay = decay_term(params, self.weight_decay, self.decay_all)
            updates = jax.tree.map(
                lambda m, h, d: (
                    -learning_rate * (jnp.clip(m / jnp.maximum(self.rho * h, self.eps), -1, 1) + d)
                ),
                m,
                h,
                decay,
            )
            return updates, SophiaState(m, h, state.step + 1)

        return optax.GradientTransformationExtraArgs(init, update)


def hessian_diagonal(loss: Loss, params: Params, key: PRNGKeyArray) -> Params:
    """Estimate the diagonal of the Hessian by u * (H u) with u from N(0, I) (Hutchinson 1989).

    Args:
        loss: a function of the parameters.
        params: where to differentiate it.
        key: draws u; every array gets a key of its own, in the order of JAX's trees.
    """
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    draws = [jax.random.normal(k, p.shape, p.dtype) for k, p in zip(keys, leaves, strict=True)]
    u = jax.tree.unflatten(tree, draws)
    return jax.tree.map(jnp.multiply, u, hessian_product(loss, params, u))


def hessian_product(loss: Loss, params: Params, vector: Params) -> Params:
    """Return H v, by forward-mode over reverse-mode differentiation (Pearlmutter 1994).

    Args:
        loss: a function of the parameters, whose Hessian is H.
        params: where to differentiate it.
        vector: v, in the structure of the parameters.
    """
    return jax.jvp(jax.grad(loss), (params,), (vector,))[1]


def _flatten(
    tree: Params,
) -> tuple[Float[Array, " numbers"], Callable[[Float[Array, " numbers"]], Params]]:
    """One vector of all numbers, and the function that undoes it."""
    from jax.flatten_util import ravel_pytree

    return ravel_pytree(tree)
