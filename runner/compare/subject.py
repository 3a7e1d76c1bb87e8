"""What is to be shown of some runs: which figure, of which measure, against what, of which runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from runner.compare.curve import AXES, MEASURES, OWN_AXES
from runner.compare.figures.kinds import KINDS
from runner.compare.grouping import check_keys
from runner.compare.look import Look, check_name, field
from runner.compare.range_test import check_axes
from runner.compare.runs import Run
from runner.compare.selection import keys_of, where
from runner.compare.tuning import check_validated, tuning_measure
from runner.errors import ConfigError
from runner.measures import LEARNING_RATE, METRIC, is_minimized


@dataclasses.dataclass(frozen=True)
class Subject(Look):
    """What is drawn, tabulated and tested of some runs; each field says its meaning."""

    kind: str = field(
        "auto",
        "what is drawn; runner-compare --help lists the kinds",
        flag="figure",
        metavar="KIND",
    )
    measure: str | None = field(
        None,
        "what is drawn, tabulated and tested (default: the measure of the kind)",
        metavar="MEASURE",
    )
    axes: tuple[str, ...] = field(
        ("iteration", "epoch"),
        f"of curves and profiles: a panel for each of {', '.join(AXES)}; of curves of a range test "
        f"also {LEARNING_RATE}",
        flag="axis",
        metavar="AXIS,...",
    )
    by: tuple[str, ...] = field(
        (),
        "what makes a group, as it is typed: optimizer,batch_size (default: what differs)",
        metavar="KEY,...",
    )
    tune: tuple[str, ...] = field(
        (),
        "of the values of these keys keep the best for each combination of the rest; with a target "
        "the first to reach it",
        metavar="KEY,...",
    )
    tune_by: str | None = field(
        None,
        "the measure that tune minimizes (default: the validation error or, unless an error is "
        "shown, the validation loss; of times to a target the measure, if it is not of the test)",
        metavar="MEASURE",
    )
    target: float | None = field(
        None,
        "show how long the measure takes to reach this (default in a profile: for each problem "
        "nearly the best that is reached within 75 % of the epochs)",
        metavar="NUMBER",
    )
    problem: tuple[str, ...] = field(
        (),
        "what makes a problem; the rest is compared by its ranks over problems or, with a profile, "
        "by performance profiles (default there: data,model)",
        metavar="KEY,...",
    )
    where: tuple[str, ...] = field(
        (),
        "only the runs with these values, of one key any of several: data=digits,seed=0,seed=1",
        metavar="KEY=VALUE,...",
    )
    order: tuple[str, ...] = field(
        (),
        "values or labels in the order in which they are shown (default: numbers by size, words as "
        "they were typed)",
        metavar="VALUE,...",
    )

    @property
    def by_problem(self) -> bool:
        """Whether the kind compares on several problems, and tunes for each separately."""
        return KINDS[self.kind].by_problem

    @property
    def tabulates_rates(self) -> bool:
        """Whether the table of the kind has the fitted rates of convergence."""
        return KINDS[self.kind].tabulates_rates

    @property
    def chosen_measure(self) -> str:
        """What is tabulated and tested: the measure, or the default of the kind.

        What a figure of diagnostics shows is no result, so there it is the measure of `auto`.
        """
        kind = KINDS[self.kind]
        return METRIC if kind.own_measures else self.measure or kind.measure

    @property
    def drawn_measure(self) -> str:
        """What is drawn: the measure, or the default of the kind."""
        return self.measure or KINDS[self.kind].measure

    @property
    def tuning_measure(self) -> str:
        """The measure that `tune` minimizes."""
        to_target = self.target is not None or self.by_problem
        return self.tune_by or tuning_measure(self.chosen_measure, to_target)

    def check(self) -> None:
        """Check the names of the kind, the measure and the axes, the target and the look.

        Raises:
            ConfigError: a name is not known, a number is missing or out of range, or a condition is
                not `KEY=VALUE`.
        """
        super().check()
        keys_of(self.where)
        check_name("figure", self.kind, KINDS)
        own = KINDS[self.kind].own_measures
        for measure, known in ((self.measure, own or MEASURES), (self.tune_by, MEASURES)):
            if measure:
                check_name("measure", measure, known)
        if self.tune_by and not is_minimized(self.tune_by):
            raise ConfigError(
                f"tune_by={self.tune_by} cannot choose: less of it is not better; choose a loss or "
                "an error"
            )
        if not self.axes:
            raise ConfigError(f"a figure needs an axis at least: {', '.join(AXES)}")
        for axis in self.axes:
            check_name("axis", axis, AXES if self.by_problem else OWN_AXES)
        if self.target is not None and not math.isfinite(self.target):
            raise ConfigError(f"the target {self.target} must be a finite number")
        if KINDS[self.kind].needs_target and self.target is None:
            raise ConfigError(f"the figure {self.kind} needs a target (figure.target=, --target)")

    def check_keys(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Check the keys against the configs of runs, before there are runs.

        Raises:
            ConfigError: a key is in none of the configs, none has the values that `where` asks for,
                or nothing is held out to tune by.
        """
        planned = [Run(None, {}, config) for config in configs]
        chosen = where(planned, self.where)
        check_axes(self.axes, chosen)
        settings = [run.settings for run in chosen]
        check_keys(settings, (*self.by, *self.tune), self.problem)
        if self.tune:
            check_validated(settings, self.tuning_measure)
