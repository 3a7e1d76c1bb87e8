"""The files of a new option: made from a template of its group, with its name filled in.

A template is one file, `templates/GROUP.txt`: the module, the YAML file and the test, each after a
line that names it. `$name` is the name of the option and of the module, `$cls` that of the class.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import string
import sys
from importlib import resources
from pathlib import Path

from runner.errors import ConfigError, RecordError, did_you_mean
from runner.experiment.table import OPTIONS, STACKED

CONFIGS = "my_conf"
"""The folder for YAML files, that of `--config-dir`."""

_PART = re.compile(r"^=== (module|yaml|test)\n", re.MULTILINE)


def templates() -> list[str]:
    """The groups for which there is a template, in the order of the table."""
    folder = resources.files("runner.new") / "templates"
    return [group for group in OPTIONS if (folder / f"{group}.txt").is_file()]


class NewOption:
    """A new option.

    Args:
        group: its group.
        name: its name, which is that of its module, too.
    """

    def __init__(self, group: str, name: str) -> None:
        self.group, self.name = group, name
        self.module, self.test = f"{name}.py", f"test_{name}.py"
        self.yaml = f"{CONFIGS}/{group}/{name}.yaml"

    def files(self) -> tuple[str, str, str]:
        """The names of its files: the module, the YAML file, the test."""
        return self.module, self.yaml, self.test

    def command(self) -> str:
        """The line that uses it."""
        return f"runner --config-dir {CONFIGS} plugins=[{self.name}] {self.group}={self.name}"

    def check(self, folder: Path) -> None:
        """Check that it may be written.

        Raises:
            ConfigError: there is no template for the group, the name cannot be used or is taken, or
                one of the files is there.
        """
        if self.group not in templates():
            if self.group in OPTIONS:
                hint = "; runner/plugin.py says what its class must define"
                raise ConfigError(f"there is no template for {self.group}{hint}")
            hint = did_you_mean(self.group, templates())
            raise ConfigError(f"{self.group} is no group of options{hint}")
        self._check_name()
        for file in self.files():
            if (folder / file).exists() or (folder / file).is_symlink():
                raise ConfigError(f"{folder / file} is there, and nothing is overwritten")

    def _check_name(self) -> None:
        """Check the name.

        Raises:
            ConfigError: it cannot be that of an option and of a module.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or keyword.iskeyword(self.name):
            fit = re.sub(r"\W+", "_", self.name.lower()).strip("_")
            hint = f"; {fit}" if re.fullmatch(r"[a-z][a-z0-9_]*", fit) and fit != self.name else ""
            raise ConfigError(
                f"{self.name!r} cannot be the name of a module and an option: small letters, "
                f"digits and _{hint}"
            )
        if self.name in ("null", "true", "false", "none"):
            raise ConfigError(f"{self.name} has a meaning in YAML; choose another name")
        if self.name in OPTIONS[self.group]:
            raise ConfigError(f"{self.group}={self.name} is an option already; choose another name")
        is_module = self.name in sys.stdlib_module_names or self._is_installed()
        if is_module or self.name == "runner":
            raise ConfigError(f"{self.name} is a Python module already; choose another name")

    def _is_installed(self) -> bool:
        here = {"", str(Path.cwd())}
        path = [place for place in sys.path if place not in here]
        return importlib.machinery.PathFinder.find_spec(self.name, path) is not None

    def write(self, folder: Path) -> None:
        """Write the files.

        Raises:
            RecordError: one cannot be written, or has appeared.
        """
        for file, text in zip(self.files(), self._texts(), strict=True):
            try:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                with (folder / file).open("x", encoding="utf-8") as stream:
                    stream.write(text)
            except OSError as error:
                reason = error.strerror or error
                raise RecordError(f"{folder / file}: cannot be written: {reason}") from error

    def _texts(self) -> list[str]:
        """The contents of the files, in the order of `files`."""
        template = resources.files("runner.new") / "templates" / f"{self.group}.txt"
        _, *parts = _PART.split(template.read_text(encoding="utf-8"))
        named = dict(zip(parts[::2], parts[1::2], strict=True))
        class_name = "".join(word.capitalize() for word in self.name.split("_"))
        values = {"name": self.name, "cls": class_name, "group": self.group, "configs": CONFIGS}
        texts = [named["module"], named["yaml"], _TEST + named.get("test", "")]
        if self.group in STACKED:
            texts[1] = f"# @package {self.group}.{self.name}\n{texts[1]}"
        return [string.Template(text).substitute(values).strip() + "\n" for text in texts]


_TEST = '''\
"""Tests of $group=$name: the contract of all options, and its rule."""

from pathlib import Path

import numpy as np
from runner.contract import check_option

from $name import $cls


def test_it_keeps_the_contract() -> None:
    check_option("$group", "$name", Path(__file__).parent / "$configs")


'''
