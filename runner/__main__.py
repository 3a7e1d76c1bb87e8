"""The console script `runner`, and `python -m runner`.

It handles signals before it imports anything else, which takes a moment.
"""

from __future__ import annotations

from typing import NoReturn

from runner.interruption import handle_signals


def main() -> NoReturn:
    """Run the command line."""
    handle_signals("runner")
    from runner.cli import main as command

    command()


if __name__ == "__main__":
    main()
