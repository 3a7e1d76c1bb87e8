"""The command line `runner-compare`: runs in, a figure and a table out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, get_args

from runner.compare.view import Kind, View
from runner.errors import RecordError, UserError

DESCRIPTION = """\
Compare finished or running runs: draw their curves, and tabulate how they ended.

  runner-compare outputs/2026-01-31/12-00-00          a sweep
  runner-compare outputs --by optimizer               all runs, a line for each optimizer
  runner-compare outputs --target 0.05 --measure validation_error
  runner-compare outputs --tune optimizer.learning_rate   each at its best rate
  runner-compare outputs --figure surface --output paths.gif   the paths on a surface
  runner-compare outputs --axis epoch,seconds --output figure.pdf
  runner-compare outputs --table markdown             only the table

Runs that differ in nothing but their seed are one line: their mean, with its 95 % interval.
"""


def main() -> NoReturn:
    """The console script `runner-compare`."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(argv: Sequence[str]) -> int:
    """Do what the command line asks; print a user's error as one line."""
    try:
        compare(_parser().parse_args(argv))
    except UserError as error:
        print(f"runner-compare: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "runner-compare",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER", help="runs and sweeps")
    parser.add_argument(
        "--by",
        default="",
        metavar="KEY,...",
        help="what makes a group, as it is typed: optimizer,batch_size (default: what differs)",
    )
    parser.add_argument(
        "--tune",
        default="",
        metavar="KEY,...",
        help="of the values of these keep the best for each combination of the rest",
    )
    parser.add_argument("--measure", default="train_loss", help="(default: train_loss)")
    parser.add_argument(
        "--figure",
        default="curves",
        choices=get_args(Kind),
        help="(default: curves)",
    )
    parser.add_argument(
        "--axis",
        default="iteration,epoch",
        metavar="AXIS,...",
        help="a panel for each of iteration, epoch, examples, seconds (default: iteration,epoch)",
    )
    parser.add_argument("--target", type=float, help="tell how long the measure took to get there")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the figure: .png, .svg or .pdf, of paths on a surface also .gif (default: "
        "comparison.png, .svg in the first folder)",
    )
    parser.add_argument(
        "--table",
        choices=("text", "markdown", "csv", "latex"),
        help="print only the table, in this form",
    )
    return parser


def compare(arguments: argparse.Namespace) -> None:
    """Read, draw, tabulate."""
    from runner.compare.figure import MOST_LINES, save
    from runner.compare.reading import table
    from runner.compare.runs import find
    from runner.compare.tables import cells, render

    view = View(
        arguments.figure,
        arguments.measure,
        _words(arguments.axis),
        _words(arguments.by),
        _words(arguments.tune),
        arguments.target,
    )
    view.check()
    found = find(arguments.paths)
    for reason in found.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    groups = view.groups(found.runs)
    rows = table(groups, arguments.measure, arguments.target)
    lines = cells(rows, arguments.measure, arguments.target)
    print(render(lines, arguments.table or "text"), end="")
    if arguments.table:
        return
    best = {id(row.group) for row in rows[:MOST_LINES]}
    drawn = groups
    if view.kind == "curves":
        drawn = [group for group in groups if id(group) in best]
    if len(drawn) < len(groups):
        print(f"Drawn:  the best {len(drawn)} of {len(groups)} groups; --by chooses")
    figure = view.draw(drawn)
    default = [arguments.paths[0] / f"comparison.{kind}" for kind in ("png", "svg")]
    for file in [arguments.output] if arguments.output else default:
        try:
            if file.suffix == ".gif":
                view.animate(drawn, file)
            else:
                save(figure, file)
        except (OSError, ValueError) as error:
            raise RecordError(f"{file}: cannot be written: {error}") from error
        print(f"Figure: {file}")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
