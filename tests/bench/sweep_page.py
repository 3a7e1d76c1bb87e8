"""The page and the picture that `make bench-sweep` makes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

Growth = dict[str, dict[str, dict[int, list[float]]]]
"""Seconds of a step of all lanes in each round: by network, way and number of lanes."""

WAYS = {
    "map": "`map`: one core, lanes in turn",
    "vmap": "`vmap`: two cores, all lanes at once",
    "spread": "`map`, spread over two cores",
}
COLORS = {"map": "#0072B2", "vmap": "#D55E00", "spread": "#009E73"}
LIMITS = """\
What remains of a small sweep with compiled programs is starting up (Python, Hydra, JAX and Matplotlib) and
drawing its figure; training itself is less than a second of it. Where programs are not compiled, tracing and
compiling them takes most of the time. A fresh process that finds its program compiled takes about a second
and a half, nearly all of it to import JAX and Hydra.
"""
FIRST_GOAL = 3.5
"""Seconds of the sweep with programs compiled before."""


class Cost(NamedTuple):
    """Seconds of a process, the most memory that it had, in bytes, and the most open files."""

    seconds: float
    memory: int
    files: int


def linear_table(costs: Mapping[int, Cost], bare: float) -> list[str]:
    """The section on sweeps of a linear model.

    Args:
        costs: by the number of runs.
        bare: the seconds a run of a loop that makes the same files.
    """
    lines = ["| runs | seconds | ms a further run | GiB at most | open files at most |"]
    lines.append("|---|---|---|---|---|")
    before: tuple[int, float] | None = None
    for runs, cost in costs.items():
        further = ""
        if before:
            further = f"{1e3 * (cost.seconds - before[1]) / (runs - before[0]):.1f}"
        before = runs, cost.seconds
        lines.append(
            f"| {runs:,} | {cost.seconds:.1f} | {further} | {cost.memory / 2**30:.2f} | {cost.files} |"
        )
    return [
        "Of a linear model on digits (12 steps each), with the program compiled before. A bare loop that "
        f"makes the same folders and files takes {1e3 * bare:.1f} ms a run. Wanted: at most 8 ms a run, 10,000 "
        "runs in 120 s with 1 GiB, and 64 open files.",
        "",
        *lines,
    ]


def page(
    sweeps: dict[str, list[float]],
    growth: Growth,
    linear: list[str],
    machine: str,
    picture: Path | None,
) -> str:
    """The page in Markdown."""
    rounds = len(sweeps["population"])
    lines = [
        "# Sweeps",
        "",
        f"Made by `make bench-sweep`. {machine}.",
        "",
        "## 64 runs",
        "",
        "16 learning rates x 4 seeds on digits: 64-64-10, batch 32, 5 epochs (14,400 steps in all),"
        f" from the command to the end, with everything recorded. Medians of {rounds} interleaved "
        "rounds; ratios are those within a round, lowest and highest in brackets. Of the two slow "
        "ways some of the runs were timed and the others are assumed to take as long.",
        "",
        "| | seconds | to the population |",
        "|---|---|---|",
    ]
    for way, seconds in sweeps.items():
        ratio = _ratio(seconds, sweeps["population"])
        lines.append(f"| {way} | {statistics.median(seconds):.1f} | {ratio} |")
    warm = statistics.median(sweeps["population, programs compiled before"])
    lines += [
        "",
        f"Wanted with programs compiled before: at most {FIRST_GOAL} s, "
        f"{'met' if warm <= FIRST_GOAL else '**missed**'}.",
        "",
        LIMITS,
        "## Many runs",
        "",
        *linear,
        "",
        "## Growth",
        "",
        "Microseconds of one step of one lane, without starting and recording: medians, batch 32.",
        "",
    ]
    if picture:
        lines += [f"![time of a step against the number of lanes]({picture.name})", ""]
    for network, by_way in growth.items():
        counts = list(next(iter(by_way.values())))
        lines += [
            f"| {network}, lanes | " + " | ".join(map(str, counts)) + " |",
            "|---|" + "---|" * len(counts),
        ]
        for way, by_lanes in by_way.items():
            cells = [f"{statistics.median(by_lanes[n]) / n * 1e6:.0f}" for n in counts]
            lines.append(f"| {WAYS[way]} | " + " | ".join(cells) + " |")
        gains = [_ratio(by_way["map"][n], by_way["spread"][n]) for n in counts]
        lines += ["| two cores over one | " + " | ".join(gains) + " |", ""]
    return "\n".join(lines)


def _ratios(slow: list[float], fast: list[float]) -> list[float]:
    return [one / other for one, other in zip(slow, fast, strict=True)]


def _ratio(slow: list[float], fast: list[float]) -> str:
    ratios = _ratios(slow, fast)
    return f"{statistics.median(ratios):.3g}x ({min(ratios):.3g} to {max(ratios):.3g})"


def draw(growth: Growth, file: Path) -> None:
    """Draw the time of a step of all lanes against their number."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        1, len(growth), figsize=(7, 3), layout="constrained", sharey=True, squeeze=False
    )
    panels = grid[0]
    for panel, (network, by_way) in zip(panels, growth.items(), strict=True):
        for way, by_lanes in by_way.items():
            counts = list(by_lanes)
            times = [1e3 * statistics.median(values) for values in by_lanes.values()]
            label = WAYS[way].replace("`", "")
            panel.loglog(counts, times, "o-", ms=3, lw=1.2, color=COLORS[way], label=label)
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.set_title(network, fontsize=9)
        panel.set_xlabel("lanes", fontsize=8)
        panel.tick_params(labelsize=7)
    panels[0].set_ylabel("ms a step of all lanes", fontsize=8)
    panels[0].legend(fontsize=7, frameon=False)
    figure.savefig(file, dpi=200)
