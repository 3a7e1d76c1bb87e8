"""Tuning: what chooses, what is reported, edges of what was tried, and times to a target."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import yaml
from test_compare import PER_EPOCH, leave, optimizer, run_of

from runner import load
from runner.compare.cli import run_command_line
from runner.compare.curve_summary import summarize, table
from runner.compare.edges import next_values
from runner.compare.example_means import EXAMPLES
from runner.compare.grouping import Edge, group_runs
from runner.compare.runs import Run, find
from runner.compare.view import View
from runner.engine.chunk import EPOCH_DTYPE
from runner.errors import ConfigError

RATE = "optimizer.learning_rate"


def evaluated(directory: Path, seed: int = 0, **measures: Any) -> Path:
    """A run of which the evaluations are known: the values of each measure, one an epoch."""
    config = {key: measures.pop(key) for key in ("optimizer", "data") if key in measures}
    count = len(next(iter(measures.values())))
    leave(directory, [1.0] * PER_EPOCH * (count - 1), seed=seed, **config)
    epochs = np.zeros(count, EPOCH_DTYPE)
    epochs["step"], epochs["epoch"] = np.arange(count) * PER_EPOCH, np.arange(count)
    for name in ("validation_loss", "validation_error", "test_loss", "test_error"):
        epochs[name] = measures.get(name, [np.nan] * count)
    np.save(directory / "epochs.npy", epochs)
    return directory


@pytest.fixture
def two_rates(tmp_path: Path) -> list[Run]:
    """By test another rate is better than by validation, for the loss and for the error."""
    for rate, validation, test in ((0.1, [3, 1], [3, 2]), (0.3, [3, 2], [3, 1])):
        measures = {
            f"{split}_{kind}": values
            for split, values in (("validation", validation), ("test", test))
            for kind in ("loss", "error")
        }
        evaluated(
            tmp_path / str(rate), optimizer={"name": "sgd", "learning_rate": rate}, **measures
        )
    return find([tmp_path]).runs


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({"measure": "test_error"}, 0.1),
        ({"measure": "test_loss"}, 0.1),
        ({"measure": "test_error", "target": 1.5}, 0.1),
        ({"measure": "gradient_norm"}, 0.1),
        ({"measure": "test_error", "tune_by": "test_error"}, 0.3),
        ({"measure": "test_error", "tune_by": "test_error", "target": 1.5}, 0.3),
        ({"measure": "validation_error", "tune_by": "test_loss"}, 0.3),
    ],
)
def test_validation_chooses_and_test_is_reported(
    settings: dict[str, Any], rate: float, two_rates: list[Run]
) -> None:
    (kept,) = View(tune=(RATE,), **settings).groups(two_rates)
    assert kept.settings[RATE] == rate


def test_times_to_a_target_of_the_training_loss_are_tuned_by_themselves() -> None:
    """How fast a loss is minimized is asked of that loss; no split is held out from it."""
    view = View("critical_batch_size", "train_loss", tune=(RATE,), target=1.0)
    assert view.tuning_measure == "train_loss"
    assert View("profile", "train_loss", tune=(RATE,)).tuning_measure == "train_loss"
    assert View("profile", "test_error", tune=(RATE,)).tuning_measure == "validation_error"
    assert View("curves", "train_loss", tune=(RATE,)).tuning_measure == "validation_loss"


def test_the_table_says_by_what_was_tuned(
    two_rates: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert two_rates[0].directory
    words = [str(two_rates[0].directory.parent), "--table", "markdown", "--tune", RATE]
    for more, said in (
        (["--measure", "test_error"], f"{RATE} tuned by the least median final validation error."),
        (["--tune-by", "test_loss"], f"{RATE} tuned by the least median final test loss."),
        (
            ["--measure", "test_error", "--target", "1.5"],
            f"{RATE} tuned by the fewest median steps to the validation error 1.5.",
        ),
    ):
        assert run_command_line([*words, *more]) == 0
        assert said in capsys.readouterr().out


def test_without_a_validation_split_nothing_is_tuned_by_it(tmp_path: Path) -> None:
    for rate in (0.1, 0.3):
        evaluated(tmp_path / str(rate), test_error=[3, 1], **optimizer("sgd", rate))
    runs = find([tmp_path]).runs
    with pytest.raises(ConfigError, match=r"no run has a validation_error.*tune_by"):
        View(tune=(RATE,)).groups(runs)
    assert len(View("final", "test_error", tune=(RATE,), tune_by="test_error").groups(runs)) == 1
    config = {"optimizer": {"learning_rate": 1}, "data": {"validation_examples": 0}}
    with pytest.raises(ConfigError, match=r"validation_examples=0.*tune_by"):
        View(tune=(RATE,)).check_keys([config])
    View(tune=(RATE,), tune_by="train_loss").check_keys([config])
    View().check_keys([config])


def test_the_best_test_value_is_that_of_the_best_validation(tmp_path: Path) -> None:
    """Not the least of all epochs, which no one could have chosen without the test split."""
    run = run_of(
        evaluated(
            tmp_path,
            validation_error=[5, 2, 3, 4],
            validation_loss=[5, 4, 3, 4],
            test_error=[5, 3, 4, 1],
            test_loss=[7, 6, 5, 1],
        )
    )
    best = {name: summarize(run, name).best for name in ("test_error", "test_loss")}
    assert best == {"test_error": 3, "test_loss": 5}
    assert summarize(run, "validation_error").best == 2


# --- edges ------------------------------------------------------------------------------------


def leave_rates(folder: Path, best: dict[str, float], rates: tuple[float, ...]) -> None:
    """A run at each rate; the error of an optimizer grows with the distance from its best rate."""
    for name, own in best.items():
        for rate in rates:
            level = 1 + abs(np.log(rate / own))
            leave(folder / f"{name}_{rate}", [level] * 20, **optimizer(name, rate))


def sweep_record(folder: Path, *task: str) -> None:
    own = [f"hydra.sweeper.figure.tune=[{RATE}]", "hydra.mode=MULTIRUN"]
    record = {"hydra": {"overrides": {"hydra": own, "task": list(task)}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(record))


def test_a_best_value_at_the_edge_is_said_with_the_command_that_extends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_rates(tmp_path, {"sgd": 0.1, "adam": 0.01, "rms": 0.001}, (0.001, 0.01, 0.1))
    sweep_record(tmp_path, "optimizer=sgd,adam,rms", f"{RATE}=0.001,0.01,0.1", "batch_size='64'")
    line = [str(tmp_path), "--tune", RATE, "--output", str(tmp_path / "a.png")]
    assert run_command_line(line) == 0
    out = capsys.readouterr().out
    assert f"The best {RATE}, 0.1, is the largest that was tried for sgd." in out
    assert f"The best {RATE}, 0.001, is the least that was tried for rms." in out
    (command,) = [line for line in out.splitlines() if line.startswith("To extend the range: ")]
    assert shlex.split(command)[4:] == [
        "runner",
        "-m",
        "optimizer=sgd,adam,rms",
        f"{RATE}=1e-05,0.0001,0.001,0.01,0.1,1,10",
        "batch_size=64",
        f"figure.tune=[{RATE}]",
        f"hydra.sweep.dir={tmp_path}",
    ]
    # The least and the largest of two values are both at an edge; an inner one is not.
    view = View(tune=(RATE,))
    kept = {group.label: group.edges for group in view.groups(find([tmp_path]).runs)}
    assert kept["adam, 0.01"] == ()
    assert kept["sgd, 0.1"] == (Edge(RATE, 0.1, (0.001, 0.01, 0.1)),)
    figure = view.draw(view.groups(find([tmp_path]).runs))
    words = [" ".join(text.get_text().split()) for text in figure.texts]
    assert any(f"best {RATE} of 2 of 3 groups is at the edge of what was tried" in w for w in words)


def test_the_values_of_a_study_with_cases_are_extended_in_its_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One range for all cases would replace the values of each."""
    leave_rates(tmp_path, {"sgd": 0.1}, (0.001, 0.01, 0.1))
    leave_rates(tmp_path, {"adam": 0.0003}, (0.0001, 0.0003, 0.001))
    cases = [["optimizer=sgd", f"{RATE}=0.001,0.01,0.1"], ["optimizer=adam", f"{RATE}=0.001"]]
    record: dict[str, Any] = {"overrides": {"hydra": [], "task": ["experiment=cased"]}}
    record["sweeper"] = {"cases": cases}
    file = tmp_path / "multirun.yaml"
    file.write_text(yaml.safe_dump({"hydra": record}))
    line = [str(tmp_path), "--tune", RATE, "--table", "markdown"]
    assert run_command_line(line) == 0
    out = capsys.readouterr().out
    assert f"The best {RATE}, 0.1, is the largest that was tried for sgd." in out
    assert "Each case of the study (hydra.sweeper.cases) has its own values of" in out
    assert "the next ones are 1, 10 for sgd." in out
    assert "To extend" not in out
    # Typed values hold for all cases, and so does a longer range.
    record["overrides"]["task"].append(f"{RATE}=0.001,0.01,0.1")
    file.write_text(yaml.safe_dump({"hydra": record}))
    assert run_command_line(line) == 0
    out = capsys.readouterr().out
    assert "Each case" not in out
    assert f"runner -m experiment=cased {RATE}=0.001,0.01,0.1,1,10" in out


