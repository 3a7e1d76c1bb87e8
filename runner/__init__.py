"""A command-line experiment runner for the optimization of neural networks.

Start with the README; the modules in the order in which data flow through them are `cli`,
`compose`, `config`, `experiment`, `run`, `loop`, `train`, `record`, `compare`. The options are in
`runner.options`. From Python, runs are read by `load`:

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
    """The runs in some folders and everywhere below them; see `runner.compare.api`."""
    from runner.compare import api

    return api.load(*folders)
