"""The classic surfaces in two dimensions, on which the path of an optimizer can be drawn.

The gradient is exact (add noise with `gradient=noise`). Since there are no examples, an epoch is
`steps_per_epoch` steps, and `batch_size` and `sampling` have no effect. Functions of one number are
in `runner.data.curve`.
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

Point = tuple[float, ...]
"""A number for each dimension."""

_HELD_OUT = 1


class Surface(Problem):
    """A function of one or two numbers, its start and its minima."""

    x: float
    steps_per_epoch: int

    input_shape = (0,)
    ignores: ClassVar[tuple[str, ...]] = (*Problem.ignores, "batch_size", "sampling")
    minima: ClassVar[tuple[Point, ...]]
    """The points where the function is smallest; none if it has no minimum."""

    @abstractmethod
    def value(self, *point: Any) -> Any:
        """Return f at a point, or at many: numbers or arrays of NumPy or JAX of one shape."""

    @property
    @abstractmethod
    def first(self) -> Point:
        """The point of the start."""

    @abstractmethod
    def drawn(self, *point: Any) -> tuple[Any, Any]:
        """Return the place of a point in the figure of paths, across and up."""

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

    def start(self) -> Float[Array, " n"]:
        """Return the start as an array."""
        return jnp.stack([jnp.asarray(each, float) for each in self.first])

    def position(self, params: Params) -> Float[Array, " 2"]:
        """Return the place of the parameters in the figure of paths."""
        return jnp.stack(self.drawn(*params["theta"]))

    def least_loss(self, split: str) -> float | None:
        """Return the value at the minima; None where there are none."""
        return float(self.value(*self.minima[0])) if self.minima else None

    def losses_and_errors(
        self, outputs: Float[Array, "batch n"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return f and the distance to the nearest minimum, or to 0 where there is none."""
        minima = self.minima or ((0.0,) * len(self.first),)
        offsets = outputs[:, None, :] - jnp.asarray(minima)
        return self.value(*outputs.T), jnp.linalg.norm(offsets, axis=-1).min(axis=1)


class Plane(Surface):
    """A function of x and y."""

    y: float

    @property
    def first(self) -> Point:
        """(x, y)."""
        return self.x, self.y

    def drawn(self, *point: Any) -> tuple[Any, Any]:
        """Return x and y."""
        x, y = point
        return x, y


@option
class Rosenbrock(Plane):
    """f = (1 - x)^2 + 100 (y - x^2)^2: a bent valley; the minimum 0 is at (1, 1).

    Rosenbrock 1960, with his start (-1.2, 1).
    """

    x: float = number(-1.2)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((1.0, 1.0),)

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@option
class Beale(Plane):
    """f = (1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2: minimum 0 at (3, 0.5).

    Beale 1958: plateaus with sharp ridges, with his start (1, 1).
    """

    x: float = number(1.0)
    y: float = number(1.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((3.0, 0.5),)

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


@option
class Saddle(Plane):
    """f = x^2 - y^2: a saddle point at (0, 0) and no minimum; the error is the distance from it.

    It starts next to the ridge, at (1, 0.001): exactly on the ridge, y = 0, y would never change.
    """

    x: float = number(1.0)
    y: float = number(0.001)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ()

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return x**2 - y**2


@option
class Ravine(Plane):
    """f = (x^2 + condition y^2) / 2: a long ravine with steep walls; minimum 0 at (0, 0).

    `condition` is the condition number, the ratio of the largest to the least curvature (less than
    1: the ravine lies along y). Gradient descent is stable for learning rates below 2/condition,
    and needs about `condition` times more steps along x than along y: the example that motivates
    momentum.
    """

    x: float = number(-4.0)
    y: float = number(1.0)
    condition: float = number(50.0, above=0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((0.0, 0.0),)

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return (x**2 + self.condition * y**2) / 2

    def curvatures(self) -> tuple[float, float]:
        """Return those along x and y."""
        return min(1.0, self.condition), max(1.0, self.condition)


@option
class Himmelblau(Plane):
    """f = (x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima, all 0.

    Himmelblau 1972. It starts at (0, 0), near the local maximum at (-0.27, -0.92).
    """

    x: float = number(0.0)
    y: float = number(0.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286169),
        (3.584428340330492, -1.848126526964404),
    )

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


@option
class ThreeHumpCamel(Plane):
    """f = 2 x^2 - 1.05 x^4 + x^6 / 6 + x y + y^2: three minima; the least, 0, is at (0, 0).

    The other two, 0.2986, are at (-1.7476, 0.8738) and (1.7476, -0.8738), and training starts
    beside the first. The error is the distance from the least minimum. Branin 1972 has a similar
    one with six humps; in this form it is a standard test of global optimization.
    """

    x: float = number(-2.0)
    y: float = number(1.5)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((0.0, 0.0),)

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


@option
class Hill(Plane):
    """f = (x^2 + y^2) / 2 (1 + height / (1 + 2 (x - 2)^2 + 2 y^2)^2): a bowl with a hill in it.

    The minimum 0 is at (0, 0). The hill is around (2, 0), and training starts behind it, next to
    the line through both: the slope leads to the foot of the hill, from where the way around it is
    almost flat.
    """

    x: float = number(5.0)
    y: float = number(0.01)
    height: float = number(4.0, minimum=0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((0.0, 0.0),)

    def value(self, *point: Any) -> Any:
        """Return f(x, y)."""
        x, y = point
        bump = self.height / (1 + 2 * (x - 2) ** 2 + 2 * y**2) ** 2
        return (x**2 + y**2) / 2 * (1 + bump)
