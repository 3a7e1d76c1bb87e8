"""Where Hydra finds runner's launcher and sweeper.

Hydra instantiates a plugin only if its class is defined in a module of the namespace package
`hydra_plugins`; `runner.hydra_app.application` puts the folder above this one on `sys.path` before
Hydra looks. The module is imported at every start, so it must stay light. (No `from __future__
import annotations`: Hydra's scanner fails on it in modules with dataclasses.)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf


class RunnerSweeper(BasicSweeper):
    """Hydra's own sweep over the product of all values, with the values that `runner` accepts.

    With `cases`, lists of overrides, the product is taken for each of them, so that a study can
    choose its combinations, with numbers that only some options have.

    The launcher checks the jobs: it composes each of them once and keeps the result.
    """

    def __init__(
        self, figure: Any = None, cases: Sequence[Sequence[str]] = (), **settings: Any
    ) -> None:
        """Accept `figure`, which the launcher reads; the rest, but for `cases`, is Hydra's."""
        super().__init__(**settings)
        self.cases = cases

    def sweep(self, arguments: list[str]) -> Any:
        """Launch a job for every combination of the values.

        Raises:
            ConfigError: `cases` is not a list of lists, an override has no values, or the config of
                a job is wrong; then none has been run.
            RecordError: the directory of the sweep cannot be created.
        """
        from runner import files
        from runner.errors import RecordError
        from runner.hydra_app.products import checked_jobs, every_job
        from runner.whole_files import replace_text

        assert self.hydra_context
        assert self.config
        assert self.launcher
        words = [*self._parse_config(), *arguments]
        jobs: list[Sequence[str]] = [*every_job(self.hydra_context, self.cases, words)]
        if not isinstance(self.launcher, RunnerLauncher):
            jobs = checked_jobs(self.hydra_context, self.config, jobs)
        size = self.max_batch_size or len(jobs)
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        if not self.config.hydra.launcher.get("dry_run"):
            directory = Path(str(self.config.hydra.sweep.dir))
            try:
                directory.mkdir(parents=True, exist_ok=True)
                replace_text(directory / files.SWEEP_CONFIG, OmegaConf.to_yaml(self.config))
            except OSError as error:
                raise RecordError(f"{directory}: cannot be made: {error.strerror}") from error
        results: list[Any] = []
        for batch in batches:
            first = sum(len(batch) for batch in results)
            results.append(self.launcher.launch(batch, initial_job_idx=first))
            for result in results[-1]:
                _ = result.return_value  # raises what a job of another launcher raised
        if not isinstance(self.launcher, RunnerLauncher):
            from runner.hydra_app.launch import draw_after

            draw_after(self.config)
        return results


class RunnerLauncher(Launcher):
    """Checks every job of the sweep, then trains them side by side."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra passes.

        Args:
            hydra_context: Hydra's context, with its loader and callbacks.
            task_function: what Hydra would run for each job.
            config: the composed config of the sweep.
        """
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run the jobs; see `runner.hydra_app.launch`."""
        from runner.hydra_app.launch import launch

        return launch(
            self.hydra_context,
            self.task_function,
            self.config,
            job_overrides,
            initial_job_idx,
            self.settings,
        )
