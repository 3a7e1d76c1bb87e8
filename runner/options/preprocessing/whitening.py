"""Whitening: linear maps after which the features are uncorrelated and have equal variances.

C is the covariance of the n training examples, 1/n times the sum of (x - mean) (x - mean)' (the
biased estimate, as in `standardize`), U has its eigenvectors in columns, lambda are its
eigenvalues, and s is the mean of the variances of all features. `epsilon` is relative to s,

    D = diag(1 / sqrt(lambda + epsilon * s)),

which whitens C + epsilon * s * I, an estimate of the covariance that is shrunk towards a multiple
of the identity, the target of Ledoit & Wolf 2004. So the same epsilon means the same for pixels
from 0 to 255 and from 0 to 1. With epsilon = 0 the training inputs are exactly white; a larger one
amplifies less the directions in which they hardly vary, which are mostly noise.

Directions in which the training inputs do not vary, as those of constant pixels, are mapped to 0 in
every split, however small epsilon is: 1 / sqrt(lambda) would multiply rounding errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jnp, np
from runner.options.layer import Shape
from runner.options.option import Facts, number, option
from runner.options.preprocessing.base import Preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Num

BLOCK = 4096
"""How many examples are converted to float64 at a time: 26 MB of MNIST."""


class PrincipalAxes(NamedTuple):
    """The directions in which the training inputs vary, the largest variance first.

    An axis in which they do not vary is 0, with a variance of 1.
    """

    mean: Float[Array, " features"] | npt.NDArray
    axes: Float[Array, "features components"] | npt.NDArray  # columns of U
    variances: Float[Array, " components"] | npt.NDArray  # lambda
    mean_variance: Float[Array, ""] | npt.NDArray  # s, of a feature


class CentredMap(NamedTuple):
    """The map (x - offset) @ matrix."""

    offset: Float[Array, " features"] | npt.NDArray
    matrix: Float[Array, "features outputs"]


def principal_axes(inputs: npt.NDArray, components: int | None) -> PrincipalAxes:
    """Compute the principal axes of examples `[examples, *feature]`, in float64.

    The sign of an eigenvector is arbitrary; here its entry of largest magnitude is positive, as in
    scikit-learn from 1.5 on. A variance counts as 0 where it is at most `features * 2.2e-16` times
    the largest one, the error of the computed eigenvalues (the rule of `numpy.linalg.matrix_rank`).

    Args:
        inputs: the examples.
        components: how many axes to keep; None: as many as there are features.
    """
    rows = inputs.reshape(len(inputs), -1)
    mean = rows.mean(axis=0, dtype=float)
    total = covariance(rows, mean)
    variances, axes = np.linalg.eigh(total)
    variances, axes = variances[::-1][:components], axes[:, ::-1][:, :components]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    varies = variances > variances[0] * len(mean) * np.finfo(float).eps
    mean_variance = np.trace(total) / len(mean)
    return PrincipalAxes(mean, axes * varies, np.where(varies, variances, 1.0), mean_variance)


def covariance(rows: npt.NDArray, mean: npt.NDArray, block: int = BLOCK) -> npt.NDArray:
    """Compute the biased covariance of the columns of `rows`, some rows at a time.

    Args:
        rows: examples, of shape `[examples, features]` and any type of number.
        mean: of each column.
        block: how many rows are converted to float64 at a time.
    """
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(rows), block):
        centred = rows[start : start + block] - mean
        total += centred.T @ centred
    return total / len(rows)


class _Whitening(Preprocessing[PrincipalAxes]):
    """What both kinds of whitening share: the fit, and the product with a matrix."""

    components: int | None
    epsilon: float

    def fit(self, inputs: npt.NDArray) -> PrincipalAxes:
        """Return the principal axes."""
        return principal_axes(inputs, self.components)

    def __call__(
        self, statistics: CentredMap, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch outputs"]:
        """Return the product of the centred inputs with the matrix."""
        return _product(inputs.reshape(len(inputs), -1) - statistics.offset, statistics.matrix)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse more components than there are features."""
        features = math.prod(facts.stored_shape)
        if self.components is not None and self.components > features:
            yield (
                "components",
                f"{self.components:,} is more than the {features:,} features of an example",
            )

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say where the examples are too few to vary in all the directions."""
        wanted = self.components or math.prod(facts.stored_shape)
        if facts.train_examples <= wanted:
            yield (
                f"{facts.train_examples:,} training examples vary in {facts.train_examples - 1:,} "
                f"directions at most; the others of {wanted:,} components are 0"
            )

    def _scaled(self, axes: PrincipalAxes) -> Float[Array, "features components"]:
        """Return U D: the axes, divided by the deviations along them."""
        variances = axes.variances + self.epsilon * axes.mean_variance
        return jnp.divide(axes.axes, jnp.sqrt(variances))


def _product(
    left: Float[Array, "m k"], right: Float[Array, "k n"] | npt.NDArray
) -> Float[Array, "m n"]:
    """Return a matrix product in float32.

    Accelerators would round the factors, and with them the differences that are amplified.
    """
    return jnp.matmul(left, right, precision="highest")


@option
class PCAWhiten(_Whitening):
    """y = D U' (x - mean), with D = diag(1 / sqrt(lambda + epsilon * s)): a vector of components.

    Whitened principal components, the one of largest variance first; C = U diag(lambda) U' is the
    (biased) covariance of the training inputs, and s their mean variance. Components in which the
    training inputs do not vary are 0. The places of the pixels are lost, so an image cannot be read
    by `cnn` and `rnn`; `zca_whiten` keeps it. Each example of each step takes features * components
    multiplications; with few components a smaller first layer saves as much.

    Definitions differ. scikit-learn's PCA(whiten=True) has no epsilon and divides by the unbiased
    variance, so its numbers are smaller by sqrt((n - 1) / n). The UFLDL tutorial (Ng et al. 2011)
    adds an absolute epsilon, for inputs on [0, 1]; divided by s it is this one (for MNIST, s =
    0.067, 1e-5 there is 1.5e-4 here).
    """

    components: int | None = number(None, minimum=1)
    epsilon: float = number(0.01, minimum=0)

    def ready(self, statistics: PrincipalAxes) -> CentredMap:
        """Return the matrix U D."""
        return CentredMap(statistics.mean, self._scaled(statistics))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of components."""
        return (self.components or math.prod(shape),)

    def pictured(
        self, statistics: PrincipalAxes, outputs: Float[Array, "batch components"]
    ) -> Float[Array, "batch features"]:
        """Return U y: for each example the sum of its axes, weighted by its components."""
        return _product(outputs, statistics.axes.T)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse to take an image from a model that reads it by its places."""
        yield from super().conflicts(facts)
        if facts.model_is_spatial and len(facts.stored_shape) > 1:
            yield (
                "name",
                "components have no places as pixels have, by which the model reads an image; use "
                "preprocessing=zca_whiten, which keeps the image, or model=mlp",
            )


@option
class ZCAWhiten(_Whitening):
    """y = U D U' (x - mean), with D = diag(1 / sqrt(lambda + epsilon * s)): an image stays one.

    Of all whitened inputs the one nearest to the centred x (Bell & Sejnowski 1997; Krizhevsky 2009,
    appendix A): edges and fine detail, where neighbouring pixels differ. C = U diag(lambda) U' is
    the (biased) covariance of the training inputs, and s their mean variance. `components` keeps
    that many directions, the largest variances first, and removes the others from the image; so do
    directions in which the training inputs do not vary. The map is one matrix, so each example of
    each step takes features * features multiplications, however many directions are kept.

    Definitions differ in epsilon: Krizhevsky has none; Keras's ImageDataGenerator adds 1e-6 to the
    eigenvalues, Coates & Ng 2012 add 0.01 to 0.1, for patches with normalized contrast. Such an
    absolute number divided by s is this one.
    """

    components: int | None = number(None, minimum=1)
    epsilon: float = number(0.01, minimum=0)

    def ready(self, statistics: PrincipalAxes) -> CentredMap:
        """Return the matrix U D U'."""
        matrix = _product(self._scaled(statistics), statistics.axes.T)
        return CentredMap(statistics.mean, matrix)

    def __call__(
        self, statistics: CentredMap, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return the whitened inputs, in their shape."""
        return super().__call__(statistics, inputs).reshape(inputs.shape)
