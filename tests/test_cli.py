"""The console script as a user types it, in a directory of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import CommandLine
from safetensors import safe_open

from runner import load
from runner.hydra_app.overrides import LAUNCHER_KEYS


def summaries(directory: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(directory.rglob("summary.json"))]


def statuses(directory: Path) -> list[str]:
    return [summary["status"] for summary in summaries(directory)]


def wait_for_steps(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Wait until a run in the directory has recorded hundreds of steps."""
    deadline = time.time() + 120
    while time.time() < deadline and process.poll() is None:
        if any(file.stat().st_size > 20_000 for file in directory.rglob("steps.npy")):
            return
        time.sleep(0.1)


def composed(runner: CommandLine, *arguments: str) -> dict:
    done = runner("--cfg", "job", *arguments)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


# --- what is composed -------------------------------------------------------------------------


def test_an_option_brings_its_own_keys_and_no_stale_ones(runner: CommandLine) -> None:
    for spelling in ("optimizer=adam", "+optimizer=adam", "++optimizer=adam"):
        config = composed(runner, spelling, "+schedule=exp")
        assert set(config["optimizer"]) == {"name", "learning_rate", "b1", "b2", "eps"}
        assert config["schedule"]["name"] == "exp"
    assert set(composed(runner)["optimizer"]) == {"name", "learning_rate"}


def test_an_experiment_may_change_options_and_settings(runner: CommandLine) -> None:
    config = composed(runner, "+experiment=deepobs_quadratic", "optimizer=momentum", "seed=3")
    assert (config["data"]["name"], config["batch_size"]["size"]) == ("quadratic", 128)
    assert (config["epochs"], config["seed"]) == (100, 3)
    assert config["optimizer"] == {
        "name": "momentum",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "rate_inside_velocity": False,
    }
    assert composed(runner, "experiment=deepobs_quadratic", "epochs=5")["epochs"] == 5


def test_a_number_is_a_batch_size(runner: CommandLine) -> None:
    config = composed(runner, "batch_size=64", "batch_size.learning_rate_power=0.5")
    assert config["batch_size"] == {
        "name": "mini",
        "size": 64,
        "drop_remainder": False,
        "micro_batch": None,
        "learning_rate_power": 0.5,
        "reference": 32,
    }
    assert composed(runner, "batch_size=full")["batch_size"]["name"] == "full"


def test_a_study_may_name_the_cases_of_its_sweep(runner: CommandLine) -> None:
    """No product of its options; and numbers that only one of them has."""
    done = runner("-m", "+experiment=growing_batch", "seed=3,4", "dry_run=true")
    jobs = [line.split()[2:] for line in done.stdout.splitlines()[:-1]]
    assert [len(job) for job in jobs] == [3, 3, 5, 5, 7, 7]
    assert [job[:2] for job in jobs[::2]] == [
        ["batch_size=8", "schedule=constant"],
        ["batch_size=8", "schedule=step"],
        ["batch_size=growing", "schedule=constant"],
    ]
    assert [job[-1] for job in jobs] == ["seed=3", "seed=4"] * 3
    done = runner("-m", "hydra.sweeper.cases=3", "dry_run=true")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "must be a list of lists" in done.stderr


