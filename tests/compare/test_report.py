"""The page to share: what it holds, checked from its HTML, and what it does, in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import yaml
from headless_browser import Browser, needs_browser
from test_compare import leave, optimizer

from runner.compare.cli import run_command_line
from runner.compare.curve import kept_points
from runner.compare.grouping import group_runs
from runner.compare.report.page import page
from runner.compare.report.points import condensed
from runner.compare.rerun import command_of_run, commands_of_sweeps, flags_of
from runner.compare.runs import Run, find
from runner.compare.view import View
from runner.engine.chunk import STEP_DTYPE

EVIL = "</script><script>alert(1)</script><!--&amp;"
RATES = {"sgd": 0.1, "adam": 0.01}
STEPS, SEEDS = 51, 3


def losses_of(name: str, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0.8, 1.2, STEPS)
    return np.geomspace(2.0, RATES[name], STEPS) * noise


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two optimizers with three seeds, and one that diverged; names and a setting are hostile."""
    top = tmp_path_factory.mktemp("study")
    for name, rate in RATES.items():
        for seed in range(SEEDS):
            folder = top / f"<b>{name}" / str(seed)
            own = {**optimizer(name, rate), "note": EVIL}
            leave(folder, losses_of(name, seed), seed=seed, **own)
            (folder / ".hydra").mkdir()
            typed = [f"optimizer={name}", f"note={EVIL}", f"seed={seed}"]
            (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(typed))
    own = {**optimizer(EVIL, 9.0), "note": EVIL}
    leave(top / "bad", [2.0, 3.0, np.inf], status="diverged", planned=STEPS, **own)
    return top


@pytest.fixture(scope="module")
def written(study: Path) -> Path:
    file = study / "report.html"
    words = [str(study), "--figure", "curves", "--output", str(file)]
    assert run_command_line(words) == 0
    return file


