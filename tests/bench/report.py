"""The page that `make bench` writes: tables of ratios and goals, and what limits the runner."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from tests.bench.workloads import Workload

Times = dict[str, list[float]]
"""For every contender the microseconds of a step, in each round."""

RUNNER, BARE, PYTORCH = "runner_itself", "bare_scan", "pytorch"
TITLES = {
    RUNNER: "runner, norms every 50 steps",
    "runner_default": "runner, norms at 2,000 steps (default)",
    BARE: "bare `lax.scan`, loss and error",
    "bare_loss_only": "bare `lax.scan`, loss only",
    "bare_norms": "bare `lax.scan`, loss, error and norms",
    "products": "its matrix products alone",
    PYTORCH: "PyTorch loop",
    "pytorch_fused": "PyTorch loop, fused Adam",
    "lightning_loop": "Lightning, TensorBoard logger",
    "keras_jax": "Keras on JAX, epochs logged",
}
PEERS = (PYTORCH, "pytorch_fused", "lightning_loop", "keras_jax")

GOAL, GOAL_AT_BATCH_1 = 0.95, 0.85
"""The wanted speed, as a fraction of the speed of the bare loop with the same measures."""

SLOWEST = 1.5
"""How many times PyTorch's time a step of a network with a goal of its own may take."""


class Ratio(NamedTuple):
    """How many times as long one contender takes as another in the same round."""

    median: float
    lowest: float
    highest: float


class Goal(NamedTuple):
    """How many times as long as the runner a contender is to take at least, and takes."""

    title: str
    wanted: float
    measured: float


