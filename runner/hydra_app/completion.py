"""Completion of a line in the shell, which is in the environment: `COMP_LINE`."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from runner.config.locations import source_flags
from runner.hydra_app.application import Application
from runner.hydra_app.flags import config_name
from runner.hydra_app.overrides import normalize_completion_line


def directory_of_line() -> str | None:
    """The folder of the user's options that is named in the line under completion."""
    flags = source_flags(os.environ.get("COMP_LINE", "").split())
    named = (flag.value for flag in flags if flag.is_directory and Path(flag.value).is_dir())
    return next(named, None)


def complete(application: Application, arguments: Namespace) -> None:
    """Complete a line of the shell, in which `+group=option` is allowed."""
    if "COMP_LINE" in os.environ:
        os.environ["COMP_LINE"] = normalize_completion_line(os.environ["COMP_LINE"])
    application.shell_completion(config_name(arguments), arguments.overrides)
