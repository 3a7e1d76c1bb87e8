"""Second-order methods: steps from the curvature of the batch's loss.

H is the Hessian of the loss of the current batch, so small batches give noisy curvature: these
methods are at home with `batch_size=full`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer, decayed, zeros
from runner.options.option import Facts, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int


class _SecondOrder(Optimizer):
    """What the family shares."""

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say so when the batch is not full."""
        if facts.batch_size < facts.train_examples:
            yield (
                "the optimizer takes the curvature from a batch of "
                f"{facts.batch_size}, which is noisy; it is meant for batch_size=full"
            )


@option
class Newton(_SecondOrder):
    """theta <- theta - learning_rate * (H + damping * I)^-1 g.

    Newton's method with a regularized Hessian, Goodfellow et al. 2016, eq. 8.28 and algorithm 8.1:
    `damping` must exceed the most negative eigenvalue for the step to descend. The whole matrix is
    held and factored, n^2 numbers and n^3 operations a step: models with more than
    `max_parameters` are refused.
    """

    learning_rate: float = number(1.0, minimum=0)
    damping: float = number(1.0, minimum=0)
    max_parameters: int = number(2000, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The damped Newton step."""

        def update(
            gradient: Any, state: Any, params: Any = None, *, value_fn: Any, **extra: Any
        ) -> tuple[Any, Any]:
            flat, unflatten = _flat(params)
            slope, _ = _flat(gradient)
            hessian = jax.hessian(lambda point: value_fn(unflatten(point)))(flat)
            damped = hessian + self.damping * jnp.eye(len(flat), dtype=flat.dtype)
            return unflatten(-learning_rate * jnp.linalg.solve(damped, slope)), state

        return optax.GradientTransformationExtraArgs(lambda params: (), update)

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


class _Search(NamedTuple):
    """The state of the conjugate gradients."""

    solution: Any
    residual: Any
    direction: Any
    square: Float[Array, ""]
    iteration: Int[Array, ""]
    stop: Bool[Array, ""]


@option
class NewtonCG(_SecondOrder):
    """theta <- theta - learning_rate * d, (H + damping * I) d = g solved by conjugate gradients.

    At most `iterations` products of the Hessian with a vector (each costs about two gradients; the
    matrix is never formed), until ||residual|| <= min(1/2, sqrt(||g||)) * ||g||. A direction of
    negative curvature ends the search with what has been found so far, which is a descent
    direction. Nocedal & Wright 2006, algorithm 7.1 without its line search; Martens 2010.
    """

    learning_rate: float = number(1.0, minimum=0)
    damping: float = number(1.0, minimum=0)
    iterations: int = leaf(20, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The truncated Newton step."""

        def update(
            gradient: Any, state: Any, params: Any = None, *, value_fn: Any, **extra: Any
        ) -> tuple[Any, Any]:
            def curvature(vector: Any) -> Any:
                product = hessian_times(value_fn, params, vector)
                return jax.tree.map(lambda h, v: h + self.damping * v, product, vector)

            found = conjugate_gradients(curvature, gradient, self.iterations)
            return jax.tree.map(lambda d: -learning_rate * d, found), state

        return optax.GradientTransformationExtraArgs(lambda params: (), update)


def conjugate_gradients(product: Callable[[Any], Any], target: Any, iterations: Any) -> Any:
    """Solve A d = target for a symmetric A that is known by its products (see `NewtonCG`)."""
    size = optax.tree.norm(target)
    tolerance = jnp.minimum(0.5, jnp.sqrt(size)) * size

    def unfinished(search: _Search) -> Bool[Array, ""]:
        far = jnp.sqrt(search.square) > tolerance
        return far & ~search.stop & (search.iteration < iterations)

    def one(search: _Search) -> _Search:
        image = product(search.direction)
        bend = optax.tree.vdot(search.direction, image)
        negative = bend <= 0
        step = search.square / jnp.where(negative, 1.0, bend)
        # At once negative: the gradient itself.
        step = jnp.where(negative, jnp.where(search.iteration == 0, 1.0, 0.0), step)
        solution = optax.tree.add_scale(search.solution, step, search.direction)
        residual = optax.tree.add_scale(search.residual, -step, image)
        square = optax.tree.norm(residual, squared=True)
        direction = optax.tree.add_scale(residual, square / search.square, search.direction)
        return _Search(solution, residual, direction, square, search.iteration + 1, negative)

    nothing, no = jnp.zeros((), int), jnp.zeros((), bool)
    start = _Search(zeros(target), target, target, size**2, nothing, no)
    return jax.lax.while_loop(unfinished, one, start).solution


@option
class LBFGS(_SecondOrder):
    """theta <- theta - a * learning_rate * P g: P from the last steps, a from a line search.

    P approximates the inverse Hessian by differences of parameters and gradients over the last
    `memory` steps (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5); a fulfils
    the strong Wolfe conditions on the batch's loss, found in at most `search_steps` evaluations
    (their algorithms 3.5 and 3.6).
    """

    learning_rate: float = number(1.0, above=0)
    memory: int = number(10, minimum=1)
    search_steps: int = number(20, minimum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Limited-memory BFGS with optax's zoom line search."""
        search = optax.scale_by_zoom_linesearch(self.search_steps, initial_guess_strategy="one")
        rule = optax.lbfgs(learning_rate, memory_size=self.memory, linesearch=search)

        def update(
            gradient: Any,
            state: Any,
            params: Any = None,
            *,
            value: Any,
            grad: Any,
            value_fn: Any,
            **extra: Any,
        ) -> tuple[Any, Any]:
            return rule.update(gradient, state, params, value=value, grad=grad, value_fn=value_fn)

        return optax.GradientTransformationExtraArgs(rule.init, update)


class SophiaState(NamedTuple):
    """The moment of the gradient, that of the Hessian's diagonal, and the number of steps."""

    m: Any
    h: Any
    step: Int[Array, ""]


@option
class Sophia(Optimizer):
    """theta <- theta - learning_rate * (clip(m / max(rho * h, eps), -1, 1) + weight_decay * theta).

    m <- b1 * m + (1 - b1) * g, and every `interval` steps h <- b2 * h + (1 - b2) * u * (H u) with u
    from N(0, I), Hutchinson's estimate of the Hessian's diagonal. Liu et al. 2023, algorithm 3
    (Sophia-H); theirs with the labels drawn from the model is Sophia-G. Their `gamma` is `rho`.
    Biases and normalizations do not decay unless `decay_all`.
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
        """A clipped step over an estimate of the diagonal of the Hessian."""

        def init(params: Any) -> SophiaState:
            return SophiaState(zeros(params), zeros(params), jnp.zeros((), int))

        def update(
            gradient: Any,
            state: SophiaState,
            params: Any = None,
            *,
            value_fn: Any,
            key: Any,
            **extra: Any,
        ) -> tuple[Any, SophiaState]:
            def look(h: Any) -> Any:
                leaves, tree = jax.tree.flatten(params)
                keys = jax.random.split(key, len(leaves))
                draws = [
                    jax.random.normal(k, p.shape, p.dtype)
                    for k, p in zip(keys, leaves, strict=True)
                ]
                u = jax.tree.unflatten(tree, draws)
                product = hessian_times(value_fn, params, u)
                return jax.tree.map(
                    lambda h, u, hu: self.b2 * h + (1 - self.b2) * u * hu, h, u, product
                )

            h = jax.lax.cond(state.step % self.interval == 0, look, lambda h: h, state.h)
            m = jax.tree.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, state.m, gradient)
            decay = decayed(params, self.weight_decay, self.decay_all)
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


def hessian_times(function: Callable[[Any], Any], params: Any, vector: Any) -> Any:
    """H v, by forward-mode over reverse-mode differentiation (Pearlmutter 1994)."""
    return jax.jvp(jax.grad(function), (params,), (vector,))[1]


def _flat(tree: Any) -> tuple[Float[Array, " numbers"], Callable[[Any], Any]]:
    """One vector of all numbers, and the way back."""
    from jax.flatten_util import ravel_pytree

    return ravel_pytree(tree)
