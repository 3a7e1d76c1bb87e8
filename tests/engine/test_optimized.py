"""What depends on how programs are compiled, tested as users compile them.

The suite compiles without optimization, which is most of its speed. Whether two programs give the
same bits may depend on that, so one test of each such promise has the marker `optimized` and is run
again in a process that optimizes.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_what_is_promised_to_the_bit_holds_of_optimized_programs() -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-m", "optimized"]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        [*command, "tests/engine"],
        cwd=ROOT,
        env=environment | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
