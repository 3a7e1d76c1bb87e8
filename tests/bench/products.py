"""The matrix products of a training step, and what the page says of them.

`contenders/products.py` times them alone. What a step takes beyond them is patches, pooling,
activations and Adam.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from tests.bench.workloads import Workload

GOALS = {180: 1.2, 100: 1.5}
"""Where the products reach so many GFLOP/s, how many times PyTorch's time a step may take."""

LARGEST_SHARE_OUTSIDE = 0.2


def shapes(workload: Workload) -> list[tuple[int, int, int]]:
    """Return `(m, k, n)` of each product of a step, an m by k matrix times a k by n matrix.

    A layer y = x W multiplies x by W, x^T by dy and dy by W^T; the first layer needs no gradient of
    its inputs. A convolution is such a layer for every patch.
    """
    forward, side, channels = [], 28, 1
    for layer in workload.convolutions:
        side -= 0 if layer.keeps_size else layer.size - 1
        forward.append((workload.batch * side**2, layer.size**2 * channels, layer.channels))
        side, channels = side // layer.window, layer.channels
    widths = [workload.flattened, *workload.widths, 10]
    forward += [(workload.batch, *pair) for pair in itertools.pairwise(widths)]
    kernels = [(k, m, n) for m, k, n in forward]
    inputs = [(m, n, k) for m, k, n in forward[1:]]
    return forward + kernels + inputs


def section(workload: Workload, fastest: Mapping[str, float]) -> str:
    """Return what the page says of the products: their speed, the share of the rest, the goals.

    Args:
        workload: whose step it is.
        fastest: microseconds of a step of each contender. Nothing is said of the products unless
            they and the runner were measured.
    """
    if not {"products", "runner_itself"} <= fastest.keys():
        return ""
    products, runner = fastest["products"], fastest["runner_itself"]
    flops = sum(2 * m * k * n for m, k, n in shapes(workload))
    speed, outside = flops / products / 1e3, 1 - products / runner
    text = (
        f"\n**Products of {workload.name}.** The matrix products of a step need {flops / 1e9:.3g} "
        f"GFLOP and reach {speed:.3g} GFLOP/s alone in a loop on this machine. {outside:.0%} of "
        "the runner's step is spent outside them."
    )
    goals = _goals(outside, speed, fastest) if workload.network == "cnn" else []
    return f"{text} Goals: {'; '.join(goals)}.\n" if goals else f"{text}\n"


def _goals(outside: float, speed: float, fastest: Mapping[str, float]) -> list[str]:
    """The goals of the CNN; those of dense networks are in their table."""
    goals = [
        f"at most {LARGEST_SHARE_OUTSIDE:.0%} outside: {_verdict(outside, LARGEST_SHARE_OUTSIDE)}"
    ]
    wanted = next((GOALS[least] for least in GOALS if speed >= least), None)
    if wanted is None:
        goals.append(f"none against PyTorch below {min(GOALS)} GFLOP/s")
    elif "pytorch" not in fastest:
        goals.append(f"at most {wanted}x PyTorch's time: not known, PyTorch did not run")
    else:
        ratio = fastest["runner_itself"] / fastest["pytorch"]
        goals.append(f"at most {wanted}x PyTorch's time: {ratio:.2f}x, {_verdict(ratio, wanted)}")
    return goals


def _verdict(measured: float, most: float) -> str:
    return "met" if measured <= most else "**missed**"
