"""Kills: a run or a sweep is killed with SIGKILL again and again, then completed and compared.

The moments are drawn from the time of the processor that the command takes, from its first import
to its end, three quarters of them from its second half, where there is more to lose. One process in
ten is a fresh interpreter, so that imports are among what is killed; the others are forked from one
that has them (`tests.torture.processes`). What is killed goes on, and is killed again while it
does, until it is let alone. Then its record must be the one of a run that nobody touched: the same
files, every column but the times equal to the bit, the same points in the same order in its one
event file, the same weights, and the same last and best state where both are of one step.

Each folder is one attack, and a line of `results.jsonl`: an attack that was aborted is made again,
and those before it are not.
"""

from __future__ import annotations

import collections
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner import files
from runner.compare.runs import read_run
from tests.torture.outcome import Outcome, Tally, lost
from tests.torture.processes import KILLED, Forked, Fresh, work_of
from tests.torture.records import different

PATIENCE = 600
"""For how many seconds a command may run under load before it counts as one that does not end."""

FRESH = 0.1
"""Which share of the processes is a fresh interpreter."""

IMPORTS = 1.3
"""How many seconds of the processor they take, about."""

MOST_KILLS = 8
"""How often one record is killed at most."""

_TINY = ("data=teacher", "data.train_examples=40", "batch_size=8", "checkpoint_every=null")
_LINEAR = (*_TINY, "model=linear", "optimizer=momentum")
_NETWORK = (
    *_TINY,
    *("model=mlp", "model.widths=[4]", "optimizer=adam", "schedule=exp", "gradient=clip_norm"),
    *("normalization=batch", "regularization=dropout", "stopping=best"),
)
_OFTEN = "checkpoint_epochs=1"


class Kind(NamedTuple):
    """What is attacked.

    Attributes:
        line: the words that train it.
        longer: the words that make a finished run of `line` longer; none: it is killed itself.
        whole: the words of the untouched run; none: those of `line`.
    """

    line: tuple[str, ...]
    longer: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    @property
    def is_sweep(self) -> bool:
        """Whether it is a sweep, which goes on by its own line."""
        return "-m" in self.line

    def words(self, folder: str) -> list[str]:
        """The words that train it in a folder."""
        return [*self.line, f"hydra.{'sweep' if self.is_sweep else 'run'}.dir={folder}"]

    def untouched(self, folder: str) -> list[str]:
        """The words whose record the attacked one must equal."""
        return self._replace(line=self.whole or self.line).words(folder)

    def goes_on(self, folder: str) -> list[str]:
        """The words by which what is recorded in a folder goes on."""
        return self.words(folder) if self.is_sweep else ["--resume", folder, *self.longer]


KINDS = {
    "run": Kind((*_LINEAR, _OFTEN, "epochs=40")),
    "network": Kind(
        (*_NETWORK, _OFTEN, "diagnostics=[layers,noise,update]", "measure_every=3", "epochs=12")
    ),
    "growing": Kind(
        (
            *("data=teacher", "data.train_examples=40", "checkpoint_every=null", _OFTEN),
            *("batch_size=growing", "batch_size.size=8", "batch_size.every=4", "epochs=10"),
            *("model=linear", "optimizer=adam"),
        )
    ),
    "point": Kind(
        ("data=rosenbrock", "checkpoint_every=null", "checkpoint_epochs=100", "steps=2500")
    ),
    "sweep": Kind(("-m", *_LINEAR, _OFTEN, "epochs=12", "seed=0,1,2,3", "lanes=2", "devices=1")),
    "structures": Kind(
        ("-m", *_TINY, "model=linear", "optimizer=sgd,adam", "seed=0,1", _OFTEN, "epochs=8")
    ),
    "longer": Kind(  # its norms stay at every second step, where a longer one has every third
        (*_LINEAR, "checkpoint_epochs=100", "epochs=500"),
        longer=("epochs=850",),
        whole=(*_LINEAR, "checkpoint_epochs=100", "measure_every=2", "epochs=850"),
    ),
    "longer, from its start": Kind(  # there is no checkpoint
        (*_LINEAR, "epochs=40"),
        longer=("epochs=60", _OFTEN),
        whole=(*_LINEAR, "epochs=60"),
    ),
}
"""Runs of several structures, tiny and with a checkpoint every few milliseconds."""


