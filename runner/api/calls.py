"""The calls `runner.train` and `runner.sweep`: arguments in, runs out.

The work is done by `runner.hydra_app.python`, for one call at a time: what Hydra and the log of a
run change is global to the process, and two trainings at once would share the cores anyway.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.api.arrays import named_arrays
from runner.api.words import swept_words, words_of
from runner.compare.api import Runs
from runner.compare.runs import Run
from runner.data.own.arrays import given
from runner.errors import ConfigError, DataError, Interrupted, UserError
from runner.interruption import handled_here
from runner.record.environment import started_by
from runner.terminal.caller import called_from_python

DATA = "data"

_SEVERAL = re.compile(r"[\w@.+~]+=\S+(\s+[\w@.+~]+=\S+)+")
"""Overrides in one string, separated as the shell separates them."""

_CALLS = {
    "add -m, or": "use runner.sweep, or",
    "; add -m for a sweep": "; use runner.sweep",
    "a sweep over several is typed with -m and without brackets": "for several use runner.sweep",
}
"""What messages say of the command line, and what is done in Python."""

_one_at_a_time = threading.RLock()

Folder = str | os.PathLike[str]
Words = str | Mapping[str, Any]


def train(
    *overrides: Words,
    record: bool | Folder = False,
    progress: bool = True,
    config_dir: Folder | None = None,
    **settings: Any,
) -> Run:
    """Train one run; `runner.train` says more.

    Args:
        *overrides: words as on the command line (`"optimizer=adam"`), or dictionaries of them.
        record: False: nothing is written; True: the folder that the command would use; or a folder.
        progress: whether progress is shown.
        config_dir: a folder with options of the user's own.
        **settings: further overrides, by key.

    Raises:
        UserError: see `runner.train`.
        Interrupted: see `runner.train`.
    """
    words = _typed(overrides, words_of)
    with _call(words, settings, config_dir, "runner", progress=progress) as call:
        from runner.hydra_app.python import train_run

        return train_run(call, _path(config_dir), _place(record))


def sweep(
    *overrides: Words,
    record: bool | Folder = False,
    progress: bool = True,
    config_dir: Folder | None = None,
    **settings: Any,
) -> Runs:
    """Train the runs of a sweep; `runner.sweep` says more.

    Args:
        *overrides: words as on the command line, with commas between values, or dictionaries.
        record: False: nothing is written; True: the folder that the command would use; or a folder.
        progress: whether progress is shown.
        config_dir: a folder with options of the user's own.
        **settings: further overrides, by key; several values as `runner.sweep` reads them.

    Raises:
        UserError: see `runner.sweep`.
        Interrupted: see `runner.sweep`.
    """
    words = _typed(overrides, swept_words)
    with _call(words, settings, config_dir, "runner -m", progress=progress) as call:
        from runner.hydra_app.python import train_sweep

        return Runs(train_sweep(call, _path(config_dir), _place(record)))


def _typed(overrides: Sequence[Words], words_of_mapping: Any) -> list[str]:
    """The positional arguments as typed.

    Raises:
        ConfigError: one is neither text nor a dictionary.
    """
    words = []
    for each in overrides:
        if isinstance(each, str):
            if _SEVERAL.fullmatch(each):
                several = ", ".join(map(repr, each.split()))
                raise ConfigError(f"{each!r}: each override is a string of its own: {several}")
            words.append(each)
        elif isinstance(each, Mapping):
            words += words_of_mapping(each)
        else:
            raise ConfigError(
                f"{type(each).__name__} is no override; expected text like 'optimizer=adam', or a "
                "dictionary"
            )
    return words


@contextlib.contextmanager
def _call(
    words: list[str],
    settings: Mapping[str, Any],
    config_dir: Folder | None,
    program: str,
    *,
    progress: bool,
) -> Iterator[list[str]]:
    """Prepare a call, and yield all overrides as typed.

    Raises:
        UserError: what the call raises; one line.
        Interrupted: the same, with `Runs`.
    """
    flags = [] if config_dir is None else ["--config-dir", os.fspath(config_dir)]
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_one_at_a_time)
            settings, hidden = stack.enter_context(_data_given(settings))
            words = [*words, *words_of(settings), *hidden]
            stack.enter_context(handled_here())
            stack.enter_context(called_from_python(progress=progress))
            stack.enter_context(started_by(f"{program} {shlex.join([*flags, *words])}".strip()))
            yield words
    except Interrupted as interruption:
        interruption.runs = Runs(interruption.runs)
        raise
    except UserError as error:
        error.runs = Runs(error.runs)
        raise _in_python(error) from error.__cause__


@contextlib.contextmanager
def _data_given(settings: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Replace arrays by the keys that describe them; yield also words that hide these in names.

    Raises:
        ConfigError: something is wrong with the arrays.
    """
    own = dict(settings)
    arrays = named_arrays(own.get(DATA))
    if arrays is None:
        yield own, []
        return
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(given(arrays))
        except DataError as error:
            raise ConfigError(str(error)) from error
        keys = ",".join(f"{DATA}.{key}" for key in found)
        yield (
            {DATA: found, **{key: value for key, value in own.items() if key != DATA}},
            [f"hydra.job.config.override_dirname.exclude_keys=[{keys}]"],
        )


def _in_python(error: UserError) -> UserError:
    """The error with what is done in Python, and not on the command line."""
    line = str(error)
    for typed, called in _CALLS.items():
        line = line.replace(typed, called)
    if line != str(error):
        error.args = (line,)
    return error


def _place(record: bool | Folder) -> bool | Path:
    return record if isinstance(record, bool) else Path(record)


def _path(config_dir: Folder | None) -> str | None:
    return None if config_dir is None else os.fspath(config_dir)