def ratio(times: Times, one: str, other: str = RUNNER) -> Ratio:
    """The time of one contender divided by the time of another."""
    ratios = [x / y for x, y in zip(times[one], times[other], strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def goals(workload: Workload, times: Times) -> list[Goal]:
    """The goals of a workload: `GOAL` of the bare loop's speed, alone and against every peer.

    Against a peer, for dense networks, it is that fraction of the peer's own ratio to the bare loop.
    Other networks may take `SLOWEST` times as long as PyTorch's, and the CNN as long as
    `tests.bench.products` says.
    """
    own = []
    if not (workload.is_dense or workload.network == "cnn") and {RUNNER, PYTORCH} <= times.keys():
        title = f"{workload.name}: {TITLES[PYTORCH]}"
        own = [Goal(title, 1 / SLOWEST, ratio(times, PYTORCH).median)]
    if not {RUNNER, BARE} <= times.keys():
        return own
    fraction = GOAL_AT_BATCH_1 if workload.batch == 1 else GOAL
    peers = PEERS if workload.is_dense else ()
    return own + [
        Goal(
            f"{workload.name}: {TITLES[contender]}",
            fraction * ratio(times, contender, BARE).median,
            ratio(times, contender).median,
        )
        for contender in (BARE, *peers)
        if contender in times
    ]


def page(results: dict[Workload, Times], machine: str, rounds: int, details: list[str]) -> str:
    """The page in Markdown.

    Args:
        results: what was measured.
        machine: the machine and the versions.
        rounds: how many rounds there were.
        details: sections that follow the tables.
    """
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench`. {machine}.",
        "",
        "Time of a training step relative to the runner's in the same round (median of "
        f"{rounds} interleaved rounds, lowest and highest in brackets; larger is slower), and "
        "microseconds a step in each contender's fastest window. All train on MNIST with Adam and "
        "cross-entropy in float32; the runner also writes loss, error, learning rate and, where it "
        "measures them, norms to its curves and event files. Keras logs its epochs as its "
        "TensorBoard callback would (which itself needs TensorFlow).",
        "",
        "| | " + " | ".join(workload.name for workload in results) + " |",
        "|---|" + "---|" * len(results),
    ]
    for contender, title in TITLES.items():
        cells = [_cell(times, contender) for times in results.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Goals",
        "",
        f"At least {GOAL:g} of the speed of the bare loop that returns loss and error "
        f"({GOAL_AT_BATCH_1:g} at batch 1); against a peer, that fraction of the peer's own ratio "
        "to the bare loop in this table. The networks that are neither dense nor the CNN may take "
        f"{SLOWEST:g} times as long as PyTorch's.",
        "",
        "| goal | wanted | measured | |",
        "|---|---|---|---|",
    ]
    for workload, times in results.items():
        for title, wanted, measured in goals(workload, times):
            verdict = "met" if measured >= wanted else "**missed**"
            lines.append(f"| {title} | {wanted:.3g}x | {measured:.3g}x | {verdict} |")
    return "\n".join([*lines, "", limits(results), *details])


def limits(results: dict[Workload, Times]) -> str:
    """The section on what limits the runner; every figure in it is from the measurement."""
    lines = [
        "## What limits it",
        "",
        "**Norms.** The norms of gradient and update need both vectors in memory, which a step "
        "without them never writes. The runner measures them in the steps that `measure_every` "
        "says, in a program of two loops, one of plain steps and one of measured steps. The "
        "default measures at 2,000 steps of a run, which is every step of a short one. Times "
        "relative to the bare loop with loss and error:",
        "",
        "| | bare loop, norms in every step | runner, default | runner, norms every 50 steps |",
        "|---|---|---|---|",
    ]
    for workload, times in results.items():
        if BARE in times:
            cells = [
                f"{ratio(times, contender, BARE).median:.2f}x" if contender in times else "-"
                for contender in ("bare_norms", "runner_default", RUNNER)
            ]
            lines.append(f"| {workload.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", CAUSES])


def order(results: dict[Workload, Times], runner: float, bare: float) -> str:
    """The paragraph on drawing the order of an epoch.

    Args:
        results: what was measured.
        runner: the milliseconds that the runner takes.
        bare: the milliseconds of `jax.random.permutation`, which the bare loop calls.
    """
    shares = []
    for workload, times in results.items():
        epoch = workload.examples / workload.batch * min(times[RUNNER]) / 1e3
        shares.append(f"{runner / epoch:.1%} of one at {workload.name}")
    return (
        f"**The order of an epoch** takes {runner:.1f} ms, the same order by "
        f"`jax.random.permutation` {bare:.1f} ms, in every epoch: {'; '.join(shares)}.\n"
    )


CAUSES = """\
**The small network.** A step is bound by the number of its kernels and by passes over the parameters
and their moments, not by arithmetic. The list at the end says which kernels the runner has beyond the
bare loop. Beside the steps there are the start of the run, the order of each epoch and the recording.
Large kernels are divided between the cores, and for small networks waking the other core may cost more
than it saves: with `PJRT_NPROC=1` in the environment JAX uses one.

**784-512-512-10.** The time is XLA's matrix product and Adam's memory traffic: the parameters no longer
fit a core's cache.

**The CNN.** XLA's own convolution is many times slower inside a loop on a CPU, so it is written as
matrix products over patches there (`runner/options/model/convolution.py`), of a few images at a time,
so that the patches, nine times the image, stay in the processor's cache. Tried as alternatives,
interleaved, and not faster: nine shifted products, patches of one row at a time, patches in the layouts
channel-image-row-column and channel-row-column-image, several columns in one product, Winograd's
F(2x2, 3x3) and F(4x4, 3x3). Other forms of the pooling gain at most 4 %. Its goal against PyTorch follows
from the speed of the products, at the end.

**The residual network.** Its kernels have 16 to 64 channels, so a patch is multiplied by few columns:
with 16 channels half of the time of a convolution and its gradients is spent in products, the rest
copies patches and adds up their gradients. PyTorch convolves without patches.

**The LSTM.** A step is 28 steps of time, one after the other, each with three products of 64x128 and
128x512 matrices or their transposes. On one core these take about half of the step; they are too small
for the runner to gain more than a quarter from the second one.
"""


def _cell(times: Times, contender: str) -> str:
    if contender not in times or RUNNER not in times:
        return "not measured"
    median, lowest, highest = ratio(times, contender)
    return f"**{median:.3g}x** ({lowest:.3g} to {highest:.3g})<br>{min(times[contender]):,.0f} us"
