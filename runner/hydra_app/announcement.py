"""What a sweep says before it trains: how much there is to do, and how it is computed."""

from __future__ import annotations

from collections.abc import Sequence

from runner.execution.results import Computation
from runner.hydra_app.job import HydraJob
from runner.terminal.caller import tell
from runner.terminal.words import several


def announce(runs: int, computation: Computation) -> None:
    """Print how many runs there are, how many programs they need and how they are computed."""
    words = [several(runs, "run")]
    if computation.earlier:
        words.append(f"{computation.earlier} of them done before")
    if computation.programs and computation.compilations:
        compilations = several(computation.compilations, "compilation")
        words.append(f"{several(computation.programs, 'program')} ({compilations})")
    if computation.lanes and computation.devices and computation.lanes > 1:
        where = f"{computation.strategy} on {several(computation.devices, 'device')}"
        words.append(f"up to {computation.lanes} runs side by side ({where})")
    tell(", ".join(words))


def print_plan(jobs: Sequence[HydraJob], missing: Sequence[HydraJob]) -> None:
    """Print which jobs would be trained, and which are complete."""
    for job in jobs:
        state = "to run" if job in missing else job.run.status
        print(f"{state:10s} {job.title}")
    print(f"{len(missing)} of {len(jobs)} runs to run; nothing was run")
