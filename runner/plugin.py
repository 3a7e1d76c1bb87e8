"""The module that options outside this repository import from, and the only one they need.

An option is a class, a YAML file, and a call of `register`. For example, `my_options.py`:

    from typing import NamedTuple

    from runner.plugin import (
        Params, StepInputs, UpdateRule, jax, jnp, moving_average, number, optax, option, register,
    )


    class SignMomentumState(NamedTuple):
        m: Params  # the moving average of the gradient


    @option
    class SignMomentum(UpdateRule[SignMomentumState]):
        '''theta <- theta - learning_rate * sign(m), with m the moving average of the gradient.'''

        learning_rate: float = number(0.001, minimum=0)
        momentum: float = number(0.9, minimum=0, below=1)

        momenta = ("momentum",)  # what a momentum schedule may set

        def init(self, params: Params) -> SignMomentumState:
            return SignMomentumState(optax.tree.zeros_like(params))

        def step(self, state: SignMomentumState, inputs: StepInputs):
            m = moving_average(state.m, inputs.gradient, self.momentum)
            updates = jax.tree.map(lambda m: -inputs.learning_rate * jnp.sign(m), m)
            return updates, SignMomentumState(m)


    register("optimizer", "sign_momentum", SignMomentum)

Its YAML file, `my_conf/optimizer/sign_momentum.yaml`, has a value for every field. `runner --help`
shows the comment on the first line:

    # The sign of the averaged gradient
    name: sign_momentum
    learning_rate: 0.001  # step size
    momentum: 0.9         # decay rate of the average

Name the module and the folder on the command line; the module is imported from the current folder
or wherever Python finds it:

    runner --config-dir my_conf plugins=[my_options] optimizer=sign_momentum

A class derives from the base of its group (the docstring of each base says what it must define):

| group | base |
|---|---|
| `data` | `Source`, or `Problem` or `Surface` for a loss with its own parameters |
| `loss` | `Loss` |
| `augmentation` | `Augmentation` |
| `preprocessing` | `Preprocessing` |
| `model` | `Model` |
| `activation` | `Activation`, or `Elementwise` for a function of each number |
| `initializer` | `Initializer` |
| `bias_initializer` | `BiasInitializer` |
| `normalization` | `Normalization`, or `NormalizingLayer` with a field `position` |
| `regularization` | `Regularization`, or `RandomMasks` with a field `evaluation_samples` |
| `optimizer` | `Optimizer` for a rule of optax, `UpdateRule` for one that is written out |
| `momentum_schedule` | `MomentumSchedule` |
| `schedule` | `Schedule` |
| `warmup` | `Warmup` |
| `gradient` | `GradientTreatment` |
| `batch_size` | `BatchSize` |
| `sampling` | `Sampling` |
| `stopping` | `Stopping` |
| `diagnostics` | `Diagnostic`, or `StepDiagnostic` for what is measured at steps |

Rules for every option:

- A field typed `float` is data: it may be a traced array or one lane of a batch, so a new value
  compiles nothing. Never branch on it in Python; use `jnp.where`, or a `bool` field. One typed
  `float | None` is data or absent. Every other field is part of the program's structure.
- Declare ranges with `number` (and `leaf` for an integer that is data). Check what a range cannot
  express in `problems` and `conflicts`, which run before JAX is loaded.
- Take `jax`, `jnp`, `np` and `optax` from here. They are loaded at their first use, so `--help` and
  error messages stay fast.
- A state is a `NamedTuple` of arrays, whose shapes and types do not change from step to step.
- A model stores its arrays under `KERNEL` and `BIAS`, and its last layer under `LOGITS`, so that
  weight decay, penalties and layerwise optimizers treat them as they treat those of other models.
  Its hidden layers are `hidden_dense`, or `hidden` around an affine map of its own, which applies
  `chosen.kernel_map()` (see `AffineWeights`) and has a bias if `chosen.bias()`: then every
  normalization and regularization works. One that says their sizes in `hidden_layers`, and the
  path of their parameters (`HiddenLayer(32, False, "hidden_1")`), builds each layer from
  `chosen.of_layer(index)`; then `initializer.scale` and other numbers of type `PerLayer` may differ
  by layer.
"""

