"""Augmentations: which images they make, and that only training sees them."""

from __future__ import annotations

from collections import Counter

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


def test_only_training_sees_changed_images_and_every_step_others(tiny: Dataset) -> None:
    """With a rate of 0 the parameters stay; so the loss of a full batch changes with its images."""
    plain, changed = (
        Engine(compose({"evaluate_train": True}, augmentation=each, **SMALL), tiny).advance(0, 3, 3)
        for each in ("none", ["shift", "flip"])
    )
    losses = changed.steps["train_loss"][:3]
    assert len(set(losses.tolist())) == 3
    assert len(set(plain.steps["train_loss"][:3].tolist())) == 1
    for measure in ("training_set_loss", "validation_loss", "test_error"):
        np.testing.assert_array_equal(changed.epochs[measure][:1], plain.epochs[measure][:1])


def test_none_of_it_is_in_the_program_of_other_runs(tiny: Dataset) -> None:
    """That of `none` is that of no augmentation at all; and the numbers of pixels are data."""
    programs = []
    for each in ("none", []):
        engine = Engine(compose(augmentation=each, **SMALL), tiny)
        engine.advance(0, 1, 1)
        start = (engine.leaves, engine.arrays, engine.state, 0, 1, engine.setup.timeline)
        programs.append(advance.lower(*start).as_text())
    assert programs[0] == programs[1]
    Engine(compose(augmentation="shift", **SMALL), tiny).advance(0, 1, 1)
    with CompilationCounter() as counter:
        again = {"name": "shift", "pixels": 3}
        Engine(compose({"seed": 1}, augmentation=again, **SMALL), tiny).advance(0, 1, 1)
    assert counter.programs == 0


def test_examples_that_are_no_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"augmentation\.shift does not fit the run: it moves"):
        compose(data="teacher", augmentation="shift")
    with pytest.raises(ConfigError, match=r"augmentation\.flip\.rate=2 is out of range"):
        compose(augmentation={"name": "flip", "rate": 2})
