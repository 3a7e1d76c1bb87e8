"""YAML files of the user's own options: what is wrong with one, in one line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import yaml

from runner.errors import ConfigError
from runner.experiment.table import GROUPS
from runner.record.foreign import check_size_of_yaml, read_text


def check_sizes(directory: Path) -> None:
    """Check the files of a `--config-dir` whose aliases or nesting Hydra would not get through.

    Raises:
        ConfigError: one is too large.
    """
    for file in _files(directory):
        try:
            check_size_of_yaml(read_text(file))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue  # what is wrong is said if the file is chosen
        except ValueError as error:
            raise ConfigError(f"{file}: {error}") from None


def _files(directory: Path) -> Iterator[Path]:
    """The files that Hydra may read: of the groups, and beside them."""
    groups = [directory / group for group in (*GROUPS, "hydra")]
    below = (group.rglob("*.yaml") for group in groups)
    for file in itertools.chain(directory.glob("*.yaml"), *below):
        if file.is_file():
            yield file


def line_about(error: yaml.YAMLError) -> str:
    """What is wrong with a file, and where: `mine.yaml, line 2: found duplicate key seed`."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    hint = "; YAML is indented with spaces" if "'\\t'" in problem else ""
    if "could not determine a constructor" in problem:
        hint = "; a value is a number, text, a list or a dictionary"
    place = f"{mark.name}, line {mark.line + 1}: " if mark else ""
    return f"{place}{problem}{hint}"
