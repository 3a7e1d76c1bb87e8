"""What to show of some runs: which figure, of which measure, against what, tuned over what.

The fields of `View` are the keys `figure.*` of a sweep, the flags of `runner-compare` and the
arguments of the Python API. The kinds of figures are one table, `KINDS`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.compare.curve import AXES, MEASURES, measure_label
from runner.compare.curve_summary import are_shares, table
from runner.compare.edges import edge_words
from runner.compare.example_means import basis
from runner.compare.figures.animation import save_animation
from runner.compare.figures.critical_batch_size import critical_batch_size_figure
from runner.compare.figures.curves import MOST_LINES, curves_figure, generalization_figure
from runner.compare.figures.final import final_figure
from runner.compare.figures.heat_map import heat_map
from runner.compare.figures.profile import profile_figure
from runner.compare.figures.style import add_to_small_print
from runner.compare.figures.suited import numeric_keys, suited_kind
from runner.compare.figures.surface import SurfaceFigure
from runner.compare.grouping import Group, check_keys, group_runs
from runner.compare.problems import PROBLEM, Problem, problems
from runner.compare.profile import Profile, profile
from runner.compare.runs import Run
from runner.compare.tuning import check_validated, target_for, tuned, tuning_measure
from runner.config.keys import typed
from runner.errors import ConfigError, did_you_mean
from runner.measures import METRIC

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _field(default: Any, words: str, *, flag: str = "", metavar: str = "") -> Any:
    """A field of `View`.

    Args:
        default: its default, the same everywhere.
        words: its meaning, for `runner-compare --help` and the YAML page of a sweep.
        flag: the name of the flag, if it differs from the name of the field.
        metavar: the placeholder for a value in the help.
    """
    metadata = {"help": words, "flag": flag, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class View:
    """What is drawn, tabulated and tested of some runs; each field says its meaning."""

    kind: str = _field(
        "auto",
        "what is drawn; runner-compare --help lists the kinds",
        flag="figure",
        metavar="KIND",
    )
    measure: str | None = _field(
        None,
        "what is drawn, tabulated, tuned and tested (default: the measure of the kind)",
        metavar="MEASURE",
    )
    axes: tuple[str, ...] = _field(
        ("iteration", "epoch"),
        f"of curves and profiles: a panel for each of {', '.join(AXES)}",
        flag="axis",
        metavar="AXIS,...",
    )
    by: tuple[str, ...] = _field(
        (),
        "what makes a group, as it is typed: optimizer,batch_size (default: what differs)",
        metavar="KEY,...",
    )
    tune: tuple[str, ...] = _field(
        (),
        "of the values of these keys keep the best for each combination of the rest; with a target "
        "the first to reach it",
        metavar="KEY,...",
    )
    tune_by: str | None = _field(
        None,
        "the measure that tune minimizes (default: the validation error or, unless an error is "
        "shown, the validation loss; of times to a target the measure, if it is not of the test)",
        metavar="MEASURE",
    )
    target: float | None = _field(
        None,
        "show how long the measure takes to reach this (default in a profile: for each problem "
        "nearly the best that is reached within 75 % of the epochs)",
        metavar="NUMBER",
    )
    problem: tuple[str, ...] = _field(
        (),
        "what makes a problem; the rest is compared by its ranks over problems or, with a profile, "
        "by performance profiles (default there: data,model)",
        metavar="KEY,...",
    )

    @property
    def chosen_measure(self) -> str:
        """The measure, or the default of the kind."""
        return self.measure or KINDS[self.kind].measure

    @property
    def tuning_measure(self) -> str:
        """The measure that `tune` minimizes."""
        to_target = self.target is not None or KINDS[self.kind].by_problem
        return self.tune_by or tuning_measure(self.chosen_measure, to_target)

    def check(self) -> None:
        """Check the names of the kind, the measure and the axes, and the target.

        Raises:
            ConfigError: a name is not known, or the target is missing or not finite.
        """
        _check_name("figure", self.kind, KINDS)
        for measure in filter(None, (self.measure, self.tune_by)):
            _check_name("measure", measure, MEASURES)
        if not self.axes:
            raise ConfigError(f"a figure needs an axis at least: {', '.join(AXES)}")
        for axis in self.axes:
            _check_name("axis", axis, AXES)
        if self.target is not None and not math.isfinite(self.target):
            raise ConfigError(f"the target {self.target} must be a finite number")
        if KINDS[self.kind].needs_target and self.target is None:
            raise ConfigError(f"the figure {self.kind} needs a target (figure.target=, --target)")

    def check_keys(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Check the keys against the configs of runs, before there are runs.

        Raises:
            ConfigError: a key is in none of the configs, or nothing is held out to tune by.
        """
        settings = [typed(config) for config in configs]
        check_keys(settings, (*self.by, *self.tune), self.problem)
        if self.tune:
            check_validated(settings, self.tuning_measure)

    def groups(self, runs: Sequence[Run]) -> list[Group]:
        """Group runs and, unless the kind tunes for each problem separately, keep the tuned groups.

        Raises:
            ConfigError: `by`, `tune` or `problem` has a key in which the runs do not differ.
        """
        by_problem = KINDS[self.kind].by_problem
        usual = [key for key in PROBLEM if any(key in run.config for run in runs)]
        found = group_runs(runs, self.by, self.problem or (usual if by_problem else ()), self.tune)
        if self.tune and not by_problem:
            target = target_for(self.tuning_measure, self.chosen_measure, self.target)
            found = tuned(found, self.tune, self.tuning_measure, target)
        return found

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
        if not self.tune or not KINDS[self.kind].by_problem:
            return list(groups)
        return [group for problem in self.problems(groups) for group in problem.groups.values()]

    def suited(self, groups: Sequence[Group]) -> View:
        """The same view with the kind that suits the groups, if its own is `auto`."""
        if self.kind != "auto":
            return self
        return dataclasses.replace(self, kind=suited_kind(groups, self.tune))

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
            ConfigError: this kind of figure cannot be drawn of them.
        """
        kind, measure = KINDS[self.kind], self.chosen_measure
        figure = kind.draw(groups, self)
        if kind.needs_target or kind.by_problem:
            add_to_small_print(figure, f"{measure_label(measure)}: {basis(measure)}")
        if "seconds" in self.axes and self.kind in ("curves", "profile") and are_shares(groups):
            add_to_small_print(figure, "seconds of runs that trained side by side are shares")
        add_to_small_print(figure, edge_words(self.chosen(groups)))
        return figure

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
            raise ConfigError(
                f"{file}: only the figure {animated} can be animated, not {self.kind}"
            )
        save_animation(groups, self.tune, file)


def _check_name(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigError(f"the {what} {name} is not known{did_you_mean(name, known)}")


def _axes_of_numbers(groups: Sequence[Group], view: View, count: int) -> list[str]:
    """The first numbers, to be the axes of a figure.

    Raises:
        ConfigError: there are too few.
    """
    keys = numeric_keys(groups, view.tune)
    if len(keys) < count:
        raise ConfigError(
            f"the figure {view.kind} needs "
            + ("a number that differs" if count == 1 else "two numbers that differ")
            + f" between the runs; there {'is one' if len(keys) == 1 else 'is none'}"
        )
    return keys[:count]


def _auto(groups: Sequence[Group], view: View) -> Figure:
    return view.suited(groups).draw(groups)


def _curves(groups: Sequence[Group], view: View) -> Figure:
    return curves_figure(view.drawn(groups), view.chosen_measure, view.axes)


def _generalization(groups: Sequence[Group], view: View) -> Figure:
    return generalization_figure(groups, view.chosen_measure)


def _final(groups: Sequence[Group], view: View) -> Figure:
    (key,) = _axes_of_numbers(groups, view, 1)
    return final_figure(groups, view.chosen_measure, key, view.tune)


def _heat_map(groups: Sequence[Group], view: View) -> Figure:
    across, up = _axes_of_numbers(groups, view, 2)
    return heat_map(groups, view.chosen_measure, across, up)


def _surface(groups: Sequence[Group], view: View) -> Figure:
    return SurfaceFigure(groups, view.tune).figure


def _profile(groups: Sequence[Group], view: View) -> Figure:
    return profile_figure([view.profile(groups, axis) for axis in view.axes])


def _critical_batch_size(groups: Sequence[Group], view: View) -> Figure:
    assert view.target is not None  # see `check`
    return critical_batch_size_figure(groups, view.chosen_measure, view.target, view.tune)


class Kind(NamedTuple):
    """A kind of figure.

    Attributes:
        about: what it shows, for the help.
        draw: draws it.
        measure: what it shows where no measure is chosen.
        needs_target: whether it shows how long it takes to reach a target.
        can_be_animated: whether it can also be an animation.
        by_problem: whether it compares on several problems, and tunes for each separately.
    """

    about: str
    draw: Callable[[Sequence[Group], View], Figure]
    measure: str = METRIC
    needs_target: bool = False
    can_be_animated: bool = False
    by_problem: bool = False


KINDS: Mapping[str, Kind] = {
    "auto": Kind("the kind that suits what differs; curves show train_loss", _auto),
    "curves": Kind("a measure against the axes", _curves, "train_loss"),
    "generalization": Kind("training beside validation", _generalization, "validation_loss"),
    "final": Kind("final values against a number", _final),
    "heat_map": Kind("final values for two numbers", _heat_map),
    "surface": Kind("paths over the contours of a surface", _surface, can_be_animated=True),
    "profile": Kind("times to a target over problems", _profile, by_problem=True),
    "critical_batch_size": Kind(
        "steps to a target against the batch size", _critical_batch_size, needs_target=True
    ),
}
