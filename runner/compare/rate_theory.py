"""The rate of convergence that theory knows for a run: linear methods on quadratics.

On a quadratic every coordinate along an eigenvector of the Hessian is a problem of its own, and a
step of gradient descent, the heavy ball, Nesterov's method or quasi-hyperbolic momentum is a matrix
(`Optimizer.step_on_quadratic`). In the long run the excess of the loss falls by the square of the
largest spectral radius in every step. Which eigenvalue has it: the least or the largest, since the
radius of each of these methods falls and then rises with the curvature.

With c the condition number, L the largest eigenvalue and the settings that theory recommends this
factor is

- ((c - 1) / (c + 1))^2 for gradient descent at 2 / (L + L / c), and (1 - 1 / c)^2 at 1 / L
  (Nesterov 2004, theorem 2.1.15);
- ((sqrt(c) - 1) / (sqrt(c) + 1))^2 for the heavy ball at 4 / (sqrt(L) + sqrt(L / c))^2, with the
  factor itself as its momentum (Polyak 1964);
- (1 - 1 / sqrt(c))^2 for Nesterov's method at 1 / L, with the momentum
  (sqrt(c) - 1) / (sqrt(c) + 1) (Lessard, Recht & Packard 2016, proposition 1).

At the last two settings two eigenvalues of the matrix meet, and the excess falls like k^2 times the
power.
"""

from __future__ import annotations

import numpy as np

from runner.compare.recorded_options import recorded_option
from runner.compare.runs import Run
from runner.data.problem import Problem
from runner.options.optimizer.base import Optimizer

_PLAIN = {
    "schedule": "constant",
    "warmup": "none",
    "momentum_schedule": "constant",
    "gradient": "none",
    "batch_size.learning_rate_power": 0.0,
}
"""The settings that leave the steps of an optimizer as they are."""

_WHOLE = ("permutation", "fixed", "ordered")
"""The kinds of sampling whose full batches have no noise."""


def factor_in_theory(run: Run, measure: str) -> float | None:
    """The factor a step by which the excess of a run falls in the long run.

    Args:
        run: the run.
        measure: a loss.

    Returns:
        The factor. None where theory knows none, or no convergence: the problem is no quadratic,
        the optimizer not linear, the gradients noisy, the rate not constant, or the loss not that
        of training.
    """
    data, optimizer = (recorded_option(run, group) for group in ("data", "optimizer"))
    if not isinstance(data, Problem) or not isinstance(optimizer, Optimizer):
        return None
    ends = data.curvatures()
    if ends is None or not measure.startswith("train") or not _is_plain(run, data):
        return None
    steps = [optimizer.step_on_quadratic(curvature) for curvature in ends]
    found = max(_radius(step) if step else np.inf for step in steps) ** 2
    return found if found < 1 else None


def _radius(step: list[list[float]]) -> float:
    """The spectral radius of a matrix."""
    return float(np.abs(np.linalg.eigvals(np.array(step))).max())


def _is_plain(run: Run, data: Problem) -> bool:
    """Whether every step is the optimizer's own, on the whole problem."""
    settings = run.settings
    has_noise = "batch_size" not in data.ignores and (
        settings.get("batch_size") != "full" or settings.get("sampling") not in _WHOLE
    )
    return not has_noise and all(settings.get(key, own) == own for key, own in _PLAIN.items())
