"""The names of the files that runs, sweeps and comparisons write."""

from __future__ import annotations

from pathlib import Path

SUMMARY = "summary.json"
"""Of a run: how it ended, its final and best measures, its config. Every run has one."""

LOCK = ".lock"
"""Of a run or a sweep: held by the process that writes there (`runner.record.lock`)."""

STEPS = "steps.npy"
"""Of a run: a row for each step (`runner.engine.chunk.STEP_DTYPE`)."""

EPOCHS = "epochs.npy"
"""Of a run: a row for each evaluation (`runner.engine.chunk.EPOCH_DTYPE`)."""

PATH = "path.npy"
"""Of a run in two dimensions: the point after each step (`runner.engine.chunk.PATH_DTYPE`)."""

DIAGNOSTICS = ("layers", "parameters", "time_steps", "noise", "curvature", "trajectory")
"""The tables of this package's diagnostics of evaluations; a plug-in may have others."""


STEP_DIAGNOSTICS = ("updates",)
"""The tables of this package's diagnostics of steps; a plug-in may have others."""

ALL_DIAGNOSTICS = (*DIAGNOSTICS, *STEP_DIAGNOSTICS)


def diagnostics(table: str) -> str:
    """Return the file of a table of diagnostics: a row for each evaluation (or step) and name."""
    return f"{table}.npy"


FINAL_WEIGHTS = "final.safetensors"
"""Of a run: the parameters after its last planned step (`runner.record.weights`)."""

BEST_WEIGHTS = "best.safetensors"
"""Of a run: the parameters of its best evaluation, where `stopping` says which that is."""

CHECKPOINT = "checkpoint.safetensors"
"""Of a run: what it is continued from (`runner.record.checkpoints`)."""

CHECKPOINT_BEFORE = "checkpoint.before.safetensors"
"""Of a run: the checkpoint before that one, for the case that it is damaged."""

CHECKPOINT_BEST = "checkpoint.best.safetensors"
"""Of a run: of the checkpoints that were written at an evaluation, the one of the best."""

CHECKPOINTS = (CHECKPOINT, CHECKPOINT_BEFORE, CHECKPOINT_BEST)
"""In the order in which they are tried."""

EVENTS = "events.out.tfevents."
"""The start of the names of TensorBoard's event files."""

SWEEP_EVENTS_ENDING = ".sweep"
"""The end of the name of a sweep's own event file; the event files of runs do not have it."""

SWEEP_TABLE = "sweep.csv"
"""Of a sweep: a line for each run, with what was swept and how it ended."""

SWEEP_SUMMARY = "sweep.json"
"""Of a sweep: how many runs ended in which way, how they were computed, and the best settings."""

SWEEP_CONFIG = "multirun.yaml"
"""Of a sweep: its config, as other sweepers of Hydra write it."""

CONFIRMED = "confirmed"
"""Of a sweep: the folder of the sweep that confirms, on fresh seeds, what it tuned."""


def confirms(file: Path, top: Path) -> bool:
    """Whether a file is of a sweep below a folder that confirms another sweep on fresh seeds.

    Its runs are of the settings that were chosen, and must not be counted where they are chosen.

    Args:
        file: the file, below `top`.
        top: the folder.
    """
    return any(
        folder.name == CONFIRMED and (folder.parent / SWEEP_CONFIG).exists()
        for folder in file.parents
        if folder != top and folder.is_relative_to(top)
    )


SWEEP_FIGURES = ("sweep.png", "sweep.svg")
SWEEP_ANIMATION = "sweep.gif"

FIGURE_NUMBERS = ".data.csv"
"""The ending of the file beside a figure that has the numbers that it draws."""

COMPARISON_FIGURES = ("comparison.png", "comparison.svg")
"""Of `runner-compare`, in the first folder that it is given."""
