"""What users of other libraries type, and what it is called here.

Three tables: words for keys of an option, for names of options, and for what is typed at the top
level of the command line. Capitals and underscores do not matter (`runner.errors.folded`).
`runner.config.hints` makes hints of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from runner.errors import folded

_Meaning = TypeVar("_Meaning")


def _by_word(table: Mapping[_Meaning, str]) -> dict[str, tuple[_Meaning, ...]]:
    """A table of `meaning: words`, inverted."""
    meanings: dict[str, tuple[_Meaning, ...]] = {}
    for meaning, words in table.items():
        for word in map(folded, words.split()):
            meanings[word] = (*meanings.get(word, ()), meaning)
    return meanings


_KEYS = {
    "data": {
        "dir": "path root folder data_dir",
        "train_examples": "n_train num_train train_size",
        "split_seed": "seed",
        "steps": "seq_len sequence_length block_size context_length",
        "teacher_seed": "seed",
    },
    "model": {
        "widths": "hidden hidden_size hidden_sizes hidden_units hidden_layer_sizes layers units",
        "width": "d_model n_embd embed_dim hidden_size model_dim",
        "heads": "num_heads n_head n_heads nhead",
        "forget_bias": "unit_forget_bias",
        "depth": "num_layers n_layers",
        "channels": "filters out_channels",
        "kernel_size": "kernel",
        "pool_size": "pooling",
        "blocks": "num_blocks n_blocks",
        "recurrent_initializer": "recurrent recurrent_init",
    },
    "augmentation": {"pixels": "padding crop", "rate": "p prob probability"},
    "preprocessing": {"components": "n_components", "epsilon": "eps zca_epsilon"},
    "activation": {
        "slope": "negative_slope alpha init",
        "threshold": "theta",
        "form": "approximate",
        "per": "num_parameters shared_axes",
    },
    "initializer": {"stddev": "std sigma", "scale": "gain", "value": "val"},
    "bias_initializer": {"value": "val"},
    "normalization": {
        "epsilon": "eps",
        "momentum": "decay",
        "groups": "num_groups n_groups",
        "statistics": "track_running_stats",
    },
    "regularization": {
        "rate": "p prob probability",
        "strength": "weight_decay lambda alpha",
        "amount": "smoothing",
        "input_rate": "dropout",
        "recurrent_rate": "recurrent_dropout",
        "limit": "max_value",
        "evaluation_samples": "samples n_samples mc_samples",
    },
    "optimizer": {
        "learning_rate": "lr step_size",
        "momentum": "beta",
        "b1": "beta beta1 betas",
        "b2": "beta2",
        "b3": "beta3",
        "eps": "epsilon",
        "decay": "rho alpha decay_rate",
        "weight_decay": "wd l2",
    },
    "schedule": {
        "decay_rate": "gamma decay",
        "factor": "gamma decay",
        "milestones": "boundaries step_size",
        "length": "T_max decay_steps",
        "decay_steps": "period transition_steps",
        "final": "eta_min min_lr",
        "least": "min_lr",
        "period": "T_0",
        "growth": "T_mult",
    },
    "warmup": {"length": "steps epochs warmup_steps"},
    "gradient": {"threshold": "max_norm max_grad_norm", "high": "clip_value"},
    "batch_size": {
        "size": "batch_size",
        "drop_remainder": "drop_last",
        "micro_batch": "micro_batch_size accumulation",
    },
    "stopping": {
        "measure": "monitor metric",
        "patience": "n_iter_no_change early_stopping_rounds",
        "min_delta": "min_improvement threshold tol",
        "value": "target stopping_threshold",
    },
}
KEYS = {group: _by_word(keys) for group, keys in _KEYS.items()}
"""By group: the keys that a word may mean. It means the first that the chosen option has."""

_NAMES: dict[str, dict[str | None, str]] = {
    "data": {"fashion_mnist": "fashion", "cifar10": "cifar", None: "cifar100 emnist kmnist"},
    "augmentation": {
        "shift": "random_crop crop translate",
        "flip": "random_flip horizontal_flip mirror",
        None: "rotate cutout mixup cutmix color_jitter",
    },
    "preprocessing": {
        "none": "identity",
        "center": "centre centering demean mean_subtraction",
        "standardize": "standard StandardScaler zscore",
        "minmax": "MinMaxScaler",
        "pca_whiten": "pca whiten whitening",
        "zca_whiten": "zca",
    },
    "model": {
        "linear": "logistic logistic_regression softmax",
        "mlp": "dense fc fully_connected perceptron",
        "deep_linear": "linear_chain",
        "cnn": "conv convnet lenet",
        "resnet": "residual wide_resnet",
        "autoencoder": "ae",
        "rnn": "elman",
        "transformer": "gpt attention decoder",
        None: "vae densenet vgg",
    },
    "activation": {
        "linear": "identity none",
        "sigmoid": "logistic",
        "silu": "swish",
        "leaky_relu": "lrelu",
        "prelu": "parametric_relu",
        "threshold_relu": "thresholded_relu threshold",
        None: "celu glu hard_tanh hard_swish log_sigmoid rrelu softmax",
    },
    "initializer": {
        "zeros": "zero",
        "constant": "ones",
        "normal": "gaussian random_normal",
        "truncated_normal": "trunc_normal",
        "uniform": "random_uniform",
        "xavier_uniform": "xavier glorot glorot_uniform",
        "xavier_normal": "glorot_normal",
        "he_normal": "he kaiming kaiming_normal",
        "he_uniform": "kaiming_uniform",
        "lecun_normal": "lecun",
        "identity": "eye dirac",
        None: "delta_orthogonal variance_scaling lsuv",
    },
    "bias_initializer": {
        "zeros": "zero none",
        "constant": "ones",
        "class_frequencies": "class_frequency class_priors log_priors",
    },
    "normalization": {
        "batch": "batch_norm batch_normalization bn",
        "layer": "layer_norm layer_normalization ln",
        "group": "group_norm group_normalization gn",
        "instance": "instance_norm instance_normalization",
        "rms": "rms_norm rms_normalization",
        "weight": "weight_norm weight_normalization wn",
        None: "spectral spectral_norm local_response lrn",
    },
    "regularization": {
        "dropout": "mc_dropout monte_carlo_dropout",
        "variational_dropout": "recurrent_dropout",
        "elastic": "elastic_net l1_l2",
        "l2": "weight_decay ridge",
        "l1": "lasso",
        "label_smoothing": "smoothing",
    },
    "optimizer": {
        "sgd": "gd gradient_descent",
        "momentum": "heavy_ball sgdm sgd_momentum",
        "nesterov": "nag",
        "sign_sgd": "signum",
        "averaged": "averaged_sgd asgd swa ema ema_weights model_averaging",
        "decoupled_decay": "sgdw weight_decay",
        "layer_rates": "layerwise discriminative",
        "qhm": "quasi_hyperbolic quasi_hyperbolic_momentum",
        "polyak_sgd": "polyak",
        "schedule_free_adamw": "schedule_free",
        "dadapt_adamw": "d_adaptation",
        "lbfgs": "bfgs",
        None: "madgrad adabound adamp adamod nadamw",
    },
    "momentum_schedule": {"constant": "none", "one_cycle": "OneCycleLR"},
    "schedule": {
        "constant": "none ConstantLR",
        "exp": "exponential exponential_decay ExponentialLR",
        "step": "StepLR multi_step MultiStepLR piecewise_constant",
        "linear": "LinearLR",
        "polynomial": "poly PolynomialLR",
        "cosine": "cosine_annealing CosineAnnealingLR cosine_decay",
        "cosine_restarts": "CosineAnnealingWarmRestarts sgdr",
        "one_cycle": "OneCycleLR",
        "cyclic": "CyclicLR triangular",
        "trapezoid": "wsd",
        "plateau": "ReduceLROnPlateau",
        "inverse_sqrt": "inverse_square_root rsqrt noam",
        "range_test": "lr_find lr_finder lr_range_test learning_rate_finder",
    },
    "gradient": {
        "clip_norm": "clip clipping clip_by_norm clip_by_global_norm clip_grad_norm",
        "clip_value": "clip_by_value clip_grad_value",
        "clip_adaptive": "agc",
        "noise": "gaussian",
    },
    "batch_size": {"full": "batch gd", "stochastic": "online sgd", "mini": "minibatch"},
    "loss": {
        "cross_entropy": "categorical_cross_entropy softmax_cross_entropy nll log_loss ce xent",
        "binary_cross_entropy": "bce sigmoid_cross_entropy",
        "squared_error": "mse mean_squared_error l2",
        "absolute_error": "mae mean_absolute_error l1",
        "huber": "smooth_l1",
    },
    "sampling": {
        "permutation": "shuffle random_reshuffling",
        "fixed": "sequential",
        "replacement": "with_replacement bootstrap",
        "stream": "online",
    },
    "stopping": {"patience": "EarlyStopping", "target": "threshold"},
}
NAMES = {
    group: {word: names[0] for word, names in _by_word(table).items()}
    for group, table in _NAMES.items()
}
"""By group: which option a word means. None: it is known elsewhere and not here, so that an option
whose name only looks similar is not offered."""

WORDS = _by_word(
    {
        "optimizer": "opt optim",
        "schedule": "scheduler lr_scheduler lr_schedule learning_rate_schedule",
        "data": "dataset",
        "loss": "criterion loss_fn objective",
        "model": "net network arch architecture",
        "activation": "act activation_fn nonlinearity",
        "initializer": "init initialization weight_init kernel_initializer",
        "bias_initializer": "bias_init",
        "model.recurrent_initializer": "recurrent_initializer recurrent_init",
        "normalization": "norm",
        "normalization=batch": "batch_norm",
        "normalization=layer": "layer_norm",
        "normalization=group": "group_norm",
        "normalization=rms": "rms_norm",
        "normalization=weight": "weight_norm",
        "augmentation": "augment data_augmentation",
        "preprocessing": "normalize transform",
        "regularization": "regularizer",
        "regularization.dropout.rate": "dropout dropout_rate drop_rate dropout_prob",
        "regularization.label_smoothing.amount": "label_smoothing",
        "regularization.max_norm.limit": "max_norm",
        "regularization.l1.strength": "l1",
        "regularization.l2.strength": "l2",
        "optimizer.weight_decay": "wd weight_decay",
        "regularization=dropout": "dropout dropout_rate drop_rate dropout_prob",
        "regularization=label_smoothing": "label_smoothing",
        "regularization=l1": "l1",
        "regularization=l2": "l2 wd weight_decay",
        "optimizer.momentum": "momentum",
        "optimizer=momentum": "momentum",
        "optimizer=nesterov": "nesterov",
        "gradient.clip_norm.threshold": "clip grad_clip gradient_clip gradient_clip_val clipnorm "
        "clip_grad_norm max_grad_norm max_norm",
        "gradient=clip_norm": "clip grad_clip gradient_clip gradient_clip_val clipnorm "
        "clip_grad_norm max_grad_norm",
        "regularization=max_norm": "max_norm",
        "gradient.clip_value.high": "clipvalue",
        "gradient=clip_value": "clipvalue",
        "warmup.length": "warmup_steps warmup_epochs",
        "warmup=linear": "warmup_steps warmup_epochs",
        "batch_size": "batchsize bs batch minibatch mini_batch_size",
        "batch_size.micro_batch": "accumulate_grad_batches gradient_accumulation_steps",
        "sampling": "shuffle sampler",
        "stopping": "early_stop early_stopping",
        "schedule.patience": "patience",
        "stopping.patience": "patience early_stopping_patience early_stopping_rounds",
        "stopping=patience": "patience early_stopping_patience early_stopping_rounds",
        "epochs": "n_epochs num_epochs max_epochs train_epochs",
        "steps": "max_steps num_steps n_steps train_steps iterations n_iter max_iter",
        "seed": "random_seed random_state rng",
        "evaluate_every": "eval_every eval_interval check_val_every_n_epoch",
        "precision": "dtype compute_dtype param_dtype mixed_precision amp autocast bf16 bfloat16",
        "measure_every": "log_every log_interval log_every_n_steps",
        "hydra.run.dir": "log_dir output_dir save_dir",
    }
)
"""What to type instead of a word at the top level: the first that works in this config."""
