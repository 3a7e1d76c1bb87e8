"""What the class and the YAML file of an option owe."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from runner.config.described import read_option
from runner.config.locations import config_directory
from runner.contract.requirement import require
from runner.experiment.groups import base_of
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import is_option


def check_class(group: str, name: str) -> None:
    """Check that the class of an option derives from the base of its group, and is complete.

    Raises:
        AssertionError: it does not.
    """
    cls, base = OPTIONS[group][name], base_of(group)
    word = f"{group}={name}: {cls.__name__}"
    require(issubclass(cls, base), f"{word} must derive from {base.__name__}")
    missing = ", ".join(sorted(cls.__abstractmethods__))
    require(not missing, f"{word} must define {missing}")
    require(is_option(cls), f"{word} must be declared with @option")
    options = [each.__name__ for each in cls.__mro__[1:] if is_option(each)]
    require(not options, f"{word} derives from another option, {', '.join(options)}")
    # A dataclass without a docstring gets its signature as one.
    said = (cls.__doc__ or "").strip()
    require(bool(said) and not said.startswith(f"{cls.__name__}("), f"{word} has no docstring")


def check_defaults(group: str, name: str, directory: Path) -> None:
    """Check that a YAML file has a value for every field of its class: the default.

    Args:
        group: the group of the option.
        name: its name.
        directory: the folder with a folder for each group.

    Raises:
        AssertionError: it has not, or is not there.
    """
    file = directory / group / f"{name}.yaml"
    require(file.is_file(), f"{file}: is not there")
    written = read_option([directory, config_directory()], group, name)
    require(written.pop("name", None) == name, f"{file}: needs the line `name: {name}`")
    fields = dataclasses.fields(OPTIONS[group][name])
    defaults = {field.name: field.default for field in fields}
    stray = [key for key in written if key not in defaults]
    require(not stray, f"{file}: no field of the class is called {', '.join(stray)}")
    absent = [key for key in defaults if key not in written]
    require(not absent, f"{file}: has no {', '.join(absent)}")
    for key, value in written.items():
        plain = tuple(value) if isinstance(value, list) else value
        if isinstance(value, dict):  # an option inside: which one is the affair of the YAML file
            require(defaults[key] is dataclasses.MISSING, f"{file}: {key} has a default in Python")
        else:
            said = f"{file}: {key} is {plain!r}, and {defaults[key]!r} in the class"
            require(plain == defaults[key], said)


def check_comments(group: str, name: str, directory: Path) -> None:
    """Check that a YAML file says in its first line what the option is, and what each key means.

    Args:
        group: the group of the option.
        name: its name.
        directory: the folder with a folder for each group.

    Raises:
        AssertionError: it does not.
    """
    file = directory / group / f"{name}.yaml"
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    if group in STACKED:
        package = f"# @package {group}.{name}"
        require(first == package, f"{file}: the first line must be `{package}`")
        first, *rest = rest
    said = "the first line must be a comment with its meaning, 6 to 91 letters for --help"
    require(re.fullmatch(r"# \S.{5,90}", first) is not None, f"{file}: {said}")
    for line in rest:
        is_key = re.match(r"\w", line) and not line.startswith(("name:", "defaults:"))
        require(not is_key or "  # " in line, f"{file}: a comment must say what this is: {line}")
