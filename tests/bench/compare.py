"""`make bench-compare`: how long it takes to compare a thousand runs, and how much memory.

The recorder itself writes the runs, with steps, evaluations and event files as after training: 40
settings with 25 seeds each. The command is timed as a process, with its figure and its table, and
compared with the goal: ten seconds and one GiB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE, make_chunk
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder
from runner.status import Status
from tests.bench.training import machine

GOAL_SECONDS, GOAL_BYTES = 10.0, 2**30
STEPS_PER_EPOCH = 50
COMMANDS = {
    "curves": ("--figure", "curves"),
    "table": ("--table", "csv"),
    "final": ("--figure", "final", "--measure", "validation_error"),
    "profile": ("--figure", "profile", "--problem", "optimizer.learning_rate"),
    "tuned": (
        "--measure",
        "validation_error",
        "--target",
        "0.05",
        "--tune",
        "optimizer.learning_rate",
    ),
}


class Cost(NamedTuple):
    """What a process took: wall-clock and CPU seconds, the longest time without output, and memory.

    `memory` is the largest resident size, in bytes.
    """

    seconds: float
    cpu: float
    silence: float
    memory: int


def make(directory: Path, number: int, steps: int, seeds: int) -> None:
    """Record a run whose loss falls from 2 to about its noise.

    Args:
        directory: where to record it.
        number: which run; `seeds` runs after each other have the same setting.
        steps: how many steps it records.
        seeds: the number of seeds of each setting.
    """
    random = np.random.default_rng(number)
    setting, seed = divmod(number, seeds)
    option, rate = divmod(setting, 8)
    config = {
        "seed": seed,
        "optimizer": {"name": f"optimizer_{option}", "learning_rate": 10.0**-rate},
        "data": {"name": "digits", "dir": None},
        "model": {"name": "mlp", "widths": [64]},
    }
    epochs = steps // STEPS_PER_EPOCH
    facts = RunFacts(
        config=config,
        seed=seed,
        train_examples=1600,
        total_steps=steps,
        total_epochs=epochs,
        device="cpu",
    )
    recorder = Recorder(directory, facts)
    rows = np.zeros(steps, STEP_DTYPE)
    rows["step"] = np.arange(steps)
    rows["train_loss"] = 2 * np.exp(-rows["step"] / steps * (8 - rate)) + 0.1 * random.random(steps)
    marks = np.zeros(epochs + 1, EPOCH_DTYPE)
    marks["epoch"] = np.arange(epochs + 1)
    marks["step"] = STEPS_PER_EPOCH * marks["epoch"]
    for name in ("train_loss", "validation_loss", "validation_error"):
        marks[name] = np.append(rows["train_loss"], rows["train_loss"][-1])[marks["step"]]
    started = 1_700_000_000.0
    recorder.write(make_chunk(rows, marks, started, started + 1.0, steps, lambda _: epochs))
    recorder.close(Status.FINISHED)


def process(*arguments: str) -> Cost:
    """Run `runner-compare ARGUMENTS`."""
    started = said = time.perf_counter()
    silence = 0.0
    start = "from runner.compare.cli import main; main()"
    command = [sys.executable, "-c", start, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        assert running.stdout
        while os.read(running.stdout.fileno(), 65536):
            silence, said = max(silence, time.perf_counter() - said), time.perf_counter()
        silence = max(silence, time.perf_counter() - said)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, f"runner-compare {' '.join(arguments)}: {running.returncode}"
    scale = 1024 if sys.platform == "linux" else 1
    cpu = used.ru_utime + used.ru_stime
    return Cost(time.perf_counter() - started, cpu, silence, used.ru_maxrss * scale)


def main() -> None:
    """Make the runs, compare them in several ways, and print what each way cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=25, help="runs of each setting")
    parser.add_argument("--folder", type=Path, help="use the runs in this folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = chosen.folder or Path(directory)
        if not chosen.folder:
            print(f"Recording {chosen.runs} runs of {chosen.steps} steps ...", flush=True)
            for number in range(chosen.runs):
                make(folder / f"{number:05d}", number, chosen.steps, chosen.seeds)
        print(f"On {machine()}. The goal: {GOAL_SECONDS:g} s, {GOAL_BYTES / 2**20:g} MiB.")
        for name, arguments in COMMANDS.items():
            cost = process(str(folder), *arguments)
            kept = cost.seconds <= GOAL_SECONDS and cost.memory <= GOAL_BYTES
            print(
                f"{name:8s} {cost.seconds:6.1f} s ({cost.cpu:.1f} s of CPU)  "
                f"{cost.memory / 2**20:6.0f} MiB  "
                f"longest silence {cost.silence:4.1f} s  {'' if kept else 'MISSED'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
