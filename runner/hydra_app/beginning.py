"""What a call from Python starts from: the flags `--from`, `--branch` and `--resume` as values."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hydra.types import RunMode

from runner.hydra_app.application import Application
from runner.hydra_app.branch import branched
from runner.hydra_app.starting import FromWeights, Starter
from runner.record.memory import Place


class Beginning(NamedTuple):
    """What a call starts from; nothing: its seed. At most one of the three is there.

    Attributes:
        origin: the run whose weights are taken: a folder, a file or a record in memory.
        layers: the layers to take of it; none: all.
        branch: the folder of the run that is branched off.
        at_epoch: after which of its epochs.
        resume: the folder of the run that goes on.
    """

    origin: Place | None = None
    layers: tuple[str, ...] = ()
    branch: Path | None = None
    at_epoch: int | None = None
    resume: Path | None = None

    @property
    def flags(self) -> list[str]:
        """The flags that a person would type; for a run in memory they say so."""
        words: list[str] = []
        if self.origin is not None:
            is_file = isinstance(self.origin, Path)
            words += ["--from", str(self.origin) if is_file else "memory"]
        if self.layers:
            words += ["--from-layers", ",".join(self.layers)]
        if self.branch is not None:
            words += ["--branch", str(self.branch), "--at-epoch", str(self.at_epoch)]
        if self.resume is not None:
            words += ["--resume", str(self.resume)]
        return words


def started(
    application: Application, words: list[str], beginning: Beginning, mode: RunMode
) -> tuple[list[str], Starter | None]:
    """The overrides of a call with those of the run that it branches off, and what it starts from.

    Args:
        application: Hydra's driver.
        words: the overrides as Hydra reads them.
        beginning: what was asked for.
        mode: one run or a sweep.

    Raises:
        ConfigError: it cannot be branched off.
    """
    if beginning.branch is not None:
        assert beginning.at_epoch is not None
        return branched(application, beginning.branch, beginning.at_epoch, words, mode)
    if beginning.origin is None:
        return words, None
    return words, FromWeights(beginning.origin, beginning.layers)
