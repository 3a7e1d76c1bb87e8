"""`runner --rerun FOLDER` as a user types it: what is repeated, and what is said about it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import yaml
from command_line import CommandLine

from runner.data.own.npz import NPZ

TINY = (
    "data=teacher",
    "data.train_examples=40",
    "model=linear",
    "batch_size=8",
    "epochs=2",
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run `a=b,c` and a sweep of three runs, `swept`. Tests change copies of it."""
    top = tmp_path_factory.mktemp("recorded")
    runner = CommandLine(top)
    done = runner(*TINY, "seed=3", 'hydra.run.dir="a=b,c"')
    assert done.returncode == 0, done.stderr
    line = ["-m", *TINY, "optimizer.learning_rate=0.1,0.3,0.01", "hydra.sweep.dir=swept"]
    done = runner(*line, "figure.measure=test_loss", "lanes=2")
    assert done.returncode == 0, done.stderr
    return top


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def change_summary(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    change(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def change_curve(file: Path, row: int, measure: str) -> None:
    """Change one value by one unit in the last place."""
    rows = np.load(file)
    rows[measure][row] = np.nextafter(rows[measure][row], np.float32(np.inf))
    np.save(file, rows)


def test_a_run_is_repeated_to_the_bit_in_a_new_folder(copied: Path, tmp_path: Path) -> None:
    before, runner = content(copied), CommandLine(tmp_path)
    done = runner("--rerun", "elsewhere/a=b,c/", "--into", "again,too")
    assert done.returncode == 0, done.stderr
    assert "finished: 10 steps, 2 epochs" in done.stdout
    assert "Rerun:  equal to the bit: 10 steps, 3 evaluations" in done.stdout
    old, new = copied / "a=b,c", tmp_path / "again,too"
    first, second = (json.loads((f / "summary.json").read_text()) for f in (old, new))
    assert (second["config"], second["seed"]) == (first["config"], 3)
    assert first["command"].endswith("""seed=3 'hydra.run.dir="a=b,c"'""")
    assert second["command"] == "runner --rerun elsewhere/a=b,c/ --into again,too"
    for name in ("overrides.yaml", "config.yaml"):
        found = [yaml.safe_load((folder / ".hydra" / name).read_text()) for folder in (old, new)]
        assert found[0] == found[1]
    assert {file.name.split(".out.")[0] for file in new.iterdir()} == {
        file.name.split(".out.")[0] for file in old.iterdir()
    }
    again = runner("--rerun", "again,too", "--into", "elsewhere")
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists, and nothing is overwritten" in again.stderr
    assert content(copied) == before

    # From another folder, a run of a sweep alone, into the usual place.
    (tmp_path / "deep").mkdir()
    (old, *_) = sorted((copied / "swept").glob("*_*"))
    done = CommandLine(tmp_path / "deep")("--rerun", f"../elsewhere/swept/{old.name}")
    assert done.returncode == 0, done.stderr
    assert "Rerun:  equal to the bit: 10 steps, 3 evaluations" in done.stdout
    (new,) = (tmp_path / "deep" / "outputs").glob("*/*")
    assert new.name.endswith("_rerun")
    assert f"Curves: {new.relative_to(tmp_path / 'deep')}" in done.stdout


def test_a_difference_is_named_with_its_likely_reason(copied: Path) -> None:
    change_curve(copied / "a=b,c" / "steps.npy", 4, "train_loss")

    def of_another_version(summary: dict[str, Any]) -> None:
        summary["versions"]["jax"] = "0.0.1"
        del summary["environment"]
        del summary["config"]["min_steps"]  # an earlier version did not have it

    change_summary(copied / "a=b,c", of_another_version)
    done = CommandLine(copied)("--rerun", "a=b,c")
    assert done.returncode == 1
    assert "Rerun:  differs from what is recorded" in done.stdout
    assert "a=b,c: train_loss differs first at step 4: " in done.stdout
    assert "1 of 10 values differ" in done.stdout
    assert "Likely: jax 0.0.1 then, 0." in done.stdout
    assert done.stderr.splitlines()[-1] == ("runner: error: the run differs from what is recorded")


def test_a_sweep_is_repeated_side_by_side_and_compared_run_by_run(copied: Path) -> None:
    runs = sorted(folder.name for folder in (copied / "swept").glob("*_*"))
    assert len(runs) == 3
    change_curve(copied / "swept" / runs[1] / "epochs.npy", 2, "test_loss")
    rows = np.load(copied / "swept" / runs[0] / "steps.npy")
    np.save(copied / "swept" / runs[0] / "steps.npy", rows[:6])
    change_summary(copied / "swept" / runs[0], lambda summary: summary.update(status="running"))
    done = CommandLine(copied)("--rerun", "swept", "--into", "new", "strategy=sequential")
    assert done.returncode == 1
    assert "3 runs, 1 program" in done.stderr
    assert (
        "Rerun:  2 of 3 runs equal to the bit, 1 of them as far as they are recorded" in done.stdout
    )
    assert f"swept/{runs[1]}: test_loss differs first at step 10" in done.stdout
    assert "Likely: the code" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "runner: error: 1 of 3 runs differ from what is recorded"
    )
    new = copied / "new"
    assert sorted(folder.name for folder in new.glob("*_*")) == runs
    assert {"sweep.csv", "sweep.json", "sweep.png", "multirun.yaml"} <= {
        file.name for file in new.iterdir()
    }
    assert "--measure=test_loss" in (new / "sweep.data.csv").read_text().splitlines()[0]
    assert json.loads((new / "sweep.json").read_text())["ends"] == {"finished": 3}
    # Repeated runs are no more seeds: they are left out, in one line.
    compared = CommandLine(copied).compare("swept", "new", "--table", "csv")
    assert len(compared.stdout.splitlines()) == 1 + 3
    assert "new: 2 runs with the same config and seed as those in swept" in compared.stderr


def test_a_plan_of_a_rerun_leaves_nothing(copied: Path) -> None:
    before = content(copied)
    done = CommandLine(copied)("--rerun", "swept", "dry_run=true")
    assert done.stdout.endswith("3 of 3 runs to run; nothing was run\n"), done.stderr
    done = CommandLine(copied)("--rerun", "a=b,c", "dry_run=true")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "Differs: seed=3 epochs=2 data.train_examples=40 data=teacher model=linear batch_size=8"
    )
    assert lines[-3].startswith("Folder:  outputs/")
    assert lines[-2:] == [
        "Config:  every value: a=b,c/summary.json",
        "1 run to run; nothing was run",
    ]
    assert content(copied) == before
    # A module that a record names is imported where the user names it as well.
    (copied / "named_twice.py").write_text("from pathlib import Path; Path('seen').touch()")
    change_summary(copied / "a=b,c", set_config("plugins", ["named_twice"]))
    line = ["--rerun", "a=b,c", "dry_run=true"]
    assert CommandLine(copied)(*line).returncode == 2
    assert not (copied / "seen").exists()
    done = CommandLine(copied)(*line, "plugins=[named_twice]")
    assert (done.returncode, (copied / "seen").exists()) == (0, True), done.stderr


