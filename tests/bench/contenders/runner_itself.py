"""The runner as it is: its engine, and its recorder writing every step; norms every 50 steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runner.config.build import build
from runner.data import Dataset, Split
from runner.engine.compilation import use_persistent_cache
from runner.engine.loop import Training
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder
from runner.status import Status
from tests.bench.settings import config
from tests.bench.workloads import Workload, images_and_labels


def dataset(workload: Workload) -> Dataset:
    """The training split; one held-out example, since the peers do not evaluate."""
    images, labels = images_and_labels(workload)
    held_out = Split(images[:1], labels[:1])
    return Dataset(Split(images, labels), held_out, held_out)


def prepare(workload: Workload, *, measure_every: int | None = 50) -> Callable[[int], float]:
    use_persistent_cache()
    settings = config(workload) | {"measure_every": measure_every}
    experiment = build(settings)
    data = dataset(workload)
    training = Training([experiment], data)
    training.compile()

    def run(steps: int) -> float:
        assert steps == workload.steps
        with tempfile.TemporaryDirectory() as directory:
            facts = RunFacts(
                config=settings,
                seed=0,
                train_examples=len(data.train.targets),
                total_steps=steps,
                total_epochs=training.total_epochs,
                device="cpu",
                measure_every=experiment.steps_between_norms,
            )
            recorder = Recorder(Path(directory), facts)
            training.ended = [False]
            started = time.perf_counter()
            for (chunk,) in training.chunks():
                assert chunk is not None
                recorder.write(chunk)
            seconds = time.perf_counter() - started
            recorder.close(Status.FINISHED)
        return seconds

    return run
