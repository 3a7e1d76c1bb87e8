"""README and docs: links lead somewhere, and what is installed has a name of its own."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

from runner.version import DISTRIBUTION, own_version

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = PAGES[0].read_text()
    assert [page.name for page in PAGES[1:] if f"{page.name})" not in readme] == []


def test_every_promise_names_a_test_that_there_is() -> None:
    promises = (ROOT / "docs" / "reliability.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", promises))
    tests = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 10
    assert named <= set(re.findall(r"^def (test_\w+)\(", tests, re.MULTILINE))
    rows = re.findall(
        r"^\| (?!promise|-)(.*)\|$", promises.partition("## At random")[0], re.MULTILINE
    )
    assert all("`test_" in row for row in rows)


def test_the_distribution_has_a_name_of_its_own() -> None:
    """`runner` is a different package on the public index."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION != "runner"
    assert own_version() == project["version"]
    for page in PAGES:
        assert not re.search(r"install.*[\s\"']runner\b(?!/)", page.read_text()), page.name
    extras = (ROOT / "docs" / "installing.md").read_text()
    assert set(project["optional-dependencies"]) == set(re.findall(r"^\| `(\w+)` \|", extras, re.M))
