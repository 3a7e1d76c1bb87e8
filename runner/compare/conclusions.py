"""What a comparison says below its table: the verdict, what was chosen by what, and its limits."""

from __future__ import annotations

from collections.abc import Sequence

from runner.compare.curve import measure_label
from runner.compare.curve_summary import are_shares, table
from runner.compare.edges import edge_notes, edge_words, untuned
from runner.compare.example_means import basis
from runner.compare.grouping import Group
from runner.compare.tuning import target_for
from runner.compare.verdict import final_over_problems, over_problems, over_seeds
from runner.compare.view import KINDS, View
from runner.measures import is_minimized

SHARES = (
    "Some runs trained side by side: their seconds are shares of the time that all of them took."
)


def verdict(view: View, groups: Sequence[Group]) -> str:
    """Say which group is best, and which differences are significant, over problems or seeds.

    Args:
        view: what is shown of them.
        groups: the groups that the view keeps.

    Returns:
        Some sentences; empty if there is nothing to compare, or less of the measure is not better.

    Raises:
        ConfigError: see `View.profile`.
    """
    measure = view.chosen_measure
    if not is_minimized(measure):
        return ""
    if KINDS[view.kind].by_problem:
        found = view.profile(groups)
        text = over_problems(found.ranked, f"the {found.unit} to the target")
    elif view.problem:
        text = final_over_problems(view.problems(groups), measure)
    elif "data" in groups[0].settings:
        text = "Values on different data do not compare; --problem data ranks over them."
    else:
        text = over_seeds(table(groups, measure), measure, bool(view.tune))
    edges = edge_words(view.chosen(groups))
    return f"{text} This is preliminary: {edges}." if text and edges else text


def notes(view: View, groups: Sequence[Group]) -> list[str]:
    """The sentences below the verdict; each is there only where it applies.

    Args:
        view: what is shown of them.
        groups: the groups that the view keeps.

    Raises:
        ConfigError: see `View.profile`.
    """
    found = [tuned_by(view), times(view, groups), repetitions(view, groups)]
    chosen = view.chosen(groups) if view.tune else untuned(groups, view.tuning_measure)
    return [*filter(None, found), *edge_notes(chosen)]


def tuned_by(view: View) -> str:
    """By what the settings were tuned; empty if none were."""
    if not view.tune:
        return ""
    measure, keys = view.tuning_measure, " and ".join(view.tune)
    by_problem = KINDS[view.kind].by_problem
    target = target_for(measure, view.chosen_measure, 0.0 if by_problem else view.target)
    if target is None:
        return f"{keys} tuned by the least median final {measure_label(measure)}."
    goal = "its target on each problem" if by_problem and view.target is None else f"{view.target}"
    return f"{keys} tuned by the fewest median steps to the {measure_label(measure)} {goal}."


def times(view: View, groups: Sequence[Group]) -> str:
    """What times to a target are measured on, and whether seconds are shares; else empty."""
    by_problem = KINDS[view.kind].by_problem
    if view.target is None and not by_problem:
        return ""
    words = f"Times to the target: {measure_label(view.chosen_measure)}"
    words += f", {basis(view.chosen_measure)}." if basis(view.chosen_measure) else "."
    shows_seconds = not by_problem or "seconds" in view.axes
    return f"{words} {SHARES}" if shows_seconds and are_shares(groups) else words


def repetitions(view: View, groups: Sequence[Group]) -> str:
    """How many runs repeat another one to the bit; empty if none does."""
    repeated = sum(row.repeated for row in table(groups, view.chosen_measure))
    if not repeated:
        return ""
    runs = "1 run has" if repeated == 1 else f"{repeated} runs have"
    return (
        f"{runs} exactly the curve of another run that differs in the seed alone, and is counted "
        "once: it is a copy, or nothing in it is random."
    )
