"""The figure of performance profiles (see `runner.compare.profile`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from runner.compare.figures.style import (
    LABEL_SIZE,
    empty_panels,
    legend_beside,
    line_styles,
    small_print,
)
from runner.compare.grouping import format_range
from runner.compare.look import PLAIN, Look
from runner.compare.profile import R_MAX, Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def profile_figure(profiles: Sequence[Profile], look: Look = PLAIN) -> Figure:
    """Draw profiles of the same problems: a panel for each unit, a step function a competitor.

    A unit with the ratios of an earlier one has no panel: epochs, where all runs of a problem have
    equal batches.

    Args:
        profiles: the profile in each unit.
        look: how the figure looks.
    """
    drawn: list[Profile] = []
    for profile in profiles:
        known = (np.allclose(profile.ratios, other.ratios, equal_nan=True) for other in drawn)
        if not any(known):
            drawn.append(profile)
    figure, panels = empty_panels(len(drawn), look)
    order = list(drawn[0].scores)
    styles = dict(zip(order, line_styles(len(order), look), strict=True))
    for panel, profile in zip(panels, drawn, strict=True):
        for name in order:
            ratios = profile.ratios[profile.names.index(name)]
            x = np.unique([1.0, *ratios[ratios <= R_MAX], R_MAX])
            y = [profile.rho(name, tau) for tau in x]
            style = {**styles[name], "lw": 1.5 * styles[name]["lw"]}
            panel.step(x, y, where="post", label=_label(name, drawn), **style)
        panel.set_xlim(0.96, R_MAX)
        panel.set_ylim(-0.03, 1.03)
        panel.set_xlabel(f"{profile.unit} to target, relative to the best", fontsize=LABEL_SIZE)
    for panel in panels if look.is_paper else panels[:1]:
        panel.set_ylabel("share of the problems", fontsize=LABEL_SIZE)
    legend_beside(figure, panels[0], "score", look)
    small_print(figure, _explanation(drawn[0]))
    return figure


def _label(name: str, drawn: Sequence[Profile]) -> str:
    """`0.93  adam`, with a score for each panel."""
    return " | ".join(f"{profile.scores[name]:.2f}" for profile in drawn) + f"  {name}"


def _explanation(profile: Profile) -> str:
    seeds = {len(group.runs) for problem in profile.problems for group in problem.groups.values()}
    parts = [
        f"{len(profile.problems)} problems",
        profile.label,
        "one run each" if seeds == {1} else f"median of {format_range(seeds)} seeds",
        f"score: mean height from 1 to {R_MAX:g}",
    ]
    if any(profile.met_at_start):
        parts.append(f"target met at step 0 on {sum(profile.met_at_start)}")
    return "; ".join(parts)
