"""The command line `runner-compare`: runs in, a figure and a table out."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runner import files
from runner.compare.figures.kinds import KINDS
from runner.compare.tables import FORMATS
from runner.compare.view import View, command_of, fields_of_view
from runner.errors import ConfigError, RecordError, exit_code
from runner.interruption import handle_signals, in_worker
from runner.measures import (
    BITS,
    OPTIONAL_MEASURES,
    R_SQUARED,
    STEP_MEASURES,
    TRAINING_SET_MEASURES,
)
from runner.status import COMPLETE
from runner.terminal.pipes import outlive_readers, output_was_lost
from runner.whole_files import replacing

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
  runner-compare outputs --axis epoch,seconds --output figure.pdf --style paper
  runner-compare outputs --output curves.csv          the numbers of the figure
  runner-compare outputs --figure profile --problem data,model --tune optimizer.learning_rate
  runner-compare outputs --table markdown             only the table
  runner-compare outputs --output report.html         a page to share, with curves to zoom

Runs that differ in nothing but their seed are one line: their mean with its 95 % interval (of two
runs: from one to the other). Below the table it says which differences are more than chance.
"""

PAGE = ".html"
ENDINGS = (".png", ".svg", ".pdf", ".gif", ".csv", PAGE)


def main() -> NoReturn:
    """The console script `runner-compare`."""
    handle_signals("runner-compare")
    outlive_readers()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the accelerator is left to those who train
    sys.exit(in_worker(lambda: run_command_line(sys.argv[1:])) or int(output_was_lost()))


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
    parser.error = _bad_flag  # type: ignore[method-assign]
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER", help="runs and sweeps")
    for field in fields_of_view():
        _add_flag(parser, field)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the figure: .png, .svg or .pdf, of paths on a surface also .gif; .csv: its numbers, "
        "which else go beside it; .html: a page to share (default: "
        f"{', '.join(files.COMPARISON_FIGURES)} in the first folder)",
    )
    parser.add_argument(
        "--table",
        choices=FORMATS,
        help="print only the table, in this form; with --problem, markdown and latex have a line "
        "for each problem and a column for each method, the best in bold",
    )
    return parser


def _bad_flag(message: str) -> NoReturn:
    raise ConfigError(f"{message}; see runner-compare --help")


def _add_flag(parser: argparse.ArgumentParser, field: dataclasses.Field) -> None:
    """The flag of a field of `View`; the words of a list are separated by commas."""
    words = field.metadata["help"].replace("%", "%%")
    kind: Any = float if str(field.type).startswith("float") else str
    default = field.default
    if isinstance(default, tuple):
        kind = _numbers if "float" in str(field.type) else _words
        default = ",".join(map(str, default))
    parser.add_argument(
        f"--{field.metadata['flag'] or field.name.replace('_', '-')}",
        dest=field.name,
        type=kind,
        default=field.default,
        metavar=field.metadata["metavar"],
        help=f"{words} (default: {default})" if default else words,
    )


def _words(text: str) -> tuple[str, ...]:
    """The words between commas; a list such as `[dropout,l2]` is one."""
    return tuple(word for word in re.split(r",(?![^\[\]]*\])", text) if word)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers, separated by commas") from None


def compare(arguments: argparse.Namespace) -> None:
    """Read the runs, print the table and draw the figure.

    Args:
        arguments: what the command line says.

    Raises:
        UserError: there are no runs, or what is asked for cannot be shown or written.
    """
    from runner.compare.conclusions import tabulated
    from runner.compare.runs import find
    from runner.terminal.waiting import waiting

    view = View(
        **{field.name: getattr(arguments, field.name) for field in dataclasses.fields(View)}
    )
    view.check()
    if arguments.output:
        _check_output(arguments.output, arguments.table)
    with waiting("Looking for runs"):
        found = find(arguments.paths)
    for reason in found.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    with waiting(f"Reading {len(found.runs)} runs"):
        groups = view.groups(found.runs)
        text = tabulated(view, groups, arguments.table or "text")
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
            save_page(arguments.output, groups, view, title, found.left_out_folders)
        print(f"Page:   {arguments.output}")
        return
    drawn = view.drawn(groups)
    if len(drawn) < len(groups):
        print(f"Drawn:  the best {len(drawn)} of {len(groups)} groups; --by chooses")
    default = [arguments.paths[0] / name for name in files.COMPARISON_FIGURES]
    with waiting("Drawing"):
        command = command_of(view, arguments.paths)
        if arguments.output:
            command += f" --output {shlex.quote(str(arguments.output))}"
        _draw(groups, view, [arguments.output] if arguments.output else default, command)


def _without_curve(runs: Sequence[Run], measure: str) -> str:
    """A line about runs that came to an end and whose curve cannot be read; empty if all can."""
    from runner.compare.curve import rows_of
    from runner.compare.curve_summary import summarize

    unread = [
        run.directory
        for run in runs
        if run.status in COMPLETE
        and math.isnan(summarize(run, measure).best)
        and (measure in OPTIONAL_MEASURES or not len(rows_of(run, measure)))
    ]
    if not unread:
        return ""
    if measure in TRAINING_SET_MEASURES:
        return f"{len(unread)} runs have no {measure}: train them with evaluate_train=true"
    if measure in R_SQUARED:
        return f"{len(unread)} runs have no {measure}: their targets are not numbers"
    if measure in BITS:
        return f"{len(unread)} runs have no {measure}: their targets are not characters"
    file = files.STEPS if measure in STEP_MEASURES else files.EPOCHS
    which = f"{unread[0]}" if len(unread) == 1 else f"{len(unread)} runs, such as {unread[0]}"
    return f"no {measure} of {which}: {file} is missing or damaged"


def _draw(groups: Sequence[Group], view: View, targets: Sequence[Path], command: str) -> None:
    """Write the figure in several formats, and its numbers beside the first.

    Raises:
        RecordError: a file cannot be written.
    """
    from runner.compare.figures.numbers import write_numbers
    from runner.compare.figures.style import save

    figure = view.draw(groups)
    numbers = targets[0].with_suffix(files.FIGURE_NUMBERS)
    beside = [] if targets[0].suffix == ".csv" else [numbers]
    for file in [*targets, *beside]:
        try:
            if file.suffix == ".csv":
                write_numbers(figure, file, command)
            else:
                with replacing(file) as temporary:
                    if file.suffix == ".gif":
                        view.animate(groups, temporary)
                    else:
                        save(figure, temporary, view.dpi)
        except (OSError, ValueError) as error:
            raise RecordError(f"{file}: cannot be written: {error}") from error
        if file is not numbers:
            print(f"Figure: {file}")


def _check_output(file: Path, table: str | None) -> None:
    """Check, before anything is read, that a figure is drawn and can have this name.

    Raises:
        ConfigError: it cannot.
    """
    if table:
        raise ConfigError(
            f"--output {file}: --table {table} prints only the table; leave out one of them, or "
            f"write the table to a file: --table {table} > FILE"
        )
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
