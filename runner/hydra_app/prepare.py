"""Overrides made ready for Hydra: normalized, with an option for each number that is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hydra.core.config_store import ConfigStore

from runner.config.values import LARGEST_INTEGER
from runner.errors import ConfigError
from runner.experiment.table import OPTIONS, STACKED
from runner.hydra_app.overrides import NUMBERED_GROUP, as_typed, normalize, numbered_options
from runner.options.batch_size import Mini

_DIGITS = 20
"""A number with more is not read."""


def prepare_overrides(overrides: Sequence[str]) -> list[str]:
    """Normalize overrides, and define an option for each number that is chosen as a batch size.

    Raises:
        ConfigError: several options are chosen of a group of which a run has one, or a number has
            too many digits.
    """
    normal = normalize(overrides)
    _refuse_several(normal)
    for number in numbered_options(normal):
        if len(number) > _DIGITS:  # Python itself refuses to read thousands of them
            raise ConfigError(
                f"batch_size={number[:_DIGITS]}... is too large: integers go up to "
                f"{LARGEST_INTEGER:,}"
            )
        _define_batch_size(number)
    return normal


def _define_batch_size(number: str) -> None:
    """Define the option of a number, which the jobs of a sweep share: storing takes a millisecond.

    Args:
        number: the option's name: how many examples a batch has.
    """
    store = ConfigStore.instance()
    if f"{number}.yaml" in store.repo.get(NUMBERED_GROUP, {}):
        return
    defaults = {field.name: field.default for field in dataclasses.fields(Mini)}
    node = {"name": "mini", **defaults, "size": int(number)}
    store.store(group=NUMBERED_GROUP, name=number, node=node)


def _refuse_several(overrides: Sequence[str]) -> None:
    """Refuse a list of options of a group of which a run has one.

    Raises:
        ConfigError: there is one.
    """
    for word in overrides:
        group, _, value = word.partition("=")
        if group in OPTIONS and group not in STACKED and value.startswith(("[", "{")):
            raise ConfigError(
                f"{as_typed(word)}: a run has one {group}; a sweep over several is typed with -m "
                "and without brackets"
            )
