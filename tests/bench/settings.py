"""The config of a workload, as Hydra would compose it; imports nothing that records or composes."""

from __future__ import annotations

from tests.bench.workloads import ADAM, Workload


def config(workload: Workload) -> dict:
    model = {"name": "mlp", "widths": workload.widths}
    if workload.network == "cnn":
        model = {"name": "cnn"}
    return {
        "data": {"name": "mnist"},
        "preprocessing": {"name": "minmax"},
        "model": model,
        "activation": {"name": "relu"},
        "initializer": {"name": "he_normal"},
        "bias_initializer": {"name": "zeros"},
        "normalization": {"name": "none"},
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
