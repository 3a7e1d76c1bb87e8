"""The names of the files that runs, sweeps and comparisons write."""

from __future__ import annotations

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
