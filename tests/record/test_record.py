"""The record, read back by readers that are not ours: TensorBoard's, NumPy's and Python's json."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import read_option
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New, masked_crc32c

from runner.config.keys import flat
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk, make_chunk
from runner.errors import RecordError
from runner.measures import (
    EPOCH_MEASURES,
    NORMS,
    OPTIONAL_MEASURES,
    POINTS_PER_CURVE,
    STEP_MEASURES,
)
from runner.record.curves import CurveFile, read_curve
from runner.record.earlier import completed
from runner.record.event_writer import BEST_MEASURES
from runner.record.events import EventFile
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder
from runner.record.scalars import scalar_records
from runner.record.summary import final_and_best, write_summary
from runner.status import Status

CONFIG = {
    "optimizer": {"name": "adam", "learning_rate": 0.5},
    "batch_size": {"name": "full"},
    "seed": 3,
    "steps": None,
}
START = 1_700_000_000.0


def chunk(
    first: int,
    count: int,
    epochs: dict[int, int] | None = None,
    path: np.ndarray | None = None,
    total: int = 30,
    stopped_at: int | None = None,
    kept_at: int | None = None,
    **columns: Any,
) -> Chunk:
    """Steps `first`, ... lasting a second each, and evaluations `{step: epoch}` among them.

    `columns` replaces what was measured: `train_loss` in the steps, the others in the evaluations.
    """
    steps = np.zeros(count, STEP_DTYPE)
    steps["step"] = np.arange(first, first + count)
    for offset, name in enumerate(STEP_MEASURES):
        steps[name] = steps["step"] + offset / 8
    rows = np.zeros(len(epochs or {}), EPOCH_DTYPE)
    for name in OPTIONAL_MEASURES:
        rows[name] = np.nan
    rows["step"], rows["epoch"] = list(epochs or {}), list((epochs or {}).values())
    for offset, name in enumerate(EPOCH_MEASURES):
        rows[name] = 10 - rows["epoch"] + offset / 8
    rows["train_loss"][rows["epoch"] == 0] = np.nan
    rows["train_error"][rows["epoch"] == 0] = np.nan
    for name, values in columns.items():
        (steps if name == "train_loss" else rows)[name] = values
    return make_chunk(
        steps,
        rows,
        START + first,
        START + first + count,
        total,
        lambda step: step / 10,
        seconds_before=first,
        stopped_at=stopped_at,
        kept_at=kept_at,
        path=path,
    )


def recorder(
    directory: Path,
    total: int = 30,
    per_epoch: int = 10,
    batch_size: int = 16,
    measure_every: int = 1,
    stop_reason: str | None = None,
) -> Recorder:
    facts = RunFacts(
        config=CONFIG,
        seed=3,
        train_examples=80,
        total_steps=total,
        total_epochs=total / per_epoch,
        device="cpu: test",
        batch_size=batch_size,
        measure_every=measure_every,
        stop_reason=stop_reason,
    )
    return Recorder(directory, facts)


def scalars(directory: Path) -> dict[str, list]:
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    run = recorder(tmp_path)
    run.write(chunk(0, 8, {0: 0}))
    run.write(chunk(8, 12, {10: 1, 20: 2}))
    run.write(chunk(20, 10, {30: 3}))
    run.finish(compile_seconds=1.5)
    return tmp_path


def test_tensorboard_reads_every_tag_on_its_own_axis(finished: Path) -> None:
    read = scalars(finished)
    # Nothing was clipped, and nothing could be: no such chart.
    shown = [name for name in STEP_MEASURES if name != "clipped"]
    names = {f"iteration/{name}" for name in shown}
    best = {f"epoch/best_{name}" for name in BEST_MEASURES}
    assert set(read) == names | {f"epoch/{name}" for name in EPOCH_MEASURES} | best
    for offset, name in enumerate(shown):
        events = read[f"iteration/{name}"]
        assert [event.step for event in events] == list(range(30))
        assert [event.value for event in events] == [step + offset / 8 for step in range(30)]
    assert [event.step for event in read["epoch/test_error"]] == [0, 1, 2, 3]
    assert [event.value for event in read["epoch/validation_loss"]] == [10.25, 9.25, 8.25, 7.25]
    assert [event.step for event in read["epoch/train_loss"]] == [1, 2, 3], "none before epoch 1"


def test_a_path_grows_and_leaves_with_the_run_that_left_it(tmp_path: Path) -> None:
    path = np.zeros(6, PATH_DTYPE)
    path["step"] = path["x"] = np.arange(6)
    run = recorder(tmp_path, total=5)
    run.write(chunk(0, 3, path=path[:4], total=5))
    assert np.load(tmp_path / "path.npy")["x"].tolist() == [0, 1, 2]
    run.write(chunk(3, 2, path=path[3:], total=5))
    run.finish(compile_seconds=0.0)
    np.testing.assert_array_equal(np.load(tmp_path / "path.npy"), path)
    recorder(tmp_path).close("finished")
    assert not (tmp_path / "path.npy").exists()


def test_wall_times_are_interpolated_within_a_chunk(finished: Path) -> None:
    events = scalars(finished)["iteration/train_loss"]
    times = np.array([event.wall_time for event in events]) - START
    np.testing.assert_allclose(times, np.arange(1, 31), atol=1e-3)
    np.testing.assert_allclose(np.load(finished / "steps.npy")["seconds"], np.arange(1, 31))
    np.testing.assert_allclose(np.load(finished / "epochs.npy")["seconds"], [0, 10, 20, 30])


def test_the_best_so_far_is_a_curve(tmp_path: Path) -> None:
    run, evaluations = (
        recorder(tmp_path),
        [(0, 0, 4.0), (10, 1, np.nan), (20, 2, 3.0), (30, 3, 5.0)],
    )
    for first, (step, epoch, error) in enumerate(evaluations):
        run.write(chunk(7 * first, 7, {step: epoch}, validation_error=error))
    run.close("finished")
    curve = [(x.step, x.value) for x in scalars(tmp_path)["epoch/best_validation_error"]]
    assert curve == [(0, 4.0), (1, 4.0), (2, 3.0), (3, 3.0)]


def test_every_record_has_tensorboards_own_checksums(finished: Path) -> None:
    (file,) = finished.glob("events.out.tfevents.*")
    reader, records = PyRecordReader_New(str(file)), 0
    while True:
        try:
            reader.GetNext()  # raises DataLossError on a wrong checksum
        except Exception as error:
            assert type(error).__name__ == "OutOfRangeError", error  # noqa: PT017
            break
        records += 1
    assert records == 1 + 1 + 30 + 4 + 1


def test_a_file_that_is_cut_off_is_read_up_to_there(finished: Path) -> None:
    (file,) = finished.glob("events.out.tfevents.*")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3])
    assert 10 < len(scalars(finished)["iteration/train_loss"]) < 30


@pytest.mark.parametrize("total", [POINTS_PER_CURVE - 1, 3 * POINTS_PER_CURVE + 17])
def test_event_files_are_thinned_and_curves_are_not(total: int, tmp_path: Path) -> None:
    run = recorder(tmp_path, total=total, per_epoch=total)
    for first in range(0, total, 1000):
        run.write(chunk(first, min(1000, total - first), total=total))
    run.finish(compile_seconds=0.0)
    events = scalars(tmp_path)["iteration/train_loss"]
    steps = np.array([event.step for event in events])
    assert len(steps) <= POINTS_PER_CURVE + 1
    assert len(steps) > POINTS_PER_CURVE * 0.7
    assert (steps[0], steps[-1]) == (0, total - 1)
    assert len(set(np.diff(steps)[:-1])) == 1, "evenly spaced"
    assert [event.value for event in events] == steps.tolist(), "as measured, not averaged"
    assert np.load(tmp_path / "steps.npy")["step"].tolist() == list(range(total))


@pytest.mark.parametrize(
    ("total", "measure_every", "stride"),
    [(30, 1, 1), (30, 7, 7), (3 * POINTS_PER_CURVE, 3, 3), (3 * POINTS_PER_CURVE, 2, 4)],
)
def test_norms_have_points_where_they_were_measured(
    total: int, measure_every: int, stride: int, tmp_path: Path
) -> None:
    """At most as many as other measures, and none where the file of steps has NaN."""
    run = recorder(tmp_path, total=total, per_epoch=total, measure_every=measure_every)
    for first in range(0, total, 10):
        part = chunk(first, 10, total=total)
        for name in NORMS:
            part.steps[name][part.steps["step"] % measure_every != 0] = np.nan
        run.write(part)
    run.finish(compile_seconds=0.0)
    read = scalars(tmp_path)
    for name in NORMS:
        assert [e.step for e in read[f"iteration/{name}"]] == list(range(0, total, stride))
        assert np.isfinite([e.value for e in read[f"iteration/{name}"]]).all()
    assert read["iteration/train_loss"][-1].step == total - 1


@pytest.mark.parametrize("total", [30, 3 * POINTS_PER_CURVE])
def test_a_diverged_run_ends_where_it_diverged(total: int, tmp_path: Path) -> None:
    """Also in the event file, which holds only every third step of the long run."""
    run = recorder(tmp_path, total)
    run.write(chunk(0, 5, total=total))
    last = chunk(5, 4, {5: 0, 8: 1}, train_loss=[1.0, 1.0, np.inf, np.nan], total=total)
    assert last.status == "diverged"
    run.write(last)
    summary = run.finish(compile_seconds=0.0)
    assert (summary["status"], summary["diverged_at"], summary["steps"]) == ("diverged", 7, 8)
    assert np.load(tmp_path / "steps.npy")["step"][-1] == 7
    assert np.load(tmp_path / "epochs.npy")["step"].tolist() == [5], "nothing of later steps"
    event = scalars(tmp_path)["iteration/train_loss"][-1]
    assert (event.step, event.value) == (7, np.inf)


def test_a_chunk_knows_whether_the_run_goes_on() -> None:
    assert chunk(0, 5).status is None
    assert chunk(25, 5).status == "finished"
    wild = chunk(28, 2, train_loss=[1.0, np.nan])
    assert (wild.status, wild.diverged_at) == ("diverged", 29), "at the last step, too"


@pytest.mark.parametrize("total", [40, 40 * POINTS_PER_CURVE])
def test_a_stopped_run_ends_with_the_evaluation_that_stopped_it(total: int, tmp_path: Path) -> None:
    """Nothing later is recorded; the event file has that evaluation even where it has few."""
    run = recorder(tmp_path, total, stop_reason="no better loss")
    path = np.zeros(31, PATH_DTYPE)
    run.write(chunk(0, 8, {0: 0}, total=total, kept_at=0))
    last = chunk(8, 30, {10: 1, 20: 2, 30: 3}, path, total, stopped_at=20, kept_at=10)
    assert (last.status, last.stopped_at, last.steps_taken) == ("stopped", 20, 20)
    assert last.path is not None
    assert len(last.path) == 13, "12 steps and the end"
    assert last.seconds == 38, "all of the time went into the steps that were taken"
    run.write(last)
    summary = run.finish(compile_seconds=0.0)
    assert (summary["status"], summary["reason"]) == ("stopped", "no better loss")
    assert summary["stopped_at"] == {"step": 20, "epoch": 2}
    assert summary["kept_at"] == {"step": 10, "epoch": 1}
    row = np.load(tmp_path / "epochs.npy")[1]
    assert summary["kept"]["validation_error"] == row["validation_error"]
    assert (summary["steps"], summary["epochs"], summary["total_steps"]) == (20, 2.0, total)
    assert summary["final"]["epoch"] == 2
    assert np.load(tmp_path / "epochs.npy")["step"].tolist() == [0, 10, 20]
    assert scalars(tmp_path)["epoch/validation_loss"][-1].step == 2


def test_a_run_that_diverges_before_it_stops_has_diverged() -> None:
    wild = chunk(0, 20, {0: 0, 10: 1}, train_loss=[*[1.0] * 9, np.nan] * 2, stopped_at=10)
    assert (wild.status, wild.diverged_at, wild.stopped_at) == ("diverged", 9, None)
    assert wild.epochs["step"].tolist() == [0]
    later = chunk(0, 20, {0: 0, 10: 1}, train_loss=[*[1.0] * 10, *[np.nan] * 10], stopped_at=10)
    assert (later.status, later.stopped_at) == ("stopped", 10)
    assert chunk(20, 10, {30: 3}, stopped_at=30).status == "finished", "it took all planned steps"


def test_an_interrupted_and_a_failed_run_say_so(tmp_path: Path) -> None:
    for name, error in (("a", KeyboardInterrupt()), ("b", ValueError("no such thing"))):
        run = recorder(tmp_path / name)
        run.write(chunk(0, 5))
        run.fail(error, compile_seconds=1.0)
    first, second = (strict((tmp_path / name / "summary.json").read_text()) for name in "ab")
    assert (first["status"], first["reason"]) == ("interrupted", None)
    assert (second["status"], second["reason"]) == ("failed", "ValueError: no such thing")
    assert first["steps"] == second["steps"] == 5


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_summary(finished: Path) -> None:
    summary = strict((finished / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["config"] == CONFIG
    assert (summary["steps"], summary["epochs"], summary["total_steps"]) == (30, 3, 30)
    assert (summary["seconds"], summary["steps_per_second"]) == (30, 1)
    assert (summary["seed"], summary["compile_seconds"]) == (3, 1.5)
    assert summary["final"]["validation_error"] == 7.375
    assert summary["best"]["validation_error"] == 7.375
    assert summary["best"]["epoch"] == 3
    assert {"python", "jax", "jaxlib", "optax", "numpy", "runner"} <= set(summary["versions"])
    assert summary["started"] <= summary["ended"]


def test_a_running_run_says_so(tmp_path: Path) -> None:
    run = recorder(tmp_path)
    run.write(chunk(0, 5))
    assert strict((tmp_path / "summary.json").read_text())["status"] == "running"
    assert len(read_curve(tmp_path / "steps.npy")) == 5
    assert len(scalars(tmp_path)["iteration/train_loss"]) == 5


def test_the_best_epoch_is_the_first_of_least_validation_error() -> None:
    rows = np.zeros(4, EPOCH_DTYPE)
    rows["epoch"] = range(4)
    rows["validation_error"] = [np.nan, 0.2, 0.1, 0.1]
    rows["test_error"] = [0.0, 0.5, 0.4, 0.3]
    rows["validation_loss"] = [4, 1, 2, 3]
    rows["test_loss"] = [1, 8, 7, 6]
    best = final_and_best(rows)["best"]
    assert best["epoch"] == 2
    assert best["validation_error"] == pytest.approx(0.1)
    assert best["test_error_at_best_validation_error"] == pytest.approx(0.4)
    assert best["test_loss_at_best_validation_loss"] == 8
    assert best["test_error"] == 0.0


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    write_summary(tmp_path, {"a": float("nan"), "b": [float("inf"), 1.0], "c": {"d": -np.inf}})
    text = (tmp_path / "summary.json").read_text()
    assert strict(text) == {"a": None, "b": [None, 1.0], "c": {"d": None}}


# --- curves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [7, 0, 30, 3]])
def test_pieces_appended_are_one_array(sizes: list[int], tmp_path: Path) -> None:
    rows = chunk(0, 40).steps
    curve = CurveFile(tmp_path / "c.npy", STEP_DTYPE)
    assert len(np.load(tmp_path / "c.npy")) == 0
    begin = 0
    for size in sizes:
        curve.append(rows[begin : begin + size])
        begin += size
        np.testing.assert_array_equal(np.load(tmp_path / "c.npy", allow_pickle=False), rows[:begin])
        np.testing.assert_array_equal(np.load(tmp_path / "c.npy", mmap_mode="r"), rows[:begin])


def test_rows_that_were_not_counted_in_are_ignored(tmp_path: Path) -> None:
    """As a process killed between writing rows and counting them leaves the file."""
    path = tmp_path / "c.npy"
    curve = CurveFile(path, STEP_DTYPE)
    curve.append(chunk(0, 5).steps)
    with path.open("ab") as file:
        file.write(b"\x01" * 77)
    assert read_curve(path)["step"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_kill_9_leaves_a_readable_record(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys; sys.path = {sys.path!r}
        from pathlib import Path
        from test_record import chunk, recorder
        run = recorder(Path({str(tmp_path)!r}), total=10**9)
        for first in range(0, 10**9, 100):
            run.write(chunk(first, 100))
            if first == 5000: print("going", flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert printed == b"going\n"
    steps = np.load(tmp_path / "steps.npy")
    assert len(steps) >= 5000
    assert steps["step"].tolist() == list(range(len(steps)))
    assert strict((tmp_path / "summary.json").read_text())["status"] == "running"
    assert scalars(tmp_path)


# --- failures ---------------------------------------------------------------------------------


def test_a_summary_that_cannot_be_written_says_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is there is changed in place, and no temporary file is left."""
    run = recorder(tmp_path)
    run.write(chunk(0, 5))
    before = strict((tmp_path / "summary.json").read_text())

    def full(file: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RecordError, match="No space left on device"):
        run.close(Status.FINISHED)
    after = strict((tmp_path / "summary.json").read_text())
    assert after == {**before, "status": "failed"}
    assert {file.name.split(".out.")[0] for file in tmp_path.iterdir()} == {
        "steps.npy",
        "epochs.npy",
        "events",
        "summary.json",
    }


