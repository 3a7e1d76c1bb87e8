"""Names and values of runs as text in another language: LaTeX, Markdown, a spreadsheet.

What a run is called comes from a file that anyone may have written. So every form of output has its
own escape, and a name can neither break a table nor be executed by whatever opens it.
"""

from __future__ import annotations

import re
from typing import Any

from runner.errors import one_line

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)
_MARKDOWN = re.compile(r"[\\|`*<]|(?<=\])\(|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
"""What has a meaning in a cell: an underscore within a word has none."""

_FORMULA = ("=", "+", "-", "@")


def in_latex(text: str) -> str:
    """A text in LaTeX; `+-` becomes a sign."""
    return one_line(text).translate(_LATEX).replace("+-", r"$\pm$")


def in_markdown(text: str) -> str:
    """A text in a cell of Markdown."""
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def in_spreadsheet(value: Any) -> Any:
    """A cell of a CSV file that no spreadsheet takes for a formula: `=1+1` becomes `'=1+1`.

    Numbers stay as they are, negative ones too.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return (
        f"'{text}" if len(text) > 1 and text.startswith(_FORMULA) and not _is_number(text) else text
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