def test_options_of_ones_own(runner: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "optimizer"
    folder.mkdir(parents=True)
    (folder / "my_option.yaml").write_text("# Slow Adam\nname: adam\nlearning_rate: 0.0001\n")
    config = composed(runner, "--config-dir", "mine", "optimizer=my_option")
    assert config["optimizer"] == {"name": "adam", "learning_rate": 0.0001}
    assert "my_option" in runner("--config-dir", "mine", "--help").stdout
    (folder / "my_option.yaml").write_text("# Wrong\nname: adam\nlearning_rate: -1\n")
    done = runner("--config-dir", "mine", "optimizer=my_option")
    assert done.returncode == 2
    assert "(in mine/optimizer/my_option.yaml)" in done.stderr


def test_a_search_needs_what_it_minimizes(runner: CommandLine, tmp_path: Path) -> None:
    """A sweeper that goes by the results of runs would get nothing but infinity."""
    (tmp_path / "mine" / "hydra" / "sweeper").mkdir(parents=True)
    sweeper = "_target_: hydra_plugins.searching.Search\nfigure: {}\n"
    (tmp_path / "mine" / "hydra" / "sweeper" / "search.yaml").write_text(sweeper)
    line = ["-m", "--config-dir", "mine", "hydra/sweeper=search"]
    done = runner(*line, "data.validation_examples=0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no examples for the validation error, whose least value hydra/sweeper=search" in (
        done.stderr
    )


def test_a_file_that_is_never_read_is_refused(runner: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "optimizer"
    folder.mkdir(parents=True)
    (folder / "adam.yaml").write_text("name: adam\nlearning_rate: 0.5\n")
    done = runner("--config-dir", "mine", "optimizer=adam")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "runner's own optimizer/adam.yaml hides the one there; give it another name" in (
        done.stderr
    )


def test_info_and_hydra_help(runner: CommandLine) -> None:
    assert "optimizer: adam" in runner("--info", "defaults-tree", "+optimizer=adam").stdout
    assert runner("--info").returncode == 0
    assert "hydra" in runner("--hydra-help").stdout.lower()
    assert runner("--version").stdout.startswith("runner 0.")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("runner optimizer=", {"optimizer=adam", "optimizer=sgd"}),
        ("runner +optimizer=", {"+optimizer=adam", "+optimizer=sgd"}),
        ("runner +optimizer=adam optimizer.", {"optimizer.b1=", "optimizer.learning_rate="}),
        ("runner -m +optimizer=adam +schedule=exp sched", {"schedule.", "schedule="}),
    ],
)
def test_shell_completion(runner: CommandLine, line: str, offered: set[str]) -> None:
    done = runner("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert done.returncode == 0, done.stderr
    assert offered <= set(done.stdout.split())


def test_shell_completion_can_be_installed(runner: CommandLine) -> None:
    assert "complete" in runner("-sc", "install=bash").stdout


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("optimizer=adm", "optimizer=adm is not a known optimizer; did you mean adam?"),
        ("optimizr=adam", "did you mean optimizer?"),
        ("+experiment=batch_sze", "did you mean batch_size?"),
        ("optimizer.learning_rte=1", "did you mean learning_rate?"),
        ("+optimizer.lrr=3", "optimizer.lrr is not a key of optimizer=sgd"),
        ("gradient=clip_norm clip_norm.threshold=1", "gradient.clip_norm.threshold?\n"),
        ("dropout_rate=0.1", "did you mean regularization=dropout?"),
        ("strategy=fast", "strategy=fast must be one of auto, sequential, map, vmap"),
        ("figure.kind=cruves", "the figure cruves is not known; did you mean curves?"),
        ("figure.smothing=0.1", "is not a known key; did you mean figure.smoothing?"),
        ("figure.labels=[sgd=SGD]", "'figure.labels=[sgd=SGD]' cannot be read"),
        ("confirm=2", "add -m for a sweep"),
        ("optimizer.learning_rate=fast", "must be a number"),
        ("optimizer.learning_rate=-1", "out of range: it must be at least 0"),
        ("optimizer=adam optimizer.b1=1.5", "at least 0 and less than 1"),
        ("optimizer.b1=0.9", "and others, not to optimizer=sgd"),
        ("batch_size=0", "at least 1"),
        ("batch_size=-3", "at least 1"),
        ("batch_size=3.5", "3.5 is not the name of an option of batch_size; choose from full,"),
        ("batch_size=100000", "more than the 1,437 training examples"),
        ("schedule=cosine schedule.length=20", "longer than the run of 10 epochs"),
        ("optimizer=sgd,adam", "add -m"),
        ("optimizer", "not of the form key=value"),
        ("optimizer=null", "not the name of an option"),
        ("~optimizer", "optimizer must be one of its options"),
        ("seed=[1", "cannot be read"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
        ("--config-dir nowhere", "there is no such folder"),
        ("--experimental-rerun x.pickle", "can execute code"),
        ("--config-name .hydra/config", "must be a name, without a folder"),
        ("--into x", "--into names the new folder of --rerun"),
        ("gradient=[clip_norm,nois]", "gradient=nois is not a known gradient; did you mean noise?"),
        ("gradient=clip_norm gradient.threshold=2", "did you mean gradient.clip_norm.threshold?"),
        ("gradient=clip_norm gradient.clip_norm.treshold=2", "not a key of gradient=clip_norm"),
        ("optimizer=sam optimizer.b1=0.5", "belongs to the base of optimizer=sam"),
        (
            "optimizer=sam optimizer.base=adm",
            "optimizer.base=adm is not a known optimizer; did you",
        ),
        ("optimizer=sam optimizer.base=adam optimizer.base.b1=2", "optimizer.base.b1=2 is out of"),
        (
            "model.recurrent_initializer=zeros",
            "recurrent_initializer belongs to model=rnn or lstm or gru, not to",
        ),
        ("model=rnn model.recurrent_initializer=eye", "known initializer; did you mean identity?"),
        ("model=rnn model.recurrent=identity", "did you mean recurrent_initializer?"),
        ("initializer.scale=[1,2,3]", "the model has 2 layers with a kernel; give a number for"),
        ("-m initializer.scale=[1,2],[1]", "it has length 1, and the model has 2 layers"),
        (
            "data=beale model.recurrent_initializer=zeros model=rnn",
            "error: model.recurrent_initializer=zeros has no part in data=beale",
        ),
        ("optimizer=newton", "the model has 4,810 parameters and the limit is 2,000"),
        ("data=beale model=cnn", "model=cnn has no part in data=beale"),
        ("data=beale batch_size=3", "batch_size=3 has no part in data=beale"),
        ("data=beale regularization=l2", "regularization=l2 has no part in data=beale"),
        ("regularization.dropout.rate=0.1", "regularization.dropout has no part in the run: add"),
        ("sampling=stream", "data that can be generated"),
        (
            "stopping=target data.validation_examples=0",
            "stopping does not fit the run: the rule follows the validation_error, and there is no",
        ),
        ("-m optimizer=sgd,adam optimizer.b1=0.9", "belongs to optimizer=adam, "),
        ("-m optimizer.learning_rate=0.1,-1", "in run 1 of the sweep"),
        ("-m strategy=fast", "strategy=fast must be one of auto, sequential, map, vmap"),
        ("-m lanes=0", "lanes=0 is out of range: it must be at least 1"),
        ("-m fail_fast=maybe", "fail_fast=maybe must be true or false"),
        ("-m batch_size=8,100000", "more than the 1,437"),
        ("-m seed=0,1 figure.by=[optimzer]", "not a key of these runs; did you mean optimizer?"),
        ("-m seed=0,1 figure.axes=[epch]", "the axis epch is not known; did you mean epoch?"),
        ("-m seed=0,1 figure.where=['seed=9']", "where: no run has seed=9; choose from 0, 1"),
        ("-m hydra.sweeper.cases=[[5]]", "must be a list of lists of overrides"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    runner: CommandLine, tmp_path: Path, arguments: str, words: str
) -> None:
    done = runner(*arguments.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("runner: error: ")
    assert words in done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file()], "nothing is left behind"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["optimizer.learning_rate=-1"], ["optimizer.learning_rte=1"]]
)
def test_help_and_errors_come_without_jax(runner: CommandLine, arguments: list[str]) -> None:
    code = (
        "import sys; from runner.cli import run_command_line as run; "
        f"run({arguments!r}); print('jax' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False False"


COMPARE = "from runner.compare.cli import main; main()"


def without_reader(folder: Path, program: str, *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command whose output has no reader."""
    command = ["-m", "runner"] if program == "runner" else ["-c", COMPARE]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, *command, *arguments],
            cwd=folder,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "runner --help",
        "runner --info",
        "runner --info all",
        "runner --cfg job",
        "runner --hydra-help",
        "runner -m seed=0,1 dry_run=true",
        "runner-compare --help",
    ],
)
def test_a_closed_pipe_is_no_failure(line: str, tmp_path: Path) -> None:
    assert without_reader(tmp_path, *line.split()) == (0, "")


def test_closed_output_is_no_failure(tmp_path: Path) -> None:
    for closed in (">&-", "2>&-"):
        command = f"{sys.executable} -m runner --help {closed}"
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    # After a run, the process ends in another way, which depends on whether JAX was imported.
    code = "import sys; from runner.cli import main; sys.modules['jax'] = sys; main()"
    command = f'{sys.executable} -c "{code}" --version >&-'
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("program", ["runner", "runner.compare.cli"])
def test_output_on_a_full_disk_is_one_line(program: str, tmp_path: Path) -> None:
    code = f"from {program}{'.cli' if program == 'runner' else ''} import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    said = "the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_run_is_recorded_to_its_end_without_readers(tmp_path: Path) -> None:
    """Neither its progress nor its table needs a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "runner", "-m", "seed=0,1", "epochs=1"]
    done = subprocess.run(line, cwd=tmp_path, stdout=writer, stderr=writer)
    os.close(writer)
    assert done.returncode == 0
    assert statuses(tmp_path) == ["finished"] * 2
    (table,) = tmp_path.rglob("sweep.csv")
    assert len(table.read_text().splitlines()) == 1 + 2
    compared = without_reader(tmp_path, "runner-compare", "outputs", "--table", "text")
    assert compared == (0, "")


# --- what is trained --------------------------------------------------------------------------


def test_a_run_leaves_its_record_and_says_where(runner: CommandLine, tmp_path: Path) -> None:
    done = runner("+optimizer=adam", "+schedule=exp", "epochs=3")
    assert done.returncode == 0, done.stderr
    (directory,) = {file.parent for file in tmp_path.rglob("summary.json")}
    assert directory.is_relative_to(tmp_path / "outputs")
    assert directory.name.endswith("_epochs=3,optimizer=adam,schedule=exp")
    files = {file.name.split(".out.")[0] for file in directory.iterdir()}
    assert files == {
        ".hydra",
        "events",
        "best.safetensors",
        "final.safetensors",
        "steps.npy",
        "epochs.npy",
        "summary.json",
        "runner.log",
    }
    assert f"tensorboard --logdir {directory.relative_to(tmp_path)}" in done.stdout
    assert "Unable to initialize backend" not in done.stderr + done.stdout
    assert "\x1b" not in done.stdout + done.stderr, "no colours in a pipe"
    (summary,) = summaries(tmp_path)
    assert summary["status"] == "finished"
    assert summary["steps"] == 3 * 45
    assert summary["config"]["optimizer"]["name"] == "adam"
    overrides = yaml.safe_load((directory / ".hydra" / "overrides.yaml").read_text())
    assert overrides == ["optimizer=adam", "schedule=exp", "epochs=3"]


def test_a_sweep_trains_every_combination(runner: CommandLine, tmp_path: Path) -> None:
    done = runner("-m", "+optimizer=sgd,adam", "optimizer.learning_rate=0.1,0.01", "epochs=1")
    assert done.returncode == 0, done.stderr
    assert "4 runs, 2 programs" in done.stderr
    trained = [
        (s["config"]["optimizer"]["name"], s["config"]["optimizer"]["learning_rate"])
        for s in summaries(tmp_path)
    ]
    assert sorted(trained) == [("adam", 0.01), ("adam", 0.1), ("sgd", 0.01), ("sgd", 0.1)]
    assert done.stdout.splitlines()[0].split()[:3] == [
        "optimizer",
        "optimizer.learning_rate",
        "best",
    ]
    (table,) = tmp_path.rglob("sweep.csv")
    assert len(table.read_text().splitlines()) == 1 + 4
    names = {file.parent.name for file in tmp_path.rglob("summary.json")}
    assert "0_optimizer=sgd,optimizer.learning_rate=0.1" in names, "what is swept, as typed"


@pytest.mark.slow
def test_the_three_lines_of_daily_use(runner: CommandLine, tmp_path: Path) -> None:
    """Exactly as the README has them; TensorBoard has its own test."""
    assert runner("+optimizer=adam", "+schedule=exp").returncode == 0
    done = runner("-m", "optimizer=sgd,adam,rmsprop")
    assert done.returncode == 0, done.stderr
    assert [s["status"] for s in summaries(tmp_path)] == ["finished"] * 4
    assert "rmsprop" in done.stdout
    assert "Look:   tensorboard --logdir outputs" in done.stdout


@pytest.mark.slow
def test_the_batch_size_study(runner: CommandLine, tmp_path: Path) -> None:
    """Its claim, from the numbers: small batches win by epoch, large ones fall more smoothly."""
    done = runner("+experiment=batch_size", "epochs=2", "min_steps=100")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("outputs/*/*"))) == 1
    (picture,) = tmp_path.rglob("sweep.png")
    assert f"Figure: {picture.relative_to(tmp_path)}" in done.stdout
    assert sorted(s["steps"] for s in summaries(tmp_path)) == [100, 100, 100, 360, 2874]
    groups = load(tmp_path).groups()
    assert [group.label for group in groups] == ["1", "8", "64", "512", "full"]
    runs = [group.runs[0] for group in groups]
    second_epoch = [run.epochs["train_loss"][2] for run in runs]
    assert second_epoch == sorted(second_epoch), "the smallest batch has the least loss"
    jumps = [np.abs(np.diff(run.steps["train_loss"][:20])).mean() for run in runs[:3]]
    assert jumps == sorted(jumps, reverse=True), "by iteration the largest batch jumps least"


