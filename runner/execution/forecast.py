"""What a run would be: `dry_run=true` of one run says it in a few lines and trains nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from runner.config.differences import differences
from runner.config.keys import typed
from runner.config.values import shown
from runner.engine.memory import available, bytes_of_a_lane, memory_errors
from runner.engine.placement import place
from runner.experiment.experiment import Experiment
from runner.experiment.groups import name_of
from runner.experiment.plan import Phase
from runner.experiment.table import OPTIONS
from runner.options.option import Facts
from runner.options.stopping import NoStopping
from runner.terminal.words import format_epochs, several, shell_path

_WIDTH = 100
_MOST_PHASES = 4


def forecast(
    experiment: Experiment, config: Mapping[str, Any], directory: Path, values: str
) -> str:
    """Return what a run would do: its options, data, size, length and memory, a line each.

    Args:
        experiment: the experiment.
        config: its resolved config.
        directory: the folder that it would be written to.
        values: where every value of the config is shown.
    """
    settings = typed(config)
    ignored = experiment.ignores
    options = [f"{key}={shown(settings[key])}" for key in OPTIONS if key not in ignored]
    phases, facts = experiment.phases(), experiment.facts()
    lines = {
        "Differs": " ".join(differences(config)) or "nothing; all values are the defaults",
        "Options": " ".join(options) + _meant(experiment, settings),
        "Data": _data(experiment),
        "Network": several(facts.parameters(), "trained number"),
        "Steps": _steps(experiment, facts, is_one_phase=len(phases) == 1),
        "Phases": "; ".join(_phases(phases)) if len(phases) > 1 else "",
        "Memory": _memory(experiment),
        "Folder": shell_path(directory),
        "Config": f"every value: {values}",
    }
    return "".join(_line(title, text) for title, text in lines.items() if text)


def _meant(experiment: Experiment, settings: Mapping[str, Any]) -> str:
    """Which loss `auto` stands for."""
    if settings["loss"] != "auto" or "loss" in experiment.data.ignores:
        return ""
    return f" (auto: {name_of(experiment.loss)})"


def _line(title: str, text: str) -> str:
    start = f"{f'{title}:':<9}"
    indent = " " * len(start)
    filled = textwrap.fill(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return f"{filled}\n"


def _data(experiment: Experiment) -> str:
    """How many examples there are, of which shape, and what is predicted."""
    if "model" in experiment.data.ignores:
        return "none: a problem with its own parameters"
    sizes, classes = experiment.data.sizes(), experiment.classes
    counts = f"{sizes.train:,} training, {sizes.validation:,} validation and {sizes.test:,} test"
    shape = "x".join(map(str, experiment.data.input_shape))
    targets = f"{classes} classes" if classes else several(experiment.outputs, "number")
    return f"{counts} examples of {shape}; {targets} to predict"


def _steps(experiment: Experiment, facts: Facts, *, is_one_phase: bool) -> str:
    """The length of the run, and how often it is evaluated."""
    epochs = facts.total_epochs
    words = f"{facts.total_steps:,} in {format_epochs(epochs)} epoch{'s' * (epochs != 1)}"
    if is_one_phase:
        words += f" of {several(facts.steps_per_epoch, 'step')}, batch size {facts.batch_size:,}"
    words += f"; {several(facts.evaluations, 'evaluation')} and one before"
    may_stop = not isinstance(experiment.stopping, NoStopping)
    return f"{words}; fewer where it stops early" if may_stop else words


def _phases(phases: Sequence[Phase]) -> Iterator[str]:
    """The batch size of each stretch of the run; of many the first ones and the last."""
    for number, phase in enumerate(phases):
        if number == _MOST_PHASES and len(phases) > _MOST_PHASES + 1:
            yield f"{len(phases) - _MOST_PHASES - 1} more"
        if number < _MOST_PHASES or number == len(phases) - 1:
            size = getattr(phase.batch_size, "size", None)
            of = "all examples" if size is None else f"{size:,}"
            yield f"batch size {of} from epoch {phase.first_epoch:,}"


def _memory(experiment: Experiment) -> str:
    """The memory for data and state, and how much there is; data are not downloaded for it."""
    if absent := experiment.data.absent():
        return f"not known before {absent[0]} is downloaded, when the run starts"
    with memory_errors():
        arrays = place(experiment, experiment.data.load())
    data = sum(leaf.nbytes for leaf in jax.tree.leaves(arrays))
    state = bytes_of_a_lane(experiment, arrays)
    free = available(jax.devices()[0])
    return (
        f"{_size(data)} of data and {_size(state)} of state and curves, beside activations; "
        f"{_size(free)} are free"
    )


def _size(count: float) -> str:
    """A number of bytes as text: `4.1 MB`."""
    unit, name = next(
        (u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if count >= u or u == 1e3
    )
    return f"{count / unit:,.3g} {name}"
