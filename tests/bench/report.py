"""The page that `make bench` writes: one table of ratios, one of goals."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """One contender at one workload; a ratio is its time divided by the runner's in the same round."""

    fastest: float  # microseconds a step, of the fastest window
    ratio: float
    lowest: float
    highest: float


TITLES = {
    "runner_itself": "runner, norms every 50 steps",
    "runner_default": "runner, norms at 2,000 steps (default)",
    "bare_scan": "bare `lax.scan`, loss and error",
    "bare_loss_only": "bare `lax.scan`, loss only",
    "bare_norms": "bare `lax.scan`, loss, error and norms",
    "products": "its matrix products alone",
    "pytorch": "PyTorch loop",
    "pytorch_fused": "PyTorch loop, fused Adam",
    "lightning_loop": "Lightning, TensorBoard logger",
    "keras_jax": "Keras on JAX, epochs logged",
}

# The least ratio that is wanted: how many times as long as the runner a contender should take.
GOALS = {
    "784-64-10, batch 1": {
        "bare_scan": 0.85,
        "lightning_loop": 40,
        "pytorch": 15,
        "pytorch_fused": 12,
    },
    "784-64-10, batch 32": {"lightning_loop": 15, "pytorch": 7, "pytorch_fused": 6},
    "784-512-512-10, batch 128": {"lightning_loop": 2, "pytorch": 1.5, "pytorch_fused": 1.15},
    "cnn, batch 128": {"pytorch": 1 / 1.1},
}
EVERYWHERE = {"bare_scan": 0.95}

LIMITS = """\
## What limits it

- **Norms.** The gradient norm and the update norm need both vectors in memory, which a step without
  them never writes: compare the bare loops. The runner measures them in the steps that `measure_every`
  says, in a program of two loops, one of plain steps and one of measured steps. The default measures at
  2,000 steps of a run, which is every step of a short one; the second row is what that costs.
- **Batch 1 and 32 of the small network.** A step is bound by passes over the parameters (50,890 of
  them) and their moments, each a few microseconds, not by arithmetic. What is between the runner and
  the bare loop with the same measures is the start of the run, drawing the order of each epoch (a sort
  of 55,000 numbers), the clock and the row of a step, and the recording.
- **784-512-512-10.** The time is XLA's matrix product and Adam's memory traffic (670,000 parameters no
  longer fit a core's cache).
- **The CNN.** XLA's own convolution is twenty times slower inside a loop on a CPU, so it is written as
  matrix products over patches there (`runner/options/model/convolution.py`), of a few images at a time,
  so that the patches, nine times the image, stay in the processor's cache. Tried as alternatives,
  interleaved, and not faster: nine shifted products, patches of one row at a time, patches in the
  layouts channel-image-row-column and channel-row-column-image, patches by updates in place,
  Winograd's F(2x2, 3x3) and F(4x4, 3x3). Other forms of the pooling gain at most 4%.
"""


def page(results: dict[str, dict[str, Result]], machine: str, rounds: int) -> str:
    """The page in Markdown."""
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench`. {machine}.",
        "",
        "Time of a training step relative to the runner's in the same round (median of "
        f"{rounds} interleaved rounds, lowest and highest in brackets; larger is slower), and "
        "microseconds a step in each contender's fastest window. All train on MNIST with Adam and "
        "cross-entropy in float32; the runner also writes loss, error, learning rate and, where it "
        "measures them, norms to its curves and event files. Keras logs its epochs as its TensorBoard callback would (which "
        "itself needs TensorFlow).",
        "",
        "| | " + " | ".join(results) + " |",
        "|---|" + "---|" * len(results),
    ]
    for contender, title in TITLES.items():
        cells = [_cell(by_contender.get(contender)) for by_contender in results.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "## Goals", "", "| goal | wanted | measured | |", "|---|---|---|---|"]
    for workload, by_contender in results.items():
        for contender, wanted in {**EVERYWHERE, **GOALS.get(workload, {})}.items():
            if contender in by_contender:
                got = by_contender[contender].ratio
                verdict = "met" if got >= wanted else "**missed**"
                goal = f"{workload}: {TITLES[contender]}"
                lines.append(f"| {goal} | {wanted:.3g}x | {got:.3g}x | {verdict} |")
    return "\n".join([*lines, "", LIMITS])


def _cell(result: Result | None) -> str:
    if result is None:
        return "not measured"
    return (
        f"**{result.ratio:.3g}x** ({result.lowest:.3g} to {result.highest:.3g})<br>"
        f"{result.fastest:,.0f} us"
    )
