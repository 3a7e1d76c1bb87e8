"""What a run leaves beside its curves: the settings that change no number of it.

They are part of the config, like every setting, but not of the identity of a run: runs that differ
in nothing else are the same run when a sweep is resumed, and one run in a comparison.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from runner.config.values import from_plain
from runner.options.option import number


@dataclasses.dataclass(frozen=True)
class Keeping:
    """The settings; `conf/config.yaml` says what they mean."""

    checkpoint_every: float | None = number(300.0, above=0)
    checkpoint_epochs: int | None = number(None, minimum=1)


KEPT = ("weights", *(field.name for field in dataclasses.fields(Keeping)))
"""The keys of these settings. `weights` is one of the experiment, whose program keeps the best."""


def keeping(config: Mapping[str, Any]) -> Keeping:
    """Read the settings of a config; those of an earlier version have their defaults.

    Raises:
        ConfigError: one is of a wrong type or out of its range.
    """
    return from_plain(Keeping, config)
