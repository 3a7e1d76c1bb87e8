"""The option table: which class stands behind `group=name`.

Adding an option is one class, one YAML file `conf/<group>/<name>.yaml`, and one row here.
"""

from __future__ import annotations

from runner import data
from runner.options import activation, batch_size, initializer, normalization, preprocessing
from runner.options import schedule as schedules
from runner.options.model.cnn import CNN
from runner.options.model.dense import MLP, Linear
from runner.options.optimizer.adaptive import Adam, RMSProp
from runner.options.optimizer.gradient_descent import SGD, Momentum, Nesterov
from runner.options.option import Option

OPTIONS: dict[str, dict[str, type[Option]]] = {
    "data": {
        "digits": data.Digits,
        "mnist": data.MNIST,
        "fashion_mnist": data.FashionMNIST,
    },
    "preprocessing": {
        "none": preprocessing.Raw,
        "standardize": preprocessing.Standardize,
        "minmax": preprocessing.MinMax,
    },
    "model": {
        "linear": Linear,
        "mlp": MLP,
        "cnn": CNN,
    },
    "activation": {
        "relu": activation.Relu,
        "tanh": activation.Tanh,
        "sigmoid": activation.Sigmoid,
        "linear": activation.Identity,
    },
    "initializer": {
        "zeros": initializer.Zeros,
        "normal": initializer.Normal,
        "xavier_uniform": initializer.XavierUniform,
        "he_normal": initializer.HeNormal,
    },
    "normalization": {
        "none": normalization.NoNormalization,
        "batch": normalization.Batch,
        "layer": normalization.LayerNorm,
    },
    "optimizer": {
        "sgd": SGD,
        "momentum": Momentum,
        "nesterov": Nesterov,
        "rmsprop": RMSProp,
        "adam": Adam,
    },
    "schedule": {
        "constant": schedules.Constant,
        "exp": schedules.Exponential,
        "inverse_time": schedules.InverseTime,
        "cosine": schedules.Cosine,
    },
    "batch_size": {
        "full": batch_size.Full,
        "stochastic": batch_size.Stochastic,
        "mini": batch_size.Mini,
    },
}


def register(group: str, name: str, cls: type[Option]) -> None:
    """Add an option of your own, from a module named in the config's `plugins`.

    Raises:
        ValueError: the group does not exist, or the name is taken by another class.
    """
    if group not in OPTIONS:
        raise ValueError(f"no group {group!r}; the groups are {', '.join(OPTIONS)}")
    known = OPTIONS[group].setdefault(name, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"{group}={name} is already {known.__qualname__} of {known.__module__}")
