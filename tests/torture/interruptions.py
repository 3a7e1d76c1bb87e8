"""Attacks on a process: it is killed, told to end, or finds its disk full or no file to open.

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
from runner.compare.equality import first_difference
from runner.compare.runs import Run, read_run
from tests.torture.outcome import Outcome, Tally, lost

ROOT = Path(__file__).parent.parent.parent
_SECONDS = 240
_STOPS = (130, 143, 129)
ALONE = ("model=linear", "steps={steps}")
SWEPT = ("-m", "seed=0,1,2,3", "lanes=2", "model=linear", "steps={steps}")


def _start(
    place: Path, words: list[str], limit: Callable[[], None] | None = None, program: str = "runner"
) -> subprocess.Popen[bytes]:
    """Start a command in a folder, in a group of its own, with the limits of `limit`."""
    module = {"runner": "runner.__main__", "runner-compare": "runner.compare.cli"}[program]

    def before() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
        if limit:
            limit()

    return subprocess.Popen(
        [sys.executable, "-c", f"from {module} import main; main()", *words],
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


def _runs(folder: Path) -> list[Run | None]:
    """The runs below a folder, by the names of their folders; None for what is no record."""
    return [read_run(file.parent) for file in sorted(folder.rglob(files.SUMMARY))]


def _different(expected: Path, found: Path) -> str:
    """Whether the runs of a folder differ from those of an untouched one; empty if not."""
    pairs = _runs(expected), _runs(found)
    if len(pairs[0]) != len(pairs[1]):
        return f"{len(pairs[1])} runs instead of {len(pairs[0])}"
    for untouched, own in zip(*pairs, strict=True):
        if untouched is None or own is None:
            return "a record that cannot be read"
        if own.status != untouched.status:
            return f"a run is {own.status}"
        difference = first_difference(untouched, own)
        if difference:
            return f"differs: {difference.words}"
    return ""


def kill_attacks(place: Path, count: int, number: int, steps: int = 19_980) -> Tally:
    """Runs and sweeps that are killed at a random moment, twice, and then completed.

    A run goes on by `--resume`, a sweep by its own line, and a finished run that is made longer
    keeps its record until there is more. The steps are whole epochs, at whose end it goes on.
    """
    tally, moments = Tally("kills, then completed to the bit"), random.Random(number)
    kinds, lasts = _interrupted(steps), {}
    for kind, (line, _) in kinds.items():
        start = time.monotonic()
        outcome = _end(_start(place, [*line, *_place_of(kind, f"whole_{kind}")]))
        assert outcome.code == 0, outcome
        lasts[kind] = time.monotonic() - start
    for attack in range(count):
        kind = list(kinds)[attack % len(kinds)]
        line, resume = kinds[kind]
        folder = place / f"{kind}{attack}"
        words = [*line, *_place_of(kind, folder.name)]
        if kind == "longer":
            shutil.copytree(place / "whole_run", folder)
            words = resume = ["--resume", folder.name, *line[-1:]]
        problem, when = "", []
        for _ in range(2):
            when.append(moments.uniform(0, lasts[kind]))
            process = _start(place, words)
            time.sleep(when[-1])
            process.kill()
            process.communicate()
            problem = problem or _unreadable(folder, is_finished=kind == "longer")
            if resume and (folder / files.SUMMARY).exists():
                words = ["--resume", folder.name, *resume[2:]]
        problem = problem or lost(_end(_start(place, words)), ends=(0,))
        problem = problem or _different(place / f"whole_{kind}", folder)
        moment = " and ".join(f"{seconds:.2f}" for seconds in when)
        tally.add(f"kills after {moment} s: {' '.join(words)}", problem)
        shutil.rmtree(folder, ignore_errors=True)
    return tally


def _interrupted(steps: int) -> dict[str, tuple[list[str], list[str]]]:
    """By kind the words that train it, and those that let it go on; none: the same words."""
    run, sweep = _lines(steps).values()
    often = "checkpoint_every=0.3"
    stride = "measure_every=10"  # by default that of a longer run is another one
    longer = [*_lines(2 * steps)["run"]]
    return {
        "run": ([*run[:-1], often, stride, run[-1]], ["--resume", ""]),
        "sweep": ([*sweep, often], []),
        "longer": ([*longer[:-1], often, stride, longer[-1]], ["--resume", ""]),
    }


def _place_of(kind: str, name: str) -> list[str]:
    """The word that names the folder."""
    return [f"hydra.{'sweep' if kind == 'sweep' else 'run'}.dir={name}"]


def _unreadable(folder: Path, *, is_finished: bool) -> str:
    """Whether a folder has lost a record; empty if not.

    Args:
        folder: the folder.
        is_finished: whether it had a finished one, which may only have been replaced by a
            checkpoint of a longer run.
    """
    runs = _runs(folder)
    if None in runs:
        return "a record that cannot be read"
    if is_finished and not runs:
        return "the finished record is gone"
    for run in filter(None, runs if is_finished else []):
        has_weights = (folder / files.FINAL_WEIGHTS).exists()
        if run.status == "finished" and not has_weights:
            return "the weights of the finished record are gone"
        if run.status != "finished" and not (folder / files.CHECKPOINT).exists():
            return "neither a finished record nor a checkpoint"
    return ""


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
