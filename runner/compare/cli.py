"""The command line `runner-compare`: runs in, a figure and a table out."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, get_args

from runner.compare.view import Kind, View
from runner.errors import ConfigError, RecordError, exit_code
from runner.terminal.pipes import outlive_readers

if TYPE_CHECKING:
    from runner.compare.grouping import Group
    from runner.compare.tables import Format

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

Runs that differ in nothing but their seed are one line: their mean with its 95 % interval (of two
runs: from one to the other). Below the table it says which differences are more than chance.
"""


ENDINGS = (".png", ".svg", ".pdf", ".gif")


def main() -> NoReturn:
    """The console script `runner-compare`."""
    outlive_readers()
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(argv: Sequence[str]) -> int:
    """Do what the command line asks; print a user's error as one line."""
    return exit_code("runner-compare", lambda: compare(_parser().parse_args(argv)))


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
    parser.add_argument(
        "--problem",
        default="",
        metavar="KEY,...",
        help="what makes a problem; the rest is compared by its ranks over problems, or by "
        "performance profiles (of --figure profile; default there: data,model)",
    )
    parser.add_argument("--measure", help="(default: train_loss; of profiles validation_error)")
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
    parser.add_argument(
        "--target",
        type=float,
        help="tell how long the measure took to get there (default in a profile: for each problem "
        "nearly the best that is reached within 75%% of the epochs)",
    )
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
    from runner.compare.figures.curves import MOST_LINES, save
    from runner.compare.runs import find
    from runner.terminal.waiting import waiting

    view = _view(arguments)
    view.check()
    if arguments.output:
        _check_output(arguments.output)
    with waiting("Looking for runs"):
        found = find(arguments.paths)
    for reason in found.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    with waiting(f"Reading {len(found.runs)} runs"):
        groups = view.groups(found.runs)
        text, best = _tabulated(groups, view, arguments.table or "text")
    print(text, end="")
    if arguments.table:
        return
    drawn = groups
    if view.kind == "curves" and len(groups) > MOST_LINES:
        kept = {id(group) for group in best[:MOST_LINES]}
        drawn = [group for group in groups if id(group) in kept]
        print(f"Drawn:  the best {len(drawn)} of {len(groups)} groups; --by chooses")
    default = [arguments.paths[0] / f"comparison.{kind}" for kind in ("png", "svg")]
    with waiting("Drawing"):
        figure = view.draw(drawn)
        for file in [arguments.output] if arguments.output else default:
            try:
                if file.suffix == ".gif":
                    view.animate(drawn, file)
                else:
                    save(figure, file)
            except (OSError, ValueError) as error:
                raise RecordError(f"{file}: cannot be written: {error}") from error
            figure.set_layout_engine("none")  # as it has been laid out
            print(f"Figure: {file}")


def _check_output(file: Path) -> None:
    """Before anything is read: whether a figure can have this name.

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


def _view(arguments: argparse.Namespace) -> View:
    usual = "validation_error" if arguments.figure == "profile" else "train_loss"
    return View(
        kind=arguments.figure,
        measure=arguments.measure or usual,
        axes=_words(arguments.axis),
        by=_words(arguments.by),
        tune=_words(arguments.tune),
        target=arguments.target,
        problem=_words(arguments.problem),
    )


def _tabulated(groups: Sequence[Group], view: View, kind: Format) -> tuple[str, list[Group]]:
    """The table, with what can be said of it where it is read by people; the best groups first."""
    from runner.compare import profile
    from runner.compare.reading import table
    from runner.compare.tables import cells, render

    best: list[Group] = []
    if view.kind == "profile":
        lines = profile.cells(view.profile(groups))
    else:
        assert view.measure
        rows = table(groups, view.measure, view.target)
        lines, best = cells(rows, view.measure, view.target), [row.group for row in rows]
    text = render(lines, kind)
    words = view.verdict(groups) if kind in ("text", "markdown") else ""
    if words:
        words = textwrap.fill(words, 100, break_on_hyphens=False) if kind == "text" else words
        text += f"\n{words}\n"
    return text, best


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
