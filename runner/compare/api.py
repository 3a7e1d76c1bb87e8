"""Comparison from Python, for notebooks.

For example `runs = runner.load("outputs/2026-01-31/12-00-00")`, then `runs.frame()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from runner.compare.grouping import Group, grouped, settings_of
from runner.compare.profile import Profile
from runner.compare.reading import Row, table
from runner.compare.runs import Run, find
from runner.compare.view import Kind, View

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


class Runs(Sequence[Run]):
    """A sequence of `Run`, each with its `config`, `status`, `summary`, `steps` and `epochs`."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = list(runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __repr__(self) -> str:
        return f"<{len(self)} runs: {', '.join(group.label for group in self.groups()[:5])}>"

    def frame(self) -> pandas.DataFrame:
        """A row a run: its settings, how it ended, final and best measures, its folder.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        rows = []
        for run in self:
            row = {**settings_of(run), "status": run.status}
            for key in ("diverged_at", "steps", "epochs", "seconds"):
                row[f"run.{key}"] = run.summary.get(key)
            for when in ("final", "best"):
                measures = run.summary.get(when) or {}
                row |= {f"{when}.{name}": value for name, value in measures.items()}
            rows.append({**row, "directory": str(run.directory)})
        return pandas.DataFrame(rows)

    def groups(self, *by: str) -> list[Group]:
        """The runs grouped by what differs between them but the seed, or by the keys `by`.

        Raises:
            ConfigError: a key is none of the runs'.
        """
        return grouped(self._runs, by)

    def table(
        self,
        measure: str = "train_loss",
        target: float | None = None,
        by: Sequence[str] = (),
        tune: Sequence[str] = (),
    ) -> list[Row]:
        """A row for each group, the best first: final, best, area, and how long to the target.

        Raises:
            ConfigError: the measure or a key is not known.
        """
        view = View(measure=measure, by=_listed(by), tune=_listed(tune), target=target)
        view.check()
        return table(view.groups(self._runs), measure, target)

    def verdict(
        self,
        measure: str = "train_loss",
        by: Sequence[str] = (),
        tune: Sequence[str] = (),
        problem: Sequence[str] = (),
    ) -> str:
        """Which group is best, and which differences are more than chance (see `compare.verdict`).

        With `problem` by mean ranks over problems, else by tests over seeds.

        Raises:
            ConfigError: the measure or a key is not known.
        """
        view = View(measure=measure, by=_listed(by), tune=_listed(tune), problem=_listed(problem))
        view.check()
        return view.verdict(view.groups(self._runs))

    def profile(
        self,
        problem: Sequence[str] = (),
        measure: str = "validation_error",
        by: Sequence[str] = (),
        tune: Sequence[str] = (),
        target: float | None = None,
        axis: str = "iteration",
    ) -> Profile:
        """Times to a target over problems, their ratios to the best, and scores (AlgoPerf).

        What makes a problem is `data` and `model` unless other keys are named; without a `target`
        each has one of its own (see `runner.compare.problems`).

        Raises:
            ConfigError: a name is not known, there is one problem only, or nothing to compare.
        """
        keys = _listed(problem)
        view = View("profile", measure, (axis,), _listed(by), _listed(tune), target, keys)
        view.check()
        return view.profile(view.groups(self._runs))

    def figure(
        self,
        measure: str | None = None,
        axes: Sequence[str] = ("iteration", "epoch"),
        by: Sequence[str] = (),
        kind: Kind = "curves",
        tune: Sequence[str] = (),
        target: float | None = None,
        problem: Sequence[str] = (),
    ) -> Figure:
        """Curves: a panel for each axis (iteration, epoch, examples, seconds), a line a group.

        Other kinds, `tune` and `problem` are those of `runner.compare.view`. Without a measure it
        is the training loss for curves, else the validation error.

        Raises:
            ConfigError: the measure, an axis or a key is not known, or does not suit the kind.
        """
        view = View(
            kind, measure, _listed(axes), _listed(by), _listed(tune), target, _listed(problem)
        )
        view.check()
        return view.draw(view.groups(self._runs))


def load(*folders: str | Path) -> Runs:
    """The runs in some folders and everywhere below them, finished or not.

    Raises:
        ConfigError: a folder is not there, or there is no run in any of them.
    """
    return Runs(find([Path(folder) for folder in folders]).runs)


def _listed(keys: str | Sequence[str]) -> tuple[str, ...]:
    """A single key may stand for a list of one."""
    return (keys,) if isinstance(keys, str) else tuple(keys)
