"""Runs from Python are those of the command line, and leave the process as it was."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from command_line import CommandLine
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from numpy.lib.recfunctions import repack_fields
from safetensors.numpy import load_file

import runner
from runner import files
from runner.terminal.live import Progress

SHORT = {"steps": 60, "model.widths": [16]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def kept() -> runner.Run:
    """A run in memory."""
    return runner.train(SHORT, optimizer="adam")


SAME = ("optimizer=adam", "steps=60", "model.widths=[16]")


def without_times(rows: np.ndarray) -> np.ndarray:
    names = [name for name in rows.dtype.names or () if name != "seconds"]
    return repack_fields(rows[names])


def test_a_run_in_memory_is_that_of_the_command_line(
    kept: runner.Run, runner_in: CommandLine, tmp_path: Path
) -> None:
    assert runner_in(*SAME, "hydra.run.dir=there").returncode == 0
    (there,) = runner.load("there")
    for curve in ("steps", "epochs"):
        mine, theirs = (without_times(getattr(run, curve)) for run in (kept, there))
        assert mine.dtype == theirs.dtype
        assert mine.tobytes() == theirs.tobytes()
    assert kept.config == there.config
    assert kept.settings == there.settings
    assert kept.summary.keys() == there.summary.keys()
    for key in ("status", "steps", "final", "best", "seed", "error", "total_steps"):
        assert kept.summary[key] == there.summary[key]
    assert kept.summary["command"] == "runner steps=60 'model.widths=[16]' optimizer=adam"
    kernel = kept.params["hidden_1"]["dense"]["kernel"]
    assert kernel.tobytes() == there.params["hidden_1"]["dense"]["kernel"].tobytes()
    images = np.arange(128, dtype=np.uint8).reshape(2, 8, 8, 1) % 17
    assert (kept.predict(images) == there.predict(images)).all()
    assert kept.state == {}


@pytest.fixture
def runner_in(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_a_run_in_memory_writes_nothing(tmp_path: Path) -> None:
    run = runner.train(SHORT, optimizer="adam", seed=1, progress=False)
    assert run.directory is None
    assert run.status == "finished"
    assert not list(tmp_path.iterdir())
    assert repr(run) == "<run: finished>"


def test_a_run_in_memory_has_the_weights_of_its_record(tmp_path: Path) -> None:
    """Of a run that was best before its end; it is asked for checkpoints, and writes none."""
    words = ("model=linear", "optimizer=sgd", "optimizer.learning_rate=10", "steps=60")
    mine = runner.train(*words, "checkpoint_every=0.001", "checkpoint_epochs=1", progress=False)
    assert not list(tmp_path.iterdir())
    there = runner.train(*words, record="there", progress=False)
    for name in ("params", "best_params"):
        own, recorded = (getattr(run, name)["logits"]["kernel"] for run in (mine, there))
        assert own.tobytes() == recorded.tobytes(), name
    final = load_file(tmp_path / "there" / files.FINAL_WEIGHTS)["logits.kernel"]
    best = load_file(tmp_path / "there" / files.BEST_WEIGHTS)["logits.kernel"]
    assert (mine.params["logits"]["kernel"] == final).all()
    assert (mine.best_params["logits"]["kernel"] == best).all()
    assert not (best == final).all()


def test_a_recorded_run_is_what_load_reads_and_is_done_once(tmp_path: Path) -> None:
    run = runner.train(SHORT, optimizer="adam", record=tmp_path / "mine, too")
    (loaded,) = runner.load("mine, too")
    assert run.summary == loaded.summary
    assert run.directory == (loaded.directory or Path()).absolute()
    names = {file.name for file in (tmp_path / "mine, too").iterdir()}
    assert {files.SUMMARY, files.STEPS, files.FINAL_WEIGHTS, ".hydra", "runner.log"} <= names
    again = runner.train(SHORT, optimizer="adam", record="mine, too")
    assert again.summary == run.summary  # with the time at which it started
    with pytest.raises(runner.ConfigError, match="has the record of another run"):
        runner.train(SHORT, optimizer="adam", seed=3, record="mine, too")
    dated = runner.train(SHORT, optimizer="adam", record=True)
    assert dated.directory is not None
    assert dated.directory.is_relative_to(tmp_path / "outputs")


GRID = {"optimizer.learning_rate": [0.1, 0.01], "seed": [0, 1]}
ON_THE_LINE = ("-m", "optimizer.learning_rate=0.1,0.01", "seed=0,1", *SAME[1:])


def test_a_sweep_from_python_is_that_of_the_command_line(
    runner_in: CommandLine, tmp_path: Path
) -> None:
    kept = runner.sweep(GRID, **SHORT, progress=False)
    assert not list(tmp_path.iterdir())
    recorded = runner.sweep(GRID, **SHORT, record="mine")
    assert runner_in(*ON_THE_LINE, "hydra.sweep.dir=there").returncode == 0
    there = runner.load("there")
    settings = [(0.1, 0), (0.1, 1), (0.01, 0), (0.01, 1)]
    for runs in (kept, recorded, there):
        assert [(run.settings["optimizer.learning_rate"], run.seed) for run in runs] == settings
    for mine, stored, theirs in zip(kept, recorded, there, strict=True):
        rows = [without_times(run.steps).tobytes() for run in (mine, stored, theirs)]
        assert rows[0] == rows[1] == rows[2]
        assert mine.summary["lanes"] == theirs.summary["lanes"]
    assert {file.name for file in Path("mine").iterdir()} >= {"sweep.csv", "sweep.png"}
    assert kept.frame()["directory"].isna().all()
    before = (recorded[0].directory or Path()).stat().st_mtime_ns
    again = runner.sweep(GRID, **SHORT, record="mine")  # nothing is left to do
    assert [run.directory for run in again] == [run.directory for run in recorded]
    assert (recorded[0].directory or Path()).stat().st_mtime_ns == before
    assert [run.seed for run in runner.sweep({"seed": [0, 0, 1]}, **SHORT)] == [0, 1]


@pytest.mark.parametrize(
    ("words", "settings", "message"),
    [
        ((), {"lr": 0.1}, "lr is not a known key; did you mean optimizer.learning_rate?"),
        (("optimizer=adm",), {}, "optimizer=adm is not a known optimizer; did you mean adam?"),
        (("seed=0,1",), {}, "seed=0,1 is a sweep over several values: use runner.sweep, or write"),
        (("seed=0 steps=1",), {}, "each override is a string of its own: 'seed=0', 'steps=1'"),
        (("--help",), {}, "'--help' is not of the form key=value"),
        ((3,), {}, "int is no override; expected text"),
        (("experiment=batch_size",), {}, "the config asks for a sweep: use runner.sweep"),
        (("hydra.run.dir=a",), {}, "hydra.run.dir=a: nothing is recorded; use record=FOLDER"),
        ((), {"dry_run": True}, "a run is trained or not"),
        ((), {"config_dir": "nowhere"}, "config_dir=nowhere: there is no such folder"),
        ((), {"optimizer": ["sgd"]}, "a run has one optimizer; for several use runner.sweep"),
        ((), {"plugins": ["no_such_module"]}, "plugins: cannot import 'no_such_module'"),
        ((), {"data": "arrays"}, r"are given in Python: runner.train\(data=\(x, y\)\)"),
    ],
)
def test_mistakes_are_errors_of_one_line(
    words: tuple[Any, ...], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(runner.ConfigError, match=message) as caught:
        runner.train(*words, **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_a_sweep_in_memory_cannot_do_is_said() -> None:
    for words in (("confirm=2", "seed=0,1"), ("hydra/sweeper=basic", "seed=0,1")):
        with pytest.raises(runner.ConfigError, match="record=True"):
            runner.sweep(*words)
    assert [run.status for run in runner.sweep({"seed": [0, 1]}, dry_run=True)] == ["not run"] * 2


def test_the_process_is_as_before(kept: runner.Run, tmp_path: Path) -> None:
    """Whatever Hydra does for somebody else meanwhile, and whoever handles signals and logs."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "own.yaml").write_text("a: 1\n")
    root, handler = logging.getLogger(), signal.getsignal(signal.SIGINT)
    before = root.handlers[:], root.level, HydraConfig.instance().cfg
    with hydra.initialize_config_dir(str(tmp_path / "theirs"), version_base="1.2"):
        theirs = GlobalHydra.instance().hydra
        runner.train(SHORT, optimizer="adam", record="mine")
        runner.sweep({"seed": [0, 1]}, **SHORT, optimizer="adam")
        assert GlobalHydra.instance().hydra is theirs
        assert hydra.compose("own").a == 1
    assert (root.handlers, root.level, HydraConfig.instance().cfg) == before
    assert signal.getsignal(signal.SIGINT) is handler


