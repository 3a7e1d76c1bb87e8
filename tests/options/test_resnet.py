"""Residual blocks against the same block as matrices, values and gradients; its shortcuts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from scipy.signal import correlate2d

from runner.errors import ConfigError
from runner.options.model.spatial import hidden_convolution

RANDOM = np.random.default_rng(3)
SIDE = 4


def network(**choices: Any) -> Any:
    model = {"name": "resnet", "channels": [2, 3], "blocks": 1, **choices.pop("model", {})}
    return compose(model=model, **choices).network()


def convolved(images: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """A convolution with zeros around the image, as XLA and TensorFlow place them."""
    size, side = kernel.shape[0], images.shape[1]
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    zeros = (total // 2, total - total // 2)
    images = np.pad(images, [(0, 0), zeros, zeros, (0, 0)])
    outputs = [
        [
            sum(
                correlate2d(image[..., n], kernel[..., n, o], "valid")[::stride, ::stride]
                for n in range(kernel.shape[2])
            )
            for o in range(kernel.shape[3])
        ]
        for image in images
    ]
    return np.moveaxis(np.array(outputs), 1, -1)


def matrix(kernel: np.ndarray, side: int, stride: int) -> np.ndarray:
    """The convolution of an image as a matrix, from its images of the unit vectors."""
    inputs = side * side * kernel.shape[2]
    units = np.eye(inputs).reshape(inputs, side, side, kernel.shape[2])
    return convolved(units, kernel, stride).reshape(inputs, -1)


def identity(side: int, channels: int, more: int) -> np.ndarray:
    """Every second pixel, and channels of zeros, as a matrix."""
    inputs = side * side * channels
    units = np.eye(inputs).reshape(inputs, side, side, channels)[:, ::2, ::2]
    return np.concatenate([units, np.zeros((*units.shape[:3], more))], -1).reshape(inputs, -1)


@pytest.mark.parametrize("shortcut", ["identity", "projection", "none"])
def test_a_network_is_the_product_of_its_matrices(shortcut: str) -> None:
    """Two stages of a block: the outputs, and the gradient of every kernel that leads to them.

    Backwards, each matrix is transposed and each rectifier passes on what it passed forwards.
    """
    built = network(model={"shortcut": shortcut})
    with jax.enable_x64(True):
        params, state, shape = built.init(jax.random.key(1), (SIDE, SIDE, 2))
        params = jax.tree.map(lambda x: jnp.asarray(RANDOM.normal(size=x.shape) / 3), params)
        images = RANDOM.normal(size=(3, SIDE, SIDE, 2))
        weights = RANDOM.normal(size=(3, 10))

        def weighted(params: Any, images: Any) -> Any:
            outputs, _ = built.apply(params, state, images, True)
            return jnp.sum(outputs * weights), outputs

        gradients, outputs = jax.jit(jax.grad(weighted, (0, 1), has_aux=True))(params, images)
    params, gradients, outputs = jax.tree.map(np.asarray, (params, gradients, outputs))
    assert shape == (10,)

    def layer(where: dict, side: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        return matrix(where["kernel"], side, stride), np.tile(where["bias"], (side // stride) ** 2)

    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    entry, b = layer(params["convolution"]["convolution"], SIDE, 1)
    sums = [images.reshape(3, -1) @ entry + b]
    maps, hidden = [entry], relu(sums[0])
    skips = []
    for name, stride, side in (("block_1_1", 1, SIDE), ("block_2_1", 2, SIDE)):
        block = params[name]
        first, b_first = layer(block["convolution_1"]["convolution"], side, stride)
        second, b_second = layer(block["convolution_2"]["convolution"], side // stride, 1)
        skip, shift = np.zeros((first.shape[0], second.shape[1])), 0.0
        if shortcut != "none" and stride == 1:
            skip = np.eye(len(first))
        elif shortcut == "identity":
            skip = identity(side, 2, 1)
        elif shortcut == "projection":
            skip, shift = layer(block["shortcut"]["convolution"], side, stride)
        inner = hidden @ first + b_first
        total = relu(inner) @ second + b_second + hidden @ skip + shift
        sums += [inner, total]
        maps += [first, second]
        skips.append(skip)
        hidden = relu(total)
    means = hidden.reshape(3, -1, 3).mean(1)
    expected = means @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-9)

    back = np.repeat((weights @ params["logits"]["kernel"].T)[:, None] / 4, 4, 1)
    back = back.reshape(3, -1)
    for index in (1, 0):
        inner, total = sums[2 * index + 1 : 2 * index + 3]
        first, second = maps[2 * index + 1 : 2 * index + 3]
        back = back * (total > 0)
        np.testing.assert_allclose(
            gradients[0][f"block_{index + 1}_1"]["convolution_2"]["convolution"]["bias"],
            back.reshape(-1, index + 2).sum(0),
            rtol=1e-9,
        )
        inside = (back @ second.T) * (inner > 0)
        np.testing.assert_allclose(
            gradients[0][f"block_{index + 1}_1"]["convolution_1"]["convolution"]["bias"],
            inside.reshape(-1, index + 2).sum(0),
            rtol=1e-9,
        )
        back = inside @ first.T + back @ skips[index].T
    to_images = (back * (sums[0] > 0)) @ maps[0].T
    np.testing.assert_allclose(gradients[1].reshape(3, -1), to_images, rtol=1e-9)


@pytest.mark.parametrize(
    ("blocks", "parameters"), [(3, 269_722), (9, 853_018)], ids=["ResNet-20", "ResNet-56"]
)
def test_the_networks_of_the_paper_have_as_many_parameters(blocks: int, parameters: int) -> None:
    """Table 6 of He et al. 2016: 0.27 million and 0.85 million."""
    built = network(model={"channels": [16, 32, 64], "blocks": blocks}, normalization="batch")
    params = jax.eval_shape(lambda: built.init(jax.random.key(0), (32, 32, 3))[0])
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.shortcut is wrong: the identity would lose"):
        network(model={"channels": [3, 2]})
    network(model={"channels": [3, 2], "shortcut": "projection"})
    with pytest.raises(ConfigError, match=r"model\.channels is wrong: it names no stage"):
        network(model={"channels": []})
    with pytest.raises(ConfigError, match="model does not fit the run: a convolution needs"):
        network(data="teacher")
    with pytest.raises(ConfigError, match="the model has 6 layers with a kernel"):
        network(initializer={"name": "he_normal", "scale": [1.0, 2.0]})


@pytest.mark.slow
def test_deep_networks_need_shortcuts() -> None:
    """The claims of `experiment=shortcuts`, in 40 of its steps on images of 4x4 pixels."""
    train = compose().data.load().train
    examples = (np.arange(40 * 32) % 1408).reshape(40, 32)
    pixels = train.inputs.reshape(-1, 4, 2, 4, 2, 1).mean((2, 4), np.float32) / 16
    batches = pixels[examples], train.targets[examples]
    loss = {
        (shortcut, blocks): losses(shortcut, blocks, *batches)[-15:].mean()
        for shortcut in ("identity", "none")
        for blocks in (4, 16)
    }
    assert 1.2 * loss["identity", 4] < loss["none", 4], loss
    assert 1.2 * loss["identity", 16] < loss["none", 16], loss
    assert 1.1 * loss["none", 4] < loss["none", 16], loss


def losses(shortcut: str, blocks: int, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Loss of each batch in training with momentum; a loop over the blocks is soon compiled."""
    model = {"name": "resnet", "channels": [8], "shortcut": shortcut}
    experiment = compose(model=model, normalization="batch")
    chosen = experiment.layer_options()
    entry = hidden_convolution(8, 3, chosen, padding="same")
    block = experiment.model.block(8, 1, chosen, chosen)
    keys = jax.random.split(jax.random.key(0), (3, blocks))

    def loss(params: Any, state: Any, inputs: Any, targets: Any) -> Any:
        hidden, _ = entry.apply(params[0], state[0], inputs, True)
        hidden, _ = jax.lax.scan(
            lambda x, own: (block.apply(*own, x, True)[0], None), hidden, (params[1], state[1])
        )
        outputs = hidden.mean((1, 2)) @ params[2]
        return experiment.losses_and_errors(outputs, targets)[0].mean()

    def train(keys: Any, *batches: Any) -> Any:
        first, *first_state = entry.init(keys[0, 0], images.shape[2:])[:2]
        inner, inner_state = jax.vmap(lambda key: block.init(key, (4, 4, 8))[:2])(keys[1])
        params = (first, inner, experiment.initializer(keys[2, 0], (8, 10)))
        state = (*first_state, inner_state)

        def step(carry: Any, batch: Any) -> Any:
            params, velocity = carry
            value, gradient = jax.value_and_grad(loss)(params, state, *batch)
            velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
            return (jax.tree.map(lambda p, v: p - 0.03 * v, params, velocity), velocity), value

        return jax.lax.scan(step, (params, jax.tree.map(jnp.zeros_like, params)), batches)[1]

    return np.asarray(jax.jit(train)(keys, images, targets))
