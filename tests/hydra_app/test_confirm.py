"""A sweep that confirms what it tuned on fresh seeds, as a user types it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from command_line import CommandLine

from runner.compare.runs import find

SWEEP = (
    "-m",
    "data=teacher",
    "data.train_examples=40",
    "model=linear",
    "batch_size=full",
    "optimizer=momentum",
    "hydra.sweeper.cases=[['optimizer.momentum=0.5'],['optimizer.momentum=0.9']]",
    "optimizer.learning_rate=0.1,0.01",
    "epochs=1",
    "hydra.sweep.dir=swept",
)
TUNE = "figure.tune=[optimizer.learning_rate]"


def seeds(folder: Path) -> list[tuple[float, int]]:
    """The learning rate and the seed of each run directly in a folder."""
    found = [json.loads(file.read_text()) for file in folder.glob("*/summary.json")]
    return sorted((run["config"]["optimizer"]["learning_rate"], run["seed"]) for run in found)


def test_the_best_settings_run_on_seeds_that_did_not_choose_them(tmp_path: Path) -> None:
    runner = CommandLine(tmp_path)
    line = [*SWEEP, TUNE, "figure.kind=curves", "confirm=2"]
    plan = runner(*line, "dry_run=true")
    assert "then the best optimizer.learning_rate of each runs on 2 fresh seeds" in plan.stderr
    assert "2 seeds each cannot show a difference at 5 %: use at least 4" in plan.stderr
    done = runner(*line)
    assert done.returncode == 0, done.stderr
    tuned, confirmed = seeds(tmp_path / "swept"), seeds(tmp_path / "swept" / "confirmed")
    assert tuned == [(0.01, 0), (0.01, 0), (0.1, 0), (0.1, 0)]
    assert sorted(seed for _, seed in confirmed) == [1, 1, 2, 2]
    assert "median final train loss" in done.stdout
    assert "This is preliminary: the best optimizer.learning_rate of 2 of 2 groups" in done.stdout
    assert (tmp_path / "swept" / "confirmed" / "sweep.png").exists()
    together = runner.compare("swept", "--table", "csv")
    assert "swept/confirmed: runs on fresh seeds of what a sweep tuned" in together.stderr
    assert len(runner.compare("swept/confirmed", "--table", "csv").stdout.splitlines()) == 3
    again = runner(*line)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("4 runs, 4 of them done before") == 2, "both parts are resumed"
    # Fresh runs do not count among those that choose, here or in a longer sweep.
    found = find([tmp_path / "swept"])
    assert sorted({run.seed for run in found.runs}) == [0]
    (left_out,) = found.left_out
    assert left_out.startswith(f"{tmp_path / 'swept' / 'confirmed'}: runs on fresh seeds")
    assert len(find([tmp_path / "swept" / "confirmed"]).runs) == 4
    longer = runner(*line, "seed=0,1")
    assert longer.returncode == 0, longer.stderr
    assert "8 runs, 4 of them done before" in longer.stderr
    assert {seed for _, seed in seeds(tmp_path / "swept")} == {0, 1}
    fresh = longer.stdout.rpartition("median final train loss")[2]
    assert fresh.count("2 finished") == 2, "seed 1 has chosen, and is no longer reported"
    # The line that extends the range leaves out nothing that was typed.
    (command,) = [text for text in again.stdout.splitlines() if "To extend" in text]
    for word in (SWEEP[6], "figure.kind=curves", "confirm=2", "epochs=1"):
        assert word in shlex.split(command)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["confirm=2"], "figure.tune must name the tuned keys"),
        (["confirm=-1", TUNE], "confirm=-1"),
        (["confirm=2", TUNE, "hydra.sweeper.max_batch_size=1"], "max_batch_size"),
    ],
)
def test_what_cannot_be_confirmed_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    done = CommandLine(tmp_path)(*SWEEP, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
