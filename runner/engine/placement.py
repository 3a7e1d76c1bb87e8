"""Puts a data set on the device, in the form in which the engine reads it.

Images keep the type in which they were stored (uint8): a quarter of the memory of floats, and the
conversion of a batch to floats within a step costs next to nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import numpy as np

from runner.data import Dataset, Split
from runner.engine.state import Arrays
from runner.experiment.experiment import Experiment

if TYPE_CHECKING:
    import numpy.typing as npt

SLAB = 500
"""The most examples that are evaluated at once: a bound on memory."""


def place(experiment: Experiment, dataset: Dataset) -> Arrays:
    """Fit the preprocessing to the training split, and put everything on the device."""
    fitted = experiment.preprocessing.fit(dataset.train.inputs)
    held_out = (dataset.validation, dataset.test)
    unit = experiment.data.target_unit()
    return Arrays(
        inputs=jax.device_put(dataset.train.inputs),
        targets=jax.device_put(dataset.train.targets),
        held_out_inputs=jax.device_put(_slabs([split.inputs for split in held_out])),
        held_out_targets=jax.device_put(_slabs([split.targets for split in held_out])),
        membership=jax.device_put(_floats(_membership(held_out))),
        statistics=jax.tree.map(lambda value: jax.device_put(_floats(value)), fitted),
        target_unit=None if unit is None else jax.device_put(_floats(unit)),
    )


def _floats(values: npt.ArrayLike) -> npt.NDArray:
    """As floats of JAX's default precision; NumPy converts them without compiling anything."""
    return np.asarray(values, jax.dtypes.canonicalize_dtype(float))


def _slabs(parts: list[npt.NDArray]) -> npt.NDArray:
    """Concatenate and cut into slabs of equal size, the last one padded with zeros."""
    whole = np.concatenate(parts)
    slabs, size = _slab_shape(len(whole))
    padding = [(0, slabs * size - len(whole))] + [(0, 0)] * (whole.ndim - 1)
    return np.pad(whole, padding).reshape(slabs, size, *whole.shape[1:])


def _membership(held_out: tuple[Split, ...]) -> npt.NDArray:
    """The weight of every example in the mean of each split: shape `(splits, slabs, slab)`."""
    sizes = [len(split.targets) for split in held_out]
    rows = np.zeros((len(sizes), math.prod(_slab_shape(sum(sizes)))))
    start = 0
    for row, size in zip(rows, sizes, strict=True):
        row[start : start + size] = 1 / max(size, 1)
        start += size
    return rows.reshape(len(sizes), *_slab_shape(sum(sizes)))


def _slab_shape(examples: int) -> tuple[int, int]:
    slabs = math.ceil(examples / SLAB)
    return slabs, math.ceil(examples / slabs)
