"""The whole contract of one option: its texts, its floats, and a small run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from runner.config.build import build
from runner.config.described import read_option
from runner.config.differences import default_options
from runner.config.locations import config_directory
from runner.contract.floats import another, check_floats_are_data, float_fields
from runner.contract.requirement import require
from runner.contract.text import check_class, check_comments, check_defaults
from runner.data import Dataset, Source, Split
from runner.engine.compilation import RUNS_ONCE
from runner.engine.lanes import as_array
from runner.engine.placement import place
from runner.engine.state import Arrays, Measured, Timeline
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment
from runner.experiment.table import OPTIONS, STACKED
from runner.measures import TRAIN_LOSS
from runner.options.clock import Phases

_EXAMPLES, _HELD_OUT, _BATCH = 64, 16, 16
_STEPS, _STEPS_TO_LEARN = 8, 60


def check_option(group: str, name: str, directory: Path | str, *, tolerance: float = 5e-4) -> None:
    """Check that an option keeps the contract.

    Args:
        group: its group.
        name: its name.
        directory: the folder of its YAML file, that of `--config-dir`.
        tolerance: how far a run among others may be from the same run alone. Rounding differs, and
            a rule that takes signs or searches along lines amplifies it.

    Raises:
        AssertionError: it does not keep it; one sentence says what is wrong.
        ConfigError: its values are wrong, or it is an option that needs keys to be set.
    """
    word = f"{group}={name}"
    require(group in OPTIONS, f"{word}: there is no such group")
    require(name in OPTIONS[group], f"{word}: import the module that registers it first")
    folders = [Path(directory), config_directory()]
    check_class(group, name)
    check_defaults(group, name, Path(directory))
    check_comments(group, name, Path(directory))
    numbers = _numbers(group, name, folders)
    experiments = [experiment_with(group, name, directory, **values) for values in numbers]
    dataset = _dataset(experiments[0])
    with _explained(word):
        alone = _check_in_runs(experiments, dataset, tolerance)
    for measured, values in zip(alone, numbers, strict=True):
        losses = np.asarray(measured.steps[TRAIN_LOSS])[:_STEPS]
        require(np.isfinite(losses).all(), f"{word}: with {values} a loss is not finite: {losses}")
    if group == "optimizer":
        _check_learning(word, experiments[0], dataset)


def _numbers(group: str, name: str, folders: Sequence[Path]) -> list[dict[str, float]]:
    """The floats of an option, then one list for each of them in which it has another value."""
    written = read_option(folders, group, name)
    numbers, changed = {}, []
    for field in float_fields(OPTIONS[group][name]):
        limits, value = field.metadata.get("range"), written[field.name]
        # An absent number is no leaf; it is given one.
        numbers[field.name] = another(None, limits) if value is None else value
        changed.append((field.name, another(numbers[field.name], limits)))
    return [numbers, *(numbers | {key: value} for key, value in changed)]


def experiment_with(group: str, name: str, directory: Path | str, **values: Any) -> Experiment:
    """Return a small experiment with an option; all else is the default of a run.

    Args:
        group: the group of the option.
        name: its name.
        directory: the folder of its YAML file.
        **values: values of its keys; by default those of the file.

    Raises:
        ConfigError: a value is wrong.
    """
    folders = [Path(directory), config_directory()]
    chosen = default_options() | {group: name}
    config: dict[str, Any] = {"steps": _STEPS, "measure_every": 1}
    for key, option in chosen.items():
        node = read_option(folders, key, option)
        if key == group:
            node |= values
        elif key == "model":
            node |= {"widths": [8]}
        elif key == "batch_size":
            node |= {"size": _BATCH}
        config[key] = {option: node} if key in STACKED else node
    return build(config)


def _dataset(experiment: Experiment) -> Dataset:
    """The data of an experiment; a few of their examples, unless they are drawn or a problem.

    Raises:
        AssertionError: they are not what the source says.
    """
    data, source = experiment.data.load(), experiment.data
    if source.ignores or source.generates:
        return data
    sizes = tuple(len(split.targets) for split in data)
    require(sizes == tuple(source.sizes()), f"load has {sizes} examples, sizes {source.sizes()}")
    for split in data:
        _check_split(split, source)
    counts = (_EXAMPLES, _HELD_OUT, _HELD_OUT)
    return Dataset(*(Split(s.inputs[:n], s.targets[:n]) for s, n in zip(data, counts, strict=True)))


def _check_split(split: Split, source: Source) -> None:
    """Check the shapes and types of a split.

    Raises:
        AssertionError: they are not what the source says.
    """
    inputs, targets = split.inputs, split.targets
    shape, classes = source.input_shape, source.classes
    require(len(inputs) == len(targets), f"{len(inputs)} inputs for {len(targets)} targets")
    found = inputs.shape[1:]
    require(found == tuple(shape), f"inputs have the shape {found}, input_shape is {shape}")
    require(inputs.dtype in (np.uint8, np.float32), f"inputs are {inputs.dtype}, not float32")
    steps = shape[:1] if source.each_step else ()
    columns, kind = ((), np.int32) if classes else ((source.target_columns,), np.float32)
    wanted = (*steps, *columns)
    require(
        targets.shape[1:] == wanted,
        f"targets of an example have the shape {targets.shape[1:]}, expected {wanted}",
    )
    require(targets.dtype == kind, f"targets are {targets.dtype}, not {np.dtype(kind)}")
    if classes and len(targets):
        in_range = targets.min() >= 0 and targets.max() < classes
        require(bool(in_range), f"a target is not in 0 to {classes - 1}")


def _whole_run(experiment: Experiment, arrays: Arrays, steps: Any, timeline: Timeline) -> Measured:
    """A run from its first step, as one program."""
    state, start = initial_state(experiment, arrays), jnp.zeros_like(steps)
    return take_steps(experiment, arrays, state, start, steps, timeline)[1]


_run_alone = jax.jit(_whole_run, compiler_options=RUNS_ONCE)
_run_as_lanes = jax.jit(
    jax.vmap(_whole_run, in_axes=(0, None, None, None)), compiler_options=RUNS_ONCE
)


def _check_in_runs(
    experiments: Sequence[Experiment], dataset: Dataset, tolerance: float
) -> list[Measured]:
    """Check that the floats of experiments are data of their runs; return what was measured."""
    rest = place(experiments[0], dataset), _STEPS, _timeline(experiments[0], dataset, _STEPS)
    return check_floats_are_data(
        experiments,
        lambda one: jax.device_get(_run_alone(one, *rest)),
        lambda several: _run_as_lanes(several, *rest),
        tolerance,
    )


def _check_learning(word: str, experiment: Experiment, dataset: Dataset) -> None:
    """Check that an optimizer lowers the loss with its defaults, for the same few examples.

    Raises:
        AssertionError: it does not.
    """
    numbers = jax.tree.map(as_array, experiment)
    timeline = _timeline(experiment, dataset, _STEPS_TO_LEARN)
    arrays = place(experiment, dataset)
    measured = jax.device_get(_run_alone(numbers, arrays, _STEPS_TO_LEARN, timeline))
    losses = np.asarray(measured.steps[TRAIN_LOSS])[:_STEPS_TO_LEARN]
    first, last = float(losses[:4].mean()), float(losses[-4:].mean())
    said = f"{word}: in {_STEPS_TO_LEARN} steps the loss went from {first:.4g} to {last:.4g}"
    require(last < 0.97 * first, said)


def _timeline(experiment: Experiment, dataset: Dataset, steps: int) -> Timeline:
    """The timeline of a run on a few examples, with one batch size."""
    whole, remainder = experiment.batch_size.batches(len(dataset.train.targets))
    per_epoch = max(whole + (remainder > 0), 1)
    phases = Phases(np.array([0]), np.array([0]), np.array([per_epoch]))
    return Timeline(0, 0, steps, steps / per_epoch, phases)


@contextmanager
def _explained(word: str) -> Iterator[None]:
    """Say of which option a check failed, and what an error of a traced number means.

    Raises:
        AssertionError: a check failed, or a float was used as a plain number.
    """
    try:
        yield
    except jax.errors.ConcretizationTypeError as error:
        raise AssertionError(
            f"{word}: a float is used as a plain number in Python; it is data: use jnp.where"
        ) from error
    except AssertionError as error:
        raise AssertionError(f"{word}: {error}") from error
