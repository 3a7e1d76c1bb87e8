"""Checks of Hydra's own part of a config: how a run or a sweep is started, and by what.

Hydra checks types, but not what its plugins make of them, and a plugin would fail with a traceback
after folders have been made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.config.values import from_plain, shown
from runner.errors import ConfigError, did_you_mean
from runner.hydra_app.overrides import LAUNCHER_KEYS
from runner.hydra_app.settings import LauncherSettings

_OWN = "runner"
"""The name of the launcher and of the sweeper of this package."""

_PACKAGES = ("hydra_plugins.", "hydra._internal.core_plugins.")
"""Where Hydra accepts plugins from."""

_SWEEPER_KEYS = ("max_batch_size", "params", "cases", "figure")


def check_hydra(config: DictConfig) -> None:
    """Check the launcher and the sweeper, whether or not a sweep is run.

    Raises:
        ConfigError: a key is not known, or a value cannot be right.
    """
    launcher, sweeper = (_plugin(config, kind) for kind in ("launcher", "sweeper"))
    choices = config.hydra.runtime.choices
    if choices.get("hydra/launcher") == _OWN:
        _check_known(launcher, "hydra.launcher.", LAUNCHER_KEYS)
        from_plain(LauncherSettings, launcher)
    _check_size(sweeper.get("max_batch_size"))
    if choices.get("hydra/sweeper") == _OWN:
        _check_known(sweeper, "hydra.sweeper.", _SWEEPER_KEYS)
        _check_mapping(sweeper, "params", "{seed: '0,1'}")
        _check_mapping(sweeper, "figure", "{kind: curves}")


def _plugin(config: DictConfig, kind: str) -> Mapping[str, Any]:
    """The settings of the launcher or of the sweeper, as plain values.

    Raises:
        ConfigError: they are no settings of a plugin.
    """
    node = config.hydra[kind]
    if not isinstance(node, DictConfig):
        raise ConfigError(
            f"hydra.{kind}={shown(node)}: choose one by its name: hydra/{kind}={_OWN}"
        )
    settings = OmegaConf.to_container(node, resolve=False)
    assert isinstance(settings, dict)
    target = settings.pop("_target_", None)
    if not isinstance(target, str) or not target.startswith(_PACKAGES):
        raise ConfigError(
            f"hydra.{kind}._target_={shown(target)} is no plugin of Hydra; choose one by its name: "
            f"hydra/{kind}={_OWN}"
        )
    return {str(key): value for key, value in settings.items()}


def _check_known(settings: Mapping[str, Any], prefix: str, known: tuple[str, ...]) -> None:
    """Check the keys.

    Raises:
        ConfigError: one is not known.
    """
    for key in settings:
        if key not in known:
            raise ConfigError(f"{prefix}{key} is not a known key{did_you_mean(key, known)}")


def _check_mapping(settings: Mapping[str, Any], key: str, example: str) -> None:
    """Check that a key has a dictionary or nothing.

    Raises:
        ConfigError: it has something else.
    """
    value = settings.get(key)
    if value is not None and not isinstance(value, dict):
        raise ConfigError(
            f"hydra.sweeper.{key}={shown(value)} must be a dictionary, like {example}, or null"
        )


def _check_size(size: Any) -> None:
    """Check how many jobs are started at once.

    Raises:
        ConfigError: it is not a positive integer or null.
    """
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0):
        return
    raise ConfigError(
        f"hydra.sweeper.max_batch_size={shown(size)} must be a whole number, at least 1, or null"
    )
