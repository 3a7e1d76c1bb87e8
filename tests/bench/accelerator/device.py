"""The device, and how fast its matrix products are at best."""

from __future__ import annotations

import itertools
import re

import jax

from tests.bench.workloads import Workload

# Dense products in TFLOP/s, without sparsity, by data sheet: float32 (as TF32 where the device has
# it, since JAX multiplies float32 so there) and bfloat16. The first name counts that is a word of
# the device's name.
PEAKS: dict[str, dict[str, float]] = {
    "H200": {"float32": 494.7, "bfloat16": 989.4},
    "H100 PCIe": {"float32": 378.0, "bfloat16": 756.0},
    "H100 NVL": {"float32": 417.5, "bfloat16": 835.0},
    "H100": {"float32": 494.7, "bfloat16": 989.4},
    "A100": {"float32": 156.0, "bfloat16": 312.0},
    "A10G": {"float32": 35.0, "bfloat16": 70.0},
    "A10": {"float32": 62.5, "bfloat16": 125.0},
    "L40S": {"float32": 183.0, "bfloat16": 362.05},
    "L4": {"float32": 60.0, "bfloat16": 121.0},
    "T4": {"float32": 8.1},
    "V100": {"float32": 15.7},
}


def peak(device_name: str, precision: str) -> float | None:
    """The fastest products of a device in TFLOP/s; None if they are not known."""
    for name, peaks in PEAKS.items():
        if re.search(rf"\b{name}\b", device_name):
            return peaks.get(precision)
    return None


def described() -> str:
    """The device and the versions, in a line."""
    device = jax.devices()[0]
    return f"{device.device_kind} ({device.platform}), JAX {jax.__version__}"


def gigaflop(workload: Workload) -> float:
    """The products of a training step: outputs, and gradients of weights and of hidden inputs."""
    if workload.network == "cnn":
        products = [26**2 * 9 * 32, 24**2 * 9 * 32 * 64, 9216 * 128, 128 * 10]
    else:
        sizes = [int(size) for size in workload.network.split("-")]
        products = [a * b for a, b in itertools.pairwise(sizes)]
    return 2e-9 * workload.batch * (3 * sum(products) - products[0])
