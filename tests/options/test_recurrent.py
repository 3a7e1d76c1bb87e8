"""The Elman network against a loop in NumPy, and the matrix that it starts from."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.options.layer import Layer

RANDOM = np.random.default_rng(2)
IMAGES = RANDOM.normal(size=(3, 4, 3, 2))  # 4 rows of 3 pixels of 2 channels


def network_of(normalization: Any = "none", **numbers: Any) -> Layer:
    model = {"name": "rnn", "widths": [5], **numbers}
    return compose(model=model, activation="tanh", normalization=normalization).network()


def applied(network: Layer, inputs: np.ndarray) -> tuple[dict, np.ndarray]:
    """Some parameters, and the logits that they give."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(lambda key: network.init(key, inputs.shape[1:])[0], key)
    params = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape), shapes)
    with jax.enable_x64(True):
        apply = jax.jit(
            lambda params, inputs: network.apply(params, {}, inputs, True)[0],
        )
        return params, np.asarray(apply(params, inputs))


@pytest.mark.parametrize(
    ("inputs", "sequence", "pixels"),
    [
        (IMAGES, IMAGES.reshape(3, 4, 6), False),
        (IMAGES, IMAGES.reshape(3, 12, 2), True),
        (IMAGES[:, :, 0, 0], IMAGES[:, :, 0, :1], False),
    ],
    ids=["rows", "pixels", "vector"],
)
def test_forward_is_numpys(inputs: np.ndarray, sequence: np.ndarray, pixels: bool) -> None:
    params, outputs = applied(network_of(pixels=pixels), inputs)
    cell, hidden = params["recurrent"], np.zeros((3, 5))
    for step in range(sequence.shape[1]):
        driven = sequence[:, step] @ cell["input"]["kernel"] + cell["input"]["bias"]
        hidden = np.tanh(driven + hidden @ cell["recurrent"]["kernel"])
    expected = hidden @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-10)


def normalized(name: str, x: np.ndarray) -> np.ndarray:
    if name == "rms":
        return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-6)
    groups = x.reshape(3, 2 if name == "group" else 1, -1)
    away = groups - groups.mean(2, keepdims=True)
    return (away / np.sqrt((away**2).mean(2, keepdims=True) + 1e-5)).reshape(x.shape)


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("layer", "before_activation"),
        ("layer", "after_activation"),
        ("group", "before_activation"),
        ("rms", "before_activation"),
        ("weight", None),
    ],
)
def test_normalization_is_of_each_step_or_of_both_matrices(name: str, position: str) -> None:
    numbers: dict[str, Any] = {"position": position} if position else {}
    numbers |= {"groups": 2} if name == "group" else {}
    params, outputs = applied(network_of({"name": name, **numbers}, widths=[6]), IMAGES)
    cell, hidden, gain, shift = params["recurrent"], np.zeros((3, 6)), 1.0, 0.0
    kernels = {part: cell[part]["kernel"] for part in ("input", "recurrent")}
    if name == "weight":
        for part, v in kernels.items():
            own = cell[part]["normalization"]["gain"]
            kernels[part] = own * v / np.sqrt((v**2).sum(0))
    else:
        gain, shift = cell["normalization"]["gain"], cell["normalization"].get("shift", 0)
    for rows in np.moveaxis(IMAGES.reshape(3, 4, 6), 1, 0):
        total = rows @ kernels["input"] + cell["input"]["bias"] + hidden @ kernels["recurrent"]
        if position == "after_activation":
            hidden = normalized(name, np.tanh(total)) * gain + shift
        else:
            normal = total if name == "weight" else normalized(name, total)
            hidden = np.tanh(normal * gain + shift)
    expected = hidden @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("batch", "model does not fit the run: batch normalization"), ("instance", "no convolutions")],
)
def test_what_has_no_statistics_of_a_step_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        compose(model="rnn", normalization=name)


