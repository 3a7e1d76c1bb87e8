"""What Hydra itself does not answer in one line: files, values of sweeps, its own settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import CommandLine

from runner.errors import one_line
from runner.hydra_app.error_lines import one_line_errors
from runner.hydra_app.overrides import normalize


def refused(runner: CommandLine, *arguments: str) -> str:
    """The line that says why; nothing is left behind."""
    before = set(runner.directory.rglob("*"))
    done = runner(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    new = set(runner.directory.rglob("*")) - before
    assert not {file for file in new if "__pycache__" not in str(file)}
    return done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-m seed=range(0)", "seed=range(0): has no values to run"),
        ("-m seed=range(0,1,0)", "seed=range(0,1,0): range() arg 3 must not be zero"),
        ("-m seed=range(0,1000000000)", "more than 100,000 combinations"),
        ("-m seed=interval(0,1)", "write them out, as in seed=0,1,2"),
        ("-m ++lanes=glob(*)", "lanes=glob(*): has one value for the whole sweep"),
        ("warmup=[[1]]", "warmup=[[1]]: a run has one warmup"),
        ("optimizer=[adam,sgd]", "a run has one optimizer; a sweep over several is typed with -m"),
        ("gradient=[1]", "gradient=[1]: [1] is not the name of an option of gradient"),
        ("++optimizer.name=[1]", "optimizer.name is [1], which is no known optimizer"),
        ("++strategy=x", "strategy=x must be one of auto, sequential, map, vmap"),
        ("++figure.kind=x", "the figure x is not known"),
        ("dry_run=maybe", "dry_run=maybe must be true or false"),
        ("hydra.verbose={}", "must be true, false, or the names of loggers"),
        ("hydra.launcher=null", "hydra.launcher=null: choose one by its name"),
        ("hydra.launcher._target_=os.system", "choose one by its name: hydra/launcher=runner"),
        ("-m hydra.sweeper._target_=os.system", "choose one by its name: hydra/sweeper=runner"),
        ("+hydra.launcher.x=1", "hydra.launcher.x is not a known key"),
        ("+hydra.sweeper.figure.x=1", "figure.x is not a known key"),
        ("hydra.sweeper.params=5", "hydra.sweeper.params=5 must be a dictionary"),
        ("hydra.sweeper.max_batch_size=abc", "must be a whole number, at least 1, or null"),
        ("hydra.sweeper.max_batch_size=-1", "must be a whole number, at least 1, or null"),
        ("hydra.job.env_copy=[NOPE]", "hydra.job.env_copy=[NOPE]: cannot be composed: KeyError"),
        ("hydra.run.dir=${nope}", "Interpolation key 'nope' not found"),
        ("-m seed=0,1 confirm=99999999 figure.tune=[seed]", "confirm=99999999 is out of range"),
        ("-m hydra/launcher=basic seed=0,x", "seed=x must be a whole number [in run 1 of"),
        (f"batch_size={'1' * 5000}", f"batch_size={'1' * 20}... is too large: integers go up to"),
        (f"-m batch_size=8,{'1' * 5000}", "is too large: integers go up to 2,147,483,647"),
        ("epochs=2000000000", "epochs=2000000000 has 90,000,000,000 steps; programs count to"),
        ("--cfg job --package nope", "--package nope: there is no such part of the config; choose"),
        ("--cfg job --package optimzer", "did you mean optimizer?"),
        ("--cfg job --package optimizer.learnin_rate", "did you mean learning_rate?"),
        ("--cfg job --package hydra.job", "its part hydra is printed by --cfg hydra"),
        ("--cfg hydra --package optimizer", "--package optimizer: there is no such part"),
        ("--cfg job --package [", "--package [: there is no such part of the config"),
        ("-m seed=0,1 hydra.sweep.subdir=${nope}", "hydra.sweep.subdir: Interpolation key 'nope'"),
        ("-m seed=0,1 hydra.sweep.subdir=${nope} dry_run=true", "hydra.sweep.subdir: Interpol"),
        ("--info defaults @", "'@' is not of the form key=value"),
    ],
)
def test_a_line_is_refused_in_one_line(runner: CommandLine, words: str, said: str) -> None:
    assert said in refused(runner, *words.split(" "))


_BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{key}: &{key} [{','.join([f'*{before}'] * 9)}]\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: adam\n\teps: 1\n", "mine.yaml, line 2: found character '\\t' that cannot start"),
        ("name: adam\neps: 1\neps: 2\n", "mine.yaml, line 3: found duplicate key eps"),
        ("name: adam\n1: 2\n", "optimizer.1 is not a key of optimizer=adam"),
        ("name: !!python/name:os.system\n", "a value is a number, text, a list or a dictionary"),
        ("defaults: [mine]\nname: adam\n", "a defaults list includes itself"),
        (f"name: adam\n{_BOMB}", "mine.yaml: has more than 10,000 values, those of aliases"),
        ("name: adam\nx: &a {y: *a}\n", "mine.yaml: has more than 10,000 values"),
        (f"name: {'[' * 300}{']' * 300}\n", "mine.yaml: is nested more than 32 levels deep"),
        ("name: sam\nrho: 0.05\n", "optimizer.base is missing, which optimizer=sam needs"),
        ("name: adam\n---\nname: sgd\n", "but found another document"),
    ],
)
def test_a_file_is_refused_in_one_line(
    runner: CommandLine, tmp_path: Path, content: str, said: str
) -> None:
    folder = tmp_path / "mine" / "optimizer"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(content)
    assert said in refused(runner, "--config-dir", "mine", "optimizer=mine")


def test_a_plugin_that_ends_the_program_is_named(runner: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(0)\n")
    assert "'leaves': it ends the program" in refused(runner, "plugins=[leaves]")


def test_a_message_is_one_line_whatever_is_in_a_value(runner: CommandLine) -> None:
    assert r"seed=a\nb must be a whole number" in refused(runner, 'seed="a\nb"')
    assert one_line("\x1b[31mä\udcff\t") == r"\x1b[31mä\udcff\t"


def test_composing_ends_with_no_other_exception() -> None:
    """Whatever it is that Hydra raises; an interruption is no error."""
    from runner.errors import ConfigError

    with pytest.raises(ConfigError, match="seed=0: cannot be composed: LookupError: why"):  # noqa: SIM117
        with one_line_errors(None, ["seed=0"]):  # type: ignore[arg-type]
            raise LookupError("why")
    with pytest.raises(KeyboardInterrupt), one_line_errors(None, []):  # type: ignore[arg-type]
        raise KeyboardInterrupt


def test_settings_of_a_sweep_may_have_a_plus() -> None:
    assert normalize(["++strategy=map", "+figure.kind=final"]) == [
        "hydra.launcher.strategy=map",
        "hydra.sweeper.figure.kind=final",
    ]


def test_a_pipe_among_the_files_of_the_user_is_not_waited_for(
    runner: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "optimizer"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "mine.yaml")
    assert "optimizer=mine is not a known optimizer" in refused(
        runner, "--config-dir", "mine", "optimizer=mine"
    )
