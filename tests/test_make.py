"""Every `make` target but those that install or delete, run in small."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from tests.bench import compiling, startup, sweep
from tests.bench.start_worker import AFTER, IMPORTS
from tests.bench.training import CONTENDERS

INSTALLS_OR_DELETES = {"setup", "bench-setup", "lock", "clean"}
ELSEWHERE = {"wheel"}  # in test_wheel.py, which tries out what it builds
PARTS = {"lint", "types"}  # of `make test`
FEW_TESTS = "FILES=runner/status.py", "ARGS=-n0 -p no:cacheprovider tests/config/test_values.py"
# A target, and the variables that make it small; its output goes to {tmp}.
SMALL: dict[str, tuple[str, ...]] = {
    "help": (),
    "train": ("ARGS=steps=2 hydra.run.dir={tmp}/run",),
    "figure": ("ARGS=-m steps=2 batch_size=512,full hydra.sweep.dir={tmp}/sweep",),
    "test": FEW_TESTS,
    "test-fast": FEW_TESTS,
    "format": ("FILES={tmp}",),
    "docs": ("DOCS={tmp}", "CONF={tmp}"),
    "gallery": ("DOCS={tmp}", "ARGS=learning_rate steps=2 seed=0 batch_size=full"),
    "bench": ("DOCS={tmp}", "ARGS=--small"),
    "bench-sweep": ("DOCS={tmp}", "ARGS=--small"),
    "bench-accelerator": ("DOCS={tmp}", "PYTHON=$(BIN)/python", "ARGS=--small"),
    "bench-growth": ("DOCS={tmp}", "ARGS=--small --axes steps runs"),
    "torture": ("ARGS=--small --seed 1",),
    "bench-compare": ("ARGS=--runs 16 --seeds 1 --steps 100",),
}
WRITES = {
    "train": "run/summary.json",
    "figure": "sweep/sweep.png",
    "docs": "schedules.png",
    "gallery": "gallery/learning_rate.png",
    "bench": "benchmarks.md",
    "bench-sweep": "sweeps.png",
    "bench-accelerator": "accelerator.md",
    "bench-growth": "growth/growth.png",
}
"""A file that the target leaves."""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def make(target: str, *variables: str) -> subprocess.CompletedProcess[str]:
    """Run a target with this Python, whatever virtual environment it is in."""
    outer = ("MAKE", "MFLAGS", "PYTEST_")  # of the `make test` that runs this test
    return subprocess.run(
        ["make", "-o", ".venv/.ready", f"BIN={Path(sys.executable).parent}", target, *variables],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith(outer)},
        capture_output=True,
        text=True,
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_target_is_listed_and_tried() -> None:
    listed = {line.split()[0] for line in make("help").stdout.splitlines()}
    assert listed == targets()
    assert set(SMALL) | ELSEWHERE | PARTS | INSTALLS_OR_DELETES == targets()


@pytest.mark.slow
@pytest.mark.parametrize("target", SMALL)
def test_a_target_works(target: str, tmp_path: Path) -> None:
    if target == "format":
        (tmp_path / "a.py").write_text('"""A module."""\n\nx  =  1\n')
    done = make(target, *(variable.format(tmp=tmp_path) for variable in SMALL[target]))
    assert done.returncode == 0, done.stdout + done.stderr
    if target == "format":
        assert "x = 1\n" in (tmp_path / "a.py").read_text()
    if target == "test":
        for said in (
            "1 file already formatted",
            "All checks passed",
            "no issues found",
            "passed in",
        ):
            assert said in done.stdout
    if target in WRITES:
        assert (tmp_path / WRITES[target]).stat().st_size > 0
    if target == "bench":
        left_out = set(re.findall(r"^(\w+): left out", done.stderr, re.MULTILINE))
        missing = {
            contender
            for contender, package in CONTENDERS.items()
            if importlib.util.find_spec(package) is None
        }
        assert left_out == missing, "every contender that can run here has run"
        page = (tmp_path / "benchmarks.md").read_text()
        assert page.count("not measured") == len(missing)


def test_starting_can_be_measured(tmp_path: Path) -> None:
    """`tests.bench.startup` has no target."""
    measured = startup.cases(tmp_path, ["model=linear", "batch_size=full"])
    assert measured["runner --help"]().cpu > 0
    cost = measured["one step, cold cache"]()
    assert cost.compiling is not None
    assert cost.compiling > 0
    parts = startup.profile(tmp_path, ["model=linear", "batch_size=full"])
    assert min(parts.values()) >= 0
    assert 0 < parts[IMPORTS] < sum(parts.values()) - parts[AFTER]
    assert "| **beyond the imports** |" in startup.parts_table([parts])


def test_compiling_can_be_measured() -> None:
    """`tests.bench.compiling` has no target; `docs/growth.md` has its table."""
    assert compiling.compiled(["model=linear", "batch_size=full"]) > 0
    listed = (ROOT / "docs" / "growth.md").read_text()
    for name in compiling.CASES:
        assert compiling.row(name, 0.0).removesuffix("0.0 |") in listed


def test_a_command_is_measured_in_a_process_of_its_own() -> None:
    """`make bench-sweep ARGS=--small` measures within its own."""
    cost = sweep.process("--version", cache=None)
    assert min(cost.seconds, cost.memory) > 0
