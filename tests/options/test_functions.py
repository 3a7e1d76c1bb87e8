"""Networks of plain functions: as layers, and as models with the interfaces of Flax and Equinox."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from command_line import CommandLine
from conftest import ROOT

from runner.compare.api import load as read
from runner.options.functions import from_functions
from runner.options.layer import Layer
from runner.options.parameters import is_kernel, is_weight, named

KEY = jax.random.key(0)
X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


def plain() -> Layer:
    """y = x U V: a list of two matrices."""

    def init(key: Any, inputs: Any) -> list[Any]:
        return [jnp.ones((inputs.shape[-1], 3)), jnp.full((3, 4), 2.0)]

    return from_functions(init, lambda params, inputs: inputs @ params[0] @ params[1])


def test_a_pair_of_functions_is_a_layer() -> None:
    layer = plain()
    params, state, shape = layer.init(KEY, (2,))
    assert (shape, state, list(params)) == ((4,), {}, ["0", "1"])
    outputs, _ = layer.apply(params, state, X, True)
    np.testing.assert_allclose(outputs, X @ np.ones((2, 3)) @ np.full((3, 4), 2.0))


class LinenLike:
    """The interface of a module of Flax: `init(key, x)` and `apply(variables, x)`."""

    def init(self, key: Any, x: Any) -> dict[str, Any]:
        kernel = jax.random.normal(key, (x.shape[-1], 3))
        return {"params": {"logits": {"kernel": kernel, "bias": jnp.zeros(3)}}}

    def apply(self, variables: dict[str, Any], x: Any) -> Any:
        dense = variables["params"]["logits"]
        return x @ dense["kernel"] + dense["bias"]


def test_a_module_with_the_interface_of_flax_keeps_its_names() -> None:
    net = LinenLike()
    layer = from_functions(net.init, net.apply)
    params, _, shape = layer.init(KEY, (2,))
    assert shape == (3,)
    paths = list(named(params))
    assert [path for path in paths if is_kernel(path)] == [("params", "logits", "kernel")]
    assert [path for path in paths if not is_weight(path)] == [("params", "logits", "bias")]
    expected = net.apply(net.init(KEY, X[:1]), X)
    np.testing.assert_allclose(layer.apply(params, {}, X, False)[0], expected, rtol=1e-6)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Affine:
    """The form of a module of Equinox: a tree whose leaves are its arrays."""

    weight: Any
    bias: Any

    def __call__(self, x: Any) -> Any:
        return self.weight @ x + self.bias


def test_a_tree_of_objects_is_stored_under_the_names_of_its_attributes() -> None:
    def init(key: Any, inputs: Any) -> list[Affine]:
        return [
            Affine(jnp.ones((3, inputs.size)), jnp.ones(3)),
            Affine(jnp.ones((1, 3)), jnp.zeros(1)),
        ]

    def apply(layers: list[Affine], inputs: Any) -> Any:
        return jax.vmap(lambda x: layers[1](layers[0](x)))(inputs)

    layer = from_functions(init, apply)
    params, _, shape = layer.init(KEY, (2,))
    assert shape == (1,)
    assert sorted(named(params)) == sorted([(i, n) for i in "01" for n in ("weight", "bias")])
    outputs, _ = layer.apply(params, {}, X, False)
    np.testing.assert_allclose(outputs[:, 0], 3 * (X.sum(axis=1) + 1))
    slope = jax.grad(lambda p: layer.apply(p, {}, X, True)[0].sum())(params)
    np.testing.assert_allclose(slope["1"]["bias"], [2.0])


def test_the_documented_models_are_short_and_train(tmp_path: Path, plugins_end: None) -> None:
    """Those of other libraries in one sweep; that of two functions trains as a command."""
    text = (ROOT / "docs" / "model.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert all(len([line for line in b.splitlines() if line.strip()]) <= 15 for b in blocks)
    (tmp_path / "three_nets.py").write_text("\n".join(blocks))
    names = re.findall(r'register\("model", "(\w+)"', "".join(blocks))
    assert names == ["plain_net", "flax_net", "equinox_net"]
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    for name in names:
        file = tmp_path / "my_conf" / "model" / f"{name}.yaml"
        file.write_text(f"# A network\nname: {name}\nwidth: 16  # units\n")
    words = ["--config-dir", "my_conf", "plugins=[three_nets]", f"model={','.join(names[1:])}"]
    short = ["optimizer=adam", "epochs=3", "hydra.sweep.dir=out", "weights=false"]
    done = CommandLine(tmp_path)("-m", *words, *short)
    assert done.returncode == 0, done.stderr
    runs = read(str(tmp_path / "out"))
    assert sorted(run.settings["model"] for run in runs) == sorted(names[1:])
    for run in runs:
        losses = run.steps["train_loss"]
        assert losses[-20:].mean() < 0.8 * losses[:5].mean(), run.settings["model"]
