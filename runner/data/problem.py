"""Problems with known answers: a loss with parameters of its own, in the place of a network.

A problem starts at a known point and has known minima, so the recorded *error* is the distance of
the parameters from the nearest one (and not a rate of mistakes). Model, activation, initializer,
normalization and preprocessing have no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from runner.data.source import Source
from runner.lazy import jnp
from runner.measures import ErrorKind

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from runner.options.layer import Layer, Params


class Problem(Source):
    """A loss of its own parameters."""

    classes = 0
    error_kind: ClassVar[ErrorKind] = ErrorKind.DISTANCE
    ignores: ClassVar[tuple[str, ...]] = (
        "model",
        "activation",
        "initializer",
        "normalization",
        "regularization",
        "preprocessing",
    )

    def start(self) -> Float[Array, " n"]:
        """The parameters before the first step."""
        raise NotImplementedError

    def network(self) -> Layer:
        """The parameters `theta`, handed as they are to every example of a batch with its input."""
        from runner.options.layer import Layer

        def apply(
            params: Params, state: Params, inputs: Float[Array, "batch k"], training: bool
        ) -> tuple[Float[Array, "batch m"], Params]:
            theta = jnp.broadcast_to(params["theta"], (len(inputs), len(params["theta"])))
            return jnp.concatenate([theta, inputs], axis=1), state

        return Layer(init=lambda key, shape: ({"theta": self.start()}, {}, shape), apply=apply)