def test_calls_work_in_threads_and_in_a_running_event_loop(kept: runner.Run) -> None:
    runs: dict[int, runner.Run] = {}

    def work(seed: int) -> None:
        runs[seed] = runner.train(SHORT, optimizer="adam", seed=seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()

    async def train() -> runner.Run:
        return runner.train(SHORT, optimizer="adam")

    in_loop = asyncio.run(train())
    for thread in threads:
        thread.join()
    assert sorted(runs) == [0, 1]
    assert in_loop.summary["final"] == runs[0].summary["final"] == kept.summary["final"]


@pytest.mark.parametrize("record", [False, "mine"])
def test_an_interruption_leaves_what_is_done(
    record: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # may be ignored by a shell
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    update = Progress.update

    def interrupted(progress: Progress, chunk: Any) -> None:
        update(progress, chunk)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "update", interrupted)
    with pytest.raises(runner.Interrupted) as caught:
        runner.train(SHORT, optimizer="adam", steps=100_000, record=record)
    (run,) = caught.value.runs
    assert isinstance(caught.value, KeyboardInterrupt)
    assert run.status == "interrupted"
    assert 0 < len(run.steps) < 100_000
    monkeypatch.setattr(Progress, "update", update)
    assert "interrupted" in capfd.readouterr().err
    if record:  # it goes on from its checkpoint, on the command line; here it is trained again
        assert (Path(record) / files.CHECKPOINT).exists()
    assert runner.train(SHORT, optimizer="adam").status == "finished"


def test_a_run_that_fails_in_a_sweep_is_named_with_all_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from runner.record.memory import Memory

    write = Memory.write

    def failing(memory: Memory, chunk: Any) -> None:
        if memory.summary["seed"] == 1:
            raise OSError("no room")
        write(memory, chunk)

    monkeypatch.setattr(Memory, "write", failing)
    with pytest.raises(runner.SweepError, match=r"1 of 2 runs failed.*no room") as caught:
        runner.sweep({"seed": [0, 1]}, **SHORT)
    assert [run.status for run in caught.value.runs] == ["finished", "failed"]
