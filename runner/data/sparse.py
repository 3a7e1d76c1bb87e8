"""Synthetic classification with sparse features, of which the rare ones say as much as the common.

The setting for which J. Duchi, E. Hazan & Y. Singer (Adaptive Subgradient Methods for Online
Learning and Stochastic Optimization, 2011, section 1.3) made AdaGrad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.data.generated import Generated
from runner.data.source import Split
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, PRNGKeyArray


@option
class SparseFeatures(Generated):
    """x_j is 1 with the probability 1 / j, else 0; the class says whether x' w > 0.

    The weights are w_j = +-sqrt(j): the rarer a feature, the more it says where it is present, and
    on average all say the same. So frequent words are to rare ones in text (Zipf's law). Signs and
    examples are drawn from `sparse_seed` and not from the run's seed, so that runs are compared on
    the same problem. There are 1,000 examples each for validation and test. `standardize` would
    divide a rare feature by its deviation, and so do by hand what AdaGrad does.
    """

    features: int = number(200, minimum=1)
    train_examples: int = number(4000, minimum=1)
    sparse_seed: int = number(0, minimum=0)

    classes = 2
    seed_field: ClassVar[str] = "sparse_seed"

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """One axis of features."""
        return (self.features,)

    def stored(self, random: Any, examples: int) -> Split:
        """Draw which features are present, and label them."""
        drawn = random.random((examples, self.features), np.float32)
        inputs = self._present(np, drawn).astype(np.float32)
        return Split(inputs, (inputs @ self.weights() > 0).astype(np.int32))

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Float[Array, "examples features"], Int[Array, " examples"]]:
        """Draw new examples."""
        drawn = jax.random.uniform(key, (examples, self.features))
        inputs = self._present(jnp, drawn).astype(float)
        return inputs, (inputs @ self.weights() > 0).astype(int)

    def weights(self) -> npt.NDArray[np.float32]:
        """Draw the signs of the weights, and return w [features]."""
        signs = np.random.default_rng([self.sparse_seed, 0]).choice([-1.0, 1.0], self.features)
        return (signs * np.sqrt(np.arange(1, self.features + 1))).astype(np.float32)

    def _present(self, numpy: Any, drawn: Any) -> Any:
        """Which features are present, from uniform numbers; of NumPy or `jax.numpy`."""
        return drawn * numpy.arange(1, self.features + 1) < 1
