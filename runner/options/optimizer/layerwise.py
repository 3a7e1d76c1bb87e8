"""Methods that look at whole layers: the norm of a weight matrix, its rows, its singular values.

A layer is one array of parameters: a kernel, a bias. As is usual, weight decay leaves biases and
normalizations alone unless `decay_all`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.adam import Adam
from runner.options.optimizer.base import Optimizer, decay_mask, decayed, zeros
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@option
class LARS(Optimizer):
    """v <- momentum * v + learning_rate * r * (g + weight_decay * theta);  theta <- theta - v.

    r = trust_coefficient * ||theta|| / (||g|| + weight_decay * ||theta||) for each layer: its step
    is a fixed fraction of its weights. You, Gitman & Ginsburg 2017, algorithm 1 (optax has the norm
    of the sum in the denominator). r is 1 for biases and normalizations, as in MLPerf, and where
    a norm is zero.
    """

    learning_rate: float = number(1.0, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    trust_coefficient: float = number(0.001, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Layer-wise adaptive rate scaling."""

        def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            decay = decayed(params, self.weight_decay, self.decay_all)

            def step(
                scaled: bool, v: Float[Array, "..."], g: Float[Array, "..."], *rest: Any
            ) -> Float[Array, "..."]:
                d, p = rest
                size = jnp.linalg.norm(p.ravel())
                below = jnp.linalg.norm(g.ravel()) + jnp.linalg.norm(d.ravel())
                defined = (size > 0) & (below > 0)
                ratio = self.trust_coefficient * size / jnp.where(defined, below, 1)
                ratio = jnp.where(defined, ratio, 1.0) if scaled else 1.0
                return self.momentum * v + learning_rate * ratio * (g + d)

            scaled = decay_mask(False)(params)
            state = jax.tree.map(step, scaled, state, gradient, decay, params)
            return jax.tree.map(jnp.negative, state), state

        return optax.GradientTransformation(zeros, update)


@option
class LAMB(Optimizer):
    """theta <- theta - learning_rate * ||theta|| / ||r|| * r, for each layer.

    r = m^ / (sqrt(v^) + eps) + weight_decay * theta is AdamW's step; the ratio is 1 where a norm is
    zero. You et al. 2020, algorithm 2, with phi the identity.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-6, above=0)
    weight_decay: float = number(0.01, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Layer-wise scaled Adam."""
        return optax.lamb(
            learning_rate,
            b1=self.b1,
            b2=self.b2,
            eps=self.eps,
            weight_decay=self.weight_decay,
            mask=decay_mask(self.decay_all),
        )


class NovoGradState(NamedTuple):
    """The first moment of every parameter, the second of every layer, and whether it has begun."""

    m: Any
    v: Any
    begun: Bool[Array, ""]


