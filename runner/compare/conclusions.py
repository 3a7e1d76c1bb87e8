"""What a comparison says below its table: the verdict, what was chosen by what, and its limits."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from runner.compare import range_test
from runner.compare.curve import label_for
from runner.compare.curve_summary import are_shares, have_rules, kept_or_final, table
from runner.compare.edges import COMMAND, edge_notes, edge_words
from runner.compare.example_means import basis
from runner.compare.grouping import Group, first_names, is_below, is_number, runs_of
from runner.compare.paper_table import PAPER_FORMS, csv_table, paper_table
from runner.compare.rates import rate_cells
from runner.compare.runs import Run
from runner.compare.surface_paths import surface_of
from runner.compare.tables import group_cells, profile_cells, render
from runner.compare.tuning import target_for
from runner.compare.verdict import (
    final_over_problems,
    over_problems,
    over_seeds,
    problem_shortage,
    seed_shortage,
)
from runner.compare.view import View
from runner.config.keys import VALIDATION_EXAMPLES
from runner.measures import SPLITS, is_minimized
from runner.statistics.ranks import MOST_RANKED

SHARES = (
    "Some runs trained side by side: their seconds are shares of the time that all of them took."
)


def tabulated(view: View, groups: Sequence[Group], form: str) -> str:
    """The table of some groups and, where people read it, the verdict and the notes.

    Args:
        view: what is shown of them.
        groups: the groups that the view keeps.
        form: one of `runner.compare.tables.FORMATS`.

    Raises:
        ConfigError: see `View.profile`.
    """
    measure, target = view.chosen_measure, view.target
    if view.by_problem:
        text = render(profile_cells(view.profile(groups)), form)
    elif form == "csv":
        text = csv_table(
            table(groups, measure, target), measure, target, with_rates=view.tabulates_rates
        )
    elif form in PAPER_FORMS and view.problem:
        text = paper_table(groups, measure, view.problem, view.tune, form)
    else:
        rows = table(groups, measure, target)
        cells = group_cells(rows, measure, target)
        if view.tabulates_rates:
            rates = rate_cells(rows, measure)
            cells = [[*a[:-1], *b, a[-1]] for a, b in zip(cells, rates, strict=True)]
        text = render(cells, form)
    if form not in ("text", "markdown"):
        return text
    for words in filter(None, (verdict(view, groups), *notes(view, groups))):
        is_filled = form == "text" and not words.startswith(COMMAND)
        filled = textwrap.fill(words, 100, break_on_hyphens=False) if is_filled else words
        text += f"\n{filled}\n"
    return text


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
    if view.by_problem:
        found = view.profile(groups)
        text = over_problems(found.ranked, f"the {found.unit} to the target")
        met = [
            p.name for p, is_met in zip(found.problems, found.met_at_start, strict=True) if is_met
        ]
        if met:
            text += f" On {first_names(met)} the target is met at step 0, which compares no speed."
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
    runs = runs_of(groups)
    found = [kept(view, groups), tuned_by(view, groups), times(view, groups)]
    found.append(repetitions(view, groups))
    found.append(unvalidated(runs, view.chosen_measure))
    return [*filter(None, found), *range_test.notes(groups), *edges(view, groups)]


def kept(view: View, groups: Sequence[Group]) -> str:
    """What the values are where a run has a stopping rule; else empty."""
    if view.by_problem or not have_rules(runs_of(groups)):
        return ""
    return (
        "Kept: of a run with a stopping rule the value at the evaluation whose parameters it "
        "keeps, the best by its rule; of other runs the last value."
    )


def unvalidated(runs: Sequence[Run], measure: str) -> str:
    """Why runs have no value of a measure of the validation split; empty if all may have one."""
    count = sum(run.settings.get(VALIDATION_EXAMPLES) == 0 for run in runs)
    if not count or not measure.startswith(SPLITS[1]):
        return ""
    which = "1 run has" if count == 1 else f"{count} runs have"
    return f"{which} no {label_for(runs, measure)}: {VALIDATION_EXAMPLES}=0 holds no examples out."


def edges(view: View, groups: Sequence[Group]) -> list[str]:
    """The best values at the edge of what was tried, tuned or not, and how to extend the range."""
    return edge_notes(view.best(groups))


def shortage(view: View, runs: Sequence[Run], fresh: int = 0) -> str:
    """Say before training that a planned comparison cannot show a difference.

    A comparison is planned where there are several seeds, where settings are tuned, or where
    options are compared; of numbers alone with one seed each, a sweep is a search. Nothing is
    random on a surface.

    Args:
        view: what will be shown of the runs.
        runs: the planned runs.
        fresh: on how many fresh seeds the tuned settings will be confirmed.

    Returns:
        A sentence; empty if no comparison is planned, or it can show a difference.
    """
    problem_keys, groups = view.problem_keys(runs), view.untuned(runs)
    keys = [key for key in groups[0].settings if key not in view.tune]
    if view.problem or view.by_problem:
        solved = [key for key in keys if is_below(key, problem_keys)]
        compared = [key for key in keys if key not in solved]
        count, problems = (len({g.label_of(own) for g in groups}) for own in (compared, solved))
        can_be_tested = 1 < count <= MOST_RANKED and problems > 1
        return problem_shortage(count, problems) if can_be_tested else ""
    seeds: dict[str, set[int]] = {}
    for group in groups:
        own = seeds.setdefault(group.label_of(keys), set())
        own.update(run.seed for run in group.runs)
    are_options = any(not is_number(group.settings[key]) for group in groups for key in keys)
    is_planned = are_options or view.tune or max(map(len, seeds.values())) > 1
    if not is_planned or len(seeds) < 2 or "data" in keys or any(map(surface_of, runs)):
        return ""
    return seed_shortage([range(fresh) if fresh else own for own in seeds.values()])


def tuned_by(view: View, groups: Sequence[Group]) -> str:
    """By what the settings were tuned; empty if none were."""
    if not view.tune:
        return ""
    measure, keys = view.tuning_measure, " and ".join(view.tune)
    label = label_for(runs_of(groups), measure)
    target = target_for(measure, view.chosen_measure, 0.0 if view.by_problem else view.target)
    if target is None:
        return f"{keys} tuned by the least median {kept_or_final(runs_of(groups))} {label}."
    goal = f"{view.target}"
    if view.by_problem and view.target is None:
        goal = "its target on each problem"
    return f"{keys} tuned by the fewest median steps to the {label} {goal}."


def times(view: View, groups: Sequence[Group]) -> str:
    """What times to a target are measured on, and whether seconds are shares; else empty."""
    if view.target is None and not view.by_problem:
        return ""
    words = f"Times to the target: {label_for(runs_of(groups), view.chosen_measure)}"
    words += f", {basis(view.chosen_measure)}." if basis(view.chosen_measure) else "."
    shows_seconds = not view.by_problem or "seconds" in view.axes
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
