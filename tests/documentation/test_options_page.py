"""The page of all options: its index leads somewhere, and values are as they are typed."""

from __future__ import annotations

import re

from runner.documentation.options_page import page
from runner.experiment.table import OPTIONS


def test_the_index_has_a_link_to_every_group_and_option() -> None:
    text = page()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    # What GitHub makes of a heading: lower case, spaces as hyphens, other signs left out.
    anchors = [re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings]
    assert len(anchors) == len(set(anchors)), "one place for each link"
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert set(links) <= set(anchors)
    assert len(links) == len(OPTIONS) + sum(map(len, OPTIONS.values()))


def test_values_and_types_are_as_they_are_typed() -> None:
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    defaults = {row[1] for row in rows}
    assert {"`null`", "`true`", "`false`", "`[64]`", "`0.9`"} <= defaults
    assert not defaults & {"`None`", "`True`", "`False`"}
    assert not [row for row in rows if re.search(r"None|tuple|Literal|\(\d", row[1] + row[2])]
