"""Functions of one number, which are drawn as curves with the iterates on them.

They are surfaces in one dimension: the gradient is exact, and an epoch is `steps_per_epoch` steps.
"""

from __future__ import annotations

from typing import Any, ClassVar

from runner.data.surface import Point, Surface
from runner.options.option import number, option


class Curve(Surface):
    """A function of x."""

    @property
    def first(self) -> Point:
        """(x)."""
        return (self.x,)

    def drawn(self, *point: Any) -> tuple[Any, Any]:
        """Return x and f(x)."""
        (x,) = point
        return x, self.value(x)


@option
class DoubleWell(Curve):
    """f = (x + 1)^2 (x^2 - (2 + 4 top / 3) x + 1 + 8 top / 3): a deep well and a shallow one.

    The minimum 0 is at -1; the other, 16 top / 3, is at 1; and between them is a maximum at `top`,
    since f' = 4 (x + 1) (x - top) (x - 1). The larger `top`, the shallower is the worse well, in
    which training starts. The error is the distance from -1.
    """

    x: float = number(1.8)
    top: float = number(0.25, above=0, below=1)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((-1.0,),)

    def value(self, *point: Any) -> Any:
        """Return f(x)."""
        (x,) = point
        top = self.top
        return (x + 1) ** 2 * (x**2 - (2 + 4 * top / 3) * x + 1 + 8 * top / 3)


@option
class Cliff(Curve):
    """f = sqrt(1 + x^2) - 1 + steepness / 2 max(x, 0)^2: a gentle slope to the foot of a wall.

    The minimum 0 is at 0. On the slope, x < 0, the gradient is at most 1 long; on the wall it grows
    by `steepness` a unit, and one step from there throws the parameters far back. Such walls are in
    the loss of recurrent networks, where Pascanu, Mikolov & Bengio 2013 (section 2.3) propose to
    clip the norm of the gradient.
    """

    x: float = number(-4.0)
    steepness: float = number(100.0, minimum=0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((0.0,),)

    def value(self, *point: Any) -> Any:
        """Return f(x)."""
        (x,) = point
        inside = x * (x > 0)
        return (1 + x**2) ** 0.5 - 1 + self.steepness / 2 * inside**2


@option
class Plateau(Curve):
    """f = x^2 / (1 + x^2): a hole in a plateau, with the minimum 0 at 0.

    Far from 0 the gradient 2 x / (1 + x^2)^2 vanishes like 2 / x^3. Steps in proportion to it are
    tiny there, and those of rules that divide by its size are not.
    """

    x: float = number(-8.0)
    steps_per_epoch: int = number(100, minimum=1)

    minima: ClassVar[tuple[Point, ...]] = ((0.0,),)

    def value(self, *point: Any) -> Any:
        """Return f(x)."""
        (x,) = point
        return x**2 / (1 + x**2)
