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
from typing import Any, NamedTuple

from runner.api.arrays import named_arrays
from runner.api.beginning import beginning_of
from runner.api.words import swept_words, words_of
from runner.compare.api import Runs
from runner.compare.runs import Run
from runner.data.own.arrays import given
from runner.errors import ConfigError, DataError, Interrupted, UserError
from runner.hydra_app.beginning import Beginning
from runner.interruption import handled_here
from runner.record.environment import started_by
from runner.terminal.caller import called_from_python

DATA = "data"

_SEVERAL = re.compile(r"[\w@.+~]+=\S+(\s+[\w@.+~]+=\S+)+")
"""Overrides in one string, separated as the shell separates them."""

_CALLS = {
    "add -m, or": "use runner.sweep, or",
    "; add -m for a sweep": "; use runner.sweep",
    "--rerun, --resume": "--resume",
    "a sweep over several is typed with -m and without brackets": "for several use runner.sweep",
}
"""What messages say of the command line, and what is done in Python."""

_FLAGS = re.compile(
    r"(?:runner )?--(from-layers|from|branch|at-epoch|resume|config-dir)\b( (?=\S+:|\S+$|[A-Z]+))?"
)
"""The flags that are arguments in Python, and the space before a value."""

_one_at_a_time = threading.RLock()

Folder = str | os.PathLike[str]
Words = str | Mapping[str, Any]


def train(*overrides: Words, record: bool | Folder = False, **arguments: Any) -> Run:
    """Train one run; `runner.train` says more.

    Args:
        *overrides: words as on the command line (`"optimizer=adam"`), or dictionaries of them.
        record: False: nothing is written; True: the folder that the command would use; or a folder.
        **arguments: the others of `runner.train`, and further overrides by key.

    Raises:
        UserError: see `runner.train`.
        Interrupted: see `runner.train`.
    """
    words = _typed(overrides, words_of)
    with _call(words, "runner", **arguments) as call:
        from runner.hydra_app.python import train_run

        return train_run(call.words, call.config_dir, _place(record), call.beginning)


def sweep(*overrides: Words, record: bool | Folder = False, **arguments: Any) -> Runs:
    """Train the runs of a sweep; `runner.sweep` says more.

    Args:
        *overrides: words as on the command line, with commas between values, or dictionaries.
        record: False: nothing is written; True: the folder that the command would use; or a folder.
        **arguments: the others of `runner.sweep`, and further overrides by key.

    Raises:
        UserError: see `runner.sweep`.
        Interrupted: see `runner.sweep`.
    """
    if "resume" in arguments:
        raise ConfigError("resume: a sweep goes on by the same call with its folder: record=FOLDER")
    words = _typed(overrides, swept_words)
    with _call(words, "runner -m", **arguments) as call:
        from runner.hydra_app.python import train_sweep

        return Runs(train_sweep(call.words, call.config_dir, _place(record), call.beginning))


class _Call(NamedTuple):
    """What a call asks for.

    Attributes:
        words: all overrides as typed.
        config_dir: the folder with options of the user's own.
        beginning: what it starts from, if from another run.
    """

    words: list[str]
    config_dir: str | None
    beginning: Beginning


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
    program: str,
    *,
    progress: bool = True,
    config_dir: Folder | None = None,
    from_: Any = None,
    from_layers: str | Sequence[str] = (),
    branch: Any = None,
    at_epoch: int | None = None,
    resume: Any = None,
    **settings: Any,
) -> Iterator[_Call]:
    """Prepare a call.

    Raises:
        UserError: what the call raises; one line.
        Interrupted: the same, with `Runs`.
    """
    folder = None if config_dir is None else os.fspath(config_dir)
    try:
        beginning = beginning_of(
            from_=from_,
            from_layers=from_layers,
            branch=branch,
            at_epoch=at_epoch,
            resume=resume,
            config_dir=folder,
        )
        flags = [*beginning.flags, *([] if folder is None else ["--config-dir", folder])]
        with contextlib.ExitStack() as stack:
            stack.enter_context(_one_at_a_time)
            own, hidden = stack.enter_context(_data_given(settings))
            if resume is not None and hidden:  # the record knows its arrays by their checksum
                own, hidden = {key: own[key] for key in own if key != DATA}, []
            words = [*words, *words_of(own), *hidden]
            stack.enter_context(handled_here())
            stack.enter_context(called_from_python(progress=progress))
            stack.enter_context(started_by(f"{program} {shlex.join([*flags, *words])}".strip()))
            yield _Call(words, folder, beginning)
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
    line = _FLAGS.sub(_argument, line)
    if line != str(error):
        error.args = (line,)
    return error


def _argument(flag: re.Match[str]) -> str:
    """The argument that a flag is in Python, with `=` where a value follows."""
    name = flag[1].replace("-", "_")
    return ("from_" if name == "from" else name) + ("=" if flag[2] else "")


def _place(record: bool | Folder) -> bool | Path:
    return record if isinstance(record, bool) else Path(record)
