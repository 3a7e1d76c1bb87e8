"""Clipping and noise: what they do to one gradient, their statistics, their order, their record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.data import Dataset
from runner.errors import ConfigError
from runner.execution.run import run

GRADIENT = {"kernel": jnp.array([[3.0, -0.5], [0.2, 0.0]]), "bias": jnp.array([-4.0])}
NORM = float(np.sqrt(9 + 0.25 + 0.04 + 16))
KEY = jax.random.key(0)


def treat(choice: Any, gradient: Any = GRADIENT, step: int = 0, key: Any = KEY) -> Any:
    (treatment,) = compose(gradient=choice).gradient
    return treatment(gradient, treatment.init(), jnp.asarray(step), key)


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_clip_value_clips_every_number() -> None:
    got = treat({"name": "clip_value", "low": -1.0, "high": 0.3})
    np.testing.assert_allclose(flat(got.gradient), np.clip(flat(GRADIENT), -1, 0.3))
    assert bool(got.clipped)
    assert not bool(treat({"name": "clip_value", "low": -5.0, "high": 3.0}).clipped)


def test_clip_norm_keeps_the_direction() -> None:
    got = treat({"name": "clip_norm", "threshold": 2.0})
    np.testing.assert_allclose(flat(got.gradient), flat(GRADIENT) * 2 / NORM, rtol=1e-6)
    assert bool(got.clipped)
    free = treat({"name": "clip_norm", "threshold": NORM + 0.1})
    np.testing.assert_array_equal(flat(free.gradient), flat(GRADIENT))
    assert not bool(free.clipped)
    zero = treat("clip_norm", jax.tree.map(jnp.zeros_like, GRADIENT))
    np.testing.assert_array_equal(flat(zero.gradient), 0)


def test_clip_adaptive_follows_the_mean_of_past_norms() -> None:
    choice = {"name": "clip_adaptive", "factor": 1.5, "decay": 0.8}
    (treatment,) = compose(gradient=choice).gradient
    sizes = [1.0, 2.0, 1.0, 10.0, 1.0, 3.0, np.inf, 2.0]
    state, seen = treatment.init(), []
    for size in sizes:
        got = treatment({"w": jnp.array([size, 0.0])}, state, jnp.asarray(0), KEY)
        limit = np.inf
        if seen:
            weights = 0.8 ** np.arange(len(seen))[::-1]
            limit = 1.5 * np.average(seen, weights=weights)
        assert bool(got.clipped) == (size > limit)
        if np.isfinite(size):
            np.testing.assert_allclose(got.gradient["w"][0], min(size, limit), rtol=1e-5)
            seen.append(size)
        state = got.state


@pytest.mark.parametrize("step", [0, 9, 999])
def test_noise_has_the_published_variance(step: int) -> None:
    zeros = {"a": jnp.zeros((200, 200)), "b": jnp.zeros(5000)}
    got = treat({"name": "noise", "eta": 0.3, "gamma": 0.55}, zeros, step)
    variance = 0.3 / (1 + step) ** 0.55
    for leaf in (got.gradient["a"], got.gradient["b"]):
        standard = np.ravel(leaf) / np.sqrt(variance)
        assert abs(standard.mean()) < 5 / np.sqrt(standard.size)
        assert abs(standard.var() - 1) < 5 * np.sqrt(2 / standard.size)
        assert abs((standard**4).mean() - 3) < 5 * np.sqrt(96 / standard.size)
    assert not bool(got.clipped)


def test_noise_is_independent_between_leaves_and_keys() -> None:
    zeros = {"a": jnp.zeros(5000), "b": jnp.zeros(5000)}
    first, second = treat("noise", zeros).gradient, treat("noise", zeros, key=jax.random.key(1))
    pairs = [(first["a"], first["b"]), (first["a"], second.gradient["a"])]
    for one, other in pairs:
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(5000)


def test_they_act_in_the_order_of_the_table_however_typed() -> None:
    typed = [["noise", "clip_norm", "clip_value"], ["clip_value", "clip_norm", "noise"]]
    names = [[type(one).__name__ for one in compose(gradient=choice).gradient] for choice in typed]
    assert names[0] == names[1] == ["ClipValue", "ClipNorm", "Noise"]


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gradient\.clip_value\.high is wrong"):
        compose(gradient={"name": "clip_value", "low": 0.0, "high": 0.0})


def test_how_often_was_clipped_is_recorded(tmp_path: Path) -> None:
    """Every step whose untouched gradient norm exceeds the threshold, and no other."""
    experiment = compose({"epochs": 2}, gradient={"name": "clip_norm", "threshold": 1.0})
    summary = run(experiment, tmp_path, {})
    steps = np.load(tmp_path / "steps.npy")
    expected = steps["gradient_norm"] > 1.0
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(steps["clipped"], expected)
    assert summary["clipped"] == pytest.approx(expected.mean())
    # sgd at rate 0.1: the update is the clipped gradient's.
    limit = 0.1 * np.minimum(steps["gradient_norm"], 1.0)
    np.testing.assert_allclose(steps["update_norm"], limit, rtol=1e-4)


def test_noise_changes_the_updates_but_not_the_recorded_gradient(
    tmp_path: Path, tiny: Dataset
) -> None:
    for name, gradient in (("plain", "none"), ("noisy", {"name": "noise", "eta": 0.5})):
        run(compose({"steps": 1}, gradient=gradient), tmp_path / name, {})
    plain, noisy = (np.load(tmp_path / name / "steps.npy") for name in ("plain", "noisy"))
    assert plain["gradient_norm"] == noisy["gradient_norm"]
    # 4,810 numbers of variance 0.5 beside a gradient of norm about 1.
    expected = 0.1 * np.sqrt(plain["gradient_norm"] ** 2 + 4810 * 0.5)
    np.testing.assert_allclose(noisy["update_norm"], expected, rtol=0.05)
