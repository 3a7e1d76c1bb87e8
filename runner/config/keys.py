"""A config as a flat list of settings, with keys as they are typed on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.keeping import KEPT
from runner.experiment.table import OPTIONS, STACKED

SEED = "seed"
"""The key of the seed: runs that differ in nothing else are repetitions of one experiment."""

VALIDATION_EXAMPLES = "data.validation_examples"
"""The key of how many examples are held out; with 0 there is no validation error."""

TARGET = "data.target"
"""The key of the column of a table that is predicted, or of several."""


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys: `{"optimizer.name": "adam", ...}`."""
    settings: dict[str, Any] = {}
    _flatten(config, prefix, settings)
    return settings


def _flatten(config: Mapping[str, Any], prefix: str, settings: dict[str, Any]) -> None:
    for key, value in config.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}{key}.", settings)
        else:
            settings[f"{prefix}{key}"] = value


def typed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten settings to keys as typed: `{"optimizer": "adam", "batch_size": 64, ...}`.

    Several options of one group are one setting: `{"regularization": ["dropout", "l2"]}`.
    Those that change no number of the run are left out (`runner.config.keeping`).
    """
    settings: dict[str, Any] = {}
    for key, value in flat(config).items():
        if key in KEPT:
            continue
        *path, last = key.split(".")
        if last != "name" or not path:
            settings[key] = value
        elif path[0] in STACKED and len(path) == 2:
            settings[path[0]] = _stack(path[0], config[path[0]])
        else:
            settings[".".join(path)] = value
    # `batch_size=64` is the option `mini` with its size.
    if settings.get("batch_size") == "mini":
        settings["batch_size"] = settings.pop("batch_size.size", "mini")
    return settings


def _stack(group: str, chosen: Mapping[str, Any]) -> str | list[str]:
    """The names of the chosen options of a group as they are typed, in the order of the table."""
    order = list(OPTIONS[group])
    names = sorted(chosen, key=lambda name: order.index(name) if name in order else len(order))
    return names if len(names) > 1 else names[0]


def hyperparameters(config: Mapping[str, Any], batch_size: int | None = None) -> dict[str, Any]:
    """Flatten settings for TensorBoard's HPARAMS tab: as typed, but the batch size as a number.

    The views of that tab leave out a run without a value on one of their axes, and a word among
    numbers turns all of them into words. So `batch_size=full` is a number too; the option is
    `batch_size.name`, and keys that only some options have (dropping a remainder, micro-batches)
    are present for all.

    Args:
        config: the nested settings.
        batch_size: the number of examples in the first batch; None leaves the keys as typed.
    """
    option = config.get("batch_size")
    if batch_size is None or not isinstance(option, Mapping):
        return typed(config)
    common = {"batch_size.drop_remainder": False, "batch_size.micro_batch": None}
    return common | typed(config) | {"batch_size": batch_size, "batch_size.name": option["name"]}
