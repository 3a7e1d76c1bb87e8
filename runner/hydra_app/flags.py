"""The flags of the command line: those of Hydra, and those that name the folder of a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from runner.config.locations import CONFIG_NAME
from runner.errors import ConfigError

_NOT_WITH_A_RECORD = ("multirun", "config_dir", "config_name", "cfg", "info", "hydra_help")
"""Flags that would change what is run, or run nothing. The branches of a run may be a sweep."""


def parsed(argv: list[str]) -> tuple[ArgumentParser, Namespace]:
    """Read the flags: those of Hydra and those that name a folder.

    Raises:
        ConfigError: one is not known, not allowed, or does not fit the others.
    """
    parser = get_args_parser()
    parser.prog = "runner"
    parser.error = _bad_flag  # type: ignore[method-assign]
    parser.add_argument("--rerun", metavar="FOLDER", help="Run again what a folder records")
    parser.add_argument("--resume", metavar="FOLDER", help="Let the run in a folder go on")
    parser.add_argument(
        "--from", dest="origin", metavar="FOLDER", help="Start from the weights of a run"
    )
    parser.add_argument("--from-layers", metavar="A,B", help="The layers that --from takes")
    parser.add_argument("--branch", metavar="FOLDER", help="Go on with a run in another way")
    parser.add_argument("--at-epoch", metavar="N", type=int, help="Where --branch starts")
    parser.add_argument("--into", metavar="FOLDER", help="The new folder of --rerun")
    arguments = parser.parse_intermixed_args(argv)
    if arguments.experimental_rerun:
        raise ConfigError(
            "--experimental-rerun reads a pickle, which can execute code; use --rerun"
        )
    if arguments.config_path:
        raise ConfigError("--config-path hides runner's options; --config-dir adds yours")
    if "/" in config_name(arguments):
        raise ConfigError(
            f"--config-name {arguments.config_name}: must be a name, without a folder; to repeat "
            "a recorded run: runner --rerun FOLDER"
        )
    check_records(arguments)
    return parser, arguments


def check_records(arguments: Namespace) -> None:
    """Check that the flags that name the folder of a run fit together.

    Raises:
        ConfigError: they do not.
    """
    if arguments.into is not None and arguments.rerun is None:
        raise ConfigError("--into names the new folder of --rerun, which is not there")
    if arguments.from_layers is not None and arguments.origin is None:
        raise ConfigError("--from-layers names layers of the run of --from, which is not there")
    if (arguments.branch is None) != (arguments.at_epoch is None):
        raise ConfigError("a branch needs both: --branch FOLDER --at-epoch N")
    modes = {"rerun": "repeats", "resume": "goes on with", "branch": "starts from"}
    chosen = [own for own in (*modes, "origin") if getattr(arguments, own) is not None]
    if len(chosen) > 1:
        raise ConfigError("--rerun, --resume, --branch and --from exclude each other: choose one")
    for own in chosen:
        if own not in modes:
            continue
        does = modes[own]
        for name in _NOT_WITH_A_RECORD:
            if getattr(arguments, name) and (own, name) != ("branch", "multirun"):
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{flag}: --{own} {does} what is recorded; leave out {flag}")


def _bad_flag(message: str) -> NoReturn:
    raise ConfigError(f"{message}; see runner --help")


def config_name(arguments: Namespace) -> str:
    """The name of the primary config."""
    return arguments.config_name or CONFIG_NAME
