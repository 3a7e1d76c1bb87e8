"""The prepared studies and the page that shows them."""

from __future__ import annotations

import pytest
from conftest import ROOT

from runner.cli import run_command_line
from runner.gallery import page, studies


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_a_study_can_be_run_and_says_how_to_read_its_figure(
    study: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    name, question, reading = study
    assert question
    assert run_command_line([f"+experiment={name}", "dry_run=true"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) > 3
    assert reading.count(".") >= 2
    assert (ROOT / "docs" / "gallery" / f"{name}.png").is_file()


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "gallery.md").read_text() == page(studies())
