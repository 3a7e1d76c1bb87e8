"""What a page knows of its runs: curves, groups and settings, as JSON that its script reads."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.compare.curve import AXES, MEASURES, label_for, rows_of
from runner.compare.curve_summary import have_rules
from runner.compare.figures.curves import MOST_LINES
from runner.compare.figures.kinds import KINDS
from runner.compare.figures.style import are_on_scale, is_log_measure
from runner.compare.grouping import (
    ABSENT,
    Group,
    format_setting,
    is_number,
    keys_that_vary,
    runs_of,
)
from runner.compare.report.points import Arrays, curves_of
from runner.compare.rerun import command_of_run
from runner.compare.runs import Run
from runner.compare.smoothing import is_noisy
from runner.compare.view import View
from runner.config.keys import SEED
from runner.measures import EPOCH_MEASURES, METRIC, STEP_MEASURES, TRAIN_LOSS, VALIDATION_LOSS
from runner.record.summary import at_best_validation
from runner.statistics.intervals import interval_factor
from runner.status import Status

MOST_POINTS = 1000
"""A curve has about this many points at most."""

ALL_POINTS = 80_000
"""The curves of one measure of all runs have about this many points at most, so that a page has at
most about 14 MB, 5 MB of them plotly.js."""

FEWEST_POINTS = 50


def content(groups: Sequence[Group], view: View) -> dict[str, Any]:
    """Collect what the page's script reads.

    Args:
        groups: the groups, in the order of the page's table.
        view: says what is shown at first.

    Returns:
        What `json` can write. Runs are numbered in the order of `runs_of`.
    """
    runs = runs_of(groups)
    numbers = {id(run): number for number, run in enumerate(runs)}
    most = max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // len(runs)))
    shown = view.measure or KINDS["curves"].measure
    varying, rules = varying_keys(runs), have_rules(runs)
    arrays = Arrays()
    names = names_of(runs)
    return {
        "measure": shown,
        "axis": view.axes[0],
        "smoothing": view.smoothing,
        "axes": {name: axis.label for name, axis in AXES.items()},
        "measures": {
            measure: {"label": label_for(runs, measure), "log": _is_log(runs, measure, view)}
            for measure in MEASURES
        },
        "stepMeasures": STEP_MEASURES,
        "factors": [0, 0, *(interval_factor(count) for count in range(2, len(runs) + 1))],
        "shownGroups": MOST_LINES,
        "ordered": _places_on_scale(groups),
        "groups": [
            {"label": group.label, "runs": [numbers[id(run)] for run in group.runs]}
            for group in groups
        ],
        "runs": [
            _run(run, name, values_of(run, varying, rules=rules), curves_of(run, most, arrays))
            for run, name in zip(runs, names, strict=True)
        ],
        "arrays": arrays,
    }


_SHOWN = {
    "final": EPOCH_MEASURES,
    "best": (VALIDATION_LOSS, METRIC, at_best_validation("error")),  # test data choose nothing
}


def _is_log(runs: Sequence[Run], measure: str, view: View) -> bool:
    """Whether a measure belongs on a logarithmic axis."""
    return is_log_measure(measure, (rows_of(run, measure)[measure] for run in runs), view)


def _run(
    run: Run, name: str, values: Iterable[tuple[str, str, Any]], curves: Mapping[str, Any]
) -> dict[str, Any]:
    summary = run.summary
    return {
        "name": name,
        "diverged": run.status == Status.DIVERGED,
        "stopped": run.status == Status.STOPPED,
        "noisy": is_noisy(run, TRAIN_LOSS),
        "command": command_of_run(run),
        "values": {key: text for key, text, _ in values},
        "made": {
            "started": summary.get("started"),
            "device": summary.get("device"),
            **_known(summary.get("environment")),
            **_known(summary.get("versions")),
        },
        "curves": curves,
    }


def _known(facts: Any) -> dict[str, Any]:
    """What a summary knows of the machine or the code; an earlier version may not say it."""
    known = facts.items() if isinstance(facts, Mapping) else ()
    return {str(name): fact for name, fact in known if fact is not None}


def values_of(run: Run, keys: Iterable[str], *, rules: bool) -> list[tuple[str, str, float | None]]:
    """What the table of runs shows of a run.

    Args:
        run: the run.
        keys: the settings to show.
        rules: whether some run of the page has a stopping rule.

    Returns:
        A name, a text and, of a number, its exact value: the settings, the seed, how the run ended,
        and its final and best measures; with a stopping rule, also those that it keeps.
    """
    summary = run.summary
    settings = {key: run.settings.get(key, ABSENT) for key in keys}
    settings |= {SEED: run.seed, "status": run.status}
    measured = {key: summary.get(key) for key in ("steps", "epochs", "seconds")}
    shown = _SHOWN | ({"kept": EPOCH_MEASURES} if rules else {})
    for when, names in shown.items():
        values = summary.get(when) or {}
        measured |= {f"{when}.{name}": values.get(name) for name in names}
    return [
        *((key, format_setting(value), _number(value)) for key, value in settings.items()),
        *((key, _measured(value), _number(value)) for key, value in measured.items()),
    ]


def _measured(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.4g}" if is_number(value) else ABSENT


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def varying_keys(runs: Sequence[Run]) -> list[str]:
    """All keys in which runs differ, those that follow from others too, without the seed."""
    return keys_that_vary([run.settings for run in runs])


def common_settings(runs: Sequence[Run]) -> dict[str, str]:
    """The settings that all runs share."""
    keys = runs[0].settings
    return {
        key: format_setting(value)
        for key, value in keys.items()
        if key != SEED and len(_counts(runs, key)) == 1
    }


def counted_values(runs: Sequence[Run], keys: Iterable[str]) -> dict[str, dict[str, int]]:
    """How many runs have which value of some keys."""
    return {key: _counts(runs, key) for key in keys}


def _counts(runs: Sequence[Run], key: str) -> dict[str, int]:
    values = [run.settings.get(key, ABSENT) for run in runs]
    values.sort(key=lambda value: (not is_number(value), value if is_number(value) else 0))
    return dict(Counter(map(format_setting, values)))


def names_of(runs: Sequence[Run]) -> list[str]:
    """The folders of runs below the folder that holds them all, and no more of their paths."""
    folders = [run.directory.absolute() for run in runs if run.directory is not None]
    top = Path(os.path.commonpath([folder.parent for folder in folders]))
    return [
        run.directory.absolute().relative_to(top).as_posix() if run.directory else ABSENT
        for run in runs
    ]


def _places_on_scale(groups: Sequence[Group]) -> list[int]:
    """The rank of each group if they differ in one number, which colors then show; else empty."""
    if not are_on_scale(groups):
        return []
    values = [value for group in groups for value in group.settings.values()]
    sizes = [math.inf if value == "full" else float(value) for value in values]
    return [sorted(sizes).index(size) for size in sizes]


def safe_json(value: Mapping[str, Any]) -> str:
    """JSON that can be put into a `<script>` element: no text in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
