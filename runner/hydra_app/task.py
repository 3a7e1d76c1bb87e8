"""What Hydra runs for a job: train the run of its config, and record it in its directory."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from runner.errors import log_failure
from runner.hydra_app.checking import pinned
from runner.interruption import check


def record(config: DictConfig, **start: Any) -> tuple[dict[str, Any], Path]:
    """Train the run of a config; return its summary and its directory.

    Args:
        config: its config.
        **start: what it starts from, if from something (see `runner.execution.run.run`).
    """
    from runner.record.environment import ask_for_commit

    plain, experiment = pinned(config)
    ask_for_commit()  # answered while JAX is imported

    from runner.execution.run import run  # imports JAX

    check()
    return run(experiment, directory(), plain, **start), directory()


def directory() -> Path:
    """The directory of the run that Hydra has started."""
    return Path(HydraConfig.get().runtime.output_dir)


def sweep_task(config: DictConfig, **start: Any) -> float:
    """Train one run of a sweep for another launcher of Hydra; its log says why it failed.

    Args:
        config: its config.
        **start: what it starts from, if from another run (see `runner.hydra_app.starting`).

    Raises:
        Exception: whatever ended the run; Hydra's launcher decides what becomes of the others.
    """
    from runner.record.summary import minimized

    try:
        return minimized(record(config, **start)[0])
    except Exception as error:
        log_failure(logging.getLogger(__name__), error)
        raise
