"""A Hydra callback that makes every run of a process compile its programs again."""

from __future__ import annotations

from typing import Any

from hydra.experimental.callback import Callback


class Forget(Callback):
    """Discards all compiled programs when a job starts."""

    def on_job_start(self, config: Any, **_: Any) -> None:
        import jax

        from runner.engine.lanes import programs_for

        programs_for.cache_clear()
        jax.clear_caches()