def test_variational_dropout_has_the_same_masks_at_all_steps() -> None:
    """Gal & Ghahramani 2016, eq. 7; the two masks are read off from an identity in a network."""
    rates = {"name": "variational_dropout", "input_rate": 0.5, "recurrent_rate": 0.25}
    experiment = compose(
        model={"name": "rnn", "widths": [5]}, activation="linear", regularization=rates
    )
    network = experiment.network()
    _, state, _ = network.init(jax.random.key(3), (4, 3, 2))
    rnn = {"name": "rnn", "widths": [5]}
    start = compose(model=rnn).network().init(jax.random.key(3), (4, 3, 2))
    params = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape), start[0])
    apply = jax.jit(network.apply, static_argnums=3)

    def seen(of_input: np.ndarray, of_state: np.ndarray, images: np.ndarray) -> np.ndarray:
        cell = {
            "input": {"kernel": of_input, "bias": np.zeros(5)},
            "recurrent": {"kernel": of_state},
        }
        logits = {"kernel": np.eye(5, 10), "bias": np.zeros(10)}
        return np.asarray(apply({"recurrent": cell, "logits": logits}, state, images, True)[0])

    def image(row: int, pixel: int) -> np.ndarray:
        one = np.zeros((3, 4, 6))
        one[:, row, pixel] = 1
        return one.reshape(3, 4, 3, 2)

    # An input at the last step goes through its mask only, and at the last but one the state's.
    inputs = np.stack(
        [seen(np.eye(6)[:, [i] * 5], np.zeros((5, 5)), image(3, i)) for i in range(6)]
    )
    m = inputs[:, :, 0].T
    assert set(np.unique(m)) == {0, 2}
    all_pixels = np.concatenate([np.ones((1, 5)), np.zeros((5, 5))])
    earlier = seen(all_pixels, np.eye(5), image(2, 0))[:, :5]
    visible = m[:, 0] > 0
    n = earlier[visible] / m[visible, :1]
    np.testing.assert_allclose(n[(n > 0)], 4 / 3, rtol=1e-6)

    outputs, after = apply(params, state, IMAGES, True)
    assert (
        np.asarray(after["recurrent"]["state_mask"]["layer_1"]["key"])
        != np.asarray(state["recurrent"]["state_mask"]["layer_1"]["key"])
    ).any()
    kernels = {part: params["recurrent"][part]["kernel"] for part in ("input", "recurrent")}
    hidden = np.zeros((visible.sum(), 5))
    for rows in np.moveaxis(IMAGES.reshape(3, 4, 6), 1, 0):
        driven = (rows * m)[visible] @ kernels["input"] + params["recurrent"]["input"]["bias"]
        hidden = driven + (hidden * n) @ kernels["recurrent"]
    expected = hidden @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(np.asarray(outputs)[visible], expected, rtol=2e-4, atol=1e-4)
    whole = compose(model={"name": "rnn", "widths": [5]}, activation="linear").network()
    np.testing.assert_allclose(
        apply(params, state, IMAGES, False)[0],
        jax.jit(lambda x: whole.apply(params, {}, x, False)[0])(IMAGES),
        rtol=1e-5,
    )


@pytest.mark.parametrize("kind", ["orthogonal", "identity"])
def test_the_recurrent_matrix_starts_as_a_rotation_or_the_identity(kind: str) -> None:
    network = network_of(recurrent_initializer=kind, recurrent_scale=1.5)
    start = jax.jit(lambda key: network.init(key, (4, 3, 2))[0])
    kernel = np.asarray(start(jax.random.key(0))["recurrent"]["recurrent"]["kernel"])
    np.testing.assert_allclose(kernel @ kernel.T, 2.25 * np.eye(5), atol=1e-5)
    assert np.allclose(kernel, 1.5 * np.eye(5)) == (kind == "identity")


def test_the_default_recurrent_matrix_is_jaxs_orthogonal_one() -> None:
    """So that the numbers of earlier versions stay what they were."""
    initializer = compose(model="rnn").model.recurrent_initializer
    key = jax.random.key(4)
    np.testing.assert_array_equal(initializer(key, (5, 5)), jax.random.orthogonal(key, 5))