def test_runs_that_start_together_do_not_share_a_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "runner", "epochs=1"]
    started = [
        subprocess.Popen(command, cwd=tmp_path, stdout=-3, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(300) for process in started] == [0, 0]
    assert len(summaries(tmp_path)) == 2


def test_a_directory_that_cannot_be_made_is_one_line(runner: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("in the way")
    for line in (["epochs=1"], ["-m", "seed=0,1"], ["-m", "hydra.sweep.dir=outputs/here"]):
        done = runner(*line)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "cannot be made" in done.stderr


def test_a_directory_that_cannot_be_written_is_one_line(
    runner: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "runner.log").mkdir()
    for directory in ("file", "file/run", "run"):
        done = runner("epochs=1", f"hydra.run.dir={directory}")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert f"{directory}: cannot be " in done.stderr


def test_missing_data_is_one_line(runner: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = runner("data=mnist", f"data.dir={tmp_path / 'file' / 'mnist'}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("runner: error: ")


def test_an_interrupted_run_says_where_its_record_is(
    runner: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of one that has none yet."""

    def interrupted(_: object, directory: Path, *__: object, **___: object) -> None:
        if directory.name == "here":
            (directory / "summary.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("runner.execution.run.run", interrupted)
    for folder, said in {"here": "Curves: here\n", "nothing": ""}.items():
        done = runner("epochs=1", f"hydra.run.dir={folder}")
        assert (done.returncode, done.stdout) == (130, said)


def test_a_diverged_run_is_a_result(runner: CommandLine, tmp_path: Path) -> None:
    done = runner("optimizer.learning_rate=1e30", "epochs=2")
    assert done.returncode == 0, done.stderr
    (summary,) = summaries(tmp_path)
    assert summary["status"] == "diverged"
    assert summary["diverged_at"] < 10


def test_a_run_that_stopped_early_is_a_result_and_complete(
    runner: CommandLine, tmp_path: Path
) -> None:
    """Each run of a sweep stops where its own curve says; all that it leaves ends there."""
    rule = ("stopping=target", "stopping.measure=validation_loss", "stopping.value=10,4.5")
    data = ("data=rosenbrock", "data.steps_per_epoch=2", "epochs=500")
    line = ("-m", *data, *rule, "optimizer.learning_rate=0.001", "hydra.sweep.dir=swept")
    done = runner(*line)
    assert done.returncode == 0, done.stderr
    assert "Runs:   2 stopped, 1 program," in done.stdout
    found = sorted(summaries(tmp_path), key=lambda summary: summary["steps"])
    for summary, target in zip(found, (10, 4.5), strict=True):
        assert (summary["status"], summary["reason"]) == (
            "stopped",
            f"validation_loss at most {target:g}",
        )
        assert summary["stopped_at"] == summary["kept_at"]
        assert summary["stopped_at"]["step"] == summary["steps"] < summary["total_steps"]
        assert summary["final"]["validation_loss"] <= target
    (table,) = tmp_path.rglob("sweep.csv")
    with table.open(newline="") as stream:
        stops = {line["stopping.value"]: int(line["stopped_at"]) for line in csv.DictReader(stream)}
    assert stops == {"10": found[0]["steps"], "4.5": found[1]["steps"]}
    for name, one_more in (("epochs.npy", 1), ("path.npy", 1), ("steps.npy", 0)):
        lengths = sorted(np.load(file)["step"][-1] for file in tmp_path.rglob(name))
        assert lengths == [summary["steps"] - (not one_more) for summary in found]
    again = runner(*line, "dry_run=true")
    assert again.stdout.splitlines()[-1] == "0 of 2 runs to run; nothing was run"


def test_a_sweep_is_resumed_by_its_directory(runner: CommandLine, tmp_path: Path) -> None:
    """Only what is missing is run, by its config and not its number; what is there stays."""
    line = ("-m", "optimizer.learning_rate=0.1,0.01", "epochs=1", "hydra.sweep.dir=swept")
    done = runner(*line, "dry_run=true")
    assert done.stdout.splitlines()[-1] == "2 of 2 runs to run; nothing was run"
    assert not (tmp_path / "swept").exists()
    assert runner(*line).returncode == 0
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("summary.json")}
    (half, _) = sorted(before)
    half.write_text(half.read_text().replace('"finished"', '"running"', 1))

    wider = ("-m", "optimizer.learning_rate=0.3,0.1,0.01", *line[2:])
    done = runner(*wider, "dry_run=true")
    assert [words.split()[0] for words in done.stdout.splitlines()[:3]] == ["to", "to", "finished"]
    done = runner(*wider)
    assert done.returncode == 0, done.stderr
    assert "3 runs, 1 of them done before, 1 program" in done.stderr
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("summary.json")}
    assert set(before) < set(after)
    assert {file for file in before if after[file] == before[file]} == set(before) - {half}
    assert [s["status"] for s in summaries(tmp_path)] == ["finished"] * 3
    assert all(len(list(file.parent.glob("events.*"))) == 1 for file in after)
    (table,) = tmp_path.rglob("sweep.csv")
    assert len(table.read_text().splitlines()) == 1 + 3

    done = runner(*wider)
    assert "3 runs, 3 of them done before\n" in done.stderr
    assert "Runs:   3 finished, 0 programs, 0 compilations" in done.stdout


def test_help_lists_how_a_sweep_is_run(runner: CommandLine) -> None:
    _, _, settings = runner("--help").stdout.partition("Settings of a sweep (-m)")
    for key in LAUNCHER_KEYS:
        assert f"\n  {key}=" in settings
    assert "\n  figure.kind=auto\n      what is drawn;" in settings
    assert "\n  figure.smoothing=0.02\n      the window" in settings


def test_a_dry_run_of_one_run_trains_nothing(runner: CommandLine, tmp_path: Path) -> None:
    done = runner("model.widths=[20]", "dry_run=true")
    said = dict(re.findall(r"^(\w+): +(.*)$", done.stdout, re.MULTILINE))
    assert said["Differs"] == "model.widths=[20]"
    assert said["Data"].startswith("1,437 training, 180 validation and 180 test examples of 8x8x1")
    assert said["Network"] == f"{64 * 20 + 20 + 20 * 10 + 10:,} trained numbers"
    assert said["Steps"].startswith("450 in 10 epochs of 45 steps, batch size 32; 10 evaluations")
    # Pixels are bytes, labels 4 bytes; three numbers a parameter (a step's copies) at least.
    assert re.match(r"\d+ kB of data and \d+ kB of state", said["Memory"])
    assert 64 * 1797 + 4 * 1797 <= 1000 * int(said["Memory"].split()[0]) <= 1.2 * 68 * 1797
    assert done.stdout.endswith("\n1 run to run; nothing was run\n")
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_phases_and_does_not_download(runner: CommandLine, tmp_path: Path) -> None:
    done = runner("batch_size=growing", "epochs=3", "dry_run=true")
    assert "Phases:  batch size 32 from epoch 0; batch size 64 from epoch 2\n" in done.stdout
    done = runner("data=mnist", f"data.dir={tmp_path}/none", "dry_run=true")
    assert "55,000 training, 5,000 validation and 10,000 test" in done.stdout
    assert "not known before" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_dry_run_knows_that_a_run_is_done(runner: CommandLine) -> None:
    line = ["model=linear", "steps=1", "hydra.run.dir=done"]
    assert runner(*line).returncode == 0
    assert runner(*line, "dry_run=true").stdout.endswith("0 of 1 runs to run; nothing was run\n")
    other = runner(*line, "seed=1", "dry_run=true")
    assert (other.returncode, "has the record of another run" in other.stderr) == (2, True)


def test_runs_that_are_typed_twice_are_run_once(runner: CommandLine, tmp_path: Path) -> None:
    """Also where they are typed differently, and by a launcher that is not ours."""
    line = ["-m", "seed=0,0", "optimizer.learning_rate=0.1,0.10", "steps=2", "model=linear"]
    done = runner(*line, "hydra.sweep.dir=ours")
    assert done.returncode == 0, done.stderr
    assert "of 4 runs 1 differ; each of these is run once" in done.stderr
    assert runner(*line, "hydra/launcher=basic", "hydra.sweep.dir=theirs").returncode == 0
    for folder in ("ours", "theirs"):
        assert statuses(tmp_path / folder) == ["finished"]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(runner: CommandLine, tmp_path: Path) -> None:
    """Kill -9 after the first of three pairs: it is kept, the rest is run."""
    seeds = ",".join(map(str, range(6)))
    line = ["-m", f"seed={seeds}", "steps=20000", "lanes=2", "hydra.sweep.dir=swept"]
    command = [sys.executable, "-m", "runner", *line]
    with subprocess.Popen(command, cwd=tmp_path, stdout=-3, stderr=-3) as process:
        deadline = time.time() + 200
        while time.time() < deadline and statuses(tmp_path).count("finished") < 2:
            time.sleep(0.05)
        process.kill()
    kept = statuses(tmp_path).count("finished")
    assert 2 <= kept < 6
    assert "running" in statuses(tmp_path)
    done = runner(*line)
    assert done.returncode == 0, done.stderr
    assert f"6 runs, {kept} of them done before" in done.stderr
    assert sorted(s["seed"] for s in summaries(tmp_path)) == list(range(6))
    assert [s["status"] for s in summaries(tmp_path)] == ["finished"] * 6


@pytest.mark.slow
def test_an_interrupted_sweep_says_how_to_go_on(runner: CommandLine, tmp_path: Path) -> None:
    with runner.start("-m", "seed=0,1", "epochs=100000") as process:
        wait_for_steps(process, tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "To go on: the same command with hydra.sweep.dir=outputs/" in said
    assert "Traceback" not in said
    assert [s["status"] for s in summaries(tmp_path)] == ["interrupted"] * 2
    assert all(s["steps"] > 100 for s in summaries(tmp_path))
    (table,) = tmp_path.rglob("sweep.csv")
    assert table.read_text().count("interrupted") == 2


CALLBACK = """
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback


class Told(Callback):
    def note(self, what, config):
        with open("told", "a") as file:
            print(what, config.hydra.job.get("num"), HydraConfig.get().job.get("num"), file=file)

    def on_multirun_start(self, config, **_):
        with open("told", "a") as file:
            print("multirun", file=file)

    def on_job_start(self, config, **_):
        self.note("start", config)

    def on_job_end(self, config, job_return, **_):
        self.note(f"end {job_return.status.name} {job_return.cfg.seed}", config)
"""


def test_hydras_callbacks_are_told_of_every_run(
    runner: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told_module.py").write_text(CALLBACK)
    monkeypatch.syspath_prepend(tmp_path)
    done = runner(
        "-m",
        "seed=5,6",
        "epochs=1",
        "+hydra.callbacks.told._target_=told_module.Told",
        "hydra.sweep.subdir=run${hydra:job.num}",
        "hydra.job.name=mine",
    )
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "told").read_text().splitlines()
    assert told[0] == "multirun"
    assert sorted(told[1:]) == [
        "end COMPLETED 5 0 0",
        "end COMPLETED 6 1 1",
        "start 0 0",
        "start 1 1",
    ]
    assert {file.parent.name for file in tmp_path.rglob("summary.json")} == {"run0", "run1"}
    for log in tmp_path.rglob("mine.log"):
        assert len(log.read_text().splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_other_launchers_of_hydra_work(launcher: str, runner: CommandLine, tmp_path: Path) -> None:
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    call = runner.process if launcher == "joblib" else runner  # joblib keeps processes
    done = call("-m", f"hydra/launcher={launcher}", "optimizer=sgd,adam", "epochs=1")
    assert done.returncode == 0, done.stderr
    assert [s["status"] for s in summaries(tmp_path)] == ["finished"] * 2
    names = {file.parent.name for file in tmp_path.rglob("summary.json")}
    assert names == {"0_epochs=1,optimizer=sgd", "1_epochs=1,optimizer=adam"}
    assert len(list(tmp_path.rglob("sweep.png"))) == 1
    assert "Figure: outputs" in done.stdout


def test_a_failing_run_does_not_keep_the_others_from_running(
    runner: CommandLine, tmp_path: Path
) -> None:
    missing = tmp_path / "empty"
    done = runner("-m", "data=digits,mnist", "epochs=1", RUNNER_DATA_DIR=str(missing))
    assert done.returncode == 1
    assert "1 of 2 runs failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert [s["status"] for s in summaries(tmp_path)].count("finished") == 1
    (log,) = [f for f in tmp_path.rglob("runner.log") if "mnist" in f.parent.name]
    assert "ERROR" in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_was_computed(
    runner: CommandLine, tmp_path: Path, sent: signal.Signals
) -> None:
    """By Ctrl-C; or by SIGTERM, as a background job that ignores SIGINT."""
    background = sent is signal.SIGTERM
    with runner.start("epochs=100000", ignores_sigint=background) as process:
        wait_for_steps(process, tmp_path)
        if background:
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert process.poll() is None
        assert process.stderr is not None
        process.send_signal(sent)
        ready, _, _ = select.select([process.stderr], [], [], 0.5)
        assert ready, "it is acknowledged at once"
        assert process.wait(60) == 130
        said = process.stderr.read()
        assert b"runner: interrupted: saving when what is running now is done" in said
        assert b"runner: interrupted; what was computed is recorded" in said
    (summary,) = summaries(tmp_path)
    (folder,) = (file.parent for file in tmp_path.rglob("summary.json"))
    assert b"To go on: runner --resume outputs/" in said
    (steps,) = (np.load(file) for file in tmp_path.rglob("steps.npy"))
    with safe_open(folder / "checkpoint.safetensors", "np") as checkpoint:
        position = json.loads(checkpoint.metadata()["position"])
    assert position["steps"] == len(steps), "nothing is computed again"
    assert summary["status"] == "interrupted"
    assert len(steps) == summary["steps"] > 500
