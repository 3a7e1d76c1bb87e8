"""`make torture`: attack the runner at random, and print what was tried, what held, what was lost.

    make torture                          # a few minutes
    make torture ARGS="--lines 5000 --kills 500 --signals 100"
    make torture ARGS="--seed 7 --only lines files"
    make torture ARGS="--only kills --kills 500 --into /tmp/kills --seed 1"

What is in the folder `--into` is kept, and the same line goes on with the kills that are in it.

The same seed repeats the same mutations; moments of kills and signals vary with the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.torture.inputs import (
    command_line_attacks,
    file_attacks,
    folder_attacks,
    value_attacks,
)
from tests.torture.interruptions import limit_attacks, signal_attacks, stream_attacks
from tests.torture.kills import kill_attacks
from tests.torture.outcome import Attack


class _Part(NamedTuple):
    """Attacks of one kind: how to make them, and how many by default and in small."""

    attack: Attack
    usual: int
    small: int


PARTS = {
    "lines": _Part(command_line_attacks, 500, 20),
    "files": _Part(file_attacks, 200, 6),
    "folders": _Part(folder_attacks, 200, 6),
    "values": _Part(value_attacks, 60, 1),
    "kills": _Part(kill_attacks, 40, 0),
    "signals": _Part(signal_attacks, 20, 0),
    "limits": _Part(limit_attacks, 20, 0),
    "streams": _Part(stream_attacks, 7, 0),
}


def main(arguments: list[str]) -> int:
    """Make the attacks that the arguments ask for.

    Returns:
        The exit code: 0 if everything held.
    """
    asked = _parser().parse_args(arguments)
    number = random.randrange(10**6) if asked.seed is None else asked.seed
    print(f"seed {number}\n\n| attacks | tried | held | lost |\n|---|---:|---:|---:|", flush=True)
    start, tallies = time.monotonic(), []
    os.environ.setdefault("RUNNER_DATA_DIR", "nowhere")
    with _folder(asked.into) as folder:
        for name, part in PARTS.items():
            count = getattr(asked, name)
            count = (part.small if asked.small else part.usual) if count is None else count
            if not count or (asked.only and name not in asked.only):
                continue
            place = Path(folder) / name
            place.mkdir(parents=True, exist_ok=asked.into is not None)
            tallies.append(part.attack(place, count, number))
            print(tallies[-1].line(), flush=True)
    print(f"\n{(time.monotonic() - start) / 60:.1f} minutes")
    for tally in tallies:
        for remark in tally.remarks:
            print(remark)
        for loss in tally.losses():
            print(f"\nlost: {loss}")
    return int(any(tally.lost for tally in tallies))


def _folder(asked: Path | None) -> AbstractContextManager[str | Path]:
    """The folder of the attacks: a temporary one, unless one was asked for."""
    return tempfile.TemporaryDirectory() if asked is None else contextlib.nullcontext(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("make torture")
    parser.add_argument("--seed", type=int, help="of the mutations (default: another each time)")
    parser.add_argument("--small", action="store_true", help="a few of those that are quick")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="only these kinds")
    parser.add_argument("--into", type=Path, help="keep what the attacks make in this folder")
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", type=int, help=f"how many (default: {part.usual})")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
