"""The classic surfaces in two dimensions, on which the path of an optimizer can be drawn.

The gradient is exact (add noise with `gradient=noise`). Since there are no examples, an epoch is
`steps_per_epoch` steps, and `batch_size` and `sampling` have no effect.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Split
from runner.lazy import jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

    from runner.options.layer import Params

_HELD_OUT = 1


class Surface(Problem):
    """A function of x and y, its start and its minima."""

    x: float
    y: float
    steps_per_epoch: int

    input_shape = (0,)
    ignores: ClassVar[tuple[str, ...]] = (*Problem.ignores, "batch_size", "sampling")
    minima: ClassVar[tuple[tuple[float, float], ...]]
    """The points where the function is smallest; none if it has no minimum."""

    @staticmethod
    @abstractmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y), for numbers or arrays of NumPy or JAX of one shape."""

    def sizes(self) -> Sizes:
        """Return one placeholder for each step, and one each for validation and test."""
        return Sizes(self.steps_per_epoch, _HELD_OUT, _HELD_OUT)

    def load(self) -> Dataset:
        """Return placeholders without features: the function needs no data."""
        return Dataset(
            *(
                Split(np.zeros((size, 0), np.float32), np.zeros(size, np.int32))
                for size in self.sizes()
            )
        )

    def start(self) -> Float[Array, " 2"]:
        """Return (x, y)."""
        return jnp.stack([jnp.asarray(self.x, float), jnp.asarray(self.y, float)])

    def position(self, params: Params) -> Float[Array, " 2"]:
        """Return (x, y)."""
        return params["theta"]

    def losses_and_errors(
        self, outputs: Float[Array, "batch 2"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return f and the distance to the nearest minimum, or to (0, 0) where there is none."""
        offsets = outputs[:, None, :] - jnp.asarray(self.minima or [(0.0, 0.0)])
        return self.value(*outputs.T), jnp.linalg.norm(offsets, axis=-1).min(axis=1)


@option
class Rosenbrock(Surface):
    """f = (1 - x)^2 + 100 (y - x^2)^2: a bent valley; the minimum 0 is at (1, 1).

    Rosenbrock 1960, with his start (-1.2, 1).
    """

    x: float = number(-1.2)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((1.0, 1.0),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y)."""
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@option
class Beale(Surface):
    """f = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: minimum 0 at (3, 0.5).

    Beale 1958: plateaus with sharp ridges, with his start (1, 1).
    """

    x: float = number(1.0)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((3.0, 0.5),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y)."""
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


@option
class Saddle(Surface):
    """f = x^2 - y^2: a saddle point at (0, 0) and no minimum; the error is the distance from it.

    It starts next to the ridge, at (1, 0.001): exactly on the ridge, y = 0, y would never change.
    """

    x: float = number(1.0)
    y: float = number(0.001)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ()

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y)."""
        return x**2 - y**2


@option
class Ravine(Surface):
    """f = (x^2 + 50 y^2) / 2: a long ravine whose walls curve 50 times more; minimum 0 at (0, 0).

    Gradient descent is stable for learning rates below 2/50, and needs about 50 times more steps
    along x than along y: the example that motivates momentum.
    """

    x: float = number(-4.0)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 0.0),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y)."""
        return (x**2 + 50 * y**2) / 2


@option
class Himmelblau(Surface):
    """f = (x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima, all 0.

    Himmelblau 1972. It starts at (0, 0), near the local maximum at (-0.27, -0.92).
    """

    x: float = number(0.0)
    y: float = number(0.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286169),
        (3.584428340330492, -1.848126526964404),
    )

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """Return f(x, y)."""
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
