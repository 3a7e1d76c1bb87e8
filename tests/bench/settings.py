"""The config of a workload, as Hydra would compose it; imports nothing that records or composes."""

from __future__ import annotations

from tests.bench.workloads import ADAM, RESIDUAL, Workload

_SEQUENCES = {
    "lstm": lambda width: {
        "widths": [width],
        "recurrent_initializer": {"name": "orthogonal"},
    },
    "transformer": lambda width: {"width": width, "depth": 2},
}


def config(workload: Workload) -> dict:
    model = {"name": "mlp", "widths": workload.widths}
    if workload.network == RESIDUAL:
        model = {"name": "resnet"}
    elif workload.convolutions:
        model = _convolutional(workload)
    elif workload.reads_rows:
        model = {"name": workload.network, **_SEQUENCES[workload.network](workload.widths[0])}
    normalization = {RESIDUAL: "batch", "transformer": "layer"}.get(workload.network, "none")
    return {
        "data": {"name": "mnist"},
        "preprocessing": {"name": "minmax"},
        "model": model,
        "activation": {"name": "tanh" if workload.network == "lstm" else "relu"},
        "initializer": {"name": "he_normal"},
        "bias_initializer": {"name": "zeros"},
        "normalization": {"name": normalization},
        "optimizer": {"name": "adam", **ADAM},
        "momentum_schedule": {"name": "constant"},
        "schedule": {"name": "constant"},
        "warmup": {"name": "none"},
        "gradient": {},
        "batch_size": {"name": "mini", "size": workload.batch},
        "sampling": {"name": "permutation"},
        "loss": {"name": "auto"},
        "stopping": {"name": "none"},
        "steps": workload.steps,
    }


def _convolutional(workload: Workload) -> dict:
    layers = workload.convolutions
    if workload.network == "cnn":
        return {"name": "cnn"}  # its defaults
    return {
        "name": "cnn",
        "channels": [layer.channels for layer in layers],
        "kernel_size": [layer.size for layer in layers],
        "padding": ["same" if layer.keeps_size else "valid" for layer in layers],
        "pool_size": [layer.window for layer in layers],
        "pool_after": "each",
        "widths": workload.widths,
    }
