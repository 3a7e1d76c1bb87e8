"""What to draw of some runs: which figure, of which measure, against what, tuned over what.

The figures are a table by name. `auto` takes the one that suits what differs between the runs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runner.compare.curve import AXES, MEASURES
from runner.compare.figures.animation import save_animation
from runner.compare.figures.critical_batch_size import scaling_figure
from runner.compare.figures.curves import (
    curves_figure,
    final_figure,
    generalization_figure,
    heat_map,
    sweep_figure,
)
from runner.compare.figures.surface import suits, surface_figure
from runner.compare.grouping import Group, check_keys, grouped, is_number
from runner.compare.problems import PROBLEM, compared, problems
from runner.compare.profile import Profile, profile, profile_figure
from runner.compare.reading import table
from runner.compare.runs import Run
from runner.compare.tuning import tuned
from runner.compare.verdict import over_problems, over_seeds
from runner.config.keys import typed
from runner.errors import ConfigError, did_you_mean
from runner.measures import METRIC

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Kind = Literal[
    "auto",
    "curves",
    "generalization",
    "final",
    "heat_map",
    "surface",
    "profile",
    "critical_batch_size",
]


@dataclasses.dataclass(frozen=True)
class View:
    """See `conf/hydra/sweeper/runner.yaml`."""

    kind: Kind = "auto"
    measure: str | None = None
    axes: tuple[str, ...] = ("iteration", "epoch")
    by: tuple[str, ...] = ()
    tune: tuple[str, ...] = ()
    target: float | None = None
    problem: tuple[str, ...] = ()

    def check(self) -> None:
        """Check the names of the measure and of the axes, and that there is a target if needed.

        Raises:
            ConfigError: one is not known, or is missing.
        """
        if self.measure is not None and self.measure not in MEASURES:
            nearest = did_you_mean(self.measure, MEASURES)
            raise ConfigError(f"the measure {self.measure} is not known{nearest}")
        if self.kind not in FIGURES:
            nearest = did_you_mean(self.kind, FIGURES)
            raise ConfigError(f"the figure {self.kind} is not known{nearest}")
        if not self.axes:
            raise ConfigError(f"a figure needs an axis at least: {', '.join(AXES)}")
        if self.target is not None and not math.isfinite(self.target):
            raise ConfigError(f"the target {self.target} must be a finite number")
        for axis in self.axes:
            if axis not in AXES:
                raise ConfigError(f"the axis {axis} is not known{did_you_mean(axis, AXES)}")
        if self.kind in NEED_TARGET and self.target is None:
            raise ConfigError(f"the figure {self.kind} needs a target (figure.target=, --target)")

    def check_keys(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Check the keys, before there are runs.

        Raises:
            ConfigError: one is in none of the configs.
        """
        check_keys(map(typed, configs), (*self.by, *self.tune), self.problem)

    def groups(self, runs: Sequence[Run]) -> list[Group]:
        """The runs grouped, and of the groups the tuned ones (a profile tunes by itself).

        Raises:
            ConfigError: a key of `by`, `tune` or `problem` is none that differs.
        """
        usual = (key for key in PROBLEM if any(key in run.config for run in runs))
        first = self.problem or (tuple(usual) if self.kind == "profile" else ())
        found = grouped(runs, self.by, first, self.tune)
        if self.tune and self.kind != "profile":
            found = tuned(found, self.tune, self.measure or METRIC, self.target)
        return found

    def profile(self, groups: Sequence[Group], axis: str | None = None) -> Profile:
        """The performance profile of some groups, in the unit of an axis (the first one's).

        Raises:
            ConfigError: the groups are of one problem only, or there is nothing to compare.
        """
        measure = self.measure or METRIC
        found = problems(groups, measure, self.problem, self.tune, self.target)
        return profile(found, measure, axis or self.axes[0])

    def verdict(self, groups: Sequence[Group]) -> str:
        """What can be said of the groups, and how surely: over problems if there are, else seeds.

        Raises:
            ConfigError: see `profile`.
        """
        if self.kind == "profile":
            one = self.profile(groups)
            return over_problems(one.ranked, f"the {one.unit} to the target")
        measure = self.measure or METRIC
        if not self.problem and "data" in groups[0].settings:
            return "Values on different data do not compare; --problem data ranks over them."
        if not self.problem:
            return over_seeds(table(groups, measure), measure, bool(self.tune))
        found = problems(groups, measure, self.problem, self.tune, self.target)
        finals = {
            name: [_final_median(problem.groups.get(name), measure) for problem in found]
            for name in compared(found)
        }
        return over_problems(finals, f"the median final {measure.replace('_', ' ')}")

    def draw(self, groups: Sequence[Group]) -> Figure:
        """The figure of some groups.

        Raises:
            ConfigError: this kind of figure cannot be drawn of them.
        """
        return FIGURES[self.kind](groups, self)

    def moves(self, groups: Sequence[Group]) -> bool:
        """Whether the figure of some groups can be drawn as an animation, too."""
        return self.kind == "surface" or (self.kind == "auto" and suits(groups, self.tune))

    def animate(self, groups: Sequence[Group], file: Path) -> None:
        """Write the figure of some groups as an animation, a GIF.

        Raises:
            ConfigError: this kind of figure does not move, or cannot be drawn of them.
            OSError: the file cannot be written.
        """
        if not self.moves(groups):
            raise ConfigError(f"{file}: only the figure surface can be animated, not {self.kind}")
        save_animation(groups, self.tune, file)


