"""How a sweep is trained: the keys of `hydra/launcher=runner`."""

from __future__ import annotations

import dataclasses

from runner.engine.strategy import Strategy
from runner.options.option import number


@dataclasses.dataclass(frozen=True)
class LauncherSettings:
    """The keys; `conf/hydra/launcher/runner.yaml` says what they mean."""

    strategy: Strategy = "auto"
    lanes: int | None = number(None, minimum=1)
    devices: int | None = number(None, minimum=1)
    fail_fast: bool = False
    dry_run: bool = False
    overwrite: bool = False
    confirm: int = number(0, minimum=0, maximum=10_000)
