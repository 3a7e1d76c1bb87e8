"""Hydra: from overrides to checked configs, with errors of one line.

`Application` is Hydra's own driver with four differences: a composed config is checked before
anything is created on disk; it is composed once where Hydra does it twice; whatever goes wrong
while composing becomes a `ConfigError`; and a run that fails raises its own exception.

The driver stands in a private module of Hydra; the version range in `pyproject.toml` guards it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from runner.config.build import build
from runner.config.locations import config_directory
from runner.config.overrides import (
    GROUPS,
    NUMBERED_GROUP,
    normalize,
    numbered_options,
    readable_name,
)
from runner.config.synonyms import NAMES
from runner.errors import ConfigError, RecordError, did_you_mean
from runner.experiment.experiment import Experiment
from runner.experiment.table import STACKED
from runner.options.batch_size import Mini

CONFIG_NAME = "config"
_PLUGIN_PATH = str(Path(__file__).parent / "path")


def accept(overrides: Sequence[str]) -> list[str]:
    """Normalize overrides, and make an option of every number that stands for a batch size."""
    normal = normalize(overrides)
    for number in numbered_options(normal):
        defaults = {field.name: field.default for field in dataclasses.fields(Mini)}
        node = {"name": "mini", **defaults, "size": int(number)}
        ConfigStore.instance().store(group=NUMBERED_GROUP, name=number, node=node)
    return normal


class Application(Hydra):
    """Hydra's driver, checking what it composes."""

    @classmethod
    def create(cls, config_dir: str | None) -> Application:
        """Make the driver; `config_dir` is a folder with the user's own options."""
        version.setbase("1.3")
        if _PLUGIN_PATH not in sys.path:
            sys.path.append(_PLUGIN_PATH)
        search_path = create_config_search_path(f"file://{config_directory()}")
        if config_dir is not None:
            directory = Path(config_dir).absolute()
            if not directory.is_dir():
                raise ConfigError(f"--config-dir {config_dir}: there is no such folder")
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
        """Compose and check; the same request again returns the same config."""
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
            if config_name is not None:  # without one there are only Hydra's own settings
                check(self.config_loader, config, overrides)
            self._composed = (request, config)
        return self._composed[1]

    def run(
        self,
        config_name: str | None,
        task_function: TaskFunction,
        overrides: list[str],
        with_log_configuration: bool = True,
    ) -> JobReturn:
        """Run one job; what it raises is raised here, with nothing printed about it before."""
        config = self.compose_config(
            config_name, overrides, RunMode.RUN, with_log_configuration=with_log_configuration
        )
        config.hydra.mode = RunMode.RUN
        callbacks = Callbacks(config)
        callbacks.on_run_start(config=config, config_name=config_name)
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


def claim_directory(
    config: DictConfig, kind: Literal["run", "sweep"], overrides: list[str]
) -> None:
    """Make a run's (or sweep's) directory, under another name if it is taken.

    Two runs started within the same second would otherwise write into one directory. A directory
    that the user named is used as it is.
    """
    node = config.hydra[kind]
    if any(word.startswith(f"hydra.{kind}.dir=") for word in overrides):
        return
    wanted = Path(str(node.dir))
    candidates = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    for directory in chain([wanted], candidates):
        try:
            directory.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise RecordError(f"{directory}: cannot be made: {error.strerror}") from error
        with read_write(config.hydra):
            node.dir = str(directory)
        return


