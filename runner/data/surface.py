"""The classic surfaces in two dimensions: where one can watch an optimizer walk.

The gradient is exact (add noise with `gradient=noise`). Since there are no examples, an epoch is
`steps_per_epoch` steps, and `batch_size` and `sampling` have no part in it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Split
from runner.lazy import jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

    from runner.options.layer import Params

_HELD_OUT = 1


class Surface(Problem):
    """A function of x and y, where it starts and where its minima are."""

    x: float
    y: float
    steps_per_epoch: int

    input_shape = (0,)
    ignores: ClassVar[tuple[str, ...]] = (*Problem.ignores, "batch_size", "sampling")
    minima: ClassVar[tuple[tuple[float, float], ...]]
    """The points where the function is least; none where it has no minimum."""

    @staticmethod
    @abstractmethod
    def value(x: Any, y: Any) -> Any:
        """f(x, y), of numbers or arrays."""

    def sizes(self) -> Sizes:
        """One placeholder a step, and one each for validation and test."""
        return Sizes(self.steps_per_epoch, _HELD_OUT, _HELD_OUT)

    def load(self) -> Dataset:
        """Placeholders: the function needs no data."""
        return Dataset(
            *(
                Split(np.zeros((size, 0), np.float32), np.zeros(size, np.int32))
                for size in self.sizes()
            )
        )

    def start(self) -> Float[Array, " 2"]:
        """(x, y)."""
        return jnp.stack([jnp.asarray(self.x, float), jnp.asarray(self.y, float)])

    def position(self, params: Params) -> Float[Array, " 2"]:
        """(x, y)."""
        return params["theta"]

    def losses_and_errors(
        self, outputs: Float[Array, "batch 2"], targets: Int[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """f, and the distance from the nearest minimum (of the saddle: from the saddle point)."""
        away = outputs[:, None, :] - jnp.asarray(self.minima or [(0.0, 0.0)])
        return self.value(*outputs.T), jnp.linalg.norm(away, axis=-1).min(axis=1)


@option
class Rosenbrock(Surface):
    """f = (1 - x)^2 + 100 (y - x^2)^2: a bent valley; the minimum 0 is at (1, 1).

    Rosenbrock 1960, from his start (-1.2, 1).
    """

    x: float = number(-1.2)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((1.0, 1.0),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """The valley."""
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@option
class Beale(Surface):
    """f = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: minimum 0 at (3, 0.5).

    Beale 1958: plateaus with sharp ridges. From (1, 1), Beale's start.
    """

    x: float = number(1.0)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((3.0, 0.5),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """The plateau."""
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


@option
class Saddle(Surface):
    """f = x^2 - y^2: a saddle point at (0, 0) and no minimum; the error is the distance from it.

    It starts beside the ridge, at (1, 0.001): along the ridge alone nothing would lead away.
    """

    x: float = number(1.0)
    y: float = number(0.001)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ()

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """The saddle."""
        return x**2 - y**2


@option
class Ravine(Surface):
    """f = (x^2 + 50 y^2) / 2: a long ravine with walls 50 times as steep; minimum 0 at (0, 0).

    Gradient descent is stable for learning rates below 2/50 and needs about 50 times as many steps
    as along the walls: the picture that motivates momentum.
    """

    x: float = number(-4.0)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 0.0),)

    @staticmethod
    def value(x: Any, y: Any) -> Any:
        """The ravine."""
        return (x**2 + 50 * y**2) / 2


@option
class Himmelblau(Surface):
    """f = (x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima, all 0; which one is found?

    Himmelblau 1972. From (0, 0), near the local maximum at (-0.27, -0.92).
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
        """Four valleys."""
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
