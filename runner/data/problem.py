"""Problems with known solutions: a loss with its own parameters instead of a network.

A problem starts at a known point and has known minima, so the recorded *error* is the distance of
the parameters from the nearest minimum (and not an error rate). Model, activation, initializer,
normalization, regularization, augmentation and preprocessing have no effect.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from runner.data.source import Source
from runner.lazy import jnp
from runner.measures import ErrorKind
from runner.options.layer import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

    from runner.options.layer import Params


class Problem(Source):
    """A loss with its own parameters."""

    classes = 0
    ignores: ClassVar[tuple[str, ...]] = (
        "loss",
        "model",
        "activation",
        "initializer",
        "bias_initializer",
        "normalization",
        "regularization",
        "augmentation",
        "preprocessing",
    )

    @property
    def error_kind(self) -> ErrorKind:
        """A distance."""
        return ErrorKind.DISTANCE

    @abstractmethod
    def losses_and_errors(
        self, outputs: Float[Array, "batch m"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the value at the parameters for each example, and their distance."""

    @abstractmethod
    def start(self) -> Float[Array, " n"]:
        """Return the parameters before the first step."""

    def least_loss(self, split: str) -> float | None:
        """Return the least mean loss over a split, train, validation or test; None: not known.

        It is what rates of convergence subtract.
        """
        return None

    def curvatures(self) -> tuple[float, float] | None:
        """Return the least and the largest eigenvalue of a Hessian that is the same everywhere.

        None for what is no quadratic.
        """
        return None

    def network(self) -> Layer:
        """Return the layer whose output for an example is `[theta, input]`."""

        def apply(
            params: Params, state: Params, inputs: Float[Array, "batch k"], training: bool
        ) -> tuple[Float[Array, "batch m"], Params]:
            theta = jnp.broadcast_to(params["theta"], (len(inputs), len(params["theta"])))
            return jnp.concatenate([theta, inputs], axis=1), state

        return Layer(init=lambda key, shape: ({"theta": self.start()}, {}, shape), apply=apply)
