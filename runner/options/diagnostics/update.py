"""What the optimizer makes of the gradient, step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jax, jnp
from runner.options.diagnostics.base import Table
from runner.options.diagnostics.step import StepDiagnostic, TakenStep
from runner.options.layer import Params
from runner.options.option import option
from runner.options.parameters import LOGITS, Path, named

if TYPE_CHECKING:
    from jaxtyping import Array, Float

ALL = "all"
"""The row of all parameters together; the others are of one array each."""

ARRAY_MEASURES = (
    "effective_step",
    "step_spread",
    "cosine",
    "gradient_cosine",
    "predicted_decrease",
    "path_length",
    "distance",
)
"""The numbers of an array of parameters, and of all together."""

WHOLE_MEASURES = ("momentum", "decrease", "decrease_ratio")
"""The numbers of all parameters together only."""

UPDATE_MEASURES = (*ARRAY_MEASURES, *WHOLE_MEASURES)


class UpdateMemory(NamedTuple):
    """Of the start and of the measured step before; gradients of 0 before the first one."""

    start: Params
    params: Params
    gradient: Params
    lengths: Float[Array, " rows"]  # of the path so far, of all parameters and of each array


@option
class Update(StepDiagnostic):
    """How far, how straight and how well the optimizer steps, where norms are measured.

    With g the gradient of the objective L of the batch before any treatment, u what the optimizer
    adds to the parameters w, for every array of parameters and (`all`) for all together:

        effective_step  geometric mean of |u_i| / |g_i|: the learning rate in effect
        step_spread     standard deviation of log10(|u_i| / |g_i|): 1 is a factor of ten
        cosine          -u.g / (|u| |g|): 1 straight down the gradient
        gradient_cosine g.g' / (|g| |g'|), with g' at the measured step before
        predicted_decrease  -g.u, what a linear function would lose
        path_length     sum |w - w'| over the measured steps, with w' at the one before
        distance        |w - w_0|, with w_0 at the start

    Parameters whose u_i or g_i is 0 do not count in the first two. Of all together also

        momentum        of the optimizer, as the momentum schedule sets it
        decrease        L(w) - L(w + u), of the same batch with the same random masks
        decrease_ratio  decrease / predicted_decrease

    The ratio is 1 where the objective is linear along the step, 1/2 where the step ends in the
    minimum of a parabola along it, 0 where it ends beyond at the height of its start, and negative
    where the batch is worse after the step: the ratio by which trust-region methods choose their
    steps (Nocedal & Wright 2006, equation 4.4, with a linear model). With momentum the prediction
    itself may be negative. With `measure_every=1` the length is that of the whole path and g' is of
    the step before (Xing et al. 2018 plot such cosines); otherwise the path is cut short to
    straight lines, and its length is a lower bound.
    """

    def first_memory(self, params: Params) -> UpdateMemory:
        """Return the start, gradients of 0, and lengths of 0."""
        zeros = jax.tree.map(jnp.zeros_like, params)
        return UpdateMemory(params, params, zeros, jnp.zeros(1 + len(named(params))))

    def measure_step(
        self, taken: TakenStep, memory: UpdateMemory
    ) -> tuple[UpdateMemory, Mapping[str, Table]]:
        """Return a table with a row for all parameters, and one for each array."""
        trees = (taken.params, taken.gradient, taken.updates, *memory[:3])
        arrays = [named(tree) for tree in trees]
        paths = sorted(arrays[0], key=_place)
        sums = [_sums(*(of[path].astype(float) for of in arrays)) for path in paths]
        sums = [_of_all(sums), *sums]
        lengths = memory.lengths + jnp.stack([jnp.sqrt(each.moved) for each in sums])
        rows = [_row(each) for each in sums]
        columns = {name: jnp.stack([row[name] for row in rows]) for name in rows[0]}
        decrease = taken.value - taken.value_after()
        whole = (taken.momentum, decrease, decrease / columns["predicted_decrease"][0])
        columns |= {"path_length": lengths}
        columns |= {
            name: jnp.full(len(rows), jnp.nan).at[0].set(value)
            for name, value in zip(WHOLE_MEASURES, whole, strict=True)
        }
        names = (ALL, *("/".join(path) for path in paths))
        after = UpdateMemory(memory.start, taken.params, taken.gradient, lengths)
        return after, {"updates": Table(names, {name: columns[name] for name in UPDATE_MEASURES})}


class _Sums(NamedTuple):
    """Sums over the numbers of some arrays."""

    gradient: Float[Array, ""]  # g.g
    update: Float[Array, ""]  # u.u
    product: Float[Array, ""]  # g.u
    gradient_before: Float[Array, ""]  # g'.g'
    gradients: Float[Array, ""]  # g.g'
    moved: Float[Array, ""]  # |w - w'|^2
    away: Float[Array, ""]  # |w - w_0|^2
    numbers: Float[Array, ""]  # how many there are of the numbers whose g and u are not 0
    log: Float[Array, ""]  # mean of log10 |u / g| over them
    log_squares: Float[Array, ""]  # sum of the squares of the deviations from it


def _sums(
    params: Float[Array, "..."],
    gradient: Float[Array, "..."],
    update: Float[Array, "..."],
    start: Float[Array, "..."],
    params_before: Float[Array, "..."],
    gradient_before: Float[Array, "..."],
) -> _Sums:
    """Those of one array."""
    counts = (gradient != 0) & (update != 0)
    count = counts.sum().astype(float)
    logs = [jnp.log10(jnp.where(counts, jnp.abs(x), 1.0)) for x in (update, gradient)]
    log = (logs[0] - logs[1]).sum() / count
    return _Sums(
        gradient=(gradient**2).sum(),
        update=(update**2).sum(),
        product=(gradient * update).sum(),
        gradient_before=(gradient_before**2).sum(),
        gradients=(gradient * gradient_before).sum(),
        moved=((params - params_before) ** 2).sum(),
        away=((params - start) ** 2).sum(),
        numbers=count,
        log=log,
        log_squares=jnp.where(counts, (logs[0] - logs[1] - log) ** 2, 0.0).sum(),
    )


def _of_all(arrays: Sequence[_Sums]) -> _Sums:
    """Those of all arrays together."""
    each = _Sums(*(jnp.stack(values) for values in zip(*arrays, strict=True)))
    total = _Sums(*(values.sum() for values in each))
    logs = jnp.where(each.numbers > 0, each.log, 0.0)
    log = (each.numbers * logs).sum() / total.numbers
    between = (each.numbers * (logs - log) ** 2).sum()
    return total._replace(log=log, log_squares=total.log_squares + between)


def _row(sums: _Sums) -> dict[str, Float[Array, ""]]:
    """The measures of `ARRAY_MEASURES` but for the length."""
    return {
        "effective_step": 10**sums.log,
        "step_spread": jnp.sqrt(sums.log_squares / sums.numbers),
        "cosine": -sums.product / jnp.sqrt(sums.gradient * sums.update),
        "gradient_cosine": sums.gradients / jnp.sqrt(sums.gradient * sums.gradient_before),
        "predicted_decrease": -sums.product,
        "distance": jnp.sqrt(sums.away),
    }


def _place(path: Path) -> tuple[bool, list[tuple[str, int]]]:
    """Where an array comes: by name, numbers by size, the logits last."""
    parts = re.findall(r"(\D*)(\d*)", "/".join(path))
    return LOGITS in path, [(word, int(digits or 0)) for word, digits in parts]
