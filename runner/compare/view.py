"""What to show of some runs: which figure, of which measure, against what, tuned over what.

The fields of `View` are the keys `figure.*` of a sweep, the flags of `runner-compare` and the
arguments of the Python API; those of how a figure looks are in `runner.compare.look`.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.compare.curve import label_for
from runner.compare.curve_summary import are_shares, table
from runner.compare.edges import edge_words, untuned
from runner.compare.example_means import basis
from runner.compare.figures.animation import save_animation
from runner.compare.figures.chosen_look import apply_look
from runner.compare.figures.curves import MOST_LINES
from runner.compare.figures.kinds import KINDS, Request
from runner.compare.figures.style import add_to_small_print
from runner.compare.figures.suited import suited_kind
from runner.compare.grouping import Group, format_setting, group_runs, runs_of
from runner.compare.problems import PROBLEM, Problem, problems
from runner.compare.profile import Profile, profile
from runner.compare.range_test import check_axes
from runner.compare.runs import Run
from runner.compare.selection import ordered, where
from runner.compare.subject import Subject
from runner.compare.tuning import target_for, tuned
from runner.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class View(Subject):
    """What is shown of some runs and how it looks, with the groups and the figure that follow."""

    def groups(self, runs: Sequence[Run]) -> list[Group]:
        """Group the chosen runs in their order and, unless the kind tunes by problem, tune them.

        Raises:
            ConfigError: `by`, `tune` or `problem` has a key in which the runs do not differ, or
                `where` or `order` names what no run has.
        """
        runs = where(runs, self.where)
        check_axes(self.axes, runs)
        found = self.untuned(runs)
        if self.tune and not self.by_problem:
            target = target_for(self.tuning_measure, self.chosen_measure, self.target)
            found = tuned(found, self.tune, self.tuning_measure, target)
        return ordered(found, runs, self.order)

    def untuned(self, runs: Sequence[Run]) -> list[Group]:
        """Group runs before any is chosen.

        Raises:
            ConfigError: `by`, `tune` or `problem` has a key in which the runs do not differ.
        """
        return group_runs(runs, self.by, self.problem_keys(runs), self.tune)

    def problem_keys(self, runs: Sequence[Run]) -> Sequence[str]:
        """The keys that make a problem; none if there are no problems."""
        usual = [key for key in PROBLEM if any(key in run.config for run in runs)]
        return self.problem or (usual if self.by_problem else ())

    def problems(self, groups: Sequence[Group]) -> list[Problem]:
        """Divide groups into problems, tuned for each of them.

        Raises:
            ConfigError: see `profile`.
        """
        return problems(
            groups, self.chosen_measure, self.problem, self.tune, self.target, self.tuning_measure
        )

    def profile(self, groups: Sequence[Group], axis: str | None = None) -> Profile:
        """Compute the performance profile of some groups.

        Args:
            groups: the groups.
            axis: the times are in its unit; by default the first of `axes`.

        Raises:
            ConfigError: the groups are of one problem only, or there is nothing to compare.
        """
        return profile(self.problems(groups), self.chosen_measure, axis or self.axes[0])

    def chosen(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that tuning kept, of all problems; those of a kind that tunes nothing: all.

        Raises:
            ConfigError: see `profile`.
        """
        if not self.tune or not self.by_problem:
            return list(groups)
        return [group for problem in self.problems(groups) for group in problem.groups.values()]

    def suited(self, groups: Sequence[Group]) -> View:
        """The same view with the kind that suits the groups, if its own is `auto`.

        Curves, if their axes are chosen: no other kind that may suit has such axes.
        """
        if self.kind != "auto":
            return self
        kind = "curves" if self.axes != View.axes else suited_kind(groups, self.tune)
        return dataclasses.replace(self, kind=kind)

    def drawn(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that the figure shows: of curves only the best, if there are many."""
        view = self.suited(groups)
        if view.kind != "curves" or len(groups) <= MOST_LINES:
            return list(groups)
        best = {row.group.label for row in table(groups, view.chosen_measure)[:MOST_LINES]}
        return [group for group in groups if group.label in best]

    def draw(self, groups: Sequence[Group]) -> Figure:
        """Draw the figure of some groups.

        Raises:
            ConfigError: this kind of figure cannot be drawn of them, or lacks what the look names.
        """
        view = self.suited(groups)
        asked = Request(
            view.kind,
            view.drawn(groups),
            view.drawn_measure,
            view.axes,
            view.tune,
            view.target,
            lambda axis: view.profile(groups, axis),
            view,
        )
        figure = KINDS[view.kind].draw(asked)
        for line in view.drawn_notes(groups):
            add_to_small_print(figure, line)
        apply_look(figure, view)
        return figure

    def drawn_notes(self, groups: Sequence[Group]) -> list[str]:
        """What the figure of some groups says below itself, beside what its kind says."""
        kind, measure, lines = KINDS[self.kind], self.chosen_measure, []
        if not kind.of_results:
            return []
        if len(shown := self.drawn(groups)) < len(groups):
            lines.append(f"the best {len(shown)} of {len(groups)} groups")
        if kind.needs_target or self.by_problem:
            lines.append(f"{label_for(runs_of(groups), measure)}: {basis(measure)}")
        if "seconds" in self.axes and self.kind in ("curves", "profile") and are_shares(groups):
            lines.append("seconds of runs that trained side by side are shares")
        return [*lines, edge_words(self.best(groups))]

    def best(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that are best over the numbers that were tried, tuned or not."""
        return self.chosen(groups) if self.tune else untuned(groups, self.tuning_measure)

    def can_be_animated(self, groups: Sequence[Group]) -> bool:
        """Whether the figure of some groups can also be an animation."""
        return KINDS[self.suited(groups).kind].can_be_animated

    def animate(self, groups: Sequence[Group], file: Path) -> None:
        """Write the figure of some groups as an animation, a GIF.

        Raises:
            ConfigError: this kind of figure cannot be animated, or cannot be drawn of them.
            OSError: the file cannot be written.
        """
        if not self.can_be_animated(groups):
            animated = " or ".join(name for name, kind in KINDS.items() if kind.can_be_animated)
            raise ConfigError(f"{file}: only {animated} figures can be animated, not {self.kind}")
        save_animation(groups, self.tune, file)


def command_of(view: View, folders: Iterable[Path]) -> str:
    """Return the command that draws a view of the runs in some folders, as it is typed."""
    words = ["runner-compare", *map(str, folders)]
    for one in fields_of_view():
        value = getattr(view, one.name)
        if value != one.default:
            text = ",".join(map(format_setting, value)) if isinstance(value, tuple) else value
            words.append(f"--{one.metadata['flag'] or one.name}={text}")
    return shlex.join(words)


def fields_of_view() -> list[dataclasses.Field]:
    """The fields of `View`: what is shown first, then how it looks."""
    return sorted(dataclasses.fields(View), key=lambda field: bool(field.kw_only))
