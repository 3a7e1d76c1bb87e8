"""Methods that treat each array of parameters as a whole: its norm, rows or singular values.

A "layer" in the papers' sense is one array here: a kernel, a bias. Biases and normalizations do
not decay unless `decay_all`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options import parameters
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.adam import Adam
from runner.options.optimizer.base import (
    Optimizer,
    StepInputs,
    UpdateRule,
    decay_mask,
    decay_term,
    scale,
)
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class LARSState(NamedTuple):
    """The velocity of every parameter, which includes the learning rates of past steps."""

    velocity: Params


@option
class LARS(UpdateRule[LARSState]):
    """v <- momentum * v + learning_rate * r * (g + weight_decay * theta);  theta <- theta - v.

    r = trust_coefficient * ||theta|| / (||g|| + weight_decay * ||theta||) for each layer, so that
    its step is a fixed fraction of the norm of its weights. You, Gitman & Ginsburg 2017, algorithm
    1 (optax has the norm of the sum in the denominator). r is 1 for biases and normalizations, as
    in MLPerf, and where a norm is zero.
    """

    learning_rate: float = number(1.0, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    trust_coefficient: float = number(0.001, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def init(self, params: Params) -> LARSState:
        """Return zero velocities."""
        return LARSState(optax.tree.zeros_like(params))

    def step(self, state: LARSState, inputs: StepInputs) -> tuple[Params, LARSState]:
        """Update by momentum on scaled gradients."""
        gradient, params, rate = inputs

        def advanced(
            scaled: bool,
            v: Float[Array, "..."],
            g: Float[Array, "..."],
            d: Float[Array, "..."],
            p: Float[Array, "..."],
        ) -> Float[Array, "..."]:
            ratio = self._trust_ratio(p, g, d) if scaled else 1.0
            return self.momentum * v + rate * ratio * (g + d)

        decay = decay_term(params, self.weight_decay, self.decay_all)
        scaled = parameters.mask(params, parameters.is_weight)
        velocity = jax.tree.map(advanced, scaled, state.velocity, gradient, decay, params)
        return jax.tree.map(jnp.negative, velocity), LARSState(velocity)

    def _trust_ratio(
        self, p: Float[Array, "..."], g: Float[Array, "..."], d: Float[Array, "..."]
    ) -> Float[Array, ""]:
        """The factor r of a layer with parameters p, gradient g and decay term d."""
        size = jnp.linalg.norm(p.ravel())
        denominator = jnp.linalg.norm(g.ravel()) + jnp.linalg.norm(d.ravel())
        defined = (size > 0) & (denominator > 0)
        ratio = self.trust_coefficient * size / jnp.where(defined, denominator, 1)
        return jnp.where(defined, ratio, 1.0)


@option
class LAMB(Optimizer):
    """theta <- theta - learning_rate * ||theta|| / ||r|| * r, for each layer.

    r = m^ / (sqrt(v^) + eps) + weight_decay * theta is the step of AdamW; the ratio is 1 where a
    norm is zero. You et al. 2020, algorithm 2, with phi the identity.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-6, above=0)
    weight_decay: float = number(0.01, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.lamb(
            learning_rate,
            b1=self.b1,
            b2=self.b2,
            eps=self.eps,
            weight_decay=self.weight_decay,
            mask=decay_mask(self.decay_all),
        )


class NovoGradState(NamedTuple):
    """The first moment of every parameter and the second moment of every layer."""

    m: Params
    v: Params  # one number for each layer
    started: Bool[Array, ""]  # whether there was a gradient before


@option
class NovoGrad(UpdateRule[NovoGradState]):
    """theta <- theta - learning_rate * m, with gradients normalized by the norm of their layer.

    m <- b1 * m + g / (sqrt(v) + eps) + weight_decay * theta, and
    v <- b2 * v + (1 - b2) * ||g||^2 is one number for each layer; it starts at the first ||g||^2.
    Ginsburg et al. 2019, algorithm 1.
    """

    learning_rate: float = number(0.01, minimum=0)
    b1: float = number(0.95, minimum=0, below=1)
    b2: float = number(0.98, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def init(self, params: Params) -> NovoGradState:
        """Return zero moments."""
        v = jax.tree.map(lambda p: jnp.zeros((), p.dtype), params)
        return NovoGradState(optax.tree.zeros_like(params), v, jnp.zeros((), bool))

    def step(self, state: NovoGradState, inputs: StepInputs) -> tuple[Params, NovoGradState]:
        """Update by momentum on normalized gradients."""
        gradient, params, rate = inputs
        squared_norms = jax.tree.map(lambda g: jnp.sum(g**2), gradient)
        # A decay of 0 starts the average at the first squared norm.
        v = moving_average(state.v, squared_norms, jnp.where(state.started, self.b2, 0.0))
        decay = decay_term(params, self.weight_decay, self.decay_all)
        m = jax.tree.map(
            lambda m, g, v, d: self.b1 * m + g / (jnp.sqrt(v) + self.eps) + d,
            state.m,
            gradient,
            v,
            decay,
        )
        return scale(-rate, m), NovoGradState(m, v, jnp.ones((), bool))


@option
class Adafactor(Optimizer):
    """Second moments from row and column means, updates clipped and scaled to the weights.

    For a matrix, V^ = R C^T / mean(R), with R and C the moving averages of the row and column means
    of g^2 + 1e-30 under the decay 1 - t^(-decay_rate); U = g / sqrt(V^), divided by max(1, RMS(U) /
    clipping_threshold); theta <- theta - learning_rate * max(1e-3, RMS(theta)) * U. Vectors keep
    the whole second moment. Shazeer & Stern 2018, algorithms 4 and 5. The paper's relative step
    min(0.01, 1/sqrt(t)) is `schedule=inverse_sqrt` with `schedule.unit=step` and a timescale of
    10000, at the default learning rate. optax factors only dimensions of 128 and more by default;
    here every matrix is factored.
    """

    learning_rate: float = number(0.01, minimum=0)
    decay_rate: float = number(0.8, above=0, maximum=1)
    clipping_threshold: float = number(1.0, above=0)
    factored: bool = True

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
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

    O is M = g + momentum * m (Nesterov), with m <- momentum * m + g, made nearly orthogonal by
    `iterations` of X <- a X + (b A + c A^2) X, A = X X^T, from X = M / ||M||, with (a, b, c) =
    (3.4445, -4.7750, 2.0315). Jordan et al. 2024. It applies to the kernels of hidden layers, where
    a kernel of a convolution is a matrix of (height * width * in) by out; everything else (biases,
    normalizations, the last layer) is trained by Adam with its default numbers, at
    `adam_learning_rate`. The schedule multiplies both rates.
    """

    learning_rate: float = number(0.02, above=0)
    momentum: float = number(0.95, minimum=0, below=1)
    iterations: int = number(5, minimum=1, maximum=20)
    adam_learning_rate: float = number(0.001, minimum=0)
    weight_decay: float = number(0.0, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the rule for hidden kernels, and Adam for the other parameters."""
        orthogonal = _Orthogonal(
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            iterations=self.iterations,
            weight_decay=self.weight_decay,
        )
        adam = Adam(learning_rate=self.adam_learning_rate, b1=0.9, b2=0.999, eps=1e-8)
        adam_rate = self.adam_learning_rate * (learning_rate / self.learning_rate)
        rules = {"muon": orthogonal.build(learning_rate), "adam": adam.build(adam_rate)}
        return optax.partition(rules, _rule_of_each)


def _rule_of_each(params: Params) -> Any:
    """The key of the rule of every array."""
    hidden = parameters.mask(params, parameters.is_hidden_kernel)
    return jax.tree.map(lambda is_hidden: "muon" if is_hidden else "adam", hidden)


class MuonState(NamedTuple):
    """The momentum of every hidden kernel."""

    m: Params


@option
class _Orthogonal(UpdateRule[MuonState]):
    """Muon's rule for the hidden kernels alone."""

    learning_rate: float
    momentum: float
    iterations: int
    weight_decay: float

    def init(self, params: Params) -> MuonState:
        """Return zero momentum."""
        return MuonState(optax.tree.zeros_like(params))

    def step(self, state: MuonState, inputs: StepInputs) -> tuple[Params, MuonState]:
        """Update by orthogonalized Nesterov momentum and the weight decay."""
        gradient, params, rate = inputs
        m = jax.tree.map(lambda m, g: self.momentum * m + g, state.m, gradient)

        def update(
            m: Float[Array, "..."], g: Float[Array, "..."], p: Float[Array, "..."]
        ) -> Float[Array, "..."]:
            matrix = (g + self.momentum * m).reshape(-1, g.shape[-1])
            rows, columns = matrix.shape
            size = max(1.0, columns / rows) ** 0.5
            direction = size * orthogonalized(matrix, self.iterations).reshape(g.shape)
            return -rate * (direction + self.weight_decay * p)

        return jax.tree.map(update, m, gradient, params), MuonState(m)


def orthogonalized(
    matrix: Float[Array, "rows columns"], iterations: int
) -> Float[Array, "rows columns"]:
    """Return the matrix with singular values near 1, by the Newton-Schulz iteration."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
