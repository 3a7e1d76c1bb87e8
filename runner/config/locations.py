"""Where the files of a config are: those of the program, and those of the user."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from runner.errors import ConfigError

CONFIG_NAME = "config"
"""The name of the primary config: `conf/config.yaml`."""

_DIRECTORY = ("--config-dir", "-cd")
_NAME = ("--config-name", "-cn")


class SourceFlag(NamedTuple):
    """A flag that says where a config comes from.

    Attributes:
        words: the flag and its value as typed, in one word or in two.
        value: the value.
        is_directory: whether it names a folder, and not the primary config.
    """

    words: tuple[str, ...]
    value: str
    is_directory: bool


def config_directory() -> Path:
    """Return the folder `conf`: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def existing(directory: str) -> Path:
    """Return the folder that `--config-dir` names.

    Raises:
        ConfigError: there is none.
    """
    if not Path(directory).is_dir():
        raise ConfigError(f"--config-dir {directory}: there is no such folder")
    return Path(directory)


def source_flags(words: Iterable[str]) -> Iterator[SourceFlag]:
    """Yield the flags on a command line that say where its config comes from."""
    for word, following in itertools.pairwise([*words, ""]):
        name, joined, value = word.partition("=")
        if name not in (*_DIRECTORY, *_NAME):
            continue
        if joined:
            yield SourceFlag((word,), value, name in _DIRECTORY)
        elif following:
            yield SourceFlag((word, following), following, name in _DIRECTORY)
