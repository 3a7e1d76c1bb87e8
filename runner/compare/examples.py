"""Training examples before and after the preprocessing of runs, made again from their records.

The data are loaded as the runs loaded them, and nothing is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.grouping import differing_keys, format_setting
from runner.compare.recorded_options import recorded_option
from runner.compare.runs import Run
from runner.data import Source
from runner.errors import ConfigError
from runner.lazy import jnp
from runner.options.preprocessing.base import Preprocessing

MOST_EXAMPLES = 10

_DATA, _PREPROCESSING = "data", "preprocessing"


class Pictures(NamedTuple):
    """Some examples in one form.

    Attributes:
        label: what they are: the data, or the preprocessing with what distinguishes it.
        images: an array [examples, height, width, channels].
        classes: of each example.
        is_turned_back: whether the network gets components, which are shown as the image that they
            stand for.
    """

    label: str
    images: npt.NDArray
    classes: list[int]
    is_turned_back: bool = False


def pictures(runs: Sequence[Run]) -> Iterator[Pictures]:
    """Yield examples of each data set as they are stored, then after each preprocessing of it.

    Of each class the first training example, of at most `MOST_EXAMPLES` classes.

    Args:
        runs: the runs; equal data and preprocessings are shown once.

    Raises:
        ConfigError: the data or the preprocessing of a run are not known, have no images, or are
            not on this machine.
        DataError: the data cannot be read.
    """
    of_data: dict[str, dict[str, Run]] = {}
    for run in runs:
        preprocessings = of_data.setdefault(_identity(run, _DATA), {})
        preprocessings.setdefault(_identity(run, _PREPROCESSING), run)
    for preprocessings in of_data.values():
        found = list(preprocessings.values())
        inputs, rows, classes = _first_of_each_class(found[0])
        stored = inputs[rows]
        yield Pictures(f"{found[0].settings[_DATA]}, as stored", stored.astype(float), classes)
        for run, label in zip(found, _labels(found), strict=True):
            preprocessing = recorded_option(run, _PREPROCESSING)
            if not isinstance(preprocessing, Preprocessing):
                raise _not_known(run, _PREPROCESSING)
            statistics = preprocessing.fit(inputs)
            outputs = preprocessing(preprocessing.ready(statistics), jnp.asarray(stored))
            back = np.asarray(preprocessing.pictured(statistics, outputs)).reshape(stored.shape)
            turned = tuple(outputs.shape) != stored.shape
            yield Pictures(label, back.astype(float), classes, turned)


def _identity(run: Run, group: str) -> str:
    return json.dumps(run.config.get(group), sort_keys=True)


def _labels(runs: Sequence[Run]) -> list[str]:
    """The preprocessing of each run, with what distinguishes it from others of its name."""
    settings = [
        {key: value for key, value in run.settings.items() if key.split(".")[0] == _PREPROCESSING}
        for run in runs
    ]
    labels = []
    for own in settings:
        name = own.get(_PREPROCESSING)
        same = [other for other in settings if other.get(_PREPROCESSING) == name]
        values = (own[key] for key in differing_keys(same))
        labels.append(", ".join(map(format_setting, (name, *values))))
    return labels


def _first_of_each_class(run: Run) -> tuple[npt.NDArray, list[int], list[int]]:
    """The training inputs of a run, the rows of the first example of each class, the classes.

    Raises:
        ConfigError: see `pictures`.
        DataError: the data cannot be read.
    """
    source = recorded_option(run, _DATA)
    if not isinstance(source, Source):
        raise _not_known(run, _DATA)
    if len(source.input_shape) != 3:
        raise ConfigError(
            "the figure images needs images [height, width, channels]; an example of data="
            f"{run.settings[_DATA]} has the shape {list(source.input_shape)}"
        )
    if absent := source.absent():
        raise ConfigError(f"the figure images downloads nothing, and {absent[0]} is not there")
    train = source.load().train
    classes, rows = np.unique(train.targets, return_index=True)
    return train.inputs, rows[:MOST_EXAMPLES].tolist(), classes[:MOST_EXAMPLES].tolist()


def _not_known(run: Run, group: str) -> ConfigError:
    name = run.settings.get(group)
    return ConfigError(
        f"{run.directory}: {group}={name} is not known here; if it is an option of your own, draw "
        "the figure from Python after importing its module"
    )
