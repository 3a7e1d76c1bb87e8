"""The experiment: the pytree of options that says everything about one run.

Its floats and its counts of trips (seed, epochs, steps) are leaves, all else is structure, so two
experiments with equal `jax.tree.structure` share one compiled program.
"""

from __future__ import annotations

from runner.data import Source
from runner.options.activation import Activation
from runner.options.batch_size import BatchSize
from runner.options.initializer import Initializer
from runner.options.layer import Layer
from runner.options.model.base import Model, Parts
from runner.options.normalization import Normalization
from runner.options.optimizer.base import Optimizer
from runner.options.option import Facts, Option, leaf, option
from runner.options.preprocessing import Preprocessing
from runner.options.schedule import Schedule


@option
class Experiment(Option):
    """One choice of every group, and how long to train with which seed."""

    data: Source
    preprocessing: Preprocessing
    model: Model
    activation: Activation
    initializer: Initializer
    normalization: Normalization
    optimizer: Optimizer
    schedule: Schedule
    batch_size: BatchSize

    seed: int = leaf(0, minimum=0, maximum=2**31 - 1)
    epochs: int = leaf(10, minimum=1)
    steps: int | None = leaf(None, minimum=1)
    evaluate_every: int = leaf(1, minimum=1)

    def network(self) -> Layer:
        """The network that the chosen groups make together."""
        parts = Parts(self.activation, self.initializer, self.normalization)
        return self.model.network(parts, self.data.classes)

    def facts(self) -> Facts:
        """The sizes that follow from the choices; needs plain numbers, reads no pixel.

        An epoch has `ceil(n / b)` steps, or `floor(n / b)` where the remainder is dropped. The run
        has `steps` steps if that is given, else `epochs` epochs.
        """
        examples = self.data.sizes().train
        whole, remainder = self.batch_size.batches(examples)
        per_epoch = max(whole + (remainder > 0), 1)
        return Facts(
            input_shape=self.data.input_shape,
            train_examples=examples,
            batch_size=self.batch_size.examples(examples),
            steps_per_epoch=per_epoch,
            total_steps=self.epochs * per_epoch if self.steps is None else self.steps,
        )