class Parsed(HTMLParser):
    """The elements of a page: scripts with their text, the names of all, and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.names: set[str] = set()
        self.addresses: list[str] = []
        self.policy = ""
        self.texts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inside = tag
        self.names.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag == "script":
            self.scripts.append("")
        if given.get("http-equiv"):
            self.policy = given["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.texts.append(data)


@pytest.fixture(scope="module")
def parsed(written: Path) -> Parsed:
    return Parsed(written.read_text())


@pytest.fixture(scope="module")
def known(parsed: Parsed) -> dict[str, Any]:
    return json.loads(parsed.scripts[0])


def array(known: dict[str, Any], place: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(known["arrays"][place]), "<f4")


# --- what the page holds ----------------------------------------------------------------------


def test_text_of_runs_is_never_markup(parsed: Parsed, known: dict[str, Any]) -> None:
    assert len(parsed.scripts) == 3
    assert "b" not in parsed.names
    # The tables of groups and of runs, and the settings that all share.
    assert parsed.texts.count(EVIL) == 3
    assert known["runs"][0]["name"].startswith("<b>")
    assert EVIL in known["runs"][0]["command"]


def test_nothing_is_loaded_and_only_its_own_scripts_run(parsed: Parsed) -> None:
    assert parsed.addresses == []
    assert parsed.policy.startswith("default-src 'none'")
    for script in parsed.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in parsed.policy
    assert "unsafe-inline" not in parsed.policy.partition("script-src")[2]


def test_curves_and_commands_are_those_of_the_records(known: dict[str, Any], study: Path) -> None:
    records = {run.directory: run for run in find([study]).runs}
    for run in known["runs"]:
        record = records[study / run["name"]]
        found = run["curves"]["steps"]
        finite = np.isfinite(record.steps["train_loss"])
        shown = array(known, found["y"]["train_loss"]["mean"])
        expected = record.steps["train_loss"].astype("f4")
        assert np.array_equal(shown[finite], expected[finite])
        assert np.array_equal(array(known, found["x"]["iteration"]), np.arange(len(expected)))
        assert np.allclose(array(known, found["x"]["epoch"]), np.arange(len(expected)) / 10)
        evaluated = run["curves"]["epochs"]["y"]["validation_error"]["mean"]
        assert np.array_equal(array(known, evaluated), record.epochs["validation_error"])
    commands = {run["command"] for run in known["runs"] if run["name"] != "bad"}
    assert f"runner optimizer=sgd 'note={EVIL}' seed=2" in commands
    assert [run["diverged"] for run in known["runs"]].count(True) == 1


def test_the_command_of_a_sweep_is_the_one_that_was_typed(tmp_path: Path) -> None:
    leave(tmp_path / "rates" / "0", [2.0, 1.0], seed=0)
    own = ["hydra.sweeper.figure.tune=[x]", "hydra.launcher.confirm=2", "hydra.mode=MULTIRUN"]
    own.append("hydra.sweep.dir=rates")
    record = {"hydra": {"overrides": {"hydra": own, "task": ["batch_size='8','64'", "seed=0,1"]}}}
    (tmp_path / "rates" / "multirun.yaml").write_text(yaml.safe_dump(record))
    command = "runner -m batch_size=8,64 seed=0,1 'figure.tune=[x]' confirm=2"
    assert commands_of_sweeps(find([tmp_path]).runs) == {"rates": command}


@pytest.mark.parametrize("damaged", [{}, {"command": ""}, {"command": "runner 'a"}, {"command": 3}])
def test_a_record_without_its_command_has_no_flags(damaged: dict[str, Any]) -> None:
    assert flags_of(Run(None, damaged)) == []


def test_the_command_of_a_run_alone_is_the_one_that_was_typed(tmp_path: Path) -> None:
    """With the flags that the overrides do not have; what a record adds to it is only text."""
    run = Run(tmp_path, {"command": "runner --config-dir mine 'labels=[a, b]'"})
    assert command_of_run(run) == "runner --config-dir mine 'labels=[a, b]'"
    assert command_of_run(Run(tmp_path, {"command": "runner; rm x $(y)"})) == ""
    assert command_of_run(Run(tmp_path, {"command": "runner a ; rm"})) == "runner a ';' rm"
    assert command_of_run(Run(tmp_path, {"command": "runner 'a"})) == ""
    (tmp_path / "multirun.yaml").touch()
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("[seed=1]")
    run = Run(tmp_path / "0", {"command": "runner -m seed=0,1"})
    assert command_of_run(run) == "runner seed=1"


def test_the_page_says_what_was_compared(parsed: Parsed) -> None:
    text = " ".join(parsed.texts)
    assert "7 runs (6 finished, 1 diverged) in 3 groups" in text
    assert "differ in optimizer; 1 to 3 seeds each" in text
    assert "cannot show a difference" in text
    assert "runner --rerun FOLDER" in text
    assert re.search(r"sgd \(3\)", text)


def test_bins_keep_means_extremes_and_ends() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    values[::7] = np.nan
    starts = kept_points(len(values), 200)
    assert 150 < len(starts) <= 200
    assert list(starts[:2]) == [0, 1]
    assert starts[-1] == 4999
    pieces: Sequence[np.ndarray] = np.split(values, starts[1:])
    for function, found in zip(
        (np.nanmean, np.nanmin, np.nanmax), condensed(values, starts), strict=True
    ):
        for piece, value in zip(pieces, found, strict=True):
            known = piece[~np.isnan(piece)]
            assert np.isnan(value) if not len(known) else np.isclose(value, function(known))


class NoisyRun(Run):
    """A run whose curves no two runs share, made where they are asked for."""

    @property
    def steps(self) -> Any:
        rows = np.zeros(2000, STEP_DTYPE)
        draw = np.random.default_rng(self.seed)
        for name in rows.dtype.names or ():
            rows[name] = draw.random(len(rows))
        rows["step"] = np.arange(len(rows))
        return rows


def test_a_page_of_200_runs_has_less_than_15_mb(study: Path) -> None:
    (first, *_) = find([study]).runs
    runs: list[Run] = [
        NoisyRun(
            first.directory, {**first.summary, "seed": seed}, {"seed": seed, "rate": seed % 40}
        )
        for seed in range(200)
    ]
    text = page(group_runs(runs), View("curves"), "many")
    assert 10e6 < len(text) < 15e6


def test_a_figure_of_another_kind_is_an_image_of_the_page(tmp_path: Path) -> None:
    for rate in (0.1, 0.2, 0.3):
        leave(tmp_path / str(rate), [rate] * 20, **optimizer("sgd", rate))
    file = tmp_path / "a.html"
    assert run_command_line([str(tmp_path), "--figure", "final", "--output", str(file)]) == 0
    (address,) = Parsed(file.read_text()).addresses
    assert base64.b64decode(address.removeprefix("data:image/png;base64,"))[1:4] == b"PNG"


def test_without_plotly_one_line_says_what_to_install(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert run_command_line([str(study), "--output", str(study / "b.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "b.html: a page needs plotly" in line
    assert "pip install plotly" in line
    assert not (study / "b.html").exists()


# --- what the page does -----------------------------------------------------------------------


def choose(browser: Browser, control: str, value: str) -> None:
    browser.run(
        f"{{const e = document.getElementById('{control}'); e.value = '{value}';"
        "e.dispatchEvent(new Event('change', {bubbles: true}))}"
    )


def tick(browser: Browser, control: str, on: bool) -> None:
    browser.run(
        f"{{const e = document.getElementById('{control}');"
        f"if (e.checked !== {json.dumps(on)}) e.click()}}"
    )


def drawn(browser: Browser) -> dict[str, dict[str, list[float]]]:
    """The lines with a name in the figure: their points."""
    return browser.run(
        "Object.fromEntries(document.getElementById('plot').data.filter((t) => t.showlegend)"
        ".map((t) => [t.name, {x: [...t.x], y: [...t.y]}]))"
    )


def shown_cells(browser: Browser, table: str, column: str) -> list[str]:
    """The texts of a column of a table, of the rows that can be seen."""
    return browser.run(
        f"(() => {{const t = document.getElementById('{table}');"
        f"const c = [...t.tHead.rows[0].cells].findIndex((h) => h.textContent === '{column}');"
        "return [...t.tBodies[0].rows].filter((r) => r.offsetParent !== null)"
        ".map((r) => r.cells[c].textContent)})()"
    )


def click_heading(browser: Browser, table: str, column: str) -> None:
    browser.run(
        f"[...document.querySelectorAll('#{table} th')]"
        f".find((h) => h.textContent === '{column}').click()"
    )


@needs_browser
def test_in_a_browser_it_draws_filters_and_sorts(written: Path, study: Path) -> None:
    ended = [run for run in find([study]).runs if run.status == "finished"]
    finals = {
        name: [
            run.epochs["validation_error"][-1] for run in ended if run.settings["optimizer"] == name
        ]
        for name in RATES
    }
    with Browser() as browser:
        browser.open(written)
        choose(browser, "smoothing", "0")
        tick(browser, "log-y", True)
        lines = drawn(browser)
        assert set(lines) == {*RATES, html.escape(EVIL)}

        # The geometric mean over seeds, since losses are drawn on a logarithmic axis, and its
        # interval by SciPy.
        logs = np.log([losses_of("sgd", seed) for seed in range(SEEDS)])
        assert np.allclose(lines["sgd"]["y"], np.exp(logs.mean(0)), rtol=1e-5)
        factor = scipy.stats.t.ppf(0.975, SEEDS - 1) / np.sqrt(SEEDS)
        high = np.exp(logs.mean(0) + factor * logs.std(0, ddof=1))
        areas = browser.run(
            "document.getElementById('plot').data.filter((t) => t.fill).map((t) => [...t.y])"
        )
        assert any(np.allclose(area, high, rtol=1e-3) for area in areas)

        # Five points wide: a tenth of an axis of 50 steps.
        tick(browser, "log-y", False)
        choose(browser, "smoothing", "0.1")
        line = drawn(browser)["adam"]
        values = np.mean([losses_of("adam", seed) for seed in range(SEEDS)], axis=0)
        middle = line["x"].index(20.0)
        assert np.isclose(line["y"][middle], values[18:23].mean(), rtol=1e-5)

        # Evaluations are not smoothed, and epochs count ten steps each.
        choose(browser, "measure", "validation_error")
        choose(browser, "axis", "epoch")
        tick(browser, "log-y", False)
        line = drawn(browser)["sgd"]
        assert np.isclose(line["y"][-1], np.mean(finals["sgd"]), rtol=1e-5)
        assert line["x"][-1] == pytest.approx(5.0)

        # A tick hides a group; single runs can be drawn.
        browser.run("document.querySelector('#groups input').click()")
        assert len(drawn(browser)) == 2
        browser.run("document.querySelector('[data-show=all]').click()")
        choose(browser, "lines", "runs")
        assert len(drawn(browser)) == 7

        # The filter is of both tables and of the figure.
        browser.run("document.getElementById('filter').value = 'learning_rate<1 seed=2'; update()")
        assert sorted(shown_cells(browser, "runs", "optimizer")) == ["adam", "sgd"]
        assert sorted(drawn(browser)) == ["&lt;b&gt;adam/2", "&lt;b&gt;sgd/2"]
        browser.run("document.getElementById('filter').value = 'finished'; update()")

        click_heading(browser, "runs", "final.validation_error")
        read = [float(text) for text in shown_cells(browser, "runs", "final.validation_error")]
        assert read == [float(f"{value:.4g}") for value in sorted(finals["sgd"] + finals["adam"])]
        click_heading(browser, "runs", "final.validation_error")
        read = [float(text) for text in shown_cells(browser, "runs", "final.validation_error")]
        assert read == sorted(read, reverse=True)

        browser.run("document.querySelector('#runs tbody tr:not([hidden])').click()")
        assert EVIL in browser.run("document.querySelector('#run pre').textContent")
        assert browser.run("document.querySelectorAll('#run script, b').length") == 0
        assert browser.complaints() == []
        assert browser.requested() == [written.as_uri()]
