"""The checked configs of all jobs of a sweep, without composing each of them.

Hydra takes a fifth of a second to compose a config. But jobs that choose the same options differ
only in values, and replacing a value takes no time. So each set of choices is composed once. A job
that does more than set existing keys to new values (`+key`, `~key`, a dictionary, an interpolation,
a mistake) is composed by Hydra, with the error that it would give alone.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from runner.config.build import build, pin_data
from runner.config.values import interpolates
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.hydra_app import dot_hydra
from runner.hydra_app.checking import as_plain, check, refuse_ignored
from runner.hydra_app.error_lines import one_line_errors
from runner.hydra_app.job_template import JobTemplate
from runner.hydra_app.overrides import key_of, typed_words
from runner.hydra_app.prepare import prepare_overrides


@dataclasses.dataclass
class Base:
    """The composed config of a set of options, which jobs share.

    Attributes:
        config: the config with Hydra's own part.
        plain: the config without it, resolved.
    """

    config: DictConfig
    plain: dict[str, Any]

    @functools.cached_property
    def hydra_text(self) -> str:
        """The part of Hydra's own config that all jobs with these options share, as YAML."""
        return dot_hydra.shared_text(self.config)

    @functools.cached_property
    def template(self) -> JobTemplate | None:
        """What these jobs have in common besides; None if that is not known."""
        return JobTemplate(self.config) if JobTemplate.can_be_used(self.config) else None


class Composed(NamedTuple):
    """The config of a job.

    Attributes:
        number: the number of the job in its sweep.
        overrides: its overrides.
        plain: its resolved config.
        experiment: the experiment that the config describes.
        base: a config with the same options.
        values: the overrides that turn `base` into the config of the job.
        parsed: all overrides.
        place: its folder below that of the sweep; None: it is named by the number and overrides.
    """

    number: int
    overrides: list[str]
    plain: dict[str, Any]
    experiment: Experiment
    base: Base
    values: tuple[Override, ...] = ()
    parsed: tuple[Override, ...] = ()
    place: Path | None = None

    def config(self, *, shared: bool = False) -> DictConfig:
        """The config with Hydra's own part, as Hydra would have composed it.

        Args:
            shared: return one object for all jobs with the same base, which is valid until the next
                call; a copy takes 12 ms.
        """
        config = self.base.config if shared else copy.deepcopy(self.base.config)
        OmegaConf.set_readonly(config.hydra, False)
        ConfigLoaderImpl._apply_overrides_to_config(list(self.values), config)
        with open_dict(config):
            config.hydra.job.id = str(self.number)
            config.hydra.job.num = self.number
            if self.values:
                config.hydra.overrides.task = self.task
                config.hydra.job.override_dirname = self.directory_name(config)
        return config

    @property
    def task(self) -> list[str]:
        """The overrides but those of Hydra's own config."""
        return [word for word in self.overrides if not word.startswith("hydra.")]

    def directory_name(self, config: DictConfig | None = None) -> str:
        """The overrides, as they are part of the name of the directory.

        Args:
            config: the config of the job; by default that of `base`.
        """
        job = (config or self.base.config).hydra.job
        if not self.values:
            return str(job.override_dirname)
        style = job.config.override_dirname
        return get_overrides_dirname(
            overrides=list(self.parsed),
            kv_sep=style.kv_sep,
            item_sep=style.item_sep,
            exclude_keys=style.exclude_keys,
        )


class Composer:
    """Composes the jobs of one sweep.

    Args:
        context: Hydra's context, with its loader.
        sweep: the config of the sweep.
    """

    def __init__(self, context: HydraContext, sweep: DictConfig) -> None:
        self._loader = context.config_loader
        self._sweep = sweep
        parser = OverridesParser.create(config_loader=self._loader)
        self._parse = functools.cache(lambda word: parser.parse_overrides([word])[0])
        self._base = functools.cache(self._compose_base)
        self._made: dict[str, Any] = {}
        self._options = functools.cache(self._loader.get_group_options)

    def compose(self, overrides: Sequence[str], number: int) -> Composed:
        """Compose and check the config of one job.

        Args:
            overrides: its overrides.
            number: its number in the sweep.

        Raises:
            ConfigError: something is wrong with it.
        """
        prepared = prepare_overrides(overrides)
        return self._from_base(prepared, number) or self._by_hydra(prepared, number)

    def _from_base(self, overrides: list[str], number: int) -> Composed | None:
        """The job as new values in a config with the same options; None if it is more than that."""
        choices = tuple(word for word in overrides if self._chooses(word))
        try:
            parsed = tuple(map(self._parse, overrides))
            values = tuple(self._parse(word) for word in overrides if word not in choices)
            base = self._base(choices, tuple(value.key_or_group for value in values))
            if base is None:
                return None
            plain = dict(base.plain)
            if not all(_put(plain, value) for value in values):
                return None
            experiment = build(plain, made=self._made)
            refuse_ignored(experiment, plain, overrides)
            pin_data(plain, experiment)
        except Exception:
            return None  # composed by Hydra, the same mistake has an error that says where it is
        return Composed(number, overrides, plain, experiment, base, values, parsed)

    def _chooses(self, word: str) -> bool:
        """Whether an override chooses an option, rather than setting a value."""
        return bool(self._options(key_of(word).partition("@")[0]))

    def _compose_base(self, choices: tuple[str, ...], keys: tuple[str, ...]) -> Base | None:
        """Compose a config with some choices; None if its values depend on each other.

        Args:
            choices: the overrides that choose options.
            keys: the keys that jobs set; a config of its own for each set of them.
        """
        config = self._loader.load_sweep_config(self._sweep, list(choices))
        plain = as_plain(config)
        resolved = OmegaConf.masked_copy(config, list(plain))
        if interpolates(OmegaConf.to_container(resolved, resolve=False)):
            return None
        return Base(config, plain)

    def _by_hydra(self, overrides: list[str], number: int) -> Composed:
        """The job composed by Hydra."""
        try:
            with one_line_errors(self._loader, overrides):
                config = self._loader.load_sweep_config(self._sweep, overrides)
            experiment = check(self._loader, config, overrides)
        except ConfigError as error:
            words = typed_words(overrides)
            raise ConfigError(f"{error} [in run {number} of the sweep: {words}]") from error
        plain = as_plain(config)
        base = Base(config, dict(plain))
        pin_data(plain, experiment)
        return Composed(number, overrides, plain, experiment, base)


def _put(config: dict[str, Any], override: Override) -> bool:
    """Set a key that exists to a plain value; False, with nothing set, for any other override.

    The dictionaries below `config` are shared with other jobs, so those on the way are replaced.
    """
    value = override.value()
    if override.type is not OverrideType.CHANGE or override.package is not None:
        return False
    if isinstance(value, dict) or interpolates(value):
        return False
    *path, last = override.key_or_group.split(".")
    node: Any = config
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node or isinstance(node[last], dict):
        return False
    node = config
    for key in path:
        node[key] = dict(node[key])
        node = node[key]
    node[last] = value
    return True
