"""Checks of a composed config: whether an experiment can be built from it, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.build import build, pin_data
from runner.config.locations import CONFIG_NAME
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.experiment.table import STACKED
from runner.hydra_app.overrides import as_typed, key_of
from runner.terminal.words import path_from_here


def check(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> Experiment:
    """Check a composed config by building its experiment.

    Args:
        loader: Hydra's loader, which knows the files that configs come from.
        config: the composed config.
        overrides: the overrides that it was composed with.

    Returns:
        The experiment.

    Raises:
        ConfigError: a key or value is wrong, or an override sets what has no effect.
    """
    plain = as_plain(config)
    experiment = build(plain, where=lambda key: _place(loader, config, overrides, key))
    refuse_ignored(experiment, plain, overrides)
    return experiment


def refuse_ignored(experiment: Experiment, plain: dict[str, Any], overrides: Sequence[str]) -> None:
    """Refuse overrides that have no effect with the chosen data or the chosen model.

    Args:
        experiment: the experiment.
        plain: its resolved config.
        overrides: the overrides, as Hydra reads them.

    Raises:
        ConfigError: one line about the first such override.
    """
    ignored = experiment.ignores
    for override in overrides:
        group = key_of(override).rpartition("@")[2].partition(".")[0]
        if group not in ignored:
            continue
        owner = "data"
        if group in experiment.data.ignores:
            why = "has no examples" if group == "batch_size" else "brings its own parameters"
        elif group == "preprocessing" and experiment.data.symbols:
            why = "has symbols for inputs, and no numbers"
        else:
            owner, why = "model", f"has no {_PARTS[group]}"
        chosen = f"{owner}={plain[owner]['name']}"
        raise ConfigError(f"{as_typed(override.lstrip('+'))} has no part in {chosen}, which {why}")


_PARTS = {"activation": "activation", "bias_initializer": "biases"}
"""What a model lacks that ignores a group."""


def pinned(config: DictConfig) -> tuple[dict[str, Any], Experiment]:
    """The resolved config of a run with the checksum of its data, and its experiment.

    Raises:
        ConfigError: something is wrong with it.
    """
    plain = as_plain(config)
    experiment = build(plain)
    pin_data(plain, experiment)
    return plain, experiment


def as_plain(config: DictConfig) -> dict[str, Any]:
    """The config without Hydra's own part, as plain dictionaries with interpolations resolved.

    Raises:
        ConfigError: an interpolation cannot be resolved, or a value is missing.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _place(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str], key: str) -> str:
    """The YAML file that a key got its value from; empty if it was typed, or is not known."""
    key = key.partition("=")[0]
    typed = [key_of(override).rpartition("@")[2] for override in overrides]
    if any(f"{each}.".startswith(f"{key}.") for each in typed):
        return ""  # the user sees what was typed
    choices = OmegaConf.select(config, "hydra.runtime.choices") or {}
    file = _file_of(key, choices)
    for source in loader.get_sources():
        path = Path(str(source.path)) / file
        if source.scheme() == "file" and path.is_file():
            return str(path_from_here(path))
    return ""


def _file_of(key: str, choices: Any) -> str:
    """The YAML file, below `conf/`, that holds a key which was not overridden."""
    group, *rest = key.split(".")
    if group in STACKED and rest:
        return f"{group}/{rest[0]}.yaml"
    # The innermost choice: optimizer.base.b1 is in the file of the base.
    inside = {
        place: f"{inner}/{choices[f'{inner}@{place}']}.yaml"
        for inner, at, place in (str(choice).partition("@") for choice in choices)
        if at
    }
    for depth in range(len(rest) - 1, 0, -1):
        if (place := ".".join([group, *rest[:depth]])) in inside:
            return inside[place]
    return f"{group}/{choices[group]}.yaml" if group in choices else f"{CONFIG_NAME}.yaml"


def first_line(error: Exception) -> str:
    """The first line of an error's message, which says what is wrong; else the error's name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