def set_config(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda summary: summary["config"].update({key: value})


@pytest.mark.parametrize(
    ("words", "change", "said"),
    [
        (["nowhere"], None, "nowhere: there is no such folder"),
        (["empty"], None, "empty: there is no run in it"),
        (["a=b,c"], lambda summary: summary.pop("config"), "is not the summary of a run"),
        (["a=b,c"], set_config("seed", "${oc.env:HOME}"), "is not the summary of a run"),
        (
            ["a=b,c"],
            set_config("optimizer", {"name": "mine"}),
            "optimizer.name is 'mine', which is no known optimizer",
        ),
        (
            ["a=b,c", "--into", "x y"],
            set_config("plugins", ["mine"]),
            "runner --rerun a=b,c --into 'x y' 'plugins=[mine]'",
        ),
        (["a=b,c"], set_config("plugins", "mine"), "must be a list of modules"),
        (["a=b,c", "plugins=[json]"], None, "json is named in no record"),
        (["a=b,c", "epochs=3"], None, "epochs=3: --rerun repeats what is recorded"),
        (["a=b,c", "strategy=map"], None, "strategy=map: --rerun repeats what is recorded"),
        (["swept", "strategy=fast"], None, "strategy=fast must be one of"),
        (["swept", "confirm=2"], None, "confirm=2: --rerun repeats what is recorded"),
        (["swept", "-m"], None, "leave out --multirun"),
        (["swept", "--config-dir", "."], None, "leave out --config-dir"),
        (["swept", "--into", "swept/new"], None, "must not lie in swept"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(
    words: list[str], change: Callable[[dict[str, Any]], Any] | None, said: str, copied: Path
) -> None:
    (copied / "empty").mkdir()
    (copied / "mine.py").write_text("raise SystemExit('a record must import nothing')")
    if change:
        change_summary(copied / "a=b,c", change)
    before = content(copied)
    done = CommandLine(copied)("--rerun", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert said in done.stderr
    assert content(copied) == before


def test_a_damaged_curve_is_refused(copied: Path) -> None:
    (copied / "a=b,c" / "epochs.npy").unlink()
    done = CommandLine(copied)("--rerun", "a=b,c")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "a=b,c/epochs.npy is missing or damaged" in done.stderr


def test_a_recorded_config_is_not_hidden_by_the_defaults(copied: Path) -> None:
    """Hydra takes the first of two files with one name, which would train the defaults."""
    done = CommandLine(copied)("--config-dir", "a=b,c/.hydra", "--config-name", "config")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.endswith("runner --rerun a=b,c\n")


def test_data_are_found_from_another_folder(runner: CommandLine, tmp_path: Path) -> None:
    """And a run that is interrupted before anything is recorded leaves no folder."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", inputs=random.normal(size=(60, 4)), targets=np.arange(60) % 3)
    line = ("data=npz", "data.path=own.npz", "model=linear", "batch_size=8", "epochs=2")
    assert runner(*line, "hydra.run.dir=run").returncode == 0
    again = runner(*line, "hydra.run.dir=run")
    assert "this run is done" in again.stdout
    (tmp_path / "deep").mkdir()
    there = CommandLine(tmp_path / "deep")
    done = there("--rerun", "../run", "--into", "new")
    assert done.returncode == 0, done.stderr
    assert "Rerun:  equal to the bit: " in done.stdout
    branched = there("--branch", "../run", "--at-epoch", "1", "hydra.run.dir=branch")
    assert branched.returncode == 0, branched.stderr

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NPZ, "load", interrupted)
        assert there("--rerun", "../run", "--into", "a/b").returncode == 130
    assert not (tmp_path / "deep/a").exists()
    # A copy of the data is the same run; other data at the same place are another one.
    (tmp_path / "own.npz").rename(tmp_path / "deep" / "own.npz")
    assert "this run is done" in there(*line, "hydra.run.dir=../run").stdout


@pytest.mark.real_loop  # as the process that runs it again has
def test_another_number_of_threads_changes_last_bits_at_most(
    runner: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XLA on a CPU divides long sums (here of the gradient of the biases) among its threads."""
    threads = max(len(os.sched_getaffinity(0)), jax.local_device_count("cpu"))
    done = runner("batch_size=128", "model.widths=[512]", "steps=8", "hydra.run.dir=wide")
    assert done.returncode == 0, done.stderr
    for name in ("PJRT_NPROC", "JAX_NUM_CPU_DEVICES"):
        monkeypatch.setenv(name, "1")
    done = runner.process("--rerun", "wide", "--into", "new")
    assert done.returncode in (0, 1), done.stderr
    if done.returncode and threads > 1:
        assert f"Likely: threads {threads} then, 1 now" in done.stdout
    wide, new = (np.load(runner.directory / name / "steps.npy") for name in ("wide", "new"))
    for measure in ("train_loss", "gradient_norm", "update_norm"):
        np.testing.assert_allclose(new[measure], wide[measure], rtol=2e-6)
