"""An experiment runner for the optimization of neural networks: a command line, and Python.

    import runner

    run = runner.train("optimizer=adam", epochs=5)
    runs = runner.sweep({"optimizer": ["sgd", "adam"], "seed": range(5)})
    runs = runner.load("outputs")

The command line is `runner.cli`, the calls from Python are in `runner.api`. A composed config
becomes an `Experiment` (`runner.config`, `runner.experiment`), which is trained (`runner.engine`),
recorded (`runner.record`) and compared (`runner.compare`). What can be chosen is in
`runner.options` and `runner.data`. Importing this module imports neither JAX nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError, DataError, Interrupted, RecordError, SweepError, UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from runner.compare.api import Runs
    from runner.compare.runs import Run

__all__ = [
    "ConfigError",
    "DataError",
    "Interrupted",
    "RecordError",
    "Run",
    "Runs",
    "SweepError",
    "UserError",
    "load",
    "sweep",
    "train",
]

_ELSEWHERE = {"Run": "runner.compare.runs", "Runs": "runner.compare.api"}


def __getattr__(name: str) -> Any:
    """Import the classes of runs, and with them NumPy, when they are first asked for."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'runner' has no attribute {name!r}")
    return getattr(importlib.import_module(_ELSEWHERE[name]), name)


def train(
    *overrides: str | Mapping[str, Any],
    record: bool | str | os.PathLike[str] = False,
    progress: bool = True,
    config_dir: str | os.PathLike[str] | None = None,
    from_: Run | str | os.PathLike[str] | None = None,
    from_layers: str | Sequence[str] = (),
    branch: Run | str | os.PathLike[str] | None = None,
    at_epoch: int | None = None,
    resume: Run | str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Run:
    """Train one run, as `runner OVERRIDES` does.

    For example:

        runner.train("optimizer=adam", "optimizer.b1=0.8", epochs=5)
        runner.train(optimizer={"name": "adam", "b1": 0.8}, epochs=5)
        runner.train({"optimizer.learning_rate": 0.1}, model={"widths": [64, 64]})
        runner.train(data=(x, y), record="outputs/mine")
        runner.train(epochs=20, resume="outputs/mine")

    Args:
        *overrides: overrides as typed in the shell, each a string of its own, or dictionaries of
            keys and values. Of several values for a key the last one counts; keyword arguments come
            after positional ones.
        record: where the run is recorded: `False` keeps it in memory, `True` is the folder that the
            shell would choose, below `outputs/`. A path is this folder; if it holds the finished
            run of the same config, that is returned.
        progress: whether progress is shown: a bar in a notebook and on a terminal, else lines.
        config_dir: a folder with options of your own, as `--config-dir`.
        from_: a run whose weights are the initial ones, its folder, or a file with weights, as
            `--from`. A run in memory will do.
        from_layers: the layers that are taken of it, as `--from-layers`; by default all.
        branch: a recorded run, or its folder, that this one is up to the epoch `at_epoch`, as
            `--branch`.
        at_epoch: after which epoch the branch has settings of its own.
        resume: a recorded run, or its folder, that goes on to its end, or to longer `epochs` or
            `steps`, as `--resume`. Arrays as its data have to be given again.
        **settings: keys and values: a number, text, a list, or a dictionary of keys below, in which
            `name` is the option. An instance of a registered option is a value, too. `data` may be
            arrays `(x, y)`, `(x_train, y_train, x_test, y_test)`, or six with `x_validation,
            y_validation` between those. Inputs and targets are read as `data=npz` reads them:
            integers are classes, floats are numbers to predict. A recorded config has their
            checksum.

    Returns:
        The run. One that diverged or stopped early is a result, not an error.

    Raises:
        ConfigError: a key, a value or a combination cannot be right; one line.
        DataError: data in files are missing or damaged.
        RecordError: the record cannot be written.
        Interrupted: Ctrl-C; the run up to there is in its attribute `runs`.
    """
    from runner.api import calls

    return calls.train(
        *overrides,
        record=record,
        progress=progress,
        config_dir=config_dir,
        from_=from_,
        from_layers=from_layers,
        branch=branch,
        at_epoch=at_epoch,
        resume=resume,
        **settings,
    )


def sweep(
    *overrides: str | Mapping[str, Any],
    record: bool | str | os.PathLike[str] = False,
    progress: bool = True,
    config_dir: str | os.PathLike[str] | None = None,
    from_: Run | str | os.PathLike[str] | None = None,
    from_layers: str | Sequence[str] = (),
    branch: Run | str | os.PathLike[str] | None = None,
    at_epoch: int | None = None,
    **settings: Any,
) -> Runs:
    """Train a run for every combination of values, side by side, as `runner -m OVERRIDES` does.

    For example:

        runner.sweep({"optimizer": ["sgd", "adam"], "seed": range(5)}, epochs=3)
        runner.sweep("optimizer=sgd,adam", "seed=0,1,2,3,4", "epochs=3")
        runner.sweep("experiment=batch_size")

    Args:
        *overrides: dictionaries of the values to try by key, each a list, a range or an array, and
            overrides as typed in the shell, with values separated by commas.
        record: where the sweep is recorded, as in `train`; with a folder only what is missing there
            is trained, and the table and the figure of the sweep are written.
        progress: as in `train`.
        config_dir: as in `train`.
        from_: as in `train`; all runs start there.
        from_layers: as in `train`.
        branch: as in `train`; all runs are branches of that run.
        at_epoch: as in `train`.
        **settings: keys and values of all runs, as in `train`: here a list is one value.

    Returns:
        The runs, in the order of the combinations; of equal configs one.

    Raises:
        ConfigError: something is wrong with the config of a run; nothing has been trained.
        DataError: data in files are missing or damaged.
        RecordError: the record cannot be written.
        SweepError: runs failed, after all were tried; all of them are in its attribute `runs`.
        Interrupted: Ctrl-C; the runs up to there are in its attribute `runs`.
    """
    from runner.api import calls

    return calls.sweep(
        *overrides,
        record=record,
        progress=progress,
        config_dir=config_dir,
        from_=from_,
        from_layers=from_layers,
        branch=branch,
        at_epoch=at_epoch,
        **settings,
    )


def load(*folders: str | os.PathLike[str]) -> Runs:
    """Read the runs in some folders and everywhere below them.

    Args:
        *folders: folders of runs and sweeps, such as `"outputs"`.

    Returns:
        The runs, finished or not, with methods to tabulate, draw and test them
        (`runner.compare.api`).

    Raises:
        ConfigError: a folder does not exist, or there is no run in any of them.
    """
    from runner.compare import api

    return api.load(*folders)
