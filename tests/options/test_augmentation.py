"""Augmentations: which images they make, and that only training sees them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine, advance

from runner.data import Dataset
from runner.engine.compilation import CompilationCounter
from runner.errors import ConfigError
from runner.options.augmentation import Flip, Shift

IMAGES = np.random.default_rng(0).integers(1, 256, (600, 5, 4, 2)).astype(np.uint8)


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """An image cut out of a larger one of zeros."""
    height, width, channels = image.shape
    padded = np.zeros((height + 4, width + 4, channels), image.dtype)
    padded[2 : 2 + height, 2 : 2 + width] = image
    return padded[2 - down : 2 - down + height, 2 - right : 2 - right + width]


def test_every_shift_is_equally_likely_and_fills_with_zeros() -> None:
    moved = np.asarray(Shift(pixels=2)(jax.random.key(0), IMAGES))
    assert moved.dtype == np.uint8
    found: Counter = Counter()
    for before, after in zip(IMAGES, moved, strict=True):
        places = [(a, b) for a in range(-2, 3) for b in range(-2, 3)]
        (place,) = [p for p in places if (shifted(before, *p) == after).all()]
        found[place] += 1
    assert len(found) == 25
    # 24 degrees of freedom: a fair draw exceeds 52 once in a thousand times.
    assert sum((count - 24) ** 2 / 24 for count in found.values()) < 52


def test_a_share_of_the_images_is_mirrored() -> None:
    for direction, axis in (("horizontal", 2), ("vertical", 1)):
        moved = Flip(direction=direction, rate=0.25)(jax.random.key(1), IMAGES)
        mirrored = (np.asarray(moved) == np.flip(IMAGES, axis)).all((1, 2, 3))
        kept = (np.asarray(moved) == IMAGES).all((1, 2, 3))
        assert (mirrored ^ kept).all()
        assert abs(mirrored.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(IMAGES))


SMALL = {"model": "linear", "batch_size": {"size": 36}, "optimizer": {"learning_rate": 0.0}}


def losses(tiny: Dataset, augmentation: Any, seed: int = 0) -> tuple[list[float], np.ndarray]:
    """Of three full batches in training, and of an evaluation; the parameters stay."""
    settings = {"evaluate_train": True, "seed": seed}
    measured = Engine(compose(settings, augmentation=augmentation, **SMALL), tiny).advance(0, 3, 3)
    return measured.steps["train_loss"][:3].tolist(), measured.epochs.values[0]


def test_only_training_sees_changed_images_and_every_step_others(tiny: Dataset) -> None:
    """And how far they are moved is data."""
    plain, evaluated = losses(tiny, "none")
    changed, evaluated_too = losses(tiny, ["shift", "flip"])
    assert (len(set(plain)), len(set(changed))) == (1, 3)
    np.testing.assert_array_equal(evaluated, evaluated_too)
    with CompilationCounter() as counter:
        again, _ = losses(tiny, ["shift", "flip"])
        farther, _ = losses(tiny, [{"name": "shift", "pixels": 3}, "flip"])
        others, _ = losses(tiny, ["shift", "flip"], seed=1)
    assert counter.programs == 0
    assert again == changed
    assert not {*changed} & {*farther, *others}


def test_none_of_it_is_in_the_program_of_other_runs(tiny: Dataset) -> None:
    programs = []
    for augmentation in ("none", []):
        engine = Engine(compose(augmentation=augmentation, **SMALL), tiny)
        start = (engine.leaves, engine.arrays, engine.state, 0, 1, engine.setup.timeline)
        programs.append(advance.lower(*start).as_text())
    assert programs[0] == programs[1]


def test_examples_that_are_no_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"augmentation\.shift does not fit the run: it moves"):
        compose(data="teacher", augmentation="shift")
    with pytest.raises(ConfigError, match=r"augmentation\.flip\.rate=2 is out of range"):
        compose(augmentation={"name": "flip", "rate": 2})
