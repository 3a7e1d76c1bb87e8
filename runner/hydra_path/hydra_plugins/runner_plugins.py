"""Where Hydra finds runner's launcher and sweeper.

Hydra instantiates a plugin only if its class is defined in a module of the namespace package
`hydra_plugins`; `runner.compose` puts the folder above this one on `sys.path` before Hydra looks.
The module is imported at every start, so it must stay light. (No `from __future__ import
annotations`: Hydra's scanner does not bear it in modules with dataclasses.)
"""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.plugins.launcher import Launcher


class RunnerSweeper(BasicSweeper):
    """Hydra's own sweep over the product of all values, with the values that `runner` accepts."""

    def _parse_config(self) -> list[str]:
        from runner.compose import accept

        return accept(super()._parse_config())

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Left to the launcher, which composes every job once and keeps the result."""


class RunnerLauncher(Launcher):
    """Checks every job of the sweep, then runs them."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Remember what Hydra hands over."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run the jobs; see `runner.launcher.launch`."""
        from runner.launcher import launch

        return launch(
            self.hydra_context, self.task_function, self.config, job_overrides, initial_job_idx
        )
