"""How a sweep is run: the keys of `hydra/launcher=runner`."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_type_hints

from runner.errors import ConfigError
from runner.options.option import number
from runner.values import convert


@dataclasses.dataclass(frozen=True)
class Settings:
    """See `conf/hydra/launcher/runner.yaml`."""

    strategy: Literal["auto", "sequential", "map", "vmap"] = "auto"
    lanes: int | None = number(None, minimum=1)
    devices: int | None = number(None, minimum=1)
    fail_fast: bool = False
    dry_run: bool = False

    def check(self) -> None:
        """Check types and ranges.

        Raises:
            ConfigError: one is wrong.
        """
        types = get_type_hints(Settings)
        for field in dataclasses.fields(self):
            value: Any = getattr(self, field.name)
            try:
                convert(value, types[field.name], field.metadata.get("range"))
            except ValueError as problem:
                raise ConfigError(f"{field.name}={value} {problem}") from None