from __future__ import annotations

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.surface import Surface
from runner.errors import ConfigError, DataError
from runner.experiment.groups import register
from runner.lazy import jax, jnp, np, optax
from runner.options.activation.base import Activation, Elementwise
from runner.options.augmentation import Augmentation
from runner.options.batch_size import BatchSize
from runner.options.bias_initializer import BiasInitializer
from runner.options.clock import Clock, Unit
from runner.options.diagnostics.base import Diagnostic, Probe, Table
from runner.options.diagnostics.step import StepDiagnostic, TakenStep
from runner.options.functions import from_functions
from runner.options.gradient import GradientTreatment, TreatedGradient
from runner.options.initializer.base import Initializer, fans
from runner.options.layer import (
    KernelMap,
    Layer,
    LayerState,
    Params,
    Shape,
    pure,
    same_kernel,
    serial,
)
from runner.options.loss.base import Loss, are_classes, as_numbers
from runner.options.model.base import (
    AffineWeights,
    LayerOptions,
    Model,
    dense,
    flatten,
    hidden,
    hidden_dense,
)
from runner.options.model.spatial import convolution
from runner.options.momentum_schedule import MomentumSchedule
from runner.options.moving_average import moving_average
from runner.options.normalization.base import Normalization, NormalizingLayer, Position
from runner.options.optimizer.base import (
    Optimizer,
    StepInputs,
    UpdateRule,
    decay_mask,
    decay_term,
)
from runner.options.option import Facts, HiddenLayer, Option, PerLayer, leaf, number, option
from runner.options.parameters import BIAS, GAIN, KERNEL, LOGITS, SHIFT, SLOPE, kernels
from runner.options.preprocessing.base import Preprocessing
from runner.options.preprocessing.scaling import Statistics
from runner.options.regularization.base import RandomMasks, Regularization
from runner.options.sampling import Sampling
from runner.options.schedule.base import Schedule
from runner.options.stopping import Stopping
from runner.options.warmup import Warmup

__all__ = [
    "BIAS",
    "GAIN",
    "KERNEL",
    "LOGITS",
    "SHIFT",
    "SLOPE",
    "Activation",
    "AffineWeights",
    "Augmentation",
    "BatchSize",
    "BiasInitializer",
    "Clock",
    "ConfigError",
    "DataError",
    "Dataset",
    "Diagnostic",
    "Elementwise",
    "Facts",
    "GradientTreatment",
    "HiddenLayer",
    "Initializer",
    "KernelMap",
    "Layer",
    "LayerOptions",
    "LayerState",
    "Loss",
    "Model",
    "MomentumSchedule",
    "Normalization",
    "NormalizingLayer",
    "Optimizer",
    "Option",
    "Params",
    "PerLayer",
    "Position",
    "Preprocessing",
    "Probe",
    "Problem",
    "RandomMasks",
    "Regularization",
    "Sampling",
    "Schedule",
    "Shape",
    "Sizes",
    "Source",
    "Split",
    "Statistics",
    "StepDiagnostic",
    "StepInputs",
    "Stopping",
    "Surface",
    "Table",
    "TakenStep",
    "TreatedGradient",
    "Unit",
    "UpdateRule",
    "Warmup",
    "are_classes",
    "as_numbers",
    "convolution",
    "decay_mask",
    "decay_term",
    "dense",
    "fans",
    "flatten",
    "from_functions",
    "hidden",
    "hidden_dense",
    "jax",
    "jnp",
    "kernels",
    "leaf",
    "moving_average",
    "np",
    "number",
    "optax",
    "option",
    "pure",
    "register",
    "same_kernel",
    "serial",
]
