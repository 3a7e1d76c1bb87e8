"""Options that were registered in this process without a YAML file, as in a notebook."""

from __future__ import annotations

import dataclasses
from typing import Any

from hydra.core.config_store import ConfigStore

from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import Option


def store_registered() -> None:
    """Let Hydra choose them, with the defaults of their fields; a YAML file comes first."""
    for group, names in OPTIONS.items():
        for name, cls in names.items():
            if not cls.__module__.startswith("runner."):
                _store(group, name, cls)


def _store(group: str, name: str, cls: type[Option]) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    if any(default is dataclasses.MISSING for default in defaults.values()):
        return  # an option inside it is named by a YAML file
    node: dict[str, Any] = {"name": name}
    for field, default in defaults.items():
        node[field] = list(default) if isinstance(default, tuple) else default
    package = f"{group}.{name}" if group in STACKED else group
    ConfigStore.instance().store(group=group, name=name, node=node, package=package)
