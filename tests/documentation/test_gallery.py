"""The prepared studies and the page that shows them."""

from __future__ import annotations

import pytest
from conftest import ROOT

from runner.documentation.gallery import Study, page, studies


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_a_study_says_how_to_read_its_figure(study: Study) -> None:
    """The tests of the documented commands run it."""
    name, question, how_to_read, _ = study
    assert question
    assert how_to_read.count(".") >= 2
    assert (ROOT / "docs" / "gallery" / f"{name}.png").is_file()


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "gallery.md").read_text() == page(studies())
