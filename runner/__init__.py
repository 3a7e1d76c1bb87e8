"""A command-line experiment runner for the optimization of neural networks.

The command line is `runner.cli`. A composed config becomes an `Experiment` (`runner.config`,
`runner.experiment`), which is trained (`runner.engine`), recorded (`runner.record`) and compared
(`runner.compare`). What can be chosen is in `runner.options` and `runner.data`. From Python, runs
are read by `load`:

    import runner

    runs = runner.load("outputs")
    runs.frame()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from runner.compare.api import Runs

__all__ = ["load"]


def load(*folders: str | Path) -> Runs:
    """Read the runs in some folders and everywhere below them.

    Args:
        folders: folders of runs and sweeps, such as `"outputs"`.

    Returns:
        The runs, finished or not, with methods to tabulate, draw and test them
        (`runner.compare.api`).

    Raises:
        ConfigError: a folder does not exist, or there is no run in any of them.
    """
    from runner.compare import api

    return api.load(*folders)
