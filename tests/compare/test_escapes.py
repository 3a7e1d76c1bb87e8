"""Names that anyone may have written, in the forms of output that something else reads."""

from __future__ import annotations

import csv
import io
import os
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import CommandLine
from test_compare import leave

from runner.compare.escapes import in_latex, in_markdown, in_spreadsheet
from runner.compare.tables import render

HOSTILE = "=1+1|\\input{x}$x^{$<b>\x1b[2J\n_a_`c`-->"


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("-", "-"),
        ("adam", "adam"),
        ("a\nb", "a\\nb"),
        (-0.5, -0.5),
        (None, None),
    ],
)
def test_no_cell_is_a_formula(cell: object, safe: object) -> None:
    assert in_spreadsheet(cell) == safe


def test_latex_is_text() -> None:
    assert in_latex("a_b & 5 % #1 {x} $y$") == r"a\_b \& 5 \% \#1 \{x\} \$y\$"
    assert in_latex("\\input~^") == r"\textbackslash{}input\textasciitilde{}\textasciicircum{}"
    assert in_latex("0.5 +- 0.1 <") == r"0.5 $\pm$ 0.1 \textless{}"


def test_markdown_is_text() -> None:
    assert in_markdown("a|b") == r"a\|b"
    assert in_markdown("`a` *b* <i> \\") == r"\`a\` \*b\* \<i> \\"
    assert in_markdown("[a](http://b)") == r"[a]\(http://b)"
    assert in_markdown("learning_rate [64,32]") == "learning_rate [64,32]"
    assert in_markdown("__init__") == r"\_\_init\_\_"


def test_a_table_stays_a_table() -> None:
    lines = [["name", "value"], [HOSTILE, "0.5"]]
    assert render(lines, "text").count("\n") == 2
    markdown = render(lines, "markdown").splitlines()
    assert len(markdown) == 3
    assert markdown[2].replace("\\|", "").count("|") == 3
    assert list(csv.reader(io.StringIO(render(lines, "csv"))))[1][0].startswith("'=1+1")
    assert r"\textbackslash{}input\{x\}" in render(lines, "latex")


def test_hostile_records_are_compared_or_left_out(runner: CommandLine, tmp_path: Path) -> None:
    """Names are drawn and printed as they are; what is no record is reported."""
    for seed in range(2):
        for name in (HOSTILE, "sgd"):
            config = {"optimizer": {"name": name, "learning_rate": 0.1}}
            leave(
                tmp_path / "runs" / f"{name[:2]}{seed}", np.linspace(3, 1, 9), seed=seed, **config
            )
    planted = {"deep": "[" * 10**6, "number": '{"config": {}, "status": "finished", "seed": 1e999}'}
    for name, text in planted.items():
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "summary.json").write_text(text)
    (tmp_path / "runs" / "pipe").mkdir()
    os.mkfifo(tmp_path / "runs" / "pipe" / "summary.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = runner.compare("runs", "--output", "runs/a.svg")
    assert done.returncode == 0, done.stderr
    for name in ("deep", "number", "pipe"):
        assert f"left out: runs/{name}: summary.json is not the summary of a run" in done.stderr
    assert "\x1b" not in done.stdout
    assert r"\x1b[2J\n" in done.stdout
    ElementTree.parse(tmp_path / "runs" / "a.svg")
    assert "$x^{$" in (tmp_path / "runs" / "a.svg").read_text()
