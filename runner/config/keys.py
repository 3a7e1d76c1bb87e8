"""A config as a flat list of settings, with keys as they are typed on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEED = "seed"
"""The key of a run's seed: runs that differ in nothing else repeat one experiment."""


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys: `{"optimizer.name": "adam", ...}`."""
    settings: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = value
    return settings


def typed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with keys as they are typed: `{"optimizer": "adam", "batch_size": 64, ...}`."""
    settings: dict[str, Any] = {}
    for key, value in flat(config).items():
        *path, last = key.split(".")
        if last == "name" and path:
            settings[".".join(path)] = value
        else:
            settings[key] = value
    # `batch_size=64` is the option `mini` with its size.
    if settings.get("batch_size") == "mini":
        settings["batch_size"] = settings.pop("batch_size.size", "mini")
    return settings


def hyperparameters(config: Mapping[str, Any], batch_size: int | None = None) -> dict[str, Any]:
    """What the HPARAMS tab calls the settings: as typed, but the batch size as a number.

    Its views leave out a run that has no value on one of their axes, and a word among numbers makes
    words of all of them. So `batch_size=full` is a number too; the option is `batch_size.name`, and
    what not every option has (dropping a remainder, micro-batches) is there for all.
    """
    option = config.get("batch_size")
    if batch_size is None or not isinstance(option, Mapping):
        return typed(config)
    common = {"batch_size.drop_remainder": False, "batch_size.micro_batch": None}
    return common | typed(config) | {"batch_size": batch_size, "batch_size.name": option["name"]}
