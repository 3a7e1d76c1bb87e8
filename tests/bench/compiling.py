"""How long the programs of a run take to compile: `python -m tests.bench.compiling [NAME...]`.

Every case is a fresh process that finds nothing compiled. It has the programs of a run made as
`runner` has, with the data that the case names, and takes no step. The table has the processor time
of tracing, compiling and drawing the first weights, which depends less than the wall time on what
else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

IMAGES = ("data=mnist", "batch_size=128")
COLOURS = ("data=cifar10", "batch_size=128", "normalization=batch")
TEXT = ("data=text", "normalization=layer", "initializer=xavier_uniform")

CASES: dict[str, tuple[str, ...]] = {
    "mlp": (),
    "mlp of 30 hidden layers": ("model.depth=30",),
    "deep_linear": ("model=deep_linear",),
    "deep_linear of 50 hidden layers": ("model=deep_linear", "model.depth=50"),
    "autoencoder": ("model=autoencoder",),
    "cnn": ("model=cnn", *IMAGES),
    "LeNet-5": ("+experiment=lenet5",),
    "2c2d": ("+experiment=deepobs_2c2d",),
    "3c3d": ("+experiment=deepobs_3c3d",),
    "resnet (8 layers)": ("model=resnet", *COLOURS),
    "ResNet-20": ("model=resnet", "model.blocks=3", *COLOURS),
    "ResNet-32": ("model=resnet", "model.blocks=5", *COLOURS),
    "shortcuts, 34 layers": ("+experiment=shortcuts", "model.blocks=16"),
    "rnn": ("model=rnn", "activation=tanh"),
    "lstm": ("model=lstm", "activation=tanh"),
    "gru": ("model=gru", "activation=tanh"),
    "lstm of 4 layers": ("model=lstm", "activation=tanh", "model.depth=4"),
    "transformer (2 blocks)": ("model=transformer", *TEXT),
    "transformer of 6 blocks": ("model=transformer", "model.depth=6", *TEXT),
    "transformer of 12 blocks": ("model=transformer", "model.depth=12", *TEXT),
}
"""What is compiled: the overrides of a run."""


def compiled(overrides: Sequence[str]) -> float:
    """Trace and compile the programs of a run in this process; return the processor seconds.

    Images that are not there are black: no step is taken.

    Args:
        overrides: of the run, as typed.
    """
    import numpy as np
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from runner.config.build import build
    from runner.config.locations import CONFIG_NAME
    from runner.data import Dataset, Split
    from runner.engine.loop import Training
    from runner.hydra_app.application import Application
    from runner.hydra_app.checking import as_plain
    from runner.hydra_app.prepare import prepare_overrides

    words = [*prepare_overrides(list(overrides)), "hydra.mode=RUN"]
    try:
        config = Application.create(None).compose_config(CONFIG_NAME, words, RunMode.RUN)
    finally:
        GlobalHydra.instance().clear()  # one of a process, which others in it may need
    experiment = build(as_plain(config)).effective()
    data = experiment.data
    if data.absent():
        shape = data.input_shape
        splits = (
            Split(np.zeros((examples, *shape), np.uint8), np.zeros(examples, np.int32))
            for examples in data.sizes()
        )
        dataset = Dataset(*splits)
    else:
        dataset = data.load()
    training = Training([experiment], dataset)
    before = time.process_time()
    training.compile()
    return time.process_time() - before


def in_a_process(overrides: Sequence[str]) -> float:
    """Do that in a fresh process, without what was compiled before."""
    command = [sys.executable, "-m", "tests.bench.compiling", "--overrides", *overrides]
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(ended.stdout.splitlines()[-1])


def row(name: str, seconds: float) -> str:
    """A line of the table, for a case."""
    words = " ".join(CASES[name])
    return f"| {name} | {f'`{words}`' if words else 'the defaults'} | {seconds:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(CASES)}")
    parser.add_argument("--overrides", nargs="*", help="measure this run in this process")
    arguments = parser.parse_args()
    if arguments.overrides is not None:
        print(compiled(arguments.overrides))
        return
    print("| model | run | processor seconds |\n|---|---|---|")
    for name in arguments.names or CASES:
        print(row(name, in_a_process(CASES[name])), flush=True)


if __name__ == "__main__":
    main()