def check(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> Experiment:
    """Build the experiment of a composed config, only to see that it can be built.

    Raises:
        ConfigError: something is wrong with it, or the user chose what the data ignore.
    """
    plain = as_plain(config)
    experiment = build(plain, where=lambda key: _place(loader, config, overrides, key))
    refuse_ignored(experiment, plain, overrides)
    return experiment


def refuse_ignored(experiment: Experiment, plain: dict[str, Any], overrides: Sequence[str]) -> None:
    """Refuse overrides of what the data ignore.

    Raises:
        ConfigError: one line about the first.
    """
    for override in overrides:
        group = override.lstrip("+~").partition("=")[0].partition(".")[0]
        if group in experiment.data.ignores:
            raise ConfigError(
                f"{override.lstrip('+').replace(chr(39), '')} has no part in "
                f"data={plain['data']['name']}, which "
                + ("brings its own parameters" if group != "batch_size" else "has no examples")
            )


def as_plain(config: DictConfig) -> dict[str, Any]:
    """The user's part of a config as plain dictionaries, interpolations resolved."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_first_line(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _place(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str], key: str) -> str:
    """Where a key got its value: the command line, or a YAML file."""
    key = key.partition("=")[0]
    typed = {override.lstrip("+~").partition("=")[0] for override in overrides}
    if key in typed:
        return ""  # the user sees what was typed
    choices = OmegaConf.select(config, "hydra.runtime.choices") or {}
    file = _file_of(key, choices)
    for source in loader.get_sources():
        path = Path(str(source.path)) / file
        if source.scheme() == "file" and path.is_file():
            return str(path)
    return ""


def _file_of(key: str, choices: Any) -> str:
    """The YAML file in which a key stands unless it was overridden, below `conf/`."""
    group, *rest = key.split(".")
    if group in STACKED and rest:
        return f"{group}/{rest[0]}.yaml"
    # The innermost choice: optimizer.base.b1 stands in the file of the base.
    for depth in range(len(rest) - 1, 0, -1):
        inner = f"{group}@{'.'.join([group, *rest[:depth]])}"
        if inner in choices:
            return f"{group}/{choices[inner]}.yaml"
    return f"{group}/{choices[group]}.yaml" if group in choices else f"{CONFIG_NAME}.yaml"


@contextlib.contextmanager
def one_line_errors(loader: ConfigLoader, overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra raises while composing into a `ConfigError` of one line."""
    try:
        yield
    except MissingConfigException as error:
        raise ConfigError(_missing_option(loader, error)) from error
    except OverrideParseException as error:
        raise ConfigError(_unparsable(error)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        found = _stray_key(loader, overrides, error) or _misused(overrides, error)
        raise found or ConfigError(_first_line(error)) from error


@contextlib.contextmanager
def run_errors() -> Iterator[None]:
    """Let a run's own exceptions through as they are; Hydra's become a `ConfigError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_first_line(error)) from error


def _missing_option(loader: ConfigLoader, error: MissingConfigException) -> str:
    """The line for an option, or a whole config, that does not exist."""
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    if group in GROUPS:
        options = sorted(error.options or loader.get_group_options(group))
        return (
            f"{group}={name} is not a known {group}{did_you_mean(name, options, NAMES.get(group))}"
        )
    return _first_line(error)


def _stray_key(
    loader: ConfigLoader, overrides: Sequence[str], error: Exception
) -> ConfigError | None:
    """Find the key that Hydra could not override, by letting every key in and checking it."""
    if "Could not override" not in str(error):
        return None
    lenient = [
        word if word.startswith(("+", "~", "hydra.")) or _chooses(word) else f"++{word}"
        for word in overrides
    ]
    try:
        config = loader.load_configuration(
            CONFIG_NAME, lenient, RunMode.MULTIRUN, validate_sweep_overrides=False
        )
        check(loader, config, overrides)
    except ConfigError as found:
        return found
    except (HydraException, OmegaConfBaseException):
        return None
    return None


def _unparsable(error: OverrideParseException) -> str:
    """The line for a word that is no override."""
    if "=" not in error.override:
        return f"{error.override!r} is not of the form key=value"
    return f"{error.override!r} cannot be read: {_first_line(error)}"


def _misused(overrides: Sequence[str], error: Exception) -> ConfigError | None:
    """The line for a list of values without `-m`, and for a group set to what is no name."""
    text = str(error)
    for word in overrides:
        group, _, value = word.partition("=")
        if "Ambiguous value" in text and f"'{word}'" in text:
            return ConfigError(f"{word} is a sweep over several values: add -m, or write [...]")
        named = value[:1].isalpha() and value not in ("null", "true", "false")
        if isinstance(error, ValueError) and group in GROUPS and not named:
            return ConfigError(f"{word}: {value} is not the name of an option of {group}")
    return None


def _chooses(override: str) -> bool:
    key = override.partition("=")[0]
    return "/" in key or key in GROUPS


def _first_line(error: Exception) -> str:
    """The sense of a message of several lines, in one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
