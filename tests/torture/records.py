"""Whether a record is that of a run that nobody touched: read without the runner's own readers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

_TIMES = {"seconds"}
_WEIGHTS = ("final.safetensors", "best.safetensors")
_STATES = ("checkpoint.safetensors", "checkpoint.best.safetensors")
_FACTS = ("status", "reason", "final", "best", "kept", "kept_at", "steps", "epochs", "config")


def different(expected: Path, found: Path) -> str:
    """The first difference of the records below two folders; empty if there is none."""
    names = [sorted(_runs(folder)) for folder in (expected, found)]
    if names[0] != names[1]:
        return f"the runs {names[1]} instead of {names[0]}"
    problems = (_difference(expected / name, found / name) for name in names[0])
    return next(filter(None, problems), "")


def _runs(folder: Path) -> Iterator[str]:
    return (str(file.parent.relative_to(folder)) for file in folder.rglob("summary.json"))


def _difference(expected: Path, found: Path) -> str:
    """The first difference of a run."""
    names = [{file.name for file in each.iterdir()} for each in (expected, found)]
    harmless = {".lock", *_STATES, "checkpoint.before.safetensors"}
    stray = {name for name in names[1] - names[0] - harmless if not name.startswith("events.")}
    if missing := {name for name in names[0] - names[1] if not name.startswith("events.")}:
        return f"{sorted(missing)} missing"
    if stray:
        return f"left over: {sorted(stray)}"
    for name in sorted(name for name in names[0] if name.endswith(".npy")):
        if problem := _different_rows(np.load(expected / name), np.load(found / name)):
            return f"{name}: {problem}"
    facts = [json.loads((each / "summary.json").read_text()) for each in (expected, found)]
    for key in _FACTS:
        if _plain(facts[0].get(key)) != _plain(facts[1].get(key)):
            return f"{key} is {facts[1].get(key)} instead of {facts[0].get(key)}"
    if problem := _different_events(expected, found):
        return problem
    for name in sorted({*_WEIGHTS, *_STATES} & names[0]):
        (arrays, step), (own, own_step) = _tensors(expected / name), _tensors(found / name)
        if own != arrays and (name not in _STATES or step == own_step):
            return f"{name}: other arrays"
    return ""


def _plain(value: Any) -> Any:
    """A fact without what may differ: how often norms are measured may be said or follow."""
    if not isinstance(value, dict):
        return value
    kept = ("measure_every", "checkpoint_epochs", "checkpoint_every")
    return {key: each for key, each in value.items() if key not in kept}


def _different_rows(expected: Any, found: Any) -> str:
    if len(expected) != len(found) or expected.dtype != found.dtype:
        return f"{len(found)} rows instead of {len(expected)}"
    for name in set(expected.dtype.names) - _TIMES:
        same = expected[name] == found[name]
        if expected[name].dtype.kind == "f":
            signs = np.signbit(expected[name]) == np.signbit(found[name])
            both = np.isnan(expected[name]) & np.isnan(found[name])
            same = (same & signs) | both
        if not same.all():
            return f"{name} differs first in row {int(np.argmin(same))}"
    return ""


def _different_events(expected: Path, found: Path) -> str:
    """Whether a curve of TensorBoard has a gap, a point twice or another value."""
    curves = [_curves(next(expected.glob("events.*"))), {}]
    own = list(found.glob("events.*"))
    if len(own) != 1:
        return f"{len(own)} event files"
    curves[1] = _curves.__wrapped__(own[0])
    for tag in sorted({*curves[0], *curves[1]}):
        if curves[0].get(tag) != curves[1].get(tag):
            return f"the curve {tag} of TensorBoard differs"
    return ""


@functools.lru_cache(maxsize=64)
def _curves(file: Path) -> dict[str, list[tuple[int, bytes]]]:
    """The points of an event file by their tag, in their order."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            if not value.tag.startswith("_hparams_"):  # has times
                point = event.step, value.tensor.SerializeToString()
                found.setdefault(value.tag, []).append(point)
    return found


def _tensors(file: Path) -> tuple[dict[str, tuple[Any, ...]], Any]:
    """The arrays of a file, to the bit, and the step of a checkpoint."""
    with safe_open(file, "numpy") as found:
        arrays = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
        position = json.loads((found.metadata() or {}).get("position", "{}"))
    exact = {name: (each.shape, each.dtype, each.tobytes()) for name, each in arrays.items()}
    return exact, position.get("steps")
