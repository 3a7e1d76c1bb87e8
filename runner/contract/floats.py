"""Floats are data: another value compiles nothing, and can be one lane of a batch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import jax
import numpy as np

from runner.contract.requirement import require
from runner.engine.compilation import CompilationCounter
from runner.engine.lanes import as_array
from runner.experiment.experiment import Experiment
from runner.options.option import PerLayer, Range


def check_floats_are_data(
    experiments: Sequence[Experiment],
    run: Callable[[Experiment], Any],
    run_lanes: Callable[[Experiment], Any],
    tolerance: float,
) -> list[Any]:
    """Check that other numbers compile nothing, and that lanes give what each gives alone.

    Args:
        experiments: experiments that differ in floats.
        run: computes something of one, compiled.
        run_lanes: the same of several, stacked leaf by leaf.
        tolerance: how far the two may be apart.

    Returns:
        What each gives alone.

    Raises:
        AssertionError: a program was compiled, or a result differs.
    """
    first, *changed = (jax.tree.map(as_array, each) for each in experiments)
    alone = [run(first)]
    with CompilationCounter() as counter:
        alone += map(run, changed)
    require(counter.programs == 0, "another number compiles a program")
    lanes = jax.tree.map(lambda *leaves: np.stack(leaves), first, *changed)
    together = jax.device_get(run_lanes(lanes))
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance / 20)
    for index, expected in enumerate(alone):
        jax.tree.map(close, jax.tree.map(lambda x: x[index], together), expected)  # noqa: B023
    return alone


def another(value: float | None, limits: Range | None) -> float:
    """Return another value of a float, near it and within its range."""
    value = value or 0.0
    candidates = (value * 0.75, value * 1.25, 0.25)
    return next(other for other in candidates if other != value and other in (limits or Range()))


def float_fields(cls: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of an option that hold a float: one, one or none, one for each layer."""
    types = get_type_hints(cls)
    kinds = (float, float | None, PerLayer)
    return [field for field in dataclasses.fields(cls) if types[field.name] in kinds]