def test_event_files_of_a_run_that_was_killed_at_its_start_go_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9 when the event file has just been made."""

    class Killed(BaseException):
        pass

    flush = EventFile.flush

    def killed(file: EventFile) -> None:
        flush(file)
        raise Killed

    monkeypatch.setattr(EventFile, "flush", killed)
    with pytest.raises(Killed):
        recorder(tmp_path)
    assert len(list(tmp_path.glob("events.*"))) == 1
    monkeypatch.undo()
    recorder(tmp_path).close(Status.FINISHED)
    assert len(list(tmp_path.glob("events.*"))) == 1


def test_many_long_curves_do_not_keep_many_files_open(tmp_path: Path) -> None:
    file = tmp_path / "steps.npy"
    CurveFile(file, STEP_DTYPE).append(np.zeros(40_000, STEP_DTYPE))
    before = len(list(Path("/proc/self/fd").iterdir()))
    curves = [read_curve(file) for _ in range(70)]
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 64
    assert all(len(curve) == 40_000 for curve in curves)


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files has the effect of a full disk."""
    code = textwrap.dedent(f"""
        import sys, signal, resource; sys.path = {sys.path!r}
        from pathlib import Path
        from test_record import chunk, recorder
        from runner.errors import RecordError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        run = recorder(Path({str(tmp_path)!r}), total=10**6)
        try:
            for first in range(0, 10**6, 100): run.write(chunk(first, 100))
        except RecordError as error:
            print(error); sys.exit(error.exit_code)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert 100 <= len(np.load(tmp_path / "steps.npy")) < 1000


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        recorder(tmp_path / "file" / "run")


def test_nested_settings_become_dotted_keys() -> None:
    assert flat(CONFIG) == {
        "optimizer.name": "adam",
        "optimizer.learning_rate": 0.5,
        "batch_size.name": "full",
        "seed": 3,
        "steps": None,
    }


def test_a_chunk_of_scalars_is_what_the_library_of_protocol_buffers_writes() -> None:
    """Steps of every length, values that are no numbers, tags that are not ASCII."""
    steps = np.array([0, 1, 127, 128, 16_383, 16_384, 2**21, 2**31 - 1])
    times = START + np.arange(len(steps)) / 7
    values = np.random.default_rng(0).normal(size=(len(steps), 2)).astype(np.float32)
    values[1], values[2] = (np.inf, np.nan), (0, -0.0)
    tags = ("iteration/train_loss", "epoch/η" + "x" * 200)
    expected = b""
    for step, wall_time, row in zip(steps.tolist(), times.tolist(), values.tolist(), strict=True):
        pairs = zip(tags, row, strict=True)
        named = [Summary.Value(tag=tag, simple_value=value) for tag, value in pairs]
        event = Event(wall_time=wall_time, step=step, summary=Summary(value=named))
        data = event.SerializeToString()
        if step == 0:  # the library leaves it out; readers take both
            data = data[:9] + b"\x10\x00" + data[9:]
            assert Event.FromString(data) == event
        length = len(data).to_bytes(8, "little")
        for part in (length, data):
            expected += part + masked_crc32c(part).to_bytes(4, "little")
    assert scalar_records(tags, steps, times, values) == expected
    assert scalar_records(tags, steps[:0], times[:0], values[:0]) == b""


def test_configs_of_a_recurrent_network_of_earlier_versions_are_todays() -> None:
    """`recurrent` and `units` have other names since."""
    today = {**read_option("model", "rnn"), "widths": [32]}
    today["recurrent_initializer"] = {"name": "identity", "scale": 1.0}
    later = {key: value for key, value in today.items() if key not in ("widths", "depth")}
    later["units"] = 32
    earliest = {**later, "recurrent": "identity"}
    del earliest["recurrent_initializer"]
    for config in (earliest, later, today):
        assert completed({"model": config})["model"] == today
