"""The option table: the class of every `group=name`.

An option is one class, one YAML file `conf/<group>/<name>.yaml` and one row here.
"""

from __future__ import annotations

from runner import data
from runner.options import (
    augmentation,
    batch_size,
    bias_initializer,
    gradient,
    momentum_schedule,
    sampling,
    stopping,
    warmup,
)
from runner.options.activation import base as activations
from runner.options.activation import rectifier, saturating, smooth
from runner.options.diagnostics.base import NoDiagnostic
from runner.options.diagnostics.curvature import Curvature
from runner.options.diagnostics.layers import Layers
from runner.options.diagnostics.noise import Noise
from runner.options.diagnostics.trajectory import Trajectory
from runner.options.diagnostics.update import Update
from runner.options.initializer import constant, normal, scaled, structured
from runner.options.loss import classes, numbers
from runner.options.loss.auto import AutoLoss
from runner.options.model.autoencoder import Autoencoder
from runner.options.model.cnn import CNN
from runner.options.model.dense import MLP, DeepLinear, Linear
from runner.options.model.recurrent import GRU, LSTM, RNN
from runner.options.model.resnet import ResNet
from runner.options.model.transformer import Transformer
from runner.options.normalization import batch, example, kernel
from runner.options.normalization.base import NoNormalization
from runner.options.optimizer import (
    adam,
    adam_variants,
    adaptive,
    averaging,
    changed_updates,
    gradient_descent,
    layerwise,
    parameter_free,
    second_order,
    sign_adaptive,
    wrappers,
)
from runner.options.option import Option
from runner.options.preprocessing import scaling, whitening
from runner.options.regularization import constraints, dropout, penalties, targets
from runner.options.regularization.base import Unregularized
from runner.options.schedule import base as schedules
from runner.options.schedule import cycle, decay, finite, plateau, range_test

STACKED = ("augmentation", "regularization", "gradient", "diagnostics")
"""Groups of which several options can be chosen; they act in the order of the table."""

