"""`runner --help`: every option of every group with its one-line meaning.

The meaning is the comment on the first line of the YAML file of the option, so options of the user
in a `--config-dir` are listed too, and only files need to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.config.locations import CONFIG_NAME
from runner.experiment.table import GROUPS

HEAD = """\
runner: train neural networks and see what each choice does to optimization.

  runner                                        one run with the defaults
  runner +optimizer=adam +schedule=exp          choose options
  runner optimizer=adam optimizer.b1=0.8        and set their numbers
  runner -m optimizer=sgd,adam,rmsprop          a sweep: one run for each value
  runner -m optimizer.learning_rate=0.1,0.01 seed=0,1,2
  runner +experiment=batch_size                 a prepared study
  tensorboard --logdir outputs                  look at the curves
  runner-compare outputs                        compare runs

The groups, each with its default and its options. docs/options.md has their rules and numbers;
`runner optimizer=adam --cfg job --package optimizer` prints the numbers of one.
"""

FLAGS = """\
Flags
  -m, --multirun         one run for every combination of the comma-separated values
  --cfg job              print the config instead of running; with --package optimizer, one group
  --rerun FOLDER         run again what a folder records, and compare to the bit; --into NEW_FOLDER
  --resume FOLDER        let the run in a folder go on to its end, or beyond it (epochs=20)
  --from FOLDER          start from the weights of a run; --from-layers hidden_1,hidden_2: from some
  --branch FOLDER        with --at-epoch 5: the run in a folder, from there on with other options
  --config-dir DIR       options of your own: DIR/optimizer/mine.yaml is optimizer=mine
  --info                 print where the config comes from
  -sc install=bash       print the shell completion: eval "$(runner -sc install=bash)"
  --version              print the version
  --hydra-help           everything else that Hydra can do
"""


def help_text(config_directories: list[Path]) -> str:
    """Return the whole help.

    Args:
        config_directories: the folder `conf`, then any `--config-dir`, whose options are added.
    """
    parts = [HEAD]
    for group in GROUPS:
        meanings = dict(_options(config_directories, group))
        width = max(map(len, meanings), default=0)
        lines = [f"  {name:<{width}}  {meaning}" for name, meaning in meanings.items()]
        parts.append("\n".join([f"{group}={_default(config_directories, group)}", *lines]) + "\n")
    parts.append(_explained("Settings", config_directories[0] / f"{CONFIG_NAME}.yaml"))
    launcher = config_directories[0] / "hydra" / "launcher" / "runner.yaml"
    sweeper = config_directories[0] / "hydra" / "sweeper" / "runner.yaml"
    parts.append(_explained("Settings of a sweep (-m)", launcher))
    parts += [_figure_keys(sweeper), FLAGS]
    return "\n".join(parts)


def _options(directories: list[Path], group: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the meaning of every option of a group."""
    for directory in directories:
        for file in sorted((directory / group).glob("*.yaml")):
            with file.open(encoding="utf-8") as lines:
                first = lines.readline().strip()
                if first.startswith("# @package"):
                    first = lines.readline().strip()
            yield file.stem, first.removeprefix("#").strip() if first.startswith("#") else ""


def _default(directories: list[Path], group: str) -> str:
    """Return the entry of a group in the defaults list."""
    for line in (directories[0] / f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if key == group:
            value = value.partition("#")[0].strip()
            return "..." if value == "null" else value
    return "..."


def _explained(title: str, file: Path) -> str:
    """Return the keys of a YAML file that have a comment beside them."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "  # " in line]
    own = [line.strip() for line in lines if not line[:1].isspace()]
    return "\n".join([title, *(f"  {line.replace(': ', '=', 1)}" for line in own)]) + "\n"


def _figure_keys(file: Path) -> str:
    """Return the keys `figure.*` of a YAML file, each with the comment above it."""
    lines = ["The figure that a sweep ends with"]
    _, _, part = file.read_text(encoding="utf-8").partition("\nfigure:\n")
    meaning: list[str] = []
    for line in map(str.strip, part.splitlines()):
        if line.startswith("#"):
            meaning.append(f"      {line.removeprefix('# ')}")
        else:
            lines += [f"  figure.{line.replace(': ', '=', 1)}", *meaning]
            meaning = []
    return "\n".join(lines) + "\n"
