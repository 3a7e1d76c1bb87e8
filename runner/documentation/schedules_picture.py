"""The picture of all schedules, drawn from the options: `docs/schedules.png`.

`python -m runner.documentation.schedules_picture FILE` writes it, as `make docs` does. Each
schedule is shown with its defaults over a run of ten epochs, without and with a warm-up. A file
that shows these curves already stays as it is: other fonts, another processor or another version of
matplotlib are no reason to change it. To draw it in another style, remove it first.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from runner.experiment.table import OPTIONS
from runner.options.clock import Clock, Phases
from runner.options.schedule.base import Schedule
from runner.options.schedule.range_test import RangeTest
from runner.options.warmup import LinearWarmup, NoWarmup, Warmup

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

EPOCHS, STEPS_PER_EPOCH = 10, 50
PLATEAU_LOSSES = [1.0, 0.7, 0.5, 0.45, 0.45, 0.45, 0.45, 0.45, 0.45, 0.45, 0.45]
"""The validation losses that `plateau` observes, one per epoch: constant from the fourth on."""

_OFF_TIES = 0.2171
"""Added before rounding, since many multipliers lie halfway between two thousandths, where the last
bit would decide."""

_COLUMNS = 4
_LINE, _FAINT = "#0072b2", "#d55e00"


def curve(schedule: Schedule, warmup: Warmup) -> npt.NDArray:
    """Return the multiplier of every step of a run of `EPOCHS` epochs.

    Args:
        schedule: the schedule.
        warmup: the warm-up before it.

    Returns:
        Array of shape (EPOCHS * STEPS_PER_EPOCH + 1,).
    """
    total = EPOCHS * STEPS_PER_EPOCH
    memories = [schedule.init()]
    for loss in PLATEAU_LOSSES:
        memories.append(schedule.observe(memories[-1], jnp.asarray(loss)))
    steps = jnp.arange(total + 1)
    seen = [memories[1 + step // STEPS_PER_EPOCH] for step in range(total + 1)]

    phases = Phases(np.array([0]), np.array([0]), np.array([STEPS_PER_EPOCH]))

    def multiplier(step: Int[Array, ""], memory: Any) -> Float[Array, ""]:
        clock = Clock(step, step / STEPS_PER_EPOCH, total, float(EPOCHS), phases)
        return warmup.multiplier(schedule, clock, memory)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *seen)
    return np.asarray(jax.vmap(multiplier)(steps, stacked))


def curves() -> dict[str, tuple[npt.NDArray, npt.NDArray]]:
    """Return by name the curve of every schedule, without and with a warm-up of one epoch.

    A range test is none to train with, and grows to a thousand.
    """
    warm = LinearWarmup(length=1, initial=0.0, unit="epoch")
    schedules = {name: cls() for name, cls in OPTIONS["schedule"].items()}
    return {
        name: (curve(schedule, NoWarmup()), curve(schedule, warm))
        for name, schedule in schedules.items()
        if isinstance(schedule, Schedule) and not isinstance(schedule, RangeTest)
    }


def fingerprint(shown: dict[str, tuple[npt.NDArray, npt.NDArray]]) -> str:
    """Return a hash of what the picture shows; the file has it in its metadata."""
    rounded = {
        name: [np.round(1000 * line + _OFF_TIES).astype(int).tolist() for line in lines]
        for name, lines in shown.items()
    }
    return hashlib.sha256(repr(rounded).encode()).hexdigest()[:16]


def shows(file: Path, mark: str) -> bool:
    """Whether a file is a picture of the curves with this fingerprint."""
    from PIL import Image

    if not file.is_file():
        return False
    with Image.open(file) as picture:
        return picture.info.get("Comment") == mark


def draw(file: Path) -> None:
    """Draw the picture and write it as PNG, unless the file shows the same already."""
    from matplotlib.figure import Figure

    shown = curves()
    mark = fingerprint(shown)
    if shows(file, mark):
        return
    rows = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(10, 2.1 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True)
    time = np.arange(EPOCHS * STEPS_PER_EPOCH + 1) / STEPS_PER_EPOCH
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, (name, (plain, warm)) in zip(axes.flat, shown.items(), strict=False):
        axis.plot(time, warm, color=_FAINT, linewidth=1, linestyle="--", label="after a warm-up")
        axis.plot(time, plain, color=_LINE, linewidth=1.8, label="alone")
        axis.set_title(f"schedule={name}", fontsize=10, family="monospace")
        axis.grid(visible=True, color="#e5e5e5", linewidth=0.6)
        axis.set_ylim(-0.04, 1.08)
    for axis in axes.flat[len(shown) - _COLUMNS : len(shown)]:  # the lowest of each column
        axis.tick_params(labelbottom=True)
    figure.supxlabel("epochs of a run of ten", fontsize=10)
    figure.supylabel("multiplier of the learning rate", fontsize=10)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="lower right", frameon=False)
    figure.savefig(file, dpi=110, metadata={"Software": None, "Comment": mark})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
