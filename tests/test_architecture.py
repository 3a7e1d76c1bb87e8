"""Imports point one way, only a few packages touch files or Hydra, and tests use public names."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import pytest
from conftest import ROOT

from runner.experiment.groups import base_of
from runner.experiment.table import OPTIONS

PACKAGE = ROOT / "runner"
FILES = sorted(PACKAGE.rglob("*.py"))

# From the ground up. A room is a package or a module directly in `runner/`. It imports from itself
# and from the rooms before it.
ROOMS = (
    "lazy",
    "version",
    "interruption",
    "errors",
    "measures",
    "status",
    "files",
    "folders",
    "whole_files",
    "options",
    "data",
    "experiment",
    "plugin",
    "config",
    "engine",
    "contract",
    "new",
    "record",
    "statistics",
    "terminal",
    "compare",
    "execution",
    "hydra_app",
    "api",
    "cli",
    "documentation",
    "",
    "__main__",
)


# What options of several groups build on.
SHARED_BY_OPTIONS = {
    "option",
    "layer",
    "clock",
    "parameters",
    "moving_average",
    "per_layer",
    "signals",
    "functions",
}


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def room_of(module: str) -> str:
    return module.partition(".")[0]


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@functools.cache
def imports_of(file: Path, *, for_types: bool = False) -> set[str]:
    """Every absolute import of a file, at whatever depth.

    Imports under `if TYPE_CHECKING` count only with `for_types`.
    """
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not for_types:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(parsed(file))
    return found


def own_imports(file: Path, *, for_types: bool = False) -> set[str]:
    """The modules of `runner` that a file imports."""
    modules = {module_of(other) for other in FILES}
    found = set()
    for name in imports_of(file, for_types=for_types):
        if name.startswith("runner."):
            target = name.removeprefix("runner.")
            while target and target not in modules:
                target = target.rpartition(".")[0]
            found.add(target)
    return found


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(module_of(file)) for file in FILES} == set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: module_of(file) or "runner")
def test_imports_point_down(file: Path) -> None:
    own = ROOMS.index(room_of(module_of(file)))
    for target in own_imports(file):
        assert ROOMS.index(room_of(target)) <= own, f"{module_of(file)} imports {target}"


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The sets of nodes that can be reached from each other, of two nodes or more."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph.get(start, ()))
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(graph.get(node, ()))
        return seen

    far = {node: reachable(node) for node in graph}
    found = {
        tuple(sorted(other for other in far[node] if node in far.get(other, ())))
        for node in graph
        if node in far[node]
    }
    return [list(circle) for circle in sorted(found)]


def test_no_circle_of_imports_even_inside_a_room() -> None:
    """Imports for type checkers count too: types that need each other are hard to read."""
    graph = {module_of(file): own_imports(file, for_types=True) for file in FILES}
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def users_of(package: str) -> set[str]:
    prefix = f"{package}."
    return {
        module_of(file)
        for file in FILES
        if any(name == package or name.startswith(prefix) for name in imports_of(file))
    }


HYDRA_APP = (
    "alone",
    "beginning",
    "branch",
    "checking",
    "claiming",
    "composer",
    "confirm",
    "dot_hydra",
    "error_lines",
    "flags",
    "hydra_settings",
    "job",
    "job_environment",
    "job_template",
    "jobs",
    "launch",
    "multirun",
    "prepare",
    "products",
    "python",
    "registered",
    "rerun",
    "resume",
    "searching",
    "starting",
    "task",
)


def test_few_modules_know_hydra() -> None:
    plugin = "hydra_app.path.hydra_plugins.runner_plugins"
    allowed = {"cli", "hydra_app.application", plugin}
    allowed |= {f"hydra_app.{module}" for module in HYDRA_APP}
    assert users_of("hydra") | users_of("omegaconf") == allowed


def test_only_the_record_writes_event_files() -> None:
    assert all(module.startswith("record") for module in users_of("tensorboard"))


def test_nothing_unpickles_or_evaluates() -> None:
    for package in ("pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"):
        assert not users_of(package)
    for file in FILES:
        calls = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
        names = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
        assert not names & {"eval", "exec", "compile", "__import__"}, file


def test_options_know_neither_each_other_nor_the_run() -> None:
    """Options get what they need, already built; only types are imported across groups.

    Some under `if TYPE_CHECKING`; the base class of a group also where a field holds its options.
    """
    bases = {f"{base.__module__}.{base.__name__}" for base in map(base_of, OPTIONS)}
    for file in (PACKAGE / "options").rglob("*.py"):
        group = module_of(file).split(".")[1:2]
        for name in imports_of(file):
            if name.startswith("runner.options.") and name not in bases:
                other = name.split(".")[2]
                assert other in {*group, *SHARED_BY_OPTIONS}, f"{file.name} imports {name}"


@pytest.mark.parametrize(
    "module",
    [
        "runner",
        "runner.cli",
        "runner.config.build",
        "runner.hydra_app.application",
        "runner.plugin",
    ],
)
def test_what_comes_before_training_imports_neither_jax_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; print({{'jax', 'numpy', 'optax'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("file", FILES, ids=lambda file: module_of(file) or "runner")
def test_a_module_says_which_idea_it_owns_and_stays_readable(file: Path) -> None:
    text = file.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module opens with a docstring"
    assert len(text.splitlines()) <= 330


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def private_names(source: str) -> set[str]:
    """The private names of `runner` that a test imports, patches, or reads as attributes.

    A test may have private names of its own; the methods of named tuples (`_replace`) are public,
    and so are those that notebooks call (`_repr_html_`).
    """
    public = {"_replace", "_asdict", "_fields", "_make", "_repr_html_", "_repr_png_"}
    tree = ast.parse(source)
    own = {node.attr for node in ast.walk(tree) if _is_own(node)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("runner"):
            found |= {alias.name for alias in node.names if alias.name.startswith("_")}
        elif isinstance(node, ast.Attribute) and node.attr not in own | public:
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            dotted = node.value if re.fullmatch(r"runner(\.\w+)+", node.value) else ""
            found.update(dotted.split("."))
    return {name for name in found if re.match(r"_[^_]", name)}


def _is_own(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether it is an attribute of `self` or `cls`, and so of a class of the test's own."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    )


@pytest.mark.parametrize("file", TESTS, ids=lambda file: str(file.relative_to(ROOT / "tests")))
def test_tests_use_no_private_names(file: Path) -> None:
    assert private_names(file.read_text()) == set()


def test_a_private_name_is_found() -> None:
    source = (
        "from runner.engine.train import _Run\n"
        "class A:\n    def _mine(self): return self._own\n"
        "run._order(0); a._mine(); row._replace(x=1); thing.__class__\n"
        'patch("runner.engine.lanes._programs", 1)\n'
    )
    assert private_names(source) == {"_Run", "_order", "_programs"}