def kill_attacks(
    place: Path, count: int, number: int, kinds: Sequence[str] = tuple(KINDS)
) -> Tally:
    """Kill until there were `count` kills; see the module. What is in `place` is continued.

    Args:
        place: a folder; it may have the results of the same call that was aborted.
        count: how many kills.
        number: the seed.
        kinds: what is attacked.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # else the template had a second thread
    results = place / "results.jsonl"
    done = _known(results)
    tally, attacks = Tally("kills, then completed to the bit"), _Attacks(place, number)
    start = time.monotonic()
    for attack in range(10**6):
        result = done.get(attack) or attacks.make(attack, kinds[attack % len(kinds)])
        if attack not in done:
            with results.open("a") as stream:
                stream.write(json.dumps(result) + "\n")
        for kill in result["kills"][:-1]:
            tally.add(kill, "")
        if result["kills"] or result["problem"]:
            words = f"{result['kind']} {attack}: {'; '.join(result['kills'])}"
            tally.add(words, result["problem"])
        minutes = (time.monotonic() - start) / 60
        so_far = f"{tally.tried} kills, {tally.lost} lost, {minutes:.1f} minutes"
        print(so_far, end="\r", file=sys.stderr, flush=True)
        if tally.tried >= count:
            break
    attacks.end()
    tally.remarks = _where(place)
    return tally


def _known(results: Path) -> dict[int, dict[str, Any]]:
    """The results that were kept, by the number of the attack."""
    found = {}
    for line in results.read_text().splitlines() if results.exists() else []:
        try:
            result = json.loads(line)
        except ValueError:  # the last one was cut off
            continue
        found[result["attack"]] = result
    return found


def _where(place: Path) -> list[str]:
    """How many kills came at which point of a record."""
    results = _known(place / "results.jsonl").values()
    counts = collections.Counter(
        moment.partition(": ")[2] for result in results for moment in result["kills"]
    )
    return [f"{count} kills {words}" for words, count in counts.most_common()]


class _Attacks:
    """Makes attacks in a folder, each of which follows from the seed and its number.

    Args:
        place: the folder.
        number: the seed.
    """

    def __init__(self, place: Path, number: int) -> None:
        self._place, self._number = place, number
        for folder in place.glob("at_work_*"):
            shutil.rmtree(folder, ignore_errors=True)
        # Who made attacks before may have been killed, and its victim still be writing.
        self._work = place / f"at_work_{os.getpid()}"
        self._work.mkdir()
        self._lasts: dict[str, float] = {}

    def end(self) -> None:
        """Remove what was at work; the untouched records and what was lost stay."""
        shutil.rmtree(self._work, ignore_errors=True)

    def make(self, attack: int, name: str) -> dict[str, Any]:
        """Kill one record several times, complete it and compare it; return the result."""
        moments = random.Random(f"{self._number} {attack}")
        kind, folder = KINDS[name], self._work / f"attack{attack}"
        whole, last = self._whole(name), self._last(name)
        if kind.longer:
            shutil.copytree(self._place / f"base_{name}", folder)
        kills: list[str] = []
        problem = ""
        for _ in range(moments.randint(2, MOST_KILLS)):
            is_fresh = moments.random() < FRESH
            end = last + is_fresh * IMPORTS
            when = moments.uniform(moments.choice((0, end / 2)), end)
            victim = (Fresh if is_fresh else Forked)(self._work, self._words(kind, folder))
            code, spent = work_of(victim, when)
            if code is None:
                time.sleep(moments.uniform(0, 0.01))  # it may wait for the disk
            code = victim.kill() if code is None else code
            if code != KILLED:
                problem = problem or _wrong(victim.outcome(code))
                if not kills and not is_fresh:
                    self._lasts[name] = spent  # it had been measured while it was compiled
                break
            kills.append(f"after {when:.2f} s: {_point(folder, victim_is_fresh=is_fresh)}")
            problem = problem or _said(victim.outcome(code))
            problem = problem or _unreadable(folder, is_finished=bool(kind.longer))
        else:
            problem = problem or self._complete(name, folder)
        problem = problem or different(whole, folder)
        if problem:
            folder.rename(self._place / f"lost{attack}")
        shutil.rmtree(folder, ignore_errors=True)
        return {"attack": attack, "kind": name, "kills": kills, "problem": problem}

    def _words(self, kind: Kind, folder: Path) -> list[str]:
        """What is typed next: a run without a record starts, all else goes on."""
        is_there = kind.is_sweep or (folder / files.SUMMARY).exists()
        return kind.goes_on(folder.name) if is_there else kind.words(folder.name)

    def _complete(self, name: str, folder: Path) -> str:
        """Let a record go on to its end; return what is wrong with that."""
        victim = Forked(self._work, self._words(KINDS[name], folder))
        code = victim.wait(PATIENCE)
        if code is None:
            victim.kill()
        return _wrong(victim.outcome(code))

    def _last(self, name: str) -> float:
        """How much of the processor the forked command takes, from its start to its end."""
        if name in self._lasts:
            return self._lasts[name]
        folder, kind = self._work / "measured", KINDS[name]
        shutil.rmtree(folder, ignore_errors=True)
        if kind.longer:
            shutil.copytree(self._place / f"base_{name}", folder)
        victim = Forked(self._work, self._words(kind, folder))
        code, self._lasts[name] = work_of(victim, PATIENCE)
        assert code == 0, victim.outcome(code)
        shutil.rmtree(folder)
        return self._lasts[name]

    def _whole(self, name: str) -> Path:
        """The untouched record of a kind, made once, and beside it what is made longer."""
        whole, base = (self._place / f"{what}_{name}" for what in ("whole", "base"))
        kind = KINDS[name]
        jobs = {whole: kind.untouched("new")} | ({base: kind.words("new")} if kind.longer else {})
        for folder, words in jobs.items():
            if not folder.exists():
                shutil.rmtree(self._work / "new", ignore_errors=True)
                victim = Fresh(self._work, words)
                code = victim.wait(PATIENCE)
                assert code == 0, victim.outcome(code)
                (self._work / "new").rename(folder)
        return whole


def _wrong(outcome: Outcome) -> str:
    """What is wrong with a command that was let alone; empty if nothing is."""
    return lost(outcome, ends=(0,)) or _said(outcome)


def _said(outcome: Outcome) -> str:
    """What a command said that it must not say: that something written was not whole."""
    if "Traceback" in outcome.err or "runner: error" in outcome.err:
        return f"said: {outcome.err[-300:]}"
    notes = [line for line in outcome.err.splitlines() if line.startswith("Note: ")]
    return "".join(f"said: {note}" for note in notes if files.CHECKPOINT in note)


def _records(folder: Path) -> Iterator[Path]:
    return (file.parent for file in sorted(folder.rglob(files.SUMMARY)))


def _point(folder: Path, *, victim_is_fresh: bool) -> str:
    """How far a record had come when its process was killed."""
    runs = [read_run(place) for place in _records(folder)]
    if not runs:
        return f"before there was a record ({'fresh' if victim_is_fresh else 'forked'})"
    if any(folder.rglob(".[0-9]*.*")):
        return "while a file was replaced"
    if all(run is not None and run.status == "finished" for run in runs):
        return "with a finished record"
    if not any(folder.rglob(files.CHECKPOINT)):
        return "before there was a checkpoint"
    return "with a checkpoint"


def _unreadable(folder: Path, *, is_finished: bool) -> str:
    """Whether a folder has lost a record; empty if not.

    Args:
        folder: the folder.
        is_finished: whether it had a finished one, which may only have been replaced by a
            checkpoint of a longer run.
    """
    runs = [read_run(place) for place in _records(folder)]
    if None in runs:
        return "a record that cannot be read"
    if is_finished and not runs:
        return "the finished record is gone"
    for run in filter(None, runs if is_finished else []):
        has_weights = (folder / files.FINAL_WEIGHTS).exists()
        if run.status == "finished" and not has_weights:
            return "the weights of the finished record are gone"
        if run.status != "finished" and not any(folder.glob("checkpoint*.safetensors")):
            return "neither a finished record nor a checkpoint"
    return ""
