"""A process that trains populations on request, on some of the cores.

`python -m tests.bench.lanes_worker STRATEGY CORES SECONDS` reads lines from standard input, each a
network and a number of lanes, and answers each with the seconds that one step of all lanes takes,
measured over at least SECONDS. It compiles before it measures. With the strategy `map` the lanes
are spread over one device for each core.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import jax
import numpy as np

from runner.config.build import build
from runner.data import Dataset, Split
from runner.engine.lanes import Lanes
from runner.engine.placement import place
from runner.engine.state import Timeline
from runner.engine.strategy import Strategy
from runner.engine.turns import Turns, lanes_for
from runner.options.clock import Phases
from tests.bench.settings import config
from tests.bench.workloads import Workload

STEPS = 45  # an epoch of digits with batches of 32
PHASES = Phases(np.array([0]), np.array([0]), np.array([STEPS]))
FEATURES = {"64": (8, 8, 1), "784": (28, 28, 1)}
"""The shape of an image, by the number of inputs of the network."""


class Population:
    """Some lanes of a network, compiled. They train on noise, which takes as long as digits."""

    def __init__(self, network: str, lanes: Lanes | Turns) -> None:
        self._lanes = lanes
        settings = config(Workload(network, 32, STEPS)) | {"optimizer": {"name": "sgd"}}
        experiments = [build({**settings, "seed": seed}) for seed in range(lanes.count)]
        random = np.random.default_rng(0)
        features = FEATURES[network.partition("-")[0]]

        def split(examples: int) -> Split:
            images = random.integers(0, 256, (examples, *features)).astype(np.uint8)
            return Split(images, random.integers(0, 10, examples).astype(np.int32))

        data = Dataset(split(STEPS * 32), split(180), split(180))
        self._experiments: Any = lanes.stack(experiments)
        self._arrays: Any = lanes.share(place(experiments[0], data))
        self.seconds(1)

    def seconds(self, epochs: int) -> float:
        """The time of one step of all lanes; evaluating before and after an epoch is part of it."""
        lanes: Any = self._lanes
        states = [lanes.initialize(self._experiments, self._arrays) for _ in range(epochs)]
        jax.block_until_ready(states)
        timeline, running = Timeline(0, 0, STEPS, 1.0, PHASES), [False] * self._lanes.count
        started = time.perf_counter()
        for state in states:
            done = lanes.advance(
                self._experiments, self._arrays, state, 0, STEPS, timeline, running
            )
            lanes.to_host(done[1])
        return (time.perf_counter() - started) / epochs / STEPS


def main() -> None:
    strategy: Strategy = "map" if sys.argv[1] == "map" else "vmap"
    cores, window = int(sys.argv[2]), float(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    jax.config.update("jax_num_cpu_devices", cores if strategy == "map" else 1)
    devices = jax.devices()
    ready: dict[tuple[str, int], Population] = {}
    for line in sys.stdin:
        network, number = line.split()
        key = network, int(number)
        if key not in ready:
            used = devices[: key[1]]
            ready[key] = Population(network, lanes_for(key[1], strategy, used))
        epochs = max(1, round(window / (ready[key].seconds(1) * STEPS)))
        print(ready[key].seconds(epochs), flush=True)


if __name__ == "__main__":
    main()
