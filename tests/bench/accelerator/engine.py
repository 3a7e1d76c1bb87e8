"""The runner's engine on one device, with nothing recorded."""

from __future__ import annotations

import time

import jax

from runner.config.build import build
from runner.data import Dataset, Split
from runner.engine.lanes import Lanes
from runner.engine.memory import bytes_of_a_lane
from runner.engine.placement import place
from runner.engine.state import Timeline
from runner.engine.strategy import Strategy
from runner.engine.train import STEPS_PER_CALL
from runner.experiment.plan import tabulated
from tests.bench.settings import config
from tests.bench.workloads import Workload, images_and_labels

MEASURE_EVERY = 50


class Engine:
    """Some runs of a workload, compiled; they differ in their seeds."""

    def __init__(self, workload: Workload, lanes: int = 1, precision: str = "float32") -> None:
        images, labels = images_and_labels(workload)
        # The source is asked for its sizes only: a folder without files has the published ones.
        data = {"name": "mnist", "dir": "."}
        settings = config(workload) | {"data": data, "precision": precision}
        experiments = [build(settings | {"seed": seed}) for seed in range(lanes)]
        held_out = Split(images[:1], labels[:1])
        strategy: Strategy = "vmap" if lanes > 1 else "sequential"
        self._lanes = Lanes(lanes, strategy, jax.devices()[:1])
        arrays = place(experiments[0], Dataset(Split(images, labels), held_out, held_out))
        self.predicted = lanes * bytes_of_a_lane(experiments[0], arrays)
        self._phases = tabulated(experiments[0].phases())
        self._arguments = (self._lanes.stack(experiments), self._lanes.share(arrays))
        self.steps = min(workload.steps, STEPS_PER_CALL)
        self.seconds()

    def seconds(self) -> float:
        """Take `steps` steps of all runs from the start; the time of a step."""
        states = jax.block_until_ready(self._lanes.initialize(*self._arguments))
        timeline = Timeline(0, 0, self.steps, 1.0, self._phases, measure_every=MEASURE_EVERY)
        started = time.perf_counter()
        done = self._lanes.advance(*self._arguments, states, 0, self.steps, timeline, ())
        jax.block_until_ready(done)
        return (time.perf_counter() - started) / self.steps
