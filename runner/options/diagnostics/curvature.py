"""The Hessian of the training objective, and the loss along its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jax, jnp
from runner.options.diagnostics.base import Diagnostic, Probe, Table
from runner.options.diagnostics.lanczos import Spectrum, lanczos_spectrum, whole_spectrum
from runner.options.option import number, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Array, Float

TABLE = "curvature"

CURVATURE_MEASURES = (
    "objective",
    "gradient_square",
    "gradient_curvature",
    "predicted_gain",
    "gain",
    "largest",
    "largest_residual",
    "smallest",
    "smallest_residual",
    "condition",
    "trace",
    "trace_error",
    "negative_share",
    "sharpness_product",
    "sharpness_limit",
)
"""The numbers of an evaluation. Beside them there are four columns of several numbers each:
`eigenvalues` with their `weights`, and `line_losses` at `line_steps`."""

NEGATIVE, CLEARLY_NEGATIVE = 1e-4, 1e-2
"""An eigenvalue counts as negative if it is below minus this part of the largest absolute one; a
Ritz value, which represents several that may lie on both sides of 0, if it is below the second."""

LINE_DECADES, LINE_POINTS = 3, 31
"""How far along the gradient the loss is measured: from a thousandth of the step to a thousand."""


@option
class Curvature(Diagnostic):
    """Eigenvalues of the Hessian H, and what steps along the gradient g gain.

    f is the training objective of the probe batch (mean loss and penalties) without random masks;
    n is the number of parameters theta, and eta the learning rate of the step that starts here:

        objective             f(theta)
        gradient_square       g'g
        gradient_curvature    g'Hg
        predicted_gain        eta g'g - eta^2 g'Hg / 2, of a step along the gradient
        gain                  f(theta) - f(theta - eta g), what that step really gains
        largest, smallest     eigenvalues of H, with the residual of each
        condition             largest / smallest; NaN unless the smallest is positive
        trace                 of H, with the standard error of its estimate, trace_error
        negative_share        share of the eigenvalues below -0.0001 max |eigenvalue|, or of
                              Ritz values below -0.01 max |eigenvalue|
        sharpness_product     eta times the largest eigenvalue
        sharpness_limit       below which it is stable on a quadratic: 2 for `sgd`, and
                              2 (1 + momentum) for `momentum`

    If n is at most `iterations`, H is computed whole, and so are all its eigenvalues. Otherwise
    they are Ritz values of Lanczos' iteration for `probes` random starting vectors, with full
    reorthogonalization, and weights that say which share of the spectrum each represents
    (stochastic Lanczos quadrature, Ghorbani et al. 2019). Ritz values are within the spectrum: the
    largest can only be too small, the condition number, too. An eigenvalue of H is within the
    residual of each of them; a residual that is not small beside its eigenvalue says that it has
    not converged and wants more iterations. Products with H are exact to rounding: the forward
    derivative of the gradient (Pearlmutter 1994).

    The gain is of plain gradient descent on the probe batch, whatever the optimizer. Goodfellow,
    Bengio & Courville 2016, section 8.2.1, compare g'Hg with g'g: where eta g'Hg / 2 exceeds g'g, a
    step goes up. The share of negative eigenvalues is the index of a saddle point (Dauphin et al.
    2014). The limit is known where each step minimizes f itself: with full batches within the probe
    batch, without random masks, and without treatments of the gradient; it is NaN elsewhere. There
    full-batch training moves to sharpness 2 / eta (Cohen et al. 2021).
    """

    examples: int = number(512, minimum=1)
    iterations: int = number(30, minimum=2)
    probes: int = number(2, minimum=1)
    statistics: Literal["fixed", "batch"] = "fixed"

    needs_float32: ClassVar[bool] = True

    def working_numbers(self, parameters: int) -> int:
        """Return the size of the vectors that are kept orthogonal, or of the whole Hessian."""
        return min(self.iterations + 1, parameters) * parameters

    def memory(self, probe: Probe) -> tuple[()]:
        """Return nothing."""
        return ()

    def measure(self, probe: Probe, start: tuple[()], before: tuple[()]) -> Mapping[str, Table]:
        """Return a table of one row."""
        from jax.flatten_util import ravel_pytree

        theta, unravel = ravel_pytree(probe.params)
        rate, is_fixed = probe.learning_rate, self.statistics == "fixed"

        @jax.jit
        def objective(theta: Float[Array, " n"]) -> Float[Array, ""]:
            return probe.objective(unravel(theta), fixed_statistics=is_fixed)

        @jax.jit
        def product(vector: Float[Array, " n"]) -> Float[Array, " n"]:
            return jax.jvp(jax.grad(objective), (theta,), (vector,))[1]

        spectrum = self._spectrum(product, len(theta), probe)
        is_whole = len(theta) <= self.iterations
        measured = _of_spectrum(spectrum, NEGATIVE if is_whole else CLEARLY_NEGATIVE) | _along(
            objective, product, theta, rate
        )
        is_known = not (is_fixed and probe.normalizes_over_batch)
        measured["sharpness_product"] = rate * measured["largest"]
        measured["sharpness_limit"] = probe.sharpness_limit if is_known else jnp.array(jnp.nan)
        several = ("eigenvalues", "weights", "line_steps", "line_losses")
        columns = {name: measured[name][None] for name in (*CURVATURE_MEASURES, *several)}
        return {TABLE: Table(("objective",), columns)}

    def _spectrum(
        self, product: Callable[[Array], Array], parameters: int, probe: Probe
    ) -> Spectrum:
        if parameters <= self.iterations:
            return whole_spectrum(product, parameters)
        return lanczos_spectrum(product, parameters, self.iterations, self.probes, probe.key)


def _of_spectrum(spectrum: Spectrum, negative: float) -> dict[str, Array]:
    """The measures of the eigenvalues; negative is what is below `-negative max |eigenvalue|`."""
    values, weights, residuals, trace, trace_error = spectrum
    least, most = values.argmin(), values.argmax()
    smallest, largest = values[least], values[most]
    is_negative = values < -negative * jnp.abs(values).max()
    unknown = jnp.isnan(trace)
    share = jnp.sum(jnp.where(is_negative, weights, 0.0))
    return {
        "largest": largest,
        "largest_residual": residuals[most],
        "smallest": smallest,
        "smallest_residual": residuals[least],
        "condition": jnp.where(smallest > 0, largest / smallest, jnp.nan),
        "trace": trace,
        "trace_error": trace_error,
        "negative_share": jnp.where(unknown, jnp.nan, share),
        "eigenvalues": values,
        "weights": weights,
    }


def _along(
    objective: Callable[[Array], Array],
    product: Callable[[Array], Array],
    theta: Float[Array, " n"],
    rate: Float[Array, ""],
) -> dict[str, Array]:
    """The measures along the gradient."""
    value, gradient = jax.value_and_grad(objective)(theta)
    square, curvature = gradient @ gradient, gradient @ product(gradient)
    # A warm-up from 0 starts with no step.
    unit = jnp.where(rate > 0, rate, 1.0)
    steps = unit * jnp.logspace(-LINE_DECADES, LINE_DECADES, LINE_POINTS)
    losses = jax.lax.map(lambda step: objective(theta - step * gradient), jnp.append(steps, rate))
    return {
        "objective": value,
        "gradient_square": square,
        "gradient_curvature": curvature,
        "predicted_gain": rate * square - rate**2 * curvature / 2,
        "gain": value - losses[-1],
        "line_steps": steps,
        "line_losses": losses[:-1],
    }