def test_a_verdict_at_an_edge_is_preliminary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(5):
        for name, level in (("sgd", 1.0), ("adam", 2.0)):
            for rate in (0.1, 0.01, 0.001):
                # SGD is best at its largest rate, or at an inner one.
                end = (
                    level + seed / 10 - rate
                    if name == "sgd"
                    else level + seed / 10 + (rate != 0.01)
                )
                leave(
                    tmp_path / f"{name}{rate}{seed}", [end] * 20, seed=seed, **optimizer(name, rate)
                )
    line = [str(tmp_path), "--table", "markdown", "--tune", RATE]
    assert run_command_line(line) == 0
    out = capsys.readouterr().out
    assert f"This is preliminary: the best {RATE} of 1 of 2 groups is at the edge" in out
    assert f"To extend the range: runner -m ... {RATE}=0.001,0.01,0.1,1,10" in out
    assert run_command_line([str(tmp_path), "--table", "markdown", "--by", "optimizer"]) == 0
    assert "preliminary" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tried", "at", "expected"),
    [
        ((0.01, 0.03, 0.1), 0.1, [0.3, 1]),
        ((0.01, 0.03, 0.1), 0.01, [0.003, 0.001]),
        ((0.1, 0.2, 0.4), 0.4, [0.8, 1.6]),
        ((0.1, 1.0), 1.0, [10, 100]),
        ((0, 0.5, 0.9), 0.9, [1.62, 2.92]),
        ((0, 0.9), 0.9, []),
        ((32, 64, 128), 32, [16, 8]),
        ((1, 2), 1, []),
    ],
)
def test_a_range_goes_on_in_its_own_ratio(
    tried: tuple[float, ...], at: float, expected: list[float]
) -> None:
    assert next_values(Edge("x", at, tried)) == pytest.approx(expected, rel=0.01)


