"""Powers over many steps, base^t, to single precision.

In single precision a base near 1, such as 0.9999, has a relative error of 2e-8, and its power over
100,000 steps one of 0.2 %. A program therefore receives the logarithm of the base, computed in
double precision, as two numbers whose sum it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runner.lazy import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float

_BITS = 12
"""The bits of the first part of a logarithm, and of each half of a time: half of single precision,
so that their products are exact."""


class Base(float):
    """The base of a power. In a program it is an array of two numbers, its `parts`.

    `period` is what the exponent is divided by, before the logarithm is rounded.
    """

    period: float = 1.0

    def log(self) -> float:
        """Return the logarithm of the base, divided by the period."""
        return math.log(self) / self.period

    def parts(self) -> tuple[float, float]:
        """Return the leading 12 bits of the logarithm, and the rest."""
        log = self.log()
        mantissa, exponent = math.frexp(log)
        leading = math.ldexp(math.trunc(math.ldexp(mantissa, _BITS)), exponent - _BITS)
        return leading, log - leading


class Rate(Base):
    """A rate of natural decay, for the base e^(-rate)."""

    def log(self) -> float:
        """Return -rate, divided by the period."""
        return -float(self) / self.period


def as_base(value: Any, kind: type[Base] = Base, period: Any = 1) -> Any:
    """Return a plain number as a base of the given kind, and anything else unchanged.

    Args:
        value: a plain number, or what is traced.
        kind: the kind of base.
        period: what exponents are divided by; a plain number where `value` is one.
    """
    if not isinstance(value, int | float):
        return value
    base = kind(value)
    base.period = period
    return base


def power(base: Any, t: Any) -> Any:
    """Return base^(t / period), with a relative error of about 2e-7 for whole t up to 2^24.

    Args:
        base: a `Base`, or its parts as an array of shape (2,).
        t: the exponent, at least 0; a plain number gives a plain number.
    """
    if isinstance(t, int | float):
        return math.exp(base.log() * t)
    leading, rest = base.parts() if isinstance(base, Base) else base
    low = jax.lax.rem(t, jnp.asarray(2**_BITS, t.dtype))
    first, second = leading * (t - low), leading * low
    exponent = first + second
    rounding: Float[Array, ""] = second - (exponent - first)
    # Not exp(a) * exp(b), of which XLA makes exp(a + b), whose sum would be rounded.
    main = jnp.exp(exponent)
    return main + main * jnp.expm1(rounding + rest * t)
