"""The training objective in a plane of the parameters of a recorded run.

The network and its data are built again from the recorded config; nothing is downloaded. The
objective is that of the diagnostics: mean loss and penalties of the first training examples,
without random masks, with the statistics of those examples where a normalization is over the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.prediction import parameters
from runner.compare.recorded_options import recorded_experiment
from runner.compare.runs import Run
from runner.engine.diagnostics import ProbeBatch
from runner.engine.placement import place
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.lazy import jax, jnp
from runner.options.diagnostics.trajectory import TABLE
from runner.options.parameters import is_kernel, map_with_path

EXAMPLES = 1000
"""On how many training examples the objective is computed at most."""

POINTS = 41
"""The number of points to a side of the plane."""

_MARGIN = 0.25
"""Around a path, relative to its extent."""


class Plane(NamedTuple):
    """The objective over a plane.

    Attributes:
        x: the places on the first direction [n].
        y: the places on the second direction [n].
        losses: the objective, a row for each y, [n, n].
        path: the points of the path, [evaluations, 2]; None if there is none.
        shares: of the path's squared distances from its end, those along each direction.
    """

    x: npt.NDArray
    y: npt.NDArray
    losses: npt.NDArray
    path: npt.NDArray | None = None
    shares: tuple[float, float] | None = None


def plane_around_the_end(run: Run) -> Plane:
    """The plane through the weights that a run leaves, in two random directions.

    Each direction is drawn from a Gaussian and then scaled so that every filter of a kernel (what
    leads to one unit or channel) is as long as that of the weights; it leaves biases, gains and
    shifts alone. Li et al. 2018, section 4. The directions are the same for runs of one shape.

    Args:
        run: the run.

    Raises:
        ConfigError: it has no weights, or its data are not here or have no network.
        DataError: the data cannot be read.
    """
    experiment = recorded_experiment(run, "a loss surface")
    if experiment.data.network() is not None:
        raise ConfigError(
            f"data={run.settings['data']} has parameters of its own and no filters; draw trajectory"
        )
    params, _ = parameters(experiment, run.weights)
    random = np.random.RandomState(0)

    def direction(path: tuple[str, ...], array: Any) -> npt.NDArray:
        drawn = random.normal(size=array.shape).astype(np.float32)
        if not is_kernel(path):
            return np.zeros_like(drawn)
        axes = tuple(range(array.ndim - 1))
        lengths = np.sqrt([(each**2).sum(axes) for each in (np.asarray(array), drawn)])
        return drawn * (lengths[0] / np.maximum(lengths[1], 1e-30))

    directions = [_flat(map_with_path(direction, params)) for _ in range(2)]
    sides = np.linspace(-1, 1, POINTS)
    losses = _losses(experiment, _flat(params), directions, sides, sides)
    return Plane(sides, sides, losses)


def plane_of_the_path(run: Run) -> Plane:
    """The plane through the last point of a path in which the path moves most.

    The directions are the first two principal components of the offsets from the last point (Li et
    al. 2018, section 7.2), of length 1.

    Args:
        run: the run.

    Raises:
        ConfigError: it has no path of three points at least, or its data are not here.
        DataError: the data cannot be read.
    """
    rows = run.diagnostics(TABLE)
    points = rows["parameters"] if "parameters" in (rows.dtype.names or ()) else np.zeros((0, 1))
    points = points[np.isfinite(points).all(1)]
    if len(points) < 3:
        raise ConfigError(
            f"{run.directory}: a path needs 3 evaluations with diagnostics=trajectory; there are "
            f"{len(points)}"
        )
    offsets = (points - points[-1]).astype(float)
    _, lengths, directions = np.linalg.svd(offsets, full_matrices=False)
    path = offsets @ directions[:2].T
    low, high = path.min(0), path.max(0)
    margin = _MARGIN * np.maximum(high - low, 0.1 * (high - low).max() or 1.0)
    x, y = np.linspace(low - margin, high + margin, POINTS).T
    experiment = recorded_experiment(run, "a loss surface")
    losses = _losses(experiment, points[-1], directions[:2], x, y)
    first, second = lengths[:2] ** 2 / max((lengths**2).sum(), 1e-30)
    return Plane(x, y, losses, path, (float(first), float(second)))


def _losses(
    experiment: Experiment,
    center: npt.NDArray,
    directions: Sequence[npt.NDArray] | npt.NDArray,
    x: npt.NDArray,
    y: npt.NDArray,
) -> npt.NDArray:
    """The objective at `center + x directions[0] + y directions[1]`, a row for each y.

    Raises:
        ConfigError: the parameters do not belong to the experiment.
    """
    from jax.flatten_util import ravel_pytree

    arrays = place(experiment, experiment.data.load())
    ready = arrays._replace(statistics=experiment.preprocessing.ready(arrays.statistics))
    params, layers, _ = experiment.network().init(jax.random.key(0), experiment.input_shape)
    batch = ProbeBatch(experiment, ready, layers, min(EXAMPLES, len(arrays.targets)))
    flat, unravel = ravel_pytree(params)
    if flat.shape != center.shape:
        raise ConfigError(
            f"the path has {len(center):,} parameters and the recorded config {len(flat):,}"
        )

    @jax.jit
    def row(center: jax.Array, directions: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        def at(place: jax.Array) -> jax.Array:
            return batch.objective(unravel(center + place * directions[0] + y * directions[1]))

        return jax.lax.map(at, x)

    numbers = [jnp.asarray(np.asarray(each), jnp.float32) for each in (center, directions, x)]
    return np.stack([np.asarray(row(*numbers, jnp.float32(each))) for each in y])


def _flat(tree: object) -> npt.NDArray:
    from jax.flatten_util import ravel_pytree

    return np.asarray(ravel_pytree(tree)[0])
