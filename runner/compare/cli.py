"""The command line `runner-compare`: runs in, a figure and a table out."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runner import files
from runner.compare.tables import FORMATS
from runner.compare.view import KINDS, View
from runner.errors import ConfigError, RecordError, exit_code
from runner.measures import STEP_MEASURES
from runner.status import COMPLETE
from runner.terminal.pipes import outlive_readers, output_was_lost

if TYPE_CHECKING:
    from runner.compare.grouping import Group
    from runner.compare.runs import Run

DESCRIPTION = """\
Compare finished or running runs: draw their curves, and tabulate how they ended.

  runner-compare outputs/2026-01-31/12-00-00          a sweep
  runner-compare outputs --by optimizer               all runs, a line for each optimizer
  runner-compare outputs --target 0.05 --measure validation_error
  runner-compare outputs --tune optimizer.learning_rate   each at its best rate
  runner-compare outputs --figure surface --output paths.gif   the paths on a surface
  runner-compare outputs --figure critical_batch_size --target 0.2 --tune optimizer.learning_rate
  runner-compare outputs --axis epoch,seconds --output figure.pdf
  runner-compare outputs --figure profile --problem data,model --tune optimizer.learning_rate
  runner-compare outputs --table markdown             only the table
  runner-compare outputs --output report.html         a page to share, with curves to zoom

Runs that differ in nothing but their seed are one line: their mean with its 95 % interval (of two
runs: from one to the other). Below the table it says which differences are more than chance.
"""

PAGE = ".html"
ENDINGS = (".png", ".svg", ".pdf", ".gif", PAGE)


def main() -> NoReturn:
    """The console script `runner-compare`."""
    outlive_readers()
    sys.exit(run_command_line(sys.argv[1:]) or int(output_was_lost()))


def run_command_line(argv: Sequence[str]) -> int:
    """Do what the command line asks; print a user's error as one line.

    Args:
        argv: the words after the command.

    Returns:
        The exit code.
    """
    return exit_code("runner-compare", lambda: compare(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, KINDS))
    kinds = [
        f"  {name:<{width}}  {kind.about} (--measure: {kind.measure})"
        for name, kind in KINDS.items()
    ]
    parser = argparse.ArgumentParser(
        "runner-compare",
        description=DESCRIPTION,
        epilog="\n".join(["kinds of figures, with what they show by default:", *kinds]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER", help="runs and sweeps")
    for field in dataclasses.fields(View):
        _add_flag(parser, field)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the figure: .png, .svg or .pdf, of paths on a surface also .gif; .html is a page to "
        "share (default: "
        f"{', '.join(files.COMPARISON_FIGURES)} in the first folder)",
    )
    parser.add_argument("--table", choices=FORMATS, help="print only the table, in this form")
    return parser


def _add_flag(parser: argparse.ArgumentParser, field: dataclasses.Field) -> None:
    """The flag of a field of `View`; the words of a list are separated by commas."""
    words = field.metadata["help"].replace("%", "%%")
    kind: Any = float if field.type == "float | None" else str
    default = field.default
    if isinstance(default, tuple):
        kind, default = _words, ",".join(default)
    parser.add_argument(
        f"--{field.metadata['flag'] or field.name}",
        dest=field.name,
        type=kind,
        default=field.default,
        metavar=field.metadata["metavar"],
        help=f"{words} (default: {default})" if default else words,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def compare(arguments: argparse.Namespace) -> None:
    """Read the runs, print the table and draw the figure.

    Args:
        arguments: what the command line says.

    Raises:
        UserError: there are no runs, or what is asked for cannot be shown or written.
    """
    from runner.compare.runs import find
    from runner.terminal.waiting import waiting

    view = View(
        **{field.name: getattr(arguments, field.name) for field in dataclasses.fields(View)}
    )
    view.check()
    if arguments.output:
        _check_output(arguments.output)
    with waiting("Looking for runs"):
        found = find(arguments.paths)
    for reason in found.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    with waiting(f"Reading {len(found.runs)} runs"):
        groups = view.groups(found.runs)
        text = _tabulated(groups, view, arguments.table or "text")
    missing = _without_curve(found.runs, view.chosen_measure)
    if missing:
        print(missing, file=sys.stderr)
    print(text, end="")
    if arguments.table:
        return
    if arguments.output and arguments.output.suffix == PAGE:
        from runner.compare.report.page import save_page

        title = ", ".join(path.resolve().name for path in arguments.paths)
        with waiting("Making the page"):
            save_page(arguments.output, groups, view, title, len(found.left_out))
        print(f"Page:   {arguments.output}")
        return
    drawn = view.drawn(groups)
    if len(drawn) < len(groups):
        print(f"Drawn:  the best {len(drawn)} of {len(groups)} groups; --by chooses")
    default = [arguments.paths[0] / name for name in files.COMPARISON_FIGURES]
    with waiting("Drawing"):
        _draw(groups, view, [arguments.output] if arguments.output else default)


def _without_curve(runs: Sequence[Run], measure: str) -> str:
    """A line about runs that came to an end and whose curve cannot be read; empty if all can."""
    from runner.compare.curve import rows_of
    from runner.compare.curve_summary import summarize

    unread = [
        run.directory
        for run in runs
        if run.status in COMPLETE
        and math.isnan(summarize(run, measure).best)
        and not len(rows_of(run, measure))
    ]
    if not unread:
        return ""
    file = files.STEPS if measure in STEP_MEASURES else files.EPOCHS
    which = f"{unread[0]}" if len(unread) == 1 else f"{len(unread)} runs, such as {unread[0]}"
    return f"no {measure} of {which}: {file} is missing or damaged"


def _draw(groups: Sequence[Group], view: View, targets: Sequence[Path]) -> None:
    """Write the figure in several formats.

    Raises:
        RecordError: a file cannot be written.
    """
    from runner.compare.figures.style import save

    moving = [file for file in targets if file.suffix == ".gif"]
    figure = None if moving else view.draw(groups)
    for file in targets:
        try:
            if figure is None:
                view.animate(groups, file)
            else:
                save(figure, file)
        except (OSError, ValueError) as error:
            raise RecordError(f"{file}: cannot be written: {error}") from error
        print(f"Figure: {file}")


def _check_output(file: Path) -> None:
    """Check, before anything is read, that a figure can have this name.

    Raises:
        ConfigError: it cannot.
    """
    if file.suffix not in ENDINGS or file.is_dir():
        endings = ", ".join(ENDINGS)
        raise ConfigError(
            f"--output {file}: cannot be written: it must be a file that ends in {endings}"
        )
    if not file.parent.is_dir():
        raise ConfigError(f"--output {file}: cannot be written: there is no folder {file.parent}")
    if file.suffix == PAGE:
        from runner.compare.report.page import check_library

        check_library(file)


def _tabulated(groups: Sequence[Group], view: View, form: str) -> str:
    """The table and, where people read it, the verdict."""
    from runner.compare.curve_summary import table
    from runner.compare.tables import group_cells, profile_cells, render

    if KINDS[view.kind].by_problem:
        lines = profile_cells(view.profile(groups))
    else:
        lines = group_cells(
            table(groups, view.chosen_measure, view.target), view.chosen_measure, view.target
        )
    text = render(lines, form)
    words = view.verdict(groups) if form in ("text", "markdown") else ""
    if words:
        words = textwrap.fill(words, 100, break_on_hyphens=False) if form == "text" else words
        text += f"\n{words}\n"
    return text
