"""The checkpoints of a run: what it is continued from, beside the curves up to there.

A run has the newest one and the one before it, and, of those that were written at an evaluation,
that of the best evaluation. Each is written as a whole and outlives a loss of power; a checksum
covers all of it. A checkpoint belongs to a config, and to curves that hold at least as many rows as
it says. One that is damaged or belongs elsewhere is refused, and the one before it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runner import files
from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE
from runner.record.curves import read_curve
from runner.record.summary import versions
from runner.record.tensors import (
    Tensors,
    TensorsError,
    named,
    read_facts,
    read_tensors,
    write_tensors,
)
from runner.record.weights import config_hash
from runner.whole_files import link, replacing, sync

if TYPE_CHECKING:
    from runner.engine.checkpoint import Checkpoint

FORMAT = "runner checkpoint 1"

LENGTHS = ("epochs", "steps", "min_steps")
"""The keys that a checkpoint does not depend on: it is also one of a longer run."""

_STRIDE = "measure_every"
"""Follows from the length where it is null; a longer run keeps it, and then says it."""

_DEPENDS_ON = ("runner", "jax", "jaxlib", "optax", "numpy")
"""The packages whose versions may change a number."""


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run is.

    Attributes:
        steps: how many steps it has taken: the rows of `steps.npy`.
        evaluations: how many evaluations it has made: the rows of `epochs.npy`.
        epochs: how many epochs it has trained, with their fractions.
        seconds: its training time.
        kept_at: after how many steps the parameters were evaluated that it keeps, if a rule says.
        value: of an evaluation at this place, the measure by which the best one is kept.
    """

    steps: int
    evaluations: int
    epochs: float
    seconds: float
    kept_at: int | None
    value: float | None = None


class RecordedCheckpoint(NamedTuple):
    """A checkpoint as it was read.

    Attributes:
        file: where.
        position: where the run was.
        tensors: its state, by the names of the arrays.
        versions: of the packages that it was computed with.
    """

    file: Path
    position: Position
    tensors: Tensors
    versions: dict[str, str]


class Search(NamedTuple):
    """What was found in the folder of a run.

    Attributes:
        found: the newest checkpoint that can be used; None if there is none.
        refused: for each newer one a line that says why it cannot.
    """

    found: RecordedCheckpoint | None
    refused: list[str]


def write_checkpoint(
    directory: Path, config: Mapping[str, Any], checkpoint: Checkpoint, position: Position
) -> None:
    """Write a checkpoint; the newest one so far becomes the one before it.

    Args:
        directory: the run's; its curves hold at least the rows of `position`.
        config: its resolved config.
        checkpoint: its state.
        position: where it is.

    Raises:
        OSError: it cannot be written; the newest one so far is there.
    """
    tables = map(files.diagnostics, files.ALL_DIAGNOSTICS)
    for name in (files.STEPS, files.EPOCHS, files.PATH, *tables):
        if (directory / name).exists():
            sync(directory / name)
    tensors = named(checkpoint.state)
    facts = {
        "format": FORMAT,
        "config": _hash(config),
        "position": json.dumps(dataclasses.asdict(position)),
        "versions": json.dumps({name: versions()[name] for name in _DEPENDS_ON}),
    }
    facts["checksum"] = _checksum(tensors, facts)
    newest = directory / files.CHECKPOINT
    with replacing(newest) as following:
        write_tensors(following, tensors, facts, durable=True)
        if position.value is not None and position.value < best_value(directory):
            # First: a run that goes on after the newest does not come to its evaluation again.
            link(following, directory / files.CHECKPOINT_BEST)
        if newest.exists():
            newest.replace(directory / files.CHECKPOINT_BEFORE)
    sync(directory)


def best_value(directory: Path) -> float:
    """The measure of the best checkpoint of a run; infinite where there is none."""
    try:
        value = json.loads(read_facts(directory / files.CHECKPOINT_BEST)["position"])["value"]
        return float(value)
    except (OSError, ValueError, KeyError, TypeError):
        return math.inf


def find_checkpoint(
    directory: Path, config: Mapping[str, Any], *, before: float = math.inf
) -> Search:
    """The newest checkpoint in the folder of a run that can be used.

    Args:
        directory: the folder.
        config: the resolved config of the run; its length need not be that of the checkpoint.
        before: the steps that it must have fewer than.
    """
    refused: list[str] = []
    for name in files.CHECKPOINTS:
        file = directory / name
        if not file.exists():
            continue
        try:
            found = _read(file, config)
        except (OSError, ValueError) as error:
            refused.append(str(error) if str(file) in str(error) else f"{file}: {error}")
            continue
        if found.position.steps < before:
            return Search(found, refused)
    return Search(None, refused)


def discard_checkpoints(directory: Path) -> None:
    """Remove the checkpoints of a run but the best: it does not go on.

    Raises:
        OSError: they cannot be removed.
    """
    for name in (files.CHECKPOINT, files.CHECKPOINT_BEFORE):
        (directory / name).unlink(missing_ok=True)


def _read(file: Path, config: Mapping[str, Any]) -> RecordedCheckpoint:
    """The checkpoint in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or not of this run.
    """
    tensors, facts = read_tensors(file)
    if facts.get("format") != FORMAT:
        raise TensorsError(f"{file}: is not a checkpoint of this version")
    if facts.pop("checksum", "") != _checksum(tensors, facts):
        raise TensorsError(f"{file}: is damaged: its checksum is wrong")
    if facts.get("config") != _hash(config):
        raise TensorsError(f"{file}: is a checkpoint of another run: its config differs")
    position = Position(**json.loads(facts["position"]))
    rows = {files.STEPS: (position.steps, STEP_DTYPE)}
    rows[files.EPOCHS] = position.evaluations, EPOCH_DTYPE
    for name, (count, dtype) in rows.items():
        curve = read_curve(file.parent / name)
        if curve.dtype != dtype or len(curve) < count:
            raise TensorsError(f"{file}: needs {count:,} rows of {name}, which has {len(curve):,}")
    return RecordedCheckpoint(file, position, tensors, json.loads(facts["versions"]))


def _hash(config: Mapping[str, Any]) -> str:
    own = {key: value for key, value in config.items() if key not in LENGTHS}
    return config_hash({**own, _STRIDE: None})


def _checksum(tensors: Tensors, facts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
