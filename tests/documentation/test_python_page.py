"""The examples of docs/python.md work, and docs/python.ipynb shows what its cells show today."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from runner.experiment.table import OPTIONS
from tests.notebook import code_cells, run_cell, run_cells

TIMES = re.compile(r" in [\d.,]+ s \(.*?\)")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?: %)?")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The page registers an option of its own.
    monkeypatch.setitem(OPTIONS, "optimizer", dict(OPTIONS["optimizer"]))


def test_the_examples_of_the_page_work() -> None:
    """One after the other, as a reader tries them."""
    text = (ROOT / "docs" / "python.md").read_text()
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown = [run_cell(source, names, number) for number, source in enumerate(blocks)]
    assert len(blocks) > 8
    printed = ["".join(out["text"]) for outputs in shown for out in outputs if "text" in out]
    expected = re.search(r"print\(error\)  # (.*)", text)
    assert expected
    assert printed[-1] == expected[1] + "\n"
    assert names["mine"].summary["final"]["test_error"] < 0.2  # chance is 0.5


def test_the_notebook_shows_what_it_shows_when_it_is_run() -> None:
    notebook = json.loads((ROOT / "docs" / "python.ipynb").read_text())
    shown = run_cells(notebook)
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), shown, strict=True), 1):
        assert cell["execution_count"] == number
        saved = [text for output in cell["outputs"] for text in texts_of(output)]
        assert differences(saved, [text for out in outputs for text in texts_of(out)]) == []
        images = [[out.get("metadata") for out in each] for each in (cell["outputs"], outputs)]
        assert images[0] == images[1]


def texts_of(output: dict[str, Any]) -> list[str]:
    data = output.get("data", {})
    return ["".join(output.get("text", data.get("text/html", data.get("text/plain", ""))))]


def differences(saved: list[str], now: list[str]) -> list[tuple[Any, Any]]:
    """Words that differ, and numbers that differ by more than rounding explains; not times."""
    if len(saved) != len(now):
        return [("outputs", f"{len(saved)} and {len(now)}")]
    found: list[tuple[Any, Any]] = []
    for one, other in zip(saved, now, strict=True):
        pair = [TIMES.sub("", text) for text in (one, other)]
        words = [NUMBER.sub("#", text) for text in pair]
        numbers = [list(map(value_of, NUMBER.findall(text))) for text in pair]
        if words[0] != words[1]:
            found.append((words[0], words[1]))
        else:
            found += [
                (a, b)
                for a, b in zip(*numbers, strict=True)
                if not math.isclose(a, b, rel_tol=0.05, abs_tol=0.02)
            ]
    return found


def value_of(text: str) -> float:
    value = float(text.removesuffix(" %").replace(",", ""))
    return round(value / 100, 9) if text.endswith("%") else value


def test_differences_are_found() -> None:
    saved = "<td>5.00 %</td> finished: 60 steps in 0.1 s (9 steps/s; compiling 2 s)"
    same = "<td>5.05 %</td> finished: 60 steps in 3.5 s (1 steps/s; compiling 9 s)"
    assert differences([saved], [same]) == []
    assert differences([saved], [same.replace("5.05", "9.05")]) == [(0.05, 0.0905)]
    assert differences([saved], [same.replace("60 steps", "90 steps")]) == [(60, 90)]
    assert differences([saved], [same.replace("finished", "diverged")])
    assert differences([saved], [])
