"""The options of a run, made again from its recorded config.

A record is data: its config can choose among the options that are known here, with numbers that are
checked, and imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.compare.runs import Run
from runner.config.build import build
from runner.config.plugins import PLUGINS
from runner.config.values import from_plain
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.experiment.table import OPTIONS
from runner.options.option import Option


def recorded_option(run: Run, group: str) -> Option | None:
    """The option of a group that a run was trained with; None if it is not known or not possible.

    Args:
        run: the run.
        group: a group of which one option is chosen, without another option inside it.
    """
    config = run.config.get(group)
    if not isinstance(config, Mapping):
        return None
    kind = OPTIONS[group].get(str(config.get("name")))
    if kind is None:
        return None
    try:
        chosen = from_plain(kind, config)
    except ConfigError:
        return None
    return None if any(chosen.problems()) else chosen


def recorded_experiment(run: Run, asked_by: str) -> Experiment:
    """All options of a run, whose data are on this machine.

    Args:
        run: the run.
        asked_by: what needs them, for the error.

    Raises:
        ConfigError: an option is not known, or the data are not there.
    """
    experiment = build({**run.config, PLUGINS: []})
    if absent := experiment.data.absent():
        raise ConfigError(f"{asked_by} downloads nothing, and {absent[0]} is not there")
    return experiment