NEED_TARGET = ("critical_batch_size",)
"""The kinds that show how long it takes to reach a target."""


def _final_median(group: Group | None, measure: str) -> float:
    """Infinite where there was no run."""
    return math.inf if group is None else table([group], measure)[0].median.final


def _auto(groups: Sequence[Group], view: View) -> Figure:
    if suits(groups, view.tune):
        return _surface(groups, view)
    return sweep_figure(groups, view.measure or METRIC)


def _curves(groups: Sequence[Group], view: View) -> Figure:
    return curves_figure(groups, view.measure or "train_loss", view.axes)


def _generalization(groups: Sequence[Group], view: View) -> Figure:
    return generalization_figure(groups, view.measure or "validation_loss")


def _final(groups: Sequence[Group], view: View) -> Figure:
    """Against the first number that is not tuned."""
    (key, *_) = _numbers(groups, view, 1)
    return final_figure(groups, view.measure or METRIC, key)


def _heat_map(groups: Sequence[Group], view: View) -> Figure:
    across, up, *_ = _numbers(groups, view, 2)
    return heat_map(groups, view.measure or METRIC, across, up)


def _surface(groups: Sequence[Group], view: View) -> Figure:
    return surface_figure(groups, view.tune)


def _profile(groups: Sequence[Group], view: View) -> Figure:
    return profile_figure([view.profile(groups, axis) for axis in view.axes])


def _critical_batch_size(groups: Sequence[Group], view: View) -> Figure:
    assert view.target is not None  # see `check`
    return scaling_figure(groups, view.measure or METRIC, view.target, view.tune)


def _numbers(groups: Sequence[Group], view: View, count: int) -> list[str]:
    """The keys that are numbers in all groups."""
    keys = [
        key
        for key in groups[0].settings
        if key not in view.tune and all(is_number(group.settings[key]) for group in groups)
    ]
    if len(keys) < count:
        raise ConfigError(
            f"the figure {view.kind} needs {'a number' if count == 1 else 'two numbers'} that "
            f"differ between the runs; there {'is one' if len(keys) == 1 else 'is none'}"
        )
    return keys


FIGURES: Mapping[str, Callable[[Sequence[Group], View], Figure]] = {
    "auto": _auto,
    "curves": _curves,
    "generalization": _generalization,
    "final": _final,
    "heat_map": _heat_map,
    "surface": _surface,
    "profile": _profile,
    "critical_batch_size": _critical_batch_size,
}
