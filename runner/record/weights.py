"""The weights that a run leaves: `final.safetensors` and `best.safetensors`.

A file has everything that maps an input to the outputs of the network. `hidden_1.dense.kernel` is a
parameter; `state/hidden_1.normalization.mean` belongs to a layer and is not trained; and
`preprocessing/offset` is what the preprocessing was fitted to on the training split. The header has
the step, the versions, and a hash of the config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runner import files
from runner.errors import ConfigError
from runner.record.fingerprint import fingerprint
from runner.record.summary import read_summary, versions
from runner.record.tensors import (
    Tensors,
    TensorsError,
    named,
    read_tensors,
    write_tensors,
)

if TYPE_CHECKING:
    from runner.engine.weights import Weights, WeightsKind

FILES: dict[WeightsKind, str] = {"final": files.FINAL_WEIGHTS, "best": files.BEST_WEIGHTS}

STATE, PREPROCESSING = "state/", "preprocessing/"
"""What the names of arrays start with that are no parameters."""

FORMAT = "runner weights 1"


class RecordedWeights(NamedTuple):
    """Weights as they were read from a file, by the names that they have there.

    Attributes:
        params: the parameters.
        layers: the state of the layers.
        preprocessing: what the preprocessing was fitted to.
        steps: after how many steps.
    """

    params: Tensors
    layers: Tensors
    preprocessing: Tensors
    steps: int


def write_weights(directory: Path, config: Mapping[str, Any], found: Mapping[Any, Weights]) -> None:
    """Write the weights of a run.

    Args:
        directory: the run's.
        config: its resolved config.
        found: its weights, by kind.

    Raises:
        OSError: they cannot be written.
    """
    facts = {"format": FORMAT, "config": config_hash(config)}
    facts |= {name: versions()[name] for name in ("runner", "jax")}
    for kind, weights in found.items():
        tensors = (
            named(weights.params)
            | named(weights.layers, STATE)
            | named(weights.preprocessing, PREPROCESSING)
        )
        own = facts | {"kind": kind, "steps": str(weights.steps)}
        write_tensors(directory / FILES[kind], tensors, own)


def read_weights(file: Path) -> RecordedWeights:
    """Read the weights in a file.

    Raises:
        OSError: it cannot be read.
        TensorsError: it does not hold weights of a run.
    """
    tensors, facts = read_tensors(file)
    if facts.get("format") != FORMAT or not facts.get("steps", "").isdecimal():
        raise TensorsError(f"{file}: does not hold the weights of a run")
    parts: dict[str, Tensors] = {"": {}, STATE: {}, PREPROCESSING: {}}
    for name, array in tensors.items():
        head, slash, rest = name.rpartition("/")
        parts.setdefault(head + slash, {})[rest] = array
    return RecordedWeights(parts[""], parts[STATE], parts[PREPROCESSING], int(facts["steps"]))


def by_use(summary: Mapping[str, Any]) -> tuple[WeightsKind, ...]:
    """The kinds of weights in the order in which a run is used with them.

    Those of the best evaluation come first where a rule of `stopping` names it, else the final
    ones; a run that diverged has no final ones.

    Args:
        summary: that of the run.
    """
    return ("best", "final") if summary.get("kept_at") else ("final", "best")


def kept_weights(
    directory: Path, kinds: Sequence[WeightsKind] | None = None
) -> tuple[Path, RecordedWeights] | None:
    """The weights that a run is used with; None if it has none.

    Args:
        directory: the run's, or one file of weights.
        kinds: those to look for, the first that there is; None: as `by_use` says.

    Raises:
        ConfigError: they cannot be read.
    """
    if directory.is_file():
        return directory, _weights_in(directory)
    for kind in by_use(read_summary(directory)) if kinds is None else kinds:
        file = directory / FILES[kind]
        if file.exists():
            return file, _weights_in(file)
    return None


def _weights_in(file: Path) -> RecordedWeights:
    """The weights in a file.

    Raises:
        ConfigError: they cannot be read.
    """
    try:
        return read_weights(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{error}") from error


def config_hash(config: Mapping[str, Any]) -> str:
    """A hash of a config, the same for equal ones."""
    return hashlib.sha256(fingerprint(config).encode()).hexdigest()