def test_what_cannot_be_extended_has_no_edge_or_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below 0 there is nothing, and a momentum of 1.6 is refused."""
    for momentum in (0.0, 0.5, 0.9):
        for name, best in (("low", 0.0), ("high", 0.9)):
            own = {"name": "momentum", "learning_rate": 0.1, "momentum": momentum}
            level = 1 + abs(momentum - best)
            leave(tmp_path / f"{name}{momentum}", [level] * 20, optimizer=own, extra={"name": name})
    assert (
        run_command_line([str(tmp_path), "--table", "markdown", "--tune", "optimizer.momentum"])
        == 0
    )
    out = capsys.readouterr().out
    assert "is the largest that was tried for high." in out
    assert "is the least" not in out
    assert "To extend" not in out


# --- times to a target ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "per_epoch"), [(1, 3000), (8, 200), (40, 5), (300, 10), (4000, 2)]
)
def test_losses_of_steps_are_means_over_equally_many_examples(
    size: int, per_epoch: int, tmp_path: Path
) -> None:
    """Around each step 1,000 examples or an epoch, against a loop; a larger batch is one step."""
    steps = 2 * per_epoch if size == 1 else 10 * per_epoch
    losses = np.random.default_rng(0).normal(2, 1, steps) - np.linspace(0, 2, steps)
    run = run_of(leave(tmp_path, losses, examples=size * per_epoch, per_epoch=per_epoch))
    window = max(1, round(min(EXAMPLES, size * per_epoch) / size))
    means = [losses[i : i + window].mean() for i in range(steps - window + 1)]
    first = next(i for i, mean in enumerate(means) if mean <= 1.0)
    summary = summarize(run, "train_loss", 1.0)
    assert summary.steps == (first + window // 2 if first else 0)
    assert summary.best == pytest.approx(min(means), rel=1e-4, abs=1e-5)
    assert summary.final == pytest.approx(means[-1], rel=1e-4, abs=1e-5)


def test_noise_of_small_batches_crosses_no_target_early(tmp_path: Path) -> None:
    """A mean loss that reaches 0.5 at step 1,500 of 2,000, in batches of 4 and of 100.

    The loss of an example has a gamma distribution. With a window of 2 % of the points, batches of
    4 cross it at 1,277.
    """
    random = np.random.default_rng(0)
    for size in (4, 100):
        mean = np.linspace(2, 0, 2000)
        losses = random.gamma(size / 4, 4 * mean / size)
        run = run_of(leave(tmp_path / str(size), losses, examples=size * 1000, per_epoch=1000))
        assert summarize(run, "train_loss", 0.5).steps == pytest.approx(1500, rel=0.05)


# --- repetitions and what has no better -------------------------------------------------------


def test_equal_curves_are_counted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        leave(tmp_path / f"same{seed}", [1.0] * 20, seed=seed, **optimizer("sgd", 0.1))
        leave(tmp_path / f"own{seed}", [1.0 + seed] * 20, seed=seed, **optimizer("adam", 0.1))
    own, same = table(group_runs(find([tmp_path]).runs), "train_loss")[::-1]
    assert (len(same.finals), same.repeated) == (1, 2)
    assert (len(own.finals), own.repeated) == (3, 0)
    assert run_command_line([str(tmp_path), "--table", "markdown"]) == 0
    assert "2 runs have exactly the curve of another run" in capsys.readouterr().out


def test_a_rate_has_no_best_value_and_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(6):
        for name in ("sgd", "adam"):
            leave(tmp_path / f"{name}{seed}", [1.0 + seed] * 20, seed=seed, **optimizer(name, 0.1))
    line = [str(tmp_path), "--table", "markdown", "--measure"]
    assert run_command_line([*line, "learning_rate"]) == 0
    out = capsys.readouterr().out
    assert "best" not in out
    assert "seeds each" not in out
    assert run_command_line([*line, "train_loss"]) == 0
    assert "| best |" in capsys.readouterr().out


def test_runs_with_a_stopping_rule_are_tuned_by_what_they_keep(tmp_path: Path) -> None:
    """The rate 0.1 ends worse, after patience, but what it keeps is better; on any split."""
    curves = {0.1: [0.9, 0.2, 0.6, 0.6], 0.3: [0.9, 0.7, 0.4, 0.3]}
    for rate, errors in curves.items():
        measures = {f"{split}_error": errors for split in ("validation", "test")}
        own = tmp_path / str(rate)
        evaluated(own, optimizer={"name": "sgd", "learning_rate": rate}, **measures)
    for ruled, best in ((False, 0.3), (True, 0.1)):
        if ruled:
            for rate, errors in curves.items():
                kept = int(np.argmin(errors))
                file = tmp_path / str(rate) / "summary.json"
                summary = json.loads(file.read_text())
                summary["kept_at"] = {"step": kept * PER_EPOCH, "epoch": kept}
                file.write_text(json.dumps(summary))
        runs = find([tmp_path]).runs
        for measure in ("validation_error", "test_error"):
            (kept_group,) = View(tune=(RATE,), measure=measure, tune_by=measure).groups(runs)
            assert kept_group.settings[RATE] == best
        (end,) = [summarize(run, "validation_error") for run in runs if run.settings[RATE] == 0.1]
        assert (end.final, end.kept) == (pytest.approx(0.6), pytest.approx(0.2 if ruled else 0.6))


ERRORS = {"sgd": (0.30, 0.31, 0.33, 0.36), "adam": (0.10, 0.12, 0.11, 0.15)}
"""The least errors of a run, by optimizer and seed."""


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Runs of `adam` are better at their best, and worse where patience ended them."""
    for name, errors in ERRORS.items():
        for seed, least in enumerate(errors):
            end = 0.9 if name == "adam" else 0.5
            own = tmp_path / f"{name}{seed}"
            settings = {**optimizer(name, 0.1), "data": {"name": "digits"}}
            evaluated(own, seed, validation_error=[1.0, least, end + seed / 100], **settings)
            file = own / "summary.json"
            summary = json.loads(file.read_text())
            summary |= {"status": "stopped", "kept_at": {"step": PER_EPOCH, "epoch": 1}}
            summary["kept"] = {"validation_error": least}
            file.write_text(json.dumps(summary))
    return tmp_path


