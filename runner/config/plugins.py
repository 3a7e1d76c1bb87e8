"""Plug-ins: Python modules of the user's own that register options.

A module is imported where it is named on the command line or in a config that was given there
(`plugins=[my_module]`), and nowhere else: a folder of a run names its plug-ins, and does not
load them.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runner.errors import ConfigError

PLUGINS = "plugins"

loaded_plugins: set[str] = set()
"""The modules that `load_plugins` has imported in this process."""

NO_PLUGIN = "; an option of your own needs plugins=[its module]"
"""The hint where no file is known that registers an option."""

_LARGEST = 1 << 20
"""No module that is searched for its options has more bytes."""


def load_plugins(modules: Any) -> None:
    """Import the modules that the user named, so that they can register options of their own.

    Args:
        modules: the value of the key `plugins`: a list of names of modules on Python's path or in
            the current directory.

    Raises:
        ConfigError: it is not a list of names, or a module cannot be imported.
    """
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise ConfigError(f"plugins={modules!r} must be a list of module names: plugins=[mine]")
    for name in modules:
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = " ".join(str(error).split())
            if isinstance(error, SystemExit):
                reason = f"it ends the program (sys.exit({reason}))"
            raise ConfigError(f"plugins: cannot import {name!r}: {reason}") from error
        loaded_plugins.add(name)


def typed_plugins(words: Iterable[str]) -> list[str]:
    """The modules that the words of a command line name: `plugins=[a,b]`."""
    typed = [word.lstrip("+") for word in words]
    lists = [word.partition("=")[2] for word in typed if word.startswith(f"{PLUGINS}=")]
    return [name.strip(" '\"") for value in lists for name in value.strip("[]").split(",") if name]


def plugin_hint(group: str, name: str, directories: Iterable[Path] = ()) -> str:
    """A hint at the plug-in that has an option; in general words if no file registers it.

    The files are read, not imported: those in the current folder, and those beside the folder of
    the user's options and in it.

    Args:
        group: the group of the option.
        name: its name.
        directories: folders with options of the user.
    """
    near = [Path.cwd(), *(place for each in directories for place in (each, each.parent))]
    for file in _modules(near):
        if (group, name) in _registered(file):
            folder = os.path.relpath(file.parent)
            path = "" if folder == "." else f", with PYTHONPATH={folder}"
            return f"; {file.name} registers it: add plugins=[{file.stem}]{path}"
    return NO_PLUGIN


def _modules(directories: Sequence[Path]) -> Iterator[Path]:
    """The Python files in some folders that mention what registers an option."""
    own = Path(__file__).parents[2]
    for directory in dict.fromkeys(each.resolve() for each in directories):
        if directory != own:
            yield from sorted(directory.glob("*.py"))


def _registered(file: Path) -> set[tuple[str, str]]:
    """The groups and names in the calls of `register` in a file; empty if it cannot be read."""
    try:
        if file.stat().st_size > _LARGEST:
            return set()
        text = file.read_text(encoding="utf-8")
        calls = ast.walk(ast.parse(text)) if re.search(r"\bregister\(", text) else ()
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in calls:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register":
            values = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            if len(values) == 2 and all(isinstance(value, str) for value in values):
                found.add((str(values[0]), str(values[1])))
    return found
