"""Edges of what was tried: which groups need more values, and the command that tries them.

Where the best of the tried values is the least or the largest, a better one may lie beyond. A
comparison of options at such values compares the ranges that were tried as much as the options.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from runner.compare.grouping import (
    NAMED,
    Edge,
    Group,
    first_names,
    format_setting,
    is_below,
    is_number,
    is_place,
    without_commas,
)
from runner.compare.problems import PROBLEM
from runner.compare.rerun import (
    command,
    flags_of,
    keys_of_cases,
    sweep_folders,
    sweep_overrides,
)
from runner.compare.runs import Run
from runner.compare.tuning import tuned
from runner.config.values import from_plain
from runner.errors import ConfigError
from runner.experiment.table import OPTIONS
from runner.terminal.words import path_from_here, quoted_path

COMMAND = "To extend the range: "
"""What the line with the command starts with."""

MORE = 2
"""How many values the command adds at an edge."""

FEWEST = 3
"""How many values of a number that is not tuned make a range with an edge."""

_LENGTHS = ("epochs", "steps", "batch_size")
"""Numbers of which a sweep seeks no best value."""


def untuned(groups: Sequence[Group], measure: str) -> list[Group]:
    """The best groups over the numbers of a sweep that tunes nothing, to see their edges.

    Args:
        groups: all groups.
        measure: the measure that is minimized.
    """
    keys = [
        key
        for key in groups[0].settings
        if not is_below(key, (*PROBLEM, *_LENGTHS))
        and not is_place(key)
        and all(is_number(group.settings[key]) for group in groups)
        and len({group.settings[key] for group in groups}) >= FEWEST
    ]
    try:
        return tuned(groups, keys, measure) if keys else []
    except ConfigError:  # no run has a value of the measure
        return []


def edge_notes(groups: Sequence[Group]) -> list[str]:
    """Say which values lie at the edge of what was tried, and how to extend the range.

    Args:
        groups: the groups that tuning kept.

    Returns:
        A line for each key and end of its range; then, if there are any, the command.
    """
    ends: dict[tuple[str, bool], list[tuple[Group, Edge]]] = {}
    for group in groups:
        for edge in group.edges:
            ends.setdefault((edge.key, edge.is_upper), []).append((group, edge))
    keys = {key for key, _ in ends}
    folders = sweep_folders(run for group in groups for run in group.runs)
    of_cases = {key for folder in folders for key in keys_of_cases(folder)}
    lines = []
    for (key, is_upper), found in ends.items():
        values = {format_setting(edge.value) for _, edge in found}
        which = f", {values.pop()}," if len(values) == 1 else ""
        names = [without_commas(group.label_without(keys)) for group, _ in found]
        whose = f" for {first_names(names)}" if any(names) else ""
        end = "largest" if is_upper else "least"
        lines.append(f"The best {key}{which} is the {end} that was tried{whose}.")
        if key in of_cases:
            lines.append(_in_cases(key, found, names))
    extending = extending_command(groups, of_cases)
    return [*lines, f"{COMMAND}{extending}"] if extending else lines


def _in_cases(key: str, found: Sequence[tuple[Group, Edge]], names: Sequence[str]) -> str:
    """Say which values go into the cases of a study, each of which has values of its own."""
    further = [
        ", ".join(map(format_setting, next_values(edge))) + (f" for {name}" if name else "")
        for (_, edge), name in zip(found, names, strict=True)
    ]
    return (
        f"Each case of the study (hydra.sweeper.cases) has its own values of {key}; the next ones "
        f"are {'; '.join(further[:NAMED])}."
    )


def edge_words(groups: Sequence[Group]) -> str:
    """The edges in one short clause, for a verdict or a figure; empty if there are none."""
    keys = dict.fromkeys(edge.key for group in groups for edge in group.edges)
    count = sum(bool(group.edges) for group in groups)
    if not keys:
        return ""
    share = f" of {count} of {len(groups)} groups" if len(groups) > 1 else ""
    return f"the best {' and '.join(keys)}{share} is at the edge of what was tried"


def extending_command(groups: Sequence[Group], fixed: Collection[str] = ()) -> str:
    """The command that tries more values beyond the edges; empty if no further ones are allowed.

    It is the command of the sweep with the longer range, in the same folder: the earlier runs are
    not repeated. Without the record of a sweep only the range is known.

    Args:
        groups: the groups that tuning kept.
        fixed: keys with values of their own in each case of a study. One range for all would take
            them from the cases.
    """
    ranges: dict[str, set[float]] = {}
    further: dict[str, set[float]] = {}
    for group in groups:
        for edge in group.edges:
            ranges.setdefault(edge.key, set()).update(edge.tried)
            allowed = [x for x in next_values(edge) if _is_allowed(group, edge.key, x)]
            further.setdefault(edge.key, set()).update(allowed)
    words = {
        key: f"{key}=" + ",".join(map(format_setting, sorted(tried | further[key])))
        for key, tried in ranges.items()
        if further[key] and key not in fixed and not is_place(key)
    }
    if not words:
        return ""
    typed, place = _sweep_of(run for group in groups for run in group.runs)
    kept = [words.pop(word.partition("=")[0], word) for word in typed]
    return command("runner -m", [*kept, *words.values(), *place])


def _sweep_of(runs: Iterable[Run]) -> tuple[list[str], list[str]]:
    """The words of the first recorded sweep of some runs, and the one that names its folder."""
    for folder, run in sweep_folders(runs).items():
        if (overrides := sweep_overrides(folder)) is not None:
            place = f"hydra.sweep.dir={quoted_path(path_from_here(folder))}"
            return [*flags_of(run), *overrides], [place]
    return ["..."], []


def next_values(edge: Edge) -> list[float]:
    """The next values beyond an edge, in the ratios of the values before it.

    The ratio of every second value is continued, so that 0.01, 0.03, 0.1 goes on with 0.3 and 1.
    """
    tried = [value for value in edge.tried if value > 0]
    if not edge.is_upper:
        tried.reverse()
    found = list(tried)
    for _ in range(MORE if len(found) > 1 else 0):
        before = found[-3] if len(found) > 2 else found[-2] ** 2 / found[-1]
        found.append(float(f"{found[-2] * found[-1] / before:.3g}"))
    new = found[len(tried) :]
    if all(isinstance(value, int) for value in edge.tried):
        new = [value for value in dict.fromkeys(map(round, new)) if value not in (0, *tried)]
    return new


def _is_allowed(group: Group, key: str, value: float) -> bool:
    """Whether the option that has a key takes a value; True where that is not known."""
    name, *rest = key.split(".")
    options = group.runs[0].config.get(name)
    if len(rest) != 1 or not isinstance(options, Mapping) or rest[0] not in options:
        return True
    kind = OPTIONS.get(name, {}).get(str(options.get("name")))
    try:
        return kind is None or bool(from_plain(kind, {**options, rest[0]: value}))
    except ConfigError:
        return False
