"""Whether a run can be made longer: nothing that it did may depend on its planned length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.experiment.plan import tabulated
from runner.lazy import jax, jnp
from runner.options.clock import Clock

COMPARED = 1000
"""At how many steps schedules are compared at most."""


def check_longer(planned: Experiment, longer: Experiment) -> None:
    """Check that a run is the start of a longer one.

    Args:
        planned: the run.
        longer: the same, with another length.

    Raises:
        ConfigError: it is not longer, or a schedule of the run ends with it.
    """
    if longer.total_steps <= planned.total_steps:
        raise ConfigError(
            f"the run was planned for {planned.total_steps:,} steps, and a longer one needs more: "
            f"{longer.total_steps:,} are asked for"
        )
    steps = np.unique(np.linspace(0, planned.total_steps - 1, COMPARED).astype(np.int32))
    for group in ("schedule", "momentum_schedule"):
        if not np.array_equal(_curve(planned, group, steps), _curve(longer, group, steps)):
            raise ConfigError(
                f"{group}: ends with the run, so the steps of a longer run would have been other "
                "ones; train the longer run from its start"
            )


def ends_between_evaluations(planned: Experiment, longer: Experiment) -> bool:
    """Whether a run was evaluated at its end, where the longer one is not."""
    last = planned.phases()[-1]
    epoch = last.epoch(planned.total_steps)
    return bool(epoch % longer.evaluate_every)


def _curve(experiment: Experiment, group: str, steps: npt.NDArray) -> npt.NDArray:
    """What a schedule of a run gives at some steps."""
    phases = experiment.phases()
    ends = np.array([phase.end_step for phase in phases])
    places = np.searchsorted(ends, steps, side="right")
    epochs = [phases[place].epoch(int(step)) for place, step in zip(places, steps, strict=True)]
    table = jax.tree.map(jnp.asarray, tabulated(phases))
    total = phases[-1].end_step, phases[-1].epoch(phases[-1].end_step)
    schedule = experiment.schedule

    def at(step: jax.Array, epoch: jax.Array) -> jax.Array:
        clock = Clock(step, epoch, *total, table)
        if group == "schedule":
            return experiment.warmup.multiplier(schedule, clock, schedule.init())
        return experiment.momentum_schedule(jnp.asarray(0.9), clock)

    return np.asarray(jax.vmap(at)(jnp.asarray(steps), jnp.asarray(epochs)))
