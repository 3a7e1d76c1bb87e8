"""The experiment: the pytree of options that describes one run completely.

Its floats, its seed and its lengths (epochs, steps) are leaves; all else is structure. Two
experiments with equal `jax.tree.structure` share one compiled program.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from runner.data import Source
from runner.experiment.plan import Phase, plan, tabulated
from runner.measures import METRIC, POINTS_PER_CURVE, ErrorKind
from runner.options.activation.base import Activation, Identity
from runner.options.augmentation import Augmentation, NoAugmentation
from runner.options.batch_size import BatchSize, Stochastic
from runner.options.bias_initializer import BiasInitializer, ZeroBias
from runner.options.diagnostics.base import Diagnostic
from runner.options.gradient import GradientTreatment
from runner.options.initializer.base import Initializer
from runner.options.layer import Layer, Params, Shape, of_symbols, with_layer_before
from runner.options.loss.auto import AutoLoss
from runner.options.loss.base import Loss
from runner.options.model.base import LayerOptions, Model
from runner.options.momentum_schedule import MomentumSchedule
from runner.options.normalization.base import NoNormalization, Normalization
from runner.options.optimizer.base import Optimizer
from runner.options.option import Facts, Option, leaf, option
from runner.options.precision import Precision, in_precision
from runner.options.preprocessing.base import Preprocessing
from runner.options.preprocessing.scaling import Raw
from runner.options.regularization.base import Regularization, Unregularized
from runner.options.sampling import Fixed, Sampling
from runner.options.schedule.base import Schedule
from runner.options.stopping import Stopping
from runner.options.warmup import Warmup

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

_NEUTRAL: dict[str, Option | tuple[Option, ...]] = {
    "loss": AutoLoss(),
    "augmentation": (NoAugmentation(),),
    "preprocessing": Raw(),
    "activation": Identity(),
    "bias_initializer": ZeroBias(),
    "normalization": NoNormalization(),
    "regularization": (Unregularized(),),
    "batch_size": Stochastic(),
    "sampling": Fixed(shuffled=False),
}
"""What replaces a choice that the data or the model ignore."""


@option
class Experiment(Option):
    """One choice of every group, and how long to train with which seed."""

    data: Source
    loss: Loss
    augmentation: tuple[Augmentation, ...]
    preprocessing: Preprocessing
    model: Model
    activation: Activation
    initializer: Initializer
    bias_initializer: BiasInitializer
    normalization: Normalization
    regularization: tuple[Regularization, ...]
    optimizer: Optimizer
    momentum_schedule: MomentumSchedule
    schedule: Schedule
    warmup: Warmup
    gradient: tuple[GradientTreatment, ...]
    batch_size: BatchSize
    sampling: Sampling
    stopping: Stopping
    diagnostics: tuple[Diagnostic, ...]

    seed: int = leaf(0, minimum=0, maximum=2**31 - 1)
    epochs: int = leaf(10, minimum=1)
    steps: int | None = leaf(None, minimum=1)
    min_steps: int = leaf(0, minimum=0)
    evaluate_every: int = leaf(1, minimum=1)
    evaluate_train: bool = False
    measure_every: int | None = leaf(None, minimum=1)
    precision: Precision = "float32"
    weights: bool = True

    def effective(self) -> Experiment:
        """Return the experiment with neutral options for the groups that have no effect.

        A problem brings its own parameters, and a surface its own batches. Experiments that differ
        only in what is ignored are then equal, and share one program. So do those that say how
        often norms are measured and those that leave it to the length of the run, and those that
        name their loss and those that leave it to the targets. Data from files of the user's own
        get the checksum of the files.
        """
        ignored: dict[str, Any] = {
            group: _NEUTRAL[group] for group in self.ignores if group in _NEUTRAL
        }
        if "loss" not in self.data.ignores and isinstance(self.loss, AutoLoss):
            ignored["loss"] = AutoLoss.chosen(classes=self.classes > 0)
        effective = dataclasses.replace(self, data=self.data.pinned(), **ignored)
        return dataclasses.replace(effective, measure_every=effective.steps_between_norms)

    @property
    def ignores(self) -> tuple[str, ...]:
        """The groups that have no effect, because of the data or of the model."""
        of_model = () if "model" in self.data.ignores else self.model.ignores
        of_symbols = ("preprocessing",) if self.data.symbols else ()
        return (*self.data.ignores, *of_symbols, *of_model)

    @property
    def reconstructs(self) -> bool:
        """Whether the targets are the inputs, as the preprocessing leaves them."""
        return self.model.reconstructs and "model" not in self.data.ignores

    @property
    def classes(self) -> int:
        """The number of classes; 0: the targets are numbers."""
        return 0 if self.reconstructs else self.data.classes

    @property
    def outputs(self) -> int:
        """How many numbers the network computes for an example."""
        return math.prod(self.input_shape) if self.reconstructs else self.data.outputs

    @property
    def error_kind(self) -> ErrorKind:
        """What the error of an example is."""
        return ErrorKind.ABSOLUTE if self.reconstructs else self.data.error_kind

    def network(self, *, sampling: bool = False, watched: bool = False) -> Layer:
        """Build the network of the chosen options, or the parameters of the problem.

        Args:
            sampling: whether evaluations draw random masks, too, where the regularization asks for
                it.
            watched: whether evaluations return the signals of the activations, in the state after
                (see `runner.options.signals`).
        """
        chosen = self.layer_options()._replace(sampling=sampling, watched=watched)
        network = self.data.network() or self.model.network(chosen, self.outputs)
        on_inputs = chosen.regularized_inputs()
        if on_inputs is not None:
            network = with_layer_before(network, "inputs", on_inputs)
        return of_symbols(in_precision(network, self.precision), self.data.symbols)

    def layer_options(self) -> LayerOptions:
        """Return what a model builds its layers from."""
        return LayerOptions(
            self.activation,
            self.initializer,
            self.normalization,
            self.regularization,
            each_step=self.data.each_step,
        )

    def targets(
        self,
        inputs: Float[Array, "batch *features"],
        targets: Num[Array, "batch *columns"],
    ) -> Num[Array, "batch *columns"]:
        """Return the targets of examples: those of the data, or the inputs as vectors.

        Args:
            inputs: the inputs, after the preprocessing.
            targets: what the data say.
        """
        return inputs.reshape(len(inputs), -1) if self.reconstructs else targets

    def losses_and_errors(
        self,
        outputs: Float[Array, "batch *steps outputs"],
        targets: Num[Array, "batch *steps_and_columns"],
        unit: Float[Array, " columns"] | None = None,
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the loss and the error of each example.

        Args:
            outputs: what the network computes.
            targets: what `targets` returns for the examples.
            unit: what 1 in targets of the data that are numbers stands for, by column; None: 1.
        """
        if "loss" in self.data.ignores:
            return self.data.losses_and_errors(outputs, targets)
        return self.loss.losses_and_errors(outputs, targets, None if self.reconstructs else unit)

    @property
    def best_by(self) -> str:
        """The measure whose least value makes an evaluation the best one."""
        return self.stopping.measure or METRIC

    @property
    def keeps_best(self) -> bool:
        """Whether the program keeps the parameters of the best evaluation; reads no data."""
        return self.stopping.measure is not None or (
            self.weights and self.data.sizes().validation > 0
        )

    @property
    def predicts_numbers(self) -> bool:
        """Whether the targets are numbers of the data, and not classes, inputs or none."""
        return self.error_kind is ErrorKind.ABSOLUTE and not self.reconstructs

    @property
    def predicts_characters(self) -> bool:
        """Whether the targets are classes at each step of a sequence."""
        return self.data.error_kind is ErrorKind.CHARACTER_RATE

    @property
    def evaluation_samples(self) -> int:
        """Over how many networks with random masks an evaluation averages; 0: none are drawn."""
        return max((each.samples for each in self.regularization), default=0)

    def project(self, params: Params) -> Params:
        """Return the parameters as the regularizations and the problem allow them."""
        for each in self.regularization:
            params = each.project(params)
        return self.data.project(params)

    @property
    def input_shape(self) -> Shape:
        """The shape of an example as the network gets it."""
        return self.preprocessing.output_shape(self.data.input_shape)

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of the run, one for each size of batch; needs plain numbers."""
        examples = self.data.sizes().train
        return plan(self.batch_size, examples, self.epochs, self.steps, self.min_steps)

    @property
    def total_steps(self) -> int:
        """The planned number of steps; needs plain numbers."""
        return self.phases()[-1].end_step

    @property
    def steps_between_norms(self) -> int:
        """`measure_every` or, where it is null, what gives as many norms as points of a curve."""
        return self.measure_every or math.ceil(self.total_steps / POINTS_PER_CURVE)

    def facts(self) -> Facts:
        """Return the sizes that follow from the choices; needs plain numbers, reads no data."""
        examples, validation_examples, _ = self.data.sizes()
        phases = self.phases()
        first, last = phases[0], phases[-1]
        total_steps, total_epochs = last.end_step, last.epoch(last.end_step)
        warm_steps, warm_epochs = self.warmup.duration(lambda: tabulated(phases))
        return Facts(
            stored_shape=self.data.input_shape,
            input_shape=self.input_shape + (self.data.symbols,) * (self.data.symbols > 0),
            train_examples=examples,
            validation_examples=validation_examples,
            batch_size=first.batch_size.examples(examples),
            steps_per_epoch=first.steps_per_epoch,
            total_steps=total_steps,
            total_epochs=total_epochs,
            evaluations=math.ceil(total_epochs / self.evaluate_every),
            scheduled_steps=total_steps - warm_steps,
            scheduled_epochs=total_epochs - warm_epochs,
            momenta=self.optimizer.momenta,
            classes=self.classes,
            smooths_labels=self.loss.smooths_labels,
            generates_data=self.data.generates,
            normalizes_over_batch=self.normalization.over_batch,
            model_is_spatial=self.model.is_spatial,
            layers=None if "model" in self.data.ignores else self.model.layers,
            hidden_layers=self.model.hidden_layers,
            symbols=self.data.symbols,
            each_step=self.data.each_step,
            normalizes_after_activation=self.normalization.follows_activation,
            is_recurrent=self.model.is_recurrent,
            error_is_rate=self.error_kind.is_percentage,
            self_normalizes=self.activation.self_normalizes,
            has_network="model" not in self.data.ignores,
            parameters=self._parameters,
        )

    def _parameters(self) -> int:
        """Count the trained parameters, from their shapes alone."""
        import jax

        key = jax.eval_shape(lambda: jax.random.key(0))
        shapes = jax.eval_shape(lambda key: self.network().init(key, self.input_shape)[0], key)
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
