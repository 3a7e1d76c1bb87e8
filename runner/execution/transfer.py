"""Runs that start from the weights of another run: which of its layers they take.

The parameters are taken by name, with the statistics that belong to them. What no evaluation
depends on is not taken: the random numbers of dropout, and all that the optimizer remembers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runner.data.own.arrays import digest_of
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.lazy import jax
from runner.record.memory import Memory, Place
from runner.record.tensors import described, shape_of
from runner.record.weights import RecordedWeights, by_use, kept_weights

_Taken = dict[tuple[str, ...], Any]


class Origin(NamedTuple):
    """Weights to start from.

    Attributes:
        params: the parameters that are taken, by path.
        layers: the state of the layers that is taken with them, by path.
        facts: where they come from, for the summary of the run.
    """

    params: _Taken
    layers: _Taken
    facts: dict[str, Any]


def weights_for(experiment: Experiment, place: Place, layers: Sequence[str] = ()) -> Origin:
    """The weights of a run, as a start for an experiment.

    Args:
        experiment: what is going to be trained.
        place: the folder of the run, a file with its weights, or its record in memory.
        layers: the layers to take; none: all.

    Raises:
        ConfigError: there are no weights, there is no such layer, or one has another shape here.
    """
    weights, facts = _in_memory(place) if isinstance(place, Memory) else _in_folder(place)
    folder = facts["folder"]
    initial = jax.eval_shape(
        lambda: experiment.network().init(jax.random.key(0), experiment.input_shape)[:2]
    )
    params, state = map(described, initial)
    _check_layers(layers, weights.params, f"--from {folder}: has")
    _check_layers(layers, params, "the network here has")
    wanted = _selected(params, layers)
    _check_shapes(wanted, _selected(weights.params, layers), folder)
    return Origin(
        {_path(name): _as(weights.params[name], wanted[name]) for name in wanted},
        _state_taken(_selected(state, layers), weights),
        facts | {"layers": list(layers) or None},
    )


def _in_folder(folder: Path) -> tuple[RecordedWeights, dict[str, Any]]:
    """The weights of the run in a folder or a file, and where they are.

    Raises:
        ConfigError: there are none.
    """
    found = kept_weights(folder)
    if found is None:
        raise ConfigError(f"--from {folder}: there are no weights in it")
    file, weights = found
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    return weights, _facts(str(folder), file.stem, weights, checksum)


def _in_memory(memory: Memory) -> tuple[RecordedWeights, dict[str, Any]]:
    """The weights of a run that has no folder, and a name for it that follows from them.

    Raises:
        ConfigError: there are none.
    """
    for kind in by_use(memory.summary):
        if (weights := memory.weights([kind])) is not None:
            break
    else:
        status = memory.summary.get("status")
        raise ConfigError(f"--from run: it is in memory and has no weights (status {status})")
    checksum = digest_of(weights.params, weights.layers, weights.preprocessing)
    return weights, _facts(f"memory-{checksum[:8]}", kind, weights, checksum)


def _facts(folder: str, kind: str, weights: RecordedWeights, checksum: str) -> dict[str, Any]:
    return {"folder": folder, "weights": kind, "step": weights.steps, "sha256": checksum}


def _selected(tensors: Mapping[str, Any], layers: Sequence[str]) -> dict[str, Any]:
    """The arrays of some layers; of all if none are named."""
    return {
        name: array
        for name, array in tensors.items()
        if not layers or any(f"{name}.".startswith(f"{layer}.") for layer in layers)
    }


def _check_layers(layers: Sequence[str], params: Mapping[str, Any], who: str) -> None:
    """Check that layers exist.

    Raises:
        ConfigError: one does not.
    """
    for layer in layers:
        if not _selected(params, [layer]):
            names = ", ".join(_tops(params))
            raise ConfigError(f"--from-layers {layer}: {who} no such layer; the layers are {names}")


def _check_shapes(here: Mapping[str, Any], there: Mapping[str, Any], folder: str) -> None:
    """Check that two networks have the same parameters.

    Raises:
        ConfigError: one is missing on one side, or has another shape.
    """
    same = [
        name for name in here if name in there and shape_of(here[name]) == shape_of(there[name])
    ]
    differing = [name for name in dict.fromkeys([*here, *there]) if name not in same]
    if not differing:
        return
    name = differing[0]
    have, want = (shape_of(side[name]) if name in side else "missing" for side in (there, here))
    bad = set(_tops(differing))
    rest = [layer for layer in _tops(same) if layer not in bad]
    hint = f"; leave it out: --from-layers {','.join(rest)}" if rest else ""
    raise ConfigError(f"--from {folder}: {name} is {have} there and {want} here{hint}")


def _state_taken(own: Mapping[str, Any], weights: RecordedWeights) -> _Taken:
    """The statistics of the layers that both have."""
    return {
        _path(name): _as(weights.layers[name], array)
        for name, array in own.items()
        if name in weights.layers
        and np.issubdtype(array.dtype, np.floating)
        and shape_of(array) == shape_of(weights.layers[name])
    }


def _tops(names: Iterable[str]) -> list[str]:
    """The layers that arrays belong to."""
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def _as(array: Any, expected: Any) -> Any:
    return np.asarray(array, expected.dtype)
