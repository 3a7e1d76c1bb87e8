"""`runner --help`: every option of every group with its one-line meaning.

The meaning is the comment on the first line of the YAML file of the option, so options of the user
in a `--config-dir` are listed too, and only files need to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.config.described import meaning_of
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

The groups, each with its default and its options. `runner --help optimizer=adam` prints the rule,
the source and the numbers of one, `runner --help optimizer.b2` what a number means; docs/options.md
has all of them.
"""

FLAGS = """\
Flags
  --help WORD ...        what options, groups and keys mean: --help optimizer=adam schedule epochs
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
        meanings = meanings_of(config_directories, group)
        width = max(map(len, meanings), default=0)
        lines = [f"  {name:<{width}}  {meaning}" for name, meaning in meanings.items()]
        parts.append("\n".join([f"{group}={default_of(config_directories, group)}", *lines]) + "\n")
    for title, settings in _settings(config_directories[0]):
        parts.append("\n".join([title, *settings.values()]) + "\n")
    return "\n".join([*parts, FLAGS])


def settings_of(directory: Path) -> dict[str, str]:
    """Return every setting that is no option, by key, each with default and meaning.

    Args:
        directory: the folder `conf`.
    """
    return {key: line for _, settings in _settings(directory) for key, line in settings.items()}


def _settings(directory: Path) -> list[tuple[str, dict[str, str]]]:
    """The settings of a run, of a sweep and of its figure, each kind with its title."""
    launcher = directory / "hydra" / "launcher" / "runner.yaml"
    sweeper = directory / "hydra" / "sweeper" / "runner.yaml"
    return [
        ("Settings", _commented(directory / f"{CONFIG_NAME}.yaml")),
        ("Settings of a sweep (-m)", _commented(launcher)),
        ("The figure that a sweep ends with", _figure_keys(sweeper)),
    ]


def meanings_of(directories: Sequence[Path], group: str) -> dict[str, str]:
    """Return the meaning of every option of a group in some folders, by name."""
    files = [file for each in directories for file in sorted((each / group).glob("*.yaml"))]
    return {file.stem: meaning_of(file) for file in files}


def default_of(directories: Sequence[Path], group: str) -> str:
    """Return the entry of a group in the defaults list."""
    for line in (directories[0] / f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8").splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if key == group:
            value = value.partition("#")[0].strip()
            return "..." if value == "null" else value
    return "..."


def _commented(file: Path) -> dict[str, str]:
    """The keys of a YAML file that have a comment beside them, each with its line."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "  # " in line]
    own = [line.strip() for line in lines if not line[:1].isspace()]
    return {line.partition(":")[0]: f"  {line.replace(': ', '=', 1)}" for line in own}


def _figure_keys(file: Path) -> dict[str, str]:
    """The keys `figure.*` of a YAML file, each with the comment above it."""
    _, _, part = file.read_text(encoding="utf-8").partition("\nfigure:\n")
    found, meaning = {}, []
    for line in map(str.strip, part.splitlines()):
        if line.startswith("#"):
            meaning.append(f"\n      {line.removeprefix('# ')}")
        else:
            key = f"figure.{line}"
            found[key.partition(":")[0]] = f"  {key.replace(': ', '=', 1)}{''.join(meaning)}"
            meaning = []
    return found
