"""The command line: argv in, exit code out.

0 is success (a diverged run is a result), 1 a run that failed, 2 bad input, 130 an interruption.
Nothing here imports JAX; that happens when the first run begins to train.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runner import files
from runner.config.explain import help_for
from runner.errors import exit_code
from runner.interruption import handle_signals, in_worker, was_received
from runner.terminal.pipes import files_come_first, outlive_readers, output_was_lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from omegaconf import DictConfig

    from runner.hydra_app.application import Application
    from runner.hydra_app.starting import FromWeights


def main() -> NoReturn:
    """Run the console script `runner`."""
    handle_signals("runner")
    outlive_readers()
    logging.raiseExceptions = False  # a full disk must not fill the terminal with tracebacks
    code = in_worker(lambda: run_command_line(sys.argv[1:])) or int(output_was_lost())
    if "jax" in sys.modules:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process without the teardown of JAX, which takes a third of a second.

    After an interruption programs may still be compiled, and what JAX does at exit could crash.
    """
    if not was_received():
        atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the shell closed it
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def run_command_line(argv: list[str]) -> int:
    """Do what the command line asks and return the exit code."""
    said = "interrupted; what was computed is recorded"
    return exit_code("runner", lambda: _dispatch(argv), said)


def _dispatch(argv: list[str]) -> None:
    if "--help" in argv or "-h" in argv:
        print(help_for(argv), end="")
        return
    if "--version" in argv:
        from runner.version import own_version

        print(f"runner {own_version()}")
        return
    _with_hydra(argv)


def _with_hydra(argv: list[str]) -> None:
    """Do what needs a composed config."""
    from hydra.core.global_hydra import GlobalHydra

    from runner.hydra_app.application import Application
    from runner.hydra_app.completion import complete, directory_of_line
    from runner.hydra_app.flags import config_name, parsed
    from runner.hydra_app.prepare import prepare_overrides

    parser, arguments = parsed(argv)
    if not arguments.shell_completion:
        arguments.overrides = prepare_overrides(arguments.overrides)
    directory = arguments.config_dir
    if arguments.shell_completion:
        directory = directory or directory_of_line()
    application = Application.create(directory)
    try:
        if arguments.hydra_help:
            application.hydra_help("config", args_parser=parser, args=arguments)
        elif arguments.shell_completion:
            complete(application, arguments)
        elif arguments.info:
            application.show_info(arguments.info, config_name(arguments), arguments.overrides)
        elif arguments.cfg:
            application.show_cfg(
                config_name(arguments),
                arguments.overrides,
                arguments.cfg,
                arguments.package,
                arguments.resolve,
            )
        elif (repeat := _command_on_record(arguments)) is not None:
            from runner.hydra_app.error_lines import run_errors
            from runner.hydra_app.task import sweep_task

            task = sweep_task if arguments.multirun else _single_task
            with run_errors():
                repeat(application, arguments, task)
        else:
            _train(application, arguments)
    finally:
        GlobalHydra.instance().clear()


def _command_on_record(arguments: Namespace) -> Callable[..., None] | None:
    """What a flag asks to do with the folder of a run or sweep; None without such a flag."""
    if arguments.rerun is not None:
        from runner.hydra_app.rerun import rerun

        return rerun
    if arguments.resume is not None:
        from runner.hydra_app.resume import resume

        return resume
    if arguments.branch is not None:
        from runner.hydra_app.branch import branch

        return branch
    return None


def _train(application: Application, arguments: Namespace) -> None:
    """Train one run, or a sweep where `-m` or the config (`hydra.mode=MULTIRUN`) asks for one."""
    from hydra.types import RunMode

    from runner.hydra_app.error_lines import run_errors
    from runner.hydra_app.flags import config_name
    from runner.hydra_app.multirun import train_sweep
    from runner.hydra_app.task import sweep_task

    name, overrides = config_name(arguments), arguments.overrides
    mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
    if arguments.multirun:
        overrides.append("hydra.mode=MULTIRUN")
    config = application.compose_config(name, overrides, mode, with_log_configuration=True)
    starter = _starter(arguments)
    if not config.hydra.launcher.get("dry_run"):
        files_come_first()
    if _may_set_sweep(arguments):
        from runner.hydra_app.launch import check_settings

        check_settings(config)  # a run alone ignores them, but not a mistake in them
    with run_errors():
        if config.hydra.mode == RunMode.MULTIRUN:
            from runner.hydra_app.starting import starting_at  # imports NumPy

            # Where the config asks for a sweep, it is composed again, as a sweep.
            train_sweep(application, name, overrides, starting_at(sweep_task, starter))
            return
        from runner.hydra_app.alone import run_alone

        run_alone(application, name, config, overrides, _single_task, starter)


def _may_set_sweep(arguments: Namespace) -> bool:
    """Whether the user, a study or a file of the user may say how a sweep is run and drawn."""
    from runner.hydra_app.overrides import key_of

    keys = ("hydra.launcher.", "hydra.sweeper.", "experiment")
    typed = any(key_of(word).startswith(keys) for word in arguments.overrides)
    return typed or bool(arguments.config_dir or arguments.config_name)


def _starter(arguments: Namespace) -> FromWeights | None:
    """What `--from` says that runs start from; None without it."""
    if arguments.origin is None:
        return None
    from runner.hydra_app.starting import FromWeights, listed_layers

    return FromWeights(Path(arguments.origin), listed_layers(arguments.from_layers))


def _single_task(config: DictConfig, **start: Any) -> float:
    """Train a run that was started alone, and print its table.

    Args:
        config: its config.
        **start: what it starts from, if from something (see `runner.execution.run.run`).
    """
    from runner.hydra_app import task
    from runner.hydra_app.alone import print_results
    from runner.record.summary import minimized
    from runner.terminal.words import shell_path

    try:
        summary, directory = task.record(config, **start)
    except KeyboardInterrupt:
        if (task.directory() / files.SUMMARY).exists():
            print(f"Curves: {shell_path(task.directory())}")
        raise
    print_results(summary, directory)
    return minimized(summary)


if __name__ == "__main__":
    main()