OPTIONS: dict[str, dict[str, type[Option]]] = {
    "data": {
        "digits": data.Digits,
        "diabetes": data.Diabetes,
        "mnist": data.MNIST,
        "fashion_mnist": data.FashionMNIST,
        "cifar10": data.CIFAR10,
        "csv": data.CSV,
        "npz": data.NPZ,
        "images": data.Images,
        "arrays": data.Arrays,
        "teacher": data.Teacher,
        "sparse_features": data.SparseFeatures,
        "text": data.Text,
        "adding": data.Adding,
        "quadratic": data.Quadratic,
        "noisy_quadratic": data.NoisyQuadratic,
        "reddi": data.Reddi,
        "rosenbrock": data.Rosenbrock,
        "beale": data.Beale,
        "saddle": data.Saddle,
        "ravine": data.Ravine,
        "himmelblau": data.Himmelblau,
        "three_hump_camel": data.ThreeHumpCamel,
        "hill": data.Hill,
        "double_well": data.DoubleWell,
        "cliff": data.Cliff,
        "plateau": data.Plateau,
    },
    "loss": {
        "auto": AutoLoss,
        "cross_entropy": classes.CrossEntropy,
        "focal": classes.Focal,
        "hinge": classes.Hinge,
        "binary_cross_entropy": classes.BinaryCrossEntropy,
        "squared_error": numbers.SquaredError,
        "absolute_error": numbers.AbsoluteError,
        "huber": numbers.Huber,
    },
    "augmentation": {
        "none": augmentation.NoAugmentation,
        "shift": augmentation.Shift,
        "flip": augmentation.Flip,
    },
    "preprocessing": {
        "none": scaling.Raw,
        "center": scaling.Center,
        "standardize": scaling.Standardize,
        "minmax": scaling.MinMax,
        "pca_whiten": whitening.PCAWhiten,
        "zca_whiten": whitening.ZCAWhiten,
    },
    "model": {
        "linear": Linear,
        "mlp": MLP,
        "deep_linear": DeepLinear,
        "cnn": CNN,
        "resnet": ResNet,
        "autoencoder": Autoencoder,
        "rnn": RNN,
        "lstm": LSTM,
        "gru": GRU,
        "transformer": Transformer,
    },
    "activation": {
        "relu": rectifier.Relu,
        "relu6": rectifier.Relu6,
        "leaky_relu": rectifier.LeakyRelu,
        "prelu": rectifier.PRelu,
        "threshold_relu": rectifier.ThresholdRelu,
        "elu": smooth.Elu,
        "selu": smooth.Selu,
        "gelu": smooth.Gelu,
        "silu": smooth.Silu,
        "mish": smooth.Mish,
        "softplus": smooth.Softplus,
        "tanh": saturating.Tanh,
        "softsign": saturating.Softsign,
        "sigmoid": saturating.Sigmoid,
        "hard_sigmoid": saturating.HardSigmoid,
        "linear": activations.Identity,
    },
    "initializer": {
        "zeros": constant.Zeros,
        "constant": constant.Constant,
        "normal": normal.Normal,
        "truncated_normal": normal.TruncatedNormal,
        "uniform": scaled.Uniform,
        "xavier_uniform": scaled.XavierUniform,
        "xavier_normal": scaled.XavierNormal,
        "he_uniform": scaled.HeUniform,
        "he_normal": scaled.HeNormal,
        "lecun_uniform": scaled.LecunUniform,
        "lecun_normal": scaled.LecunNormal,
        "orthogonal": structured.Orthogonal,
        "identity": constant.Identity,
        "sparse": structured.Sparse,
    },
    "bias_initializer": {
        "zeros": bias_initializer.ZeroBias,
        "constant": bias_initializer.ConstantBias,
        "class_frequencies": bias_initializer.ClassFrequencies,
    },
    "normalization": {
        "none": NoNormalization,
        "batch": batch.BatchNorm,
        "layer": example.LayerNorm,
        "group": example.GroupNorm,
        "instance": example.InstanceNorm,
        "rms": example.RMSNorm,
        "weight": kernel.WeightNorm,
    },
    "regularization": {
        "none": Unregularized,
        "dropout": dropout.Dropout,
        "variational_dropout": dropout.VariationalDropout,
        "alpha_dropout": dropout.AlphaDropout,
        "dropconnect": dropout.DropConnect,
        "l2": penalties.L2,
        "l1": penalties.L1,
        "elastic": penalties.ElasticNet,
        "max_norm": constraints.MaxNorm,
        "label_smoothing": targets.LabelSmoothing,
    },
    "optimizer": {
        "sgd": gradient_descent.SGD,
        "momentum": gradient_descent.Momentum,
        "nesterov": gradient_descent.Nesterov,
        "qhm": gradient_descent.QHM,
        "aggmo": gradient_descent.AggMo,
        "sign_sgd": gradient_descent.SignSGD,
        "lion": gradient_descent.Lion,
        "delta_bar_delta": sign_adaptive.DeltaBarDelta,
        "rprop": sign_adaptive.Rprop,
        "adagrad": adaptive.Adagrad,
        "adadelta": adaptive.Adadelta,
        "rmsprop": adaptive.RMSProp,
        "rmsprop_momentum": adaptive.RMSPropMomentum,
        "rmsprop_nesterov": adaptive.RMSPropNesterov,
        "yogi": adaptive.Yogi,
        "adam": adam.Adam,
        "adamw": adam.AdamW,
        "adamax": adam.AdaMax,
        "nadam": adam.NAdam,
        "amsgrad": adam.AMSGrad,
        "qhadam": adam_variants.QHAdam,
        "radam": adam_variants.RAdam,
        "adabelief": adam_variants.AdaBelief,
        "adan": adam_variants.Adan,
        "ademamix": adam_variants.AdEMAMix,
        "adopt": adam_variants.ADOPT,
        "lars": layerwise.LARS,
        "lamb": layerwise.LAMB,
        "novograd": layerwise.NovoGrad,
        "adafactor": layerwise.Adafactor,
        "muon": layerwise.Muon,
        "polyak_sgd": parameter_free.PolyakSGD,
        "dog": parameter_free.DoG,
        "prodigy": parameter_free.Prodigy,
        "dadapt_adamw": parameter_free.DAdaptAdamW,
        "schedule_free_sgd": averaging.ScheduleFreeSGD,
        "schedule_free_adamw": averaging.ScheduleFreeAdamW,
        "sam": wrappers.SAM,
        "lookahead": wrappers.Lookahead,
        "averaged": averaging.Averaged,
        "decoupled_decay": changed_updates.DecoupledDecay,
        "layer_rates": changed_updates.LayerRates,
        "newton": second_order.Newton,
        "newton_cg": second_order.NewtonCG,
        "lbfgs": second_order.LBFGS,
        "sophia": second_order.Sophia,
    },
    "momentum_schedule": {
        "constant": momentum_schedule.ConstantMomentum,
        "linear": momentum_schedule.LinearMomentum,
        "sutskever": momentum_schedule.SutskeverMomentum,
        "one_cycle": momentum_schedule.OneCycleMomentum,
    },
    "schedule": {
        "constant": schedules.Constant,
        "inverse_time": decay.InverseTime,
        "exp": decay.Exponential,
        "natural_exp": decay.NaturalExponential,
        "linear": finite.Linear,
        "polynomial": finite.Polynomial,
        "step": finite.Step,
        "inverse_sqrt": decay.InverseSquareRoot,
        "cosine": finite.Cosine,
        "cosine_restarts": cycle.CosineRestarts,
        "one_cycle": cycle.OneCycle,
        "cyclic": cycle.Cyclic,
        "trapezoid": cycle.Trapezoid,
        "plateau": plateau.Plateau,
        "range_test": range_test.RangeTest,
    },
    "warmup": {
        "none": warmup.NoWarmup,
        "linear": warmup.LinearWarmup,
    },
    "gradient": {
        "none": gradient.NoTreatment,
        "clip_value": gradient.ClipValue,
        "clip_norm": gradient.ClipNorm,
        "clip_adaptive": gradient.ClipAdaptive,
        "noise": gradient.Noise,
    },
    "batch_size": {
        "full": batch_size.Full,
        "stochastic": batch_size.Stochastic,
        "mini": batch_size.Mini,
        "growing": batch_size.Growing,
    },
    "sampling": {
        "permutation": sampling.Permutation,
        "fixed": sampling.Fixed,
        "ordered": sampling.Ordered,
        "replacement": sampling.Replacement,
        "stream": sampling.Stream,
    },
    "stopping": {
        "none": stopping.NoStopping,
        "best": stopping.Best,
        "patience": stopping.Patience,
        "target": stopping.Target,
    },
    "diagnostics": {
        "none": NoDiagnostic,
        "layers": Layers,
        "noise": Noise,
        "update": Update,
        "curvature": Curvature,
        "trajectory": Trajectory,
    },
}

GROUPS = (*OPTIONS, "experiment")
"""The groups of the defaults list in `conf/config.yaml`, in its order."""
