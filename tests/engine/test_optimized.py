"""What depends on how programs are compiled, tested as users compile them.

The suite compiles without optimization, which is most of its speed. Whether two programs give the
same bits may depend on that, so one test of each such promise has the marker `optimized` and is run
again in a process that optimizes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FOLDER = Path(__file__).parent
MARK = "pytest.mark." + "optimized"
"""In two parts, or this file would have it."""


@pytest.mark.slow
def test_what_is_promised_to_the_bit_holds_of_optimized_programs() -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-m", "optimized"]
    marked = [file for file in sorted(FOLDER.glob("test_*.py")) if MARK in file.read_text()]
    assert marked
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        [*command, *map(str, marked)],
        cwd=ROOT,
        env=environment | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
