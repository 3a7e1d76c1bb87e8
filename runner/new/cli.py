"""The command line of `runner-new`: a group and a name in, three files out.

0 is success, 1 a file that cannot be written, 2 bad input. No file is ever overwritten.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from runner.errors import ConfigError, exit_code
from runner.new.option import CONFIGS, NewOption, templates

HELP = """\
Write an option of your own: a module, its YAML file, and a test that holds the contract of all
options against it. All three run as they are; change the rule, and the test says whether it still
is an option. Nothing is overwritten.
"""


def main() -> NoReturn:
    """Run the console script `runner-new`."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(argv: list[str]) -> int:
    """Do what the command line asks and return the exit code."""
    return exit_code("runner-new", lambda: _write(argv))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{message}; see runner-new --help")


def _parser() -> argparse.ArgumentParser:
    groups = ", ".join(templates())
    parser = _Parser(
        prog="runner-new",
        description=HELP,
        epilog="example: runner-new optimizer my_sgd",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("group", metavar="GROUP", help=f"one of {groups}")
    parser.add_argument("name", metavar="NAME", help="of the option and of the module: my_sgd")
    parser.add_argument(
        "--into",
        metavar="FOLDER",
        type=Path,
        default=Path(),
        help="where the files go (default: here)",
    )
    return parser


def _write(argv: list[str]) -> None:
    arguments = _parser().parse_args(argv)
    new = NewOption(arguments.group, arguments.name)
    new.check(arguments.into)
    new.write(arguments.into)
    there = "" if arguments.into == Path() else f"cd {arguments.into} && "
    print(f"Wrote: {', '.join(new.files())}")
    print(f"Use:   {there}{new.command()}")
    print(f"Test:  {there}python -m pytest {new.test}")
    print(f"Then:  change the rule in {new.module}, and what {CONFIGS} says about its keys")


if __name__ == "__main__":
    main()
