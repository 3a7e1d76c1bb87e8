"""Comparison from Python, for notebooks.

For example:

    runs = runner.load("outputs/2026-01-31/12-00-00")
    runs.frame()
    runs.figure("validation_loss", axes=["epoch"], tune="optimizer.learning_rate")

The keyword arguments `view` are the fields of `runner.compare.view.View`, which are also the flags
of `runner-compare`: `kind` (there `--figure`), `axes` (`--axis`), `by`, `tune`, `tune_by`,
`target`, `problem`, `where`, `order`, and those of how a figure looks (`runner.compare.look.Look`).
A list of one word may be the word alone.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from runner import files
from runner.compare.conclusions import verdict
from runner.compare.curve_summary import Row, table
from runner.compare.grouping import Group, differing_keys, group_runs
from runner.compare.notebook import in_html, shown
from runner.compare.profile import Profile
from runner.compare.runs import Run, find
from runner.compare.tables import group_cells
from runner.compare.view import View
from runner.config.keys import SEED
from runner.config.values import from_plain
from runner.errors import ConfigError, did_you_mean
from runner.measures import METRIC
from runner.record.summary import stopped_step
from runner.status import count_statuses
from runner.terminal.words import several

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


class Runs(Sequence[Run]):
    """A sequence of `Run`, each with its `config`, `status`, `summary`, `steps` and `epochs`.

    Args:
        runs: the runs.
    """

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

    def __add__(self, other: Runs) -> Runs:
        return Runs([*self, *other])

    def _repr_html_(self) -> str:
        """How many runs there are and how they ended; with groups, the table of them."""
        counts = count_statuses(run.status for run in self)
        ended = f"{several(len(self), 'run')}: " if self else "no runs"
        line = ended + ", ".join(f"{count} {status}" for status, count in counts.items())
        try:
            rows = self.table() if len(self) > 1 else []
        except ConfigError:
            rows = []
        return in_html(group_cells(rows, METRIC, None) if rows else [], [line])

    def frame(self) -> pandas.DataFrame:
        """Tabulate the runs.

        Returns:
            A row for each run: its settings with keys as typed, `status`, `run.diverged_at` and
            `run.stopped_at` (steps), `run.steps`, `run.epochs`, `run.seconds`, the measures
            `final.*`, `best.*` and, with a stopping rule, `kept.*`, and `directory`.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        rows = []
        for run in self:
            row = {**run.settings, "status": run.status}
            ends = {**run.summary, "stopped_at": stopped_step(run.summary)}
            for key in ("diverged_at", "stopped_at", "steps", "epochs", "seconds"):
                row[f"run.{key}"] = ends.get(key)
            for when in ("final", "best", "kept"):
                measures = run.summary.get(when) or {}
                row |= {f"{when}.{name}": value for name, value in measures.items()}
            rows.append({**row, "directory": run.directory and str(run.directory)})
        return pandas.DataFrame(rows)

    def curves(self, curve: str = "epochs") -> pandas.DataFrame:
        """Tabulate the curves of all runs, one below the other.

        Args:
            curve: `epochs`, `steps` or `path`.

        Returns:
            A row for each run and evaluation (or step): `run` (its place among these runs), the
            settings in which the runs differ, and the measures.

        Raises:
            ConfigError: there is no such curve.
            ImportError: pandas is not installed.
        """
        import pandas

        keys = differing_keys([run.settings for run in self])
        if len({run.seed for run in self}) > 1:
            keys.append(SEED)
        frames = []
        for place, run in enumerate(self):
            rows = run.frame(curve)
            own = {key: [run.settings.get(key)] * len(rows) for key in keys}
            frames.append(
                pandas.concat([pandas.DataFrame({"run": place, **own}, rows.index), rows], axis=1)
            )
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def diagnostics(self, table: str = "layers") -> pandas.DataFrame:
        """Tabulate what diagnostics measured.

        Args:
            table: its name: `layers` or `parameters`, of recurrent models `time_steps`; `updates`.

        Returns:
            A row for each run, evaluation and layer (or parameter): `run` (its place among these
            runs), `epoch`, `step`, `name` and the measures. The counts of a histogram are an array.

        Raises:
            ConfigError: no run has such a table.
            ImportError: pandas is not installed.
        """
        import pandas

        frames = []
        for place, run in enumerate(self):
            rows = run.diagnostics(table)
            columns = {name: list(rows[name]) for name in rows.dtype.names or ()}
            if len(rows):
                frames.append(pandas.DataFrame({"run": place, **columns}))
        if not frames:
            raise ConfigError(
                f"no run has a table {table}; diagnostics have the tables "
                f"{', '.join(files.ALL_DIAGNOSTICS)}"
            )
        return pandas.concat(frames, ignore_index=True)

    def groups(self, *by: str) -> list[Group]:
        """Group the runs over seeds.

        Args:
            *by: the keys that make a group; none: all in which the runs differ.

        Returns:
            The groups, sorted by their settings.

        Raises:
            ConfigError: a key is not one of these runs.
        """
        return group_runs(self._runs, by)

    def table(
        self, measure: str | None = None, target: float | None = None, **view: Any
    ) -> list[Row]:
        """Summarize each group: final, best, area under the curve, and the time to a target.

        Args:
            measure: the name of the measure; by default the validation error.
            target: the value of the measure to which times are measured.
            **view: `by`, `tune` and `tune_by`.

        Returns:
            A row for each group, the best first.

        Raises:
            ConfigError: the measure or a key is not known.
        """
        chosen = _view(measure=measure, target=target, **view)
        return table(chosen.groups(self._runs), chosen.chosen_measure, chosen.target)

    def verdict(self, measure: str | None = None, **view: Any) -> str:
        """Say which group is best, and which differences are significant.

        With `problem` by mean ranks over problems, else by tests over seeds (see
        `runner.compare.verdict`).

        Args:
            measure: the name of the measure; by default the validation error.
            **view: `by`, `tune`, `tune_by` and `problem`.

        Returns:
            Some sentences; none if there is nothing to compare.

        Raises:
            ConfigError: the measure or a key is not known.
        """
        chosen = _view(measure=measure, **view)
        return verdict(chosen, chosen.groups(self._runs))

    def profile(
        self,
        problem: str | Sequence[str] = (),
        measure: str | None = None,
        *,
        axis: str = "iteration",
        **view: Any,
    ) -> Profile:
        """Compute performance profiles: times to a target over problems, ratios and scores.

        Args:
            problem: the keys that make a problem; empty: `data` and `model`.
            measure: the name of the measure; by default the validation error.
            axis: the times are in its unit: `iteration`, `epoch`, `examples` or `seconds`.
            **view: `by`, `tune` and `target`; without a target each problem has its own (see
                `runner.compare.problems`).

        Returns:
            The times, ratios and scores of each competitor, as `Profile` documents them.

        Raises:
            ConfigError: a name is not known, there is one problem only, or nothing to compare.
        """
        chosen = _view(kind="profile", problem=problem, measure=measure, axes=axis, **view)
        return chosen.profile(chosen.groups(self._runs))

    def figure(self, measure: str | None = None, **view: Any) -> Figure:
        """Draw the runs.

        Args:
            measure: the name of the measure; by default the measure of the kind (see
                `runner.compare.view.KINDS`).
            **view: all fields of `View`.

        Returns:
            A matplotlib figure, which can be edited. A notebook shows it.

        Raises:
            ConfigError: the measure, an axis or a key is not known or does not suit the kind.
        """
        chosen = _view(measure=measure, **view)
        return shown(chosen.draw(chosen.groups(self._runs)))


def load(*folders: str | os.PathLike[str]) -> Runs:
    """Read the runs in some folders and below them, in any state, as `runner-compare` does.

    Args:
        *folders: folders of runs and sweeps.

    Returns:
        The runs, sorted by the names of their folders.

    Raises:
        ConfigError: a folder does not exist, or there is no run in any of them.
    """
    return Runs(find([Path(folder) for folder in folders]).runs)


def _view(**values: Any) -> View:
    """A checked view; a single word or number for a field that is a list becomes a list of one.

    Raises:
        ConfigError: an argument is not known, or its value is of another type or out of range.
    """
    known = {field.name: field for field in dataclasses.fields(View)}
    plain = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{name} is not an argument{did_you_mean(name, known)}")
        value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's
        if isinstance(value, Iterable) and not isinstance(value, str):
            plain[name] = list(value)
        else:
            plain[name] = [value] if isinstance(known[name].default, tuple) else value
    view = from_plain(View, plain)
    view.check()
    return view