@option
class NovoGrad(Optimizer):
    """theta <- theta - learning_rate * m, gradients being normalized by the norm of their layer.

    m <- b1 * m + g / (sqrt(v) + eps) + weight_decay * theta, and
    v <- b2 * v + (1 - b2) * ||g||^2 is one number a layer; it starts at the first ||g||^2.
    Ginsburg et al. 2019, algorithm 1.
    """

    learning_rate: float = number(0.01, minimum=0)
    b1: float = number(0.95, minimum=0, below=1)
    b2: float = number(0.98, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Normalized by layers."""

        def init(params: Any) -> NovoGradState:
            v = jax.tree.map(lambda p: jnp.zeros((), p.dtype), params)
            return NovoGradState(zeros(params), v, jnp.zeros((), bool))

        def update(
            gradient: Any, state: NovoGradState, params: Any = None
        ) -> tuple[Any, NovoGradState]:
            def second(v: Float[Array, ""], g: Float[Array, "..."]) -> Float[Array, ""]:
                square = jnp.sum(g**2)
                return jnp.where(state.begun, self.b2 * v + (1 - self.b2) * square, square)

            v = jax.tree.map(second, state.v, gradient)
            decay = decayed(params, self.weight_decay, self.decay_all)
            m = jax.tree.map(
                lambda m, g, v, d: self.b1 * m + g / (jnp.sqrt(v) + self.eps) + d,
                state.m,
                gradient,
                v,
                decay,
            )
            updates = jax.tree.map(lambda m: -learning_rate * m, m)
            return updates, NovoGradState(m, v, jnp.ones((), bool))

        return optax.GradientTransformation(init, update)


@option
class Adafactor(Optimizer):
    """Second moments from row and column means, updates clipped and scaled to the weights.

    For a matrix V^ = R C^T / mean(R), with R and C running means of the rows and columns of g^2 +
    1e-30 under the decay 1 - t^(-decay_rate); U = g / sqrt(V^), divided by max(1, RMS(U) /
    clipping_threshold); theta <- theta - learning_rate * max(1e-3, RMS(theta)) * U. Vectors keep
    the whole second moment. Shazeer & Stern 2018, algorithms 4 and 5; the paper's relative step
    min(0.01, 1/sqrt(t)) is `schedule=inverse_sqrt` with `schedule.unit=step` and a timescale of
    10000, at this learning rate. optax factors only dimensions of 128 and more; here all are.
    """

    learning_rate: float = number(0.01, minimum=0)
    decay_rate: float = number(0.8, above=0, maximum=1)
    clipping_threshold: float = number(1.0, above=0)
    factored: bool = True

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Factored second moments."""
        return optax.adafactor(
            learning_rate,
            min_dim_size_to_factor=2,
            decay_rate=self.decay_rate,
            clipping_threshold=self.clipping_threshold,
            factored=self.factored,
        )


@option
class Muon(Optimizer):
    """theta <- theta - learning_rate * (sqrt(max(1, out/in)) * O + weight_decay * theta).

    O is the momentum m <- momentum * m + g (Nesterov's g + momentum * m) brought near an orthogonal
    matrix by `iterations` of X <- a X + (b A + c A^2) X, A = X X^T, from X = m / ||m||, with
    (a, b, c) = (3.4445, -4.7750, 2.0315). Jordan et al. 2024. Kernels of hidden layers only, those
    of convolutions as matrices of (height * width * in) by out; everything else (biases,
    normalizations, the last layer) is trained by Adam at `adam_learning_rate` with its defaults.
    The schedule multiplies both rates.
    """

    learning_rate: float = number(0.02, above=0)
    momentum: float = number(0.95, minimum=0, below=1)
    iterations: int = number(5, minimum=1, maximum=20)
    adam_learning_rate: float = number(0.001, minimum=0)
    weight_decay: float = number(0.0, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Orthogonalized momentum for hidden kernels, Adam for the rest."""
        rate = self.adam_learning_rate * (learning_rate / self.learning_rate)
        rules = {"muon": self._orthogonal(learning_rate), "adam": _adam().build(rate)}
        return optax.partition(rules, _hidden_kernels)

    def _orthogonal(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            state = jax.tree.map(lambda m, g: self.momentum * m + g, state, gradient)

            def step(
                m: Float[Array, "..."], g: Float[Array, "..."], p: Float[Array, "..."]
            ) -> Float[Array, "..."]:
                matrix = (g + self.momentum * m).reshape(-1, g.shape[-1])
                rows, columns = matrix.shape
                scale = max(1.0, columns / rows) ** 0.5
                direction = scale * orthogonalized(matrix, self.iterations).reshape(g.shape)
                return -learning_rate * (direction + self.weight_decay * p)

            return jax.tree.map(step, state, gradient, params), state

        return optax.GradientTransformation(zeros, update)


def _adam() -> Adam:
    """Adam with the numbers of its paper."""
    return Adam(learning_rate=0.001, b1=0.9, b2=0.999, eps=1e-8)


def _hidden_kernels(params: Any) -> Any:
    """`muon` for the kernels of hidden layers, `adam` for everything else."""

    def label(path: Any, leaf: Float[Array, "..."]) -> str:
        names = [getattr(key, "key", "") for key in path]
        return "adam" if leaf.ndim < 2 or "logits" in names else "muon"

    return jax.tree_util.tree_map_with_path(label, params)


def orthogonalized(matrix: Float[Array, "rows columns"], iterations: int) -> Any:
    """The matrix with its singular values brought near 1 by Newton and Schulz's iteration."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