def test_tables_of_stopped_runs_have_what_they_keep(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each form the column is named, and the better group is the one that keeps better ones."""

    def printed(*words: str) -> str:
        assert run_command_line([str(stopped), *words]) == 0
        return capsys.readouterr().out

    text = printed("--table", "text")
    header, first, second, *below = text.splitlines()
    assert "median kept validation error" in header
    assert "final" not in text
    for line, name in ((first, "adam"), (second, "sgd")):
        assert line.split()[:2] == [name, "0.115" if name == "adam" else "0.320"]
    words = " ".join(below)
    assert "Best median kept validation error: adam. At 5 % it is better than sgd" in words
    assert "Kept: of a run with a stopping rule the value at the evaluation whose" in words
    assert "Kept: of a run" in printed("--table", "markdown")
    csv_head, csv_first, _ = printed("--table", "csv").splitlines()
    row = dict(zip(csv_head.split(","), csv_first.split(","), strict=True))
    assert float(row["kept_mean"]) == pytest.approx(np.mean(ERRORS["adam"]))
    assert float(row["kept_median"]) == pytest.approx(np.median(ERRORS["adam"]))
    half = scipy.stats.t.ppf(0.975, 3) * scipy.stats.sem(ERRORS["adam"])
    assert float(row["kept_half_width_95"]) == pytest.approx(half, rel=1e-3)
    paper = printed("--table", "latex", "--problem", "data")
    assert "% Kept validation error" in paper
    assert r"$\mathbf{12.0 \pm 3.4}$" in paper
    assert printed("--output", str(stopped / "a.html"))
    page = (stopped / "a.html").read_text()
    assert "<th>median kept validation error</th>" in page
    assert "<th>kept.validation_error</th>" in page
    assert '<td data-value="0.36">0.36</td>' in page
    kept = load(stopped).frame()["kept.validation_error"]
    assert sorted(kept) == sorted((*ERRORS["sgd"], *ERRORS["adam"]))


def test_one_run_with_a_rule_names_the_column_and_others_have_their_last_value(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {**optimizer("lion", 0.1), "data": {"name": "digits"}}
    evaluated(stopped / "ended", validation_error=[1.0, 0.05, 0.2], **settings)
    assert run_command_line([str(stopped), "--table", "csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert {row["optimizer"]: row["kept_median"] for row in rows}["lion"] == "0.2"
    assert [row["optimizer"] for row in rows] == ["adam", "lion", "sgd"]


def test_a_sweep_is_ranked_by_what_its_runs_keep() -> None:
    """A rule on the loss may keep parameters whose error is not the least of the run."""
    best = {"validation_error": 0.1}
    assert Run(None, {"best": best, "kept": None}).metric == 0.1
    assert Run(None, {"best": best, "kept": {"validation_error": 0.2}}).metric == 0.2
