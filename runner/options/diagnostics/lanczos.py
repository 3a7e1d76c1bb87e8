"""The spectrum of a symmetric matrix that is known by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PRNGKeyArray

    Product = Callable[[Float[Array, " n"]], Float[Array, " n"]]
    """The product of the matrix and a vector."""

_BREAKDOWN = 1e-5
"""What is left of a product after all earlier vectors were taken away is taken for rounding if it
is shorter than this, relative to the largest product so far."""


class Spectrum(NamedTuple):
    """What is known of the eigenvalues.

    Attributes:
        eigenvalues: Ritz values, or all eigenvalues.
        weights: the share of the spectrum that each of them represents; their sum is 1.
        residuals: of each |A x - eigenvalue x| for its unit vector x: an eigenvalue of the matrix
            is at most this far away. They are not below the rounding of the largest eigenvalue.
        trace: the sum of all eigenvalues, or an estimate of it.
        trace_error: the standard error of the estimate; NaN of a single one.
    """

    eigenvalues: Float[Array, " values"]
    weights: Float[Array, " values"]
    residuals: Float[Array, " values"]
    trace: Float[Array, ""]
    trace_error: Float[Array, ""]


def whole_spectrum(product: Product, size: int) -> Spectrum:
    """Return all eigenvalues, from the whole matrix.

    Args:
        product: the product of the matrix and a vector.
        size: n, the number of rows.
    """
    matrix = jax.lax.map(product, jnp.eye(size))
    eigenvalues, _ = _eigh((matrix + matrix.T) / 2)
    weights, rounding = jnp.full(size, 1 / size), jnp.full(size, _rounding(eigenvalues))
    return Spectrum(eigenvalues, weights, rounding, jnp.trace(matrix), jnp.zeros(()))


def lanczos_spectrum(
    product: Product, size: int, iterations: int, probes: int, key: PRNGKeyArray
) -> Spectrum:
    """Return the Ritz values of several starting vectors: stochastic Lanczos quadrature.

    Each starting vector v has random signs and the length 1. Lanczos' iteration makes of it a
    tridiagonal matrix T whose eigenvalues t_i, with eigenvectors s_i, are Gaussian quadrature: v'
    f(A) v is about sum_i s_i[1]^2 f(t_i), and its mean over v is the mean of f over the spectrum.
    The residual of t_i is the last off-diagonal number times |s_i[last]|.

    The trace is exact on the space that the iteration has reached, where the large eigenvalues are:
    it is that of T. What is left of it is estimated by z' A z, with z a vector of random signs made
    orthogonal to that space (Hutchinson 1990; Meyer et al. 2021), one for each starting vector.

    Ghorbani, Krishnan & Xiao 2019, algorithms 1 and 2; Golub & Welsch 1969. Every vector is made
    orthogonal to all earlier ones, twice. Where the iteration has exhausted what v reaches, it goes
    on with a random vector, which has weight 0.

    Args:
        product: the product of the matrix and a vector.
        size: n, the number of rows.
        iterations: how many products there are for each starting vector; at most n.
        probes: how many starting vectors.
        key: the random numbers.
    """

    def of_start(key: PRNGKeyArray) -> tuple[Array, Array, Array, Array]:
        diagonal, beside, basis = _tridiagonal(product, size, iterations, key)
        signs = jax.random.rademacher(jax.random.fold_in(key, iterations), (size,), float)
        rest = _orthogonal(basis, signs)
        trace = diagonal.sum() + rest @ product(rest)
        matrix = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
        values, vectors = _eigh(matrix)
        return values, vectors[0] ** 2 / probes, beside[-1] * jnp.abs(vectors[-1]), trace

    found = jax.lax.map(of_start, jax.random.split(key, probes))
    values, weights, residuals = (each.ravel() for each in found[:3])
    residuals = jnp.maximum(residuals, _rounding(values))
    trace = found[3].mean()
    error = jnp.sqrt(jnp.sum((found[3] - trace) ** 2) / (probes - 1) / probes)
    return Spectrum(
        values, weights, residuals, trace, error if probes > 1 else jnp.full((), jnp.nan)
    )


def _tridiagonal(
    product: Product, size: int, iterations: int, key: PRNGKeyArray
) -> tuple[Float[Array, " iterations"], Float[Array, " iterations"], Float[Array, "m n"]]:
    """The diagonal of T, the numbers beside it, and the vectors that T belongs to.

    The last number beside the diagonal has no place in T.
    """
    first = jax.random.rademacher(key, (size,), float) / jnp.sqrt(size)
    basis = jnp.zeros((iterations + 1, size)).at[0].set(first)

    def step(
        carry: tuple[Float[Array, "m n"], Float[Array, ""]], index: Int[Array, ""]
    ) -> tuple[tuple[Float[Array, "m n"], Float[Array, ""]], tuple[Array, Array]]:
        basis, longest = carry
        image = product(basis[index])
        alpha = basis[index] @ image
        longest = jnp.maximum(longest, _norm(image))
        rest = _orthogonal(basis, image)
        goes_on = _norm(rest) > _BREAKDOWN * longest
        beta = jnp.where(goes_on, _norm(rest), 0.0)

        def another() -> Float[Array, " n"]:
            random = jax.random.normal(jax.random.fold_in(key, index), (size,))
            return _orthogonal(basis, random / _norm(random))

        rest = jax.lax.cond(goes_on, lambda: rest, another)
        # With as many iterations as rows nothing is left after the last one.
        direction = rest / jnp.maximum(_norm(rest), jnp.finfo(rest.dtype).tiny)
        return (basis.at[index + 1].set(direction), longest), (alpha, beta)

    start = basis, jnp.zeros(())
    (basis, _), (diagonal, beside) = jax.lax.scan(step, start, jnp.arange(iterations))
    return diagonal, beside, basis[:-1]


def _orthogonal(basis: Float[Array, "m n"], vector: Float[Array, " n"]) -> Float[Array, " n"]:
    """A vector without its parts along the vectors of a basis; twice, for what rounding leaves."""
    for _ in range(2):
        vector = vector - _times(_times(basis, vector), basis)
    return vector


def _eigh(matrix: Float[Array, "m m"]) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
    """Eigenvalues and eigenvectors; NaN of a matrix that is not finite."""
    finite = jnp.isfinite(matrix).all()
    found = jnp.linalg.eigh(jnp.where(finite, matrix, jnp.eye(len(matrix))))
    values, vectors = (jnp.where(finite, each, jnp.nan) for each in found)
    return values, vectors


def _rounding(eigenvalues: Float[Array, " values"]) -> Float[Array, ""]:
    return jnp.finfo(eigenvalues.dtype).eps * jnp.abs(eigenvalues).max()


def _times(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision="highest")


def _norm(vector: Float[Array, " n"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(vector**2))
