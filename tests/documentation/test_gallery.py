"""The prepared studies and the page that shows them."""

from __future__ import annotations

import pytest
from command_line import CommandLine
from conftest import ROOT

from runner.documentation.gallery import Study, page, studies


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_a_study_can_be_run_and_says_how_to_read_its_figure(
    study: Study, runner: CommandLine
) -> None:
    name, question, how_to_read, _ = study
    assert question
    done = runner(f"+experiment={name}", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 2
    assert how_to_read.count(".") >= 2
    assert (ROOT / "docs" / "gallery" / f"{name}.png").is_file()


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "gallery.md").read_text() == page(studies())
