"""`runner --help`: every option of every group with its one-line meaning.

The meaning is the comment on the first line of the option's YAML file, so a user's own options in
a `--config-dir` are listed beside ours, and nothing heavier than reading files is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.config.overrides import GROUPS

HEAD = """\
runner: train a neural network and look at how the optimization went.

  runner                                        one run with the defaults
  runner +optimizer=adam +schedule=exp          choose an option of a group
  runner optimizer=adam optimizer.b1=0.8        and change its numbers
  runner -m optimizer=sgd,adam,rmsprop          a sweep: one run for each value
  runner -m optimizer.learning_rate=0.1,0.01 seed=0,1,2
  runner +experiment=batch_size                 a prepared study
  tensorboard --logdir outputs                  look
"""

FLAGS = """\
Flags
  -m, --multirun         one run for every combination of the comma-separated values
  --cfg job              show the config instead of running; `--cfg job --package optimizer`
  --config-dir DIR       options of your own: DIR/optimizer/mine.yaml is optimizer=mine
  --info                 where the config comes from
  -sc install=bash       print the shell completion: eval "$(runner -sc install=bash)"
  --version              runner's version
  --hydra-help           everything else that Hydra can do
"""


def help_text(config_directories: list[Path]) -> str:
    """The whole help, for options found in these directories (a later one adds to an earlier)."""
    parts = [HEAD]
    for group in GROUPS:
        meanings = dict(_options(config_directories, group))
        width = max(map(len, meanings), default=0)
        lines = [f"  {name:<{width}}  {meaning}" for name, meaning in meanings.items()]
        parts.append("\n".join([f"{group}={_default(config_directories, group)}", *lines]) + "\n")
    parts.append(_explained("Settings", config_directories[0] / "config.yaml"))
    launcher = config_directories[0] / "hydra" / "launcher" / "runner.yaml"
    sweeper = config_directories[0] / "hydra" / "sweeper" / "runner.yaml"
    parts.append(_explained("Settings of a sweep (-m)", launcher))
    parts += [_explained("The figure that a sweep ends with", sweeper, "figure."), FLAGS]
    return "\n".join(parts)


def _options(directories: list[Path], group: str) -> Iterator[tuple[str, str]]:
    for directory in directories:
        for file in sorted((directory / group).glob("*.yaml")):
            with file.open(encoding="utf-8") as lines:
                first = lines.readline().strip()
                if first.startswith("# @package"):
                    first = lines.readline().strip()
            yield file.stem, first.removeprefix("#").strip() if first.startswith("#") else ""


def _default(directories: list[Path], group: str) -> str:
    """The group's entry in the defaults list."""
    for line in (directories[0] / "config.yaml").read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if key == group:
            value = value.partition("#")[0].strip()
            return "..." if value == "null" else value
    return "..."


def _explained(title: str, file: Path, prefix: str = "") -> str:
    """The keys of a YAML file (or of its part `prefix`) that have a comment behind them."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "  # " in line]
    own = [line.strip() for line in lines if line[:1].isspace() == bool(prefix)]
    return "\n".join([title, *(f"  {prefix}{line.replace(': ', '=', 1)}" for line in own)]) + "\n"
