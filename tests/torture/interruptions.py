"""Attacks on a process: it is told to end, or finds its disk full or no file to open.

Each is a `tests.torture.outcome.Attack`.
"""

from __future__ import annotations

import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from runner import files
from runner.compare.runs import read_run
from tests.torture.outcome import Outcome, Tally, lost

ROOT = Path(__file__).parent.parent.parent
_SECONDS = 240
_STOPS = (130, 143, 129)
ALONE = ("model=linear", "steps={steps}")
SWEPT = ("-m", "seed=0,1,2,3", "lanes=2", "model=linear", "steps={steps}")


def _start(
    place: Path, words: list[str], limit: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a folder, in a group of its own, with the limits of `limit`."""

    def before() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
        if limit:
            limit()

    return subprocess.Popen(
        [sys.executable, "-c", "from runner.__main__ import main; main()", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=before,
    )


def _end(process: subprocess.Popen[bytes], seconds: float = _SECONDS) -> Outcome:
    """Wait for a command."""
    try:
        out, err = process.communicate(timeout=seconds)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    return Outcome(code, out.decode(errors="replace"), err.decode(errors="replace"))


def _lines(steps: int) -> dict[str, list[str]]:
    """The words of a single run and of a sweep."""
    return {
        "run": [word.format(steps=steps) for word in ALONE],
        "sweep": [word.format(steps=steps) for word in SWEPT],
    }


def signal_attacks(place: Path, count: int, number: int) -> Tally:
    """Signals at random early moments: a command ends soon, with the exit code of a signal."""
    tally, moments = Tally("signals at early moments"), random.Random(number)
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for attack in range(count):
        kind, moment = kinds[attack % len(kinds)], moments.uniform(0.02, 3)
        process = _start(place, [*_lines(900_000)["run"], "hydra.run.dir=signalled"])
        time.sleep(moment)
        process.send_signal(kind)
        outcome = _end(process, 30)
        problem = lost(outcome, ends=_STOPS)
        if not (place / "signalled").exists() and outcome.code in (-kind, 130):
            problem = ""  # nothing had begun: the interpreter itself was starting
        tally.add(f"{kind.name} after {moment:.2f} s", problem)
        shutil.rmtree(place / "signalled", ignore_errors=True)
    return tally


def limit_attacks(place: Path, count: int, number: int) -> Tally:
    """Files that cannot grow, as on a full disk, and few descriptors: an end that says so."""
    tally, sizes = Tally("full disks and few descriptors"), random.Random(number)
    for attack in range(count):
        kind = ("run", "sweep")[attack % 2]
        what, size = ("RLIMIT_FSIZE", int(10 ** sizes.uniform(0, 6)))
        if attack % 4 > 1:
            what, size = "RLIMIT_NOFILE", sizes.randint(8, 64)
        words = [*_lines(2_000)[kind], f"hydra.{kind}.dir=limited"]
        limited = functools.partial(resource.setrlimit, getattr(resource, what), (size, size))
        outcome = _end(_start(place, words, limited))
        problem = lost(outcome._replace(made=()), ends=(0, 1, 2))
        problem = problem or ("" if _readable(place / "limited") else "half a summary")
        tally.add(f"{what}={size}: {' '.join(words)}", problem)
        shutil.rmtree(place / "limited", ignore_errors=True)
    return tally


def stream_attacks(place: Path, count: int, number: int) -> Tally:
    """Streams that are closed or full: the work is done all the same."""
    tally = Tally("closed and full streams")
    shapes = (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true")
    line = f"{sys.executable} -m runner model=linear steps=20 hydra.run.dir=quiet"
    for shape in shapes[:count]:
        done = subprocess.run(
            f"{line} {shape}",
            shell=True,
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=_SECONDS,
        )
        run = read_run(place / "quiet")
        problem = lost(Outcome(done.returncode, "", done.stderr.decode(errors="replace")))
        if run is None or run.status != "finished":
            problem = problem or "the run is not finished"
        tally.add(f"{line} {shape}", problem)
        shutil.rmtree(place / "quiet", ignore_errors=True)
    return tally


def _readable(folder: Path) -> bool:
    """Whether all summaries below a folder are whole."""
    for file in folder.rglob(files.SUMMARY):
        try:
            json.loads(file.read_text())
        except ValueError:
            return False
    return True
