"""The wheel, away from the checkout: `conf/` travels inside it and the script works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_make import make


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    python = [sys.executable, "-m"]
    done = make("wheel", f"DIST={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    install = [*python, "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    assert (site / "runner" / "conf" / "optimizer" / "adam.yaml").is_file()
    assert (site / "runner" / "data" / "digits.npz").is_file()
    assert (site / "runner" / "compare" / "report" / "page.html").is_file()
    assert (site / "runner" / "new" / "templates" / "optimizer.txt").is_file()
    assert (site / "bin" / "runner-new").is_file()

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, str(site / "bin" / "runner"), *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "XLA_FLAGS": ""},  # as users compile
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Adam" in call("--help")
    searched = call("--info", "searchpath")
    assert str(site / "runner" / "conf") in searched
    assert "tensorboard --logdir outputs" in call("+optimizer=adam", "+schedule=exp", "epochs=1")
