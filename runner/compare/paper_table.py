"""Tables that go into a paper as they are: problems by methods, and CSV that a program can read.

An entry is the mean over seeds of the final values (with a stopping rule, of those that runs keep)
with half the width of its 95 % interval, both rounded to two digits of the interval. The least mean
of a problem is bold, with all that look equal to it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from runner.compare.curve import label_for
from runner.compare.curve_summary import TIMES, Row, kept_or_final, summarize
from runner.compare.escapes import in_latex, in_markdown
from runner.compare.figures.style import is_rate, title_of
from runner.compare.grouping import Group, format_range, format_setting, is_below, runs_of
from runner.compare.rates import rate_columns
from runner.compare.tables import (
    format_rounded,
    interval,
    latex,
    markdown,
    render,
    uncertainty,
)
from runner.errors import one_line

PAPER_FORMS = ("markdown", "latex")


class Entry(NamedTuple):
    """The values of one method on one problem.

    Attributes:
        values: those of the runs that did not diverge.
        diverged: how many runs did.
    """

    values: list[float]
    diverged: int

    @property
    def mean(self) -> float:
        """The mean; infinite if no run is left."""
        return statistics.fmean(self.values) if self.values else math.inf

    def text(self, factor: float) -> str:
        """The entry without markup: `2.5 +- 1.3`, of two runs `2.4 to 2.6`, of one `2.51`.

        Args:
            factor: what values are multiplied with, 100 for percent.
        """
        lost = f" ({self.diverged} diverged)" if self.diverged and self.values else ""
        scaled = [factor * value for value in self.values]
        if not scaled:
            return "diverged" if self.diverged else "-"
        if len(scaled) == 1:
            return f"{scaled[0]:.3g}{lost}"
        width = uncertainty(scaled)

        def show(value: float) -> str:
            return format_rounded(value, width)

        mean = "" if len(scaled) == 2 else f"{show(statistics.fmean(scaled))} "
        return mean + interval(scaled, show) + lost


def paper_table(
    groups: Sequence[Group],
    measure: str,
    problem: Sequence[str],
    tune: Sequence[str] = (),
    form: str = "markdown",
) -> str:
    """Render values, final or kept, a line for each problem and a column for each method.

    Args:
        groups: the groups, tuned if they are to be.
        measure: the name of the measure.
        problem: the keys that make a problem.
        tune: keys that were tuned, which do not make a method of their own.
        form: one of `PAPER_FORMS`; LaTeX needs the package `booktabs`.
    """
    keys = list(groups[0].settings)
    problem_keys = [key for key in keys if is_below(key, problem)]
    compared = [key for key in keys if key not in problem_keys and key not in tune]
    rows: dict[str, dict[str, Entry]] = {}
    for group in groups:
        name = group.label_of(problem_keys) or "all"
        rows.setdefault(name, {})[group.label_of(compared)] = _entry(group, measure)
    methods = list(dict.fromkeys(method for row in rows.values() for method in row))
    rate = is_rate(groups, measure)
    lines = [[title_of(problem_keys) or "problem", *methods]]
    for name, row in rows.items():
        texts = {method: entry.text(100 if rate else 1) for method, entry in row.items()}
        best = _best(row)
        bold = {texts[method] for method in best}
        cells = [texts.get(method, "-") for method in methods]
        lines.append([name, *(_marked(cell, cell in bold, form) for cell in cells)])
    note = one_line(_note(groups, measure, tune, rate))
    written = in_markdown if form == "markdown" else in_latex
    head, *body = lines
    lines = [list(map(written, head)), *([written(name), *own] for name, *own in body)]
    others = len(methods)
    if form == "markdown":
        return markdown(lines, "---|" + "---:|" * others) + f"\n{note}\n"
    packages = r"% \usepackage{booktabs, amsmath}"
    return f"{packages}\n% {note}\n{latex(lines, 'l' + 'r' * others)}"


def _entry(group: Group, measure: str) -> Entry:
    finals = [summarize(run, measure).kept for run in group.runs]
    known = [value for value in finals if math.isfinite(value)]
    return Entry(known, sum(math.isinf(value) for value in finals))


def _best(row: dict[str, Entry]) -> list[str]:
    """The methods with the least mean among those with the fewest diverged runs."""
    fewest = min(entry.diverged for entry in row.values())
    means = {m: entry.mean for m, entry in row.items() if entry.diverged == fewest}
    least = min(means.values())
    return [m for m, mean in means.items() if mean == least and math.isfinite(mean)]


def _marked(cell: str, is_bold: bool, form: str) -> str:
    """A cell in the markup of a form, bold if it is the best."""
    if form == "markdown":
        text = cell.replace("+-", "±")
        return f"**{text}**" if is_bold else text
    number, space, lost = cell.partition(" (")
    if not any(sign.isdigit() for sign in number):
        return cell.replace("-", "--")
    number = number.replace("+-", r"\pm").replace(" to ", r"\text{ to }")
    return (rf"$\mathbf{{{number}}}$" if is_bold else f"${number}$") + space + lost


def _note(groups: Sequence[Group], measure: str, tune: Sequence[str], rate: bool) -> str:
    seeds = format_range({len(group.runs) for group in groups})
    runs = runs_of(groups)
    end = kept_or_final(runs).capitalize()
    words = [f"{end} {label_for(runs, measure)}" + (" in %" if rate else "")]
    words += ["kept: at the best evaluation by the stopping rule"] * (end == "Kept")
    if seeds != "1":
        words.append(f"mean ± half the width of its 95 % interval over {seeds} seeds")
    words.append("bold: the least mean")
    words += [f"each at its best {title_of(tune)}"] if tune else []
    return "; ".join(words) + "."


def csv_table(
    rows: Sequence[Row], measure: str, target: float | None = None, *, with_rates: bool = False
) -> str:
    """Render groups as CSV: a line for each, its settings under their keys, plain numbers.

    The columns `final_*` are called `kept_*` if a run has a stopping rule.

    Args:
        rows: the groups in numbers.
        measure: the name of the measure that they summarize.
        target: with one there are columns for the time to it, `inf` where it was not reached.
        with_rates: whether there are columns of the rate of convergence.

    Raises:
        ConfigError: the least value of the measure is not known, of which rates are.
    """
    keys = list(rows[0].group.settings) if rows else []
    times = list(TIMES) if target is not None else []
    best = "at_best_validation_median" if measure.startswith("test_") else "best_median"
    end = kept_or_final(runs_of(row.group for row in rows))
    header = [*keys, "measure", f"{end}_mean", f"{end}_half_width_95", f"{end}_median", best]
    header += ["mean_over_epochs_median", *(f"{unit}_to_target_median" for unit in times)]
    header += ["target", "reached"] if times else []
    lines = [[*header, "runs", "diverged"]]
    for row in rows:
        known = [value for value in row.finals if math.isfinite(value)]
        numbers = [
            statistics.fmean(known) if known else math.nan,
            row.half_width,
            row.median.kept,
            row.median.best,
            row.median.area,
            *(getattr(row.median, unit) for unit in times),
        ]
        line = [*map(format_setting, row.group.settings.values()), measure]
        line += ["" if one is None or math.isnan(one) else f"{one:.7g}" for one in numbers]
        line += [f"{target:g}", str(row.reached)] if target is not None else []
        lines.append([*line, str(len(row.finals)), str(sum(map(math.isinf, row.finals)))])
    rates = rate_columns([row.group for row in rows], measure) if with_rates else [[]] * len(lines)
    return render([[*line, *own] for line, own in zip(lines, rates, strict=True)], "csv")
