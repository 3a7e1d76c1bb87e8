"""Hydra's own driver, with checks and with errors of one line.

`Application` differs from it in four ways: a composed config is checked before anything is created
on disk; it is composed once where Hydra does it twice; whatever goes wrong while composing becomes
a `ConfigError`; and a run that fails raises its own exception.

The driver is in a private module of Hydra; the version range in `pyproject.toml` guards it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override

from runner.config.locations import config_directory, existing
from runner.errors import ConfigError, RecordError, did_you_mean
from runner.hydra_app.checking import check, first_line
from runner.hydra_app.error_lines import one_line_errors
from runner.hydra_app.hydra_settings import check_hydra
from runner.hydra_app.overrides import (
    readable_name,
)
from runner.hydra_app.yaml_files import check_sizes
from runner.terminal.words import shell_path

_PLUGIN_PATH = str(Path(__file__).parent / "path")


def find_plugins() -> None:
    """Let Python find the launcher and the sweeper, where Hydra looks for them."""
    if _PLUGIN_PATH not in sys.path:
        sys.path.append(_PLUGIN_PATH)


def _refuse_hidden(directory: Path, typed: str) -> None:
    """Refuse files of the user that Hydra never reads, since runner's own have the same names.

    Raises:
        ConfigError: there is one.
    """
    own = config_directory()
    if directory.samefile(own):
        return
    for file in sorted(own.rglob("*.yaml")):
        name = file.relative_to(own)
        if not (directory / name).is_file():
            continue
        hint = "give it another name"
        if directory.name == ".hydra":
            run = shell_path(directory.parent)
            hint = f"to repeat the run that is recorded there: runner --rerun {run}"
        raise ConfigError(f"--config-dir {typed}: runner's own {name} hides the one there; {hint}")


class Application(Hydra):
    """Hydra's driver, which checks what it composes."""

    @classmethod
    def create(cls, config_dir: str | None) -> Application:
        """Make the driver.

        Args:
            config_dir: a folder with the user's own options.

        Raises:
            ConfigError: there is no such folder.
        """
        version.setbase("1.3")
        find_plugins()
        search_path = create_config_search_path(f"file://{config_directory()}")
        if config_dir is not None:
            directory = existing(config_dir).absolute()
            _refuse_hidden(directory, config_dir)
            check_sizes(directory)
            anchor = SearchPathQuery(provider="schema")
            search_path.prepend("command-line", f"file://{directory}", anchor)
        OmegaConf.register_new_resolver("run_name", readable_name, replace=True)
        application = cls.create_main_hydra2("runner", search_path)
        assert isinstance(application, cls)
        application._composed = None
        return application

    _composed: tuple[Any, DictConfig] | None

    def compose_config(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        with_log_configuration: bool = False,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Compose and check a config; the same request again returns the same config.

        Args:
            config_name: the primary config; None for Hydra's own settings alone.
            overrides: the overrides, as Hydra reads them.
            run_mode: one run or a sweep.
            with_log_configuration: whether Hydra configures its log.
            from_shell: whether the overrides were typed.
            validate_sweep_overrides: whether lists of values are refused for one run.

        Raises:
            ConfigError: something is wrong with it.
        """
        request = (config_name, tuple(overrides), run_mode, with_log_configuration)
        if self._composed is None or self._composed[0] != request:
            with one_line_errors(self.config_loader, overrides):
                config = super().compose_config(
                    config_name,
                    overrides,
                    run_mode,
                    with_log_configuration,
                    from_shell,
                    validate_sweep_overrides,
                )
            if config_name is not None:
                check_hydra(config)
                check(self.config_loader, config, overrides)
            self._composed = (request, config)
        return self._composed[1]

    def show_cfg(
        self,
        config_name: str | None,
        overrides: list[str],
        cfg_type: str,
        package: str | None,
        resolve: bool = False,
    ) -> None:
        """Print a config, or a part of it.

        Args:
            config_name: the primary config.
            overrides: the overrides, as Hydra reads them.
            cfg_type: which part: that of the job, of Hydra, or both.
            package: the part of it that is printed, such as `optimizer`; None for all.
            resolve: whether interpolations are replaced by their values.

        Raises:
            ConfigError: something is wrong with it, or it has no such part.
        """
        config = self.compose_config(config_name, overrides, RunMode.RUN)
        with one_line_errors(self.config_loader, overrides):
            _check_package(config, cfg_type, package)
            super().show_cfg(config_name, overrides, cfg_type, package, resolve)

    def show_info(
        self,
        info: str,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode = RunMode.RUN,
    ) -> None:
        """Print where the config comes from.

        Args:
            info: what is asked for.
            config_name: the primary config.
            overrides: the overrides, as Hydra reads them.
            run_mode: one run or a sweep.

        Raises:
            ConfigError: something is wrong with it.
        """
        with one_line_errors(self.config_loader, overrides):
            super().show_info(info, config_name, overrides, run_mode)

    def run(
        self,
        config_name: str | None,
        task_function: TaskFunction,
        overrides: list[str],
        with_log_configuration: bool = True,
    ) -> JobReturn:
        """Run one job; its exception is raised here, with nothing printed before.

        Args:
            config_name: the primary config.
            task_function: what is run.
            overrides: the overrides, as Hydra reads them.
            with_log_configuration: whether Hydra configures the log of the job.

        Raises:
            RecordError: the directory of the job cannot be made or written.
            Exception: the one that the job raised.
        """
        config = self.compose_config(
            config_name, overrides, RunMode.RUN, with_log_configuration=with_log_configuration
        )
        config.hydra.mode = RunMode.RUN
        callbacks = Callbacks(config)
        callbacks.on_run_start(config=config, config_name=config_name)
        with _start_errors(config):
            result = run_job(
                hydra_context=HydraContext(config_loader=self.config_loader, callbacks=callbacks),
                task_function=task_function,
                config=config,
                job_dir_key="hydra.run.dir",
                job_subdir_key=None,
                configure_logging=with_log_configuration,
            )
        callbacks.on_run_end(config=config, config_name=config_name, job_return=result)
        if result.status is JobStatus.FAILED:
            raise result._return_value
        return result


@contextlib.contextmanager
def _start_errors(config: DictConfig) -> Iterator[None]:
    """Turn what Hydra raises before a job starts into an error of one line.

    What the job itself raises is returned by Hydra, not raised.

    Raises:
        ConfigError: the settings of Hydra do not allow to start it.
        RecordError: the directory cannot be made or written.
    """
    try:
        yield
    except Exception as error:
        # The configuration of the log raises a ValueError where its file cannot be opened.
        reason = error if isinstance(error, OSError) else error.__cause__
        if isinstance(reason, OSError):
            place = config.hydra.run.dir
            raise RecordError(f"{place}: cannot be written: {reason.strerror}") from error
        raise ConfigError(f"hydra: the run cannot start: {first_line(error)}") from error


def _check_package(config: DictConfig, kind: str, package: str | None) -> None:
    """Check that there is a part of a config to print.

    Raises:
        ConfigError: there is none.
    """
    if package is None or package == "_global_":
        return
    shown = [
        key for key in map(str, config) if kind == "all" or (key == "hydra") == (kind != "job")
    ]
    first = package.partition(".")[0]
    if first in shown and OmegaConf.select(config, package) is not None:
        return
    if first == "hydra":
        hint = "; its part hydra is printed by --cfg hydra" if kind == "job" else ""
    else:
        parent, _, name = package.rpartition(".")
        node = OmegaConf.select(config, parent) if first in shown and parent else None
        keys = [str(key) for key in node] if isinstance(node, DictConfig) else []
        hint = did_you_mean(name, keys) if keys else did_you_mean(first, shown)
    raise ConfigError(f"--package {package}: there is no such part of the config{hint}")


def fill(config: DictConfig, plain: Mapping[str, Any], folder: Path, overrides: list[str]) -> None:
    """Turn the composed config of a run into another one, such as a recorded one.

    Args:
        config: the composed config; it is changed.
        plain: the groups and settings that it gets, resolved.
        folder: the folder of the run.
        overrides: what the record of the run says was typed.
    """
    with flag_override(config, ["struct", "readonly"], [False, False]):
        for key in [key for key in config if key != "hydra"]:
            del config[key]
        config.update(plain)
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        config.hydra.run.dir = str(folder)
        config.hydra.overrides.task = overrides
