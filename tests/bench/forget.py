"""A callback of Hydra's that makes every run of a process compile its programs anew."""

from __future__ import annotations

from typing import Any

from hydra.experimental.callback import Callback


class Forget(Callback):
    """Forgets what was compiled when a job begins."""

    def on_job_start(self, config: Any, **_: Any) -> None:
        import jax

        from runner.engine import lanes

        jax.clear_caches()
        lanes._programs.cache_clear()
