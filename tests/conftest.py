"""What many tests share: quick compilation, experiments composed from the YAML files, tiny data."""

from __future__ import annotations

import dataclasses
import gc
import importlib.metadata
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine

from runner.config import described
from runner.config.build import build
from runner.config.plugins import loaded_plugins
from runner.data import Dataset, Split
from runner.experiment.experiment import Experiment
from runner.experiment.groups import group_inside
from runner.experiment.table import OPTIONS, STACKED

ROOT = Path(__file__).parent.parent
CONF = ROOT / "conf"
DEFAULTS = {
    "data": "digits",
    "loss": "auto",
    "augmentation": "none",
    "preprocessing": "minmax",
    "model": "mlp",
    "activation": "relu",
    "initializer": "he_normal",
    "bias_initializer": "zeros",
    "normalization": "none",
    "regularization": "none",
    "optimizer": "sgd",
    "momentum_schedule": "constant",
    "schedule": "constant",
    "warmup": "none",
    "gradient": "none",
    "batch_size": "mini",
    "sampling": "permutation",
    "stopping": "none",
    "diagnostics": "none",
}
# Lanes are spread over two devices, even where there is one core.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
# Test processes share what they compile, small programs too.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Most of the suite's time is compilation, of programs that run for milliseconds. So they are
# compiled without optimization; `tests/engine/test_optimized.py` tests what depends on it. With an
# empty XLA_FLAGS every test compiles as users do.
QUICK_XLA_FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_parallel_codegen_split_count=1 "  # dividing small programs among threads costs more
    # A twentieth of the time: XLA checks its work after each pass, and moves code out of loops.
    "--xla_disable_hlo_passes=hlo-verifier,while-loop-invariant-code-motion,"
    "while-loop-constant-sinking,simplify-while-loops,simplify-conditional,reshape-mover"
)
if importlib.metadata.version("jaxlib").startswith("0.10."):  # gone later
    QUICK_XLA_FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK_XLA_FLAGS)
# Tracing makes many objects that live; looking for garbage among them took 7 % of the time.
gc.set_threshold(200_000, 50, 100)


LONGEST = ("test_optimized.py", "test_make.py", "test_documented_commands.py")
"""The modules with the longest tests. They start first, so that no process is left with one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def read_option(group: str, name: str) -> dict[str, Any]:
    """The content of an option's YAML file, with the option inside it where it has one."""
    return described.read_option([CONF], group, name)


def choose(group: str, choice: Any, default: str) -> dict[str, Any]:
    """The config of a choice, as Hydra composes it.

    A choice is a name, or a name and what to change: `{"name": "sam", "base": "adam", "rho": 0.1}`.
    """
    numbers = {"name": choice} if isinstance(choice, str) else dict(choice)
    node = read_option(group, numbers.get("name", default))
    for key, value in numbers.items():
        inside = group_inside(group, key)
        node[key] = choose(inside, value, node[key]["name"]) if inside else value
    return node


def compose(settings: dict[str, Any] | None = None, **choices: Any) -> Experiment:
    """An experiment, composed without Hydra: `compose(optimizer="adam", model={"widths": [8]})`."""
    config: dict[str, Any] = {"epochs": 2, **(settings or {})}
    for group, default in DEFAULTS.items():
        choice = choices.get(group, default)
        if group in STACKED:
            several = choice if isinstance(choice, list) else [choice]
            nodes = [choose(group, one, default) for one in several]
            config[group] = {node["name"]: node for node in nodes}
        else:
            config[group] = choose(group, choice, default)
    return build(config)


def every_option() -> list[tuple[str, str]]:
    return [(group, name) for group, names in OPTIONS.items() for name in names]


def float_fields(group: str, name: str) -> list[str]:
    cls = OPTIONS[group][name]
    numbers = ("float", "float | None", "PerLayer")
    return [field.name for field in dataclasses.fields(cls) if field.type in numbers]


_tests_run = itertools.count(1)


@pytest.fixture(autouse=True)
def _room_for_programs() -> Iterator[None]:
    """Discard compiled programs before their memory mappings are more than a process may have."""
    yield
    if next(_tests_run) % 8:  # counting them takes a hundredth of a second
        return
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > 20_000:
        import quick_loop

        quick_loop.forget()


@pytest.fixture(autouse=True)
def _loop_over_batches(request: pytest.FixtureRequest) -> None:
    """Compile less, where the test is not about the loop itself; see `quick_loop`."""
    if "runner.engine.train" in sys.modules:  # a test that trains nothing need not import JAX
        import quick_loop

        about_it = request.path.parent.name == "engine" or request.node.get_closest_marker(
            "real_loop"
        )
        quick_loop.choose(quick=not about_it)


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """36 training images of 8 by 8 in three noisy classes; with batches of 8 the last has 4."""
    random = np.random.default_rng(0)
    prototypes = random.integers(0, 17, (3, 8, 8, 1))

    def split(examples: int) -> Split:
        targets = random.integers(0, 3, examples).astype(np.int32)
        noise = random.integers(-3, 4, (examples, 8, 8, 1))
        return Split(np.clip(prototypes[targets] + noise, 0, 16).astype(np.uint8), targets)

    return Dataset(split(36), split(10), split(7))


@pytest.fixture
def runner(tmp_path: Path) -> CommandLine:
    """`runner(ARGUMENTS)` runs the command in an empty directory, the test's `tmp_path`."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The folder with the MNIST files; skips the test where there is none."""
    root = os.environ.get("RUNNER_DATA_DIR")
    if not root or not (Path(root) / "mnist").is_dir():
        pytest.skip("needs RUNNER_DATA_DIR with the four MNIST files in its folder mnist")
    return Path(root)


@pytest.fixture
def plugins_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What plug-ins change in this process is undone after the test."""
    for group, names in OPTIONS.items():
        monkeypatch.setitem(OPTIONS, group, dict(names))
    monkeypatch.setattr(sys, "path", list(sys.path))
    before, loaded = set(sys.modules), set(loaded_plugins)
    yield
    for name in set(sys.modules) - before:
        if name in loaded_plugins or name.removeprefix("test_") in loaded_plugins:
            del sys.modules[name]
    loaded_plugins.intersection_update(loaded)
