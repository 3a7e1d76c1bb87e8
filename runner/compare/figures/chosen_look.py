"""The look that the user chose, applied to a finished figure: title, names, limits and scales."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.compare.figures.style import readable
from runner.compare.look import Look
from runner.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

TITLE_SIZE = 9
_NAME = re.compile(r"(final |\S+  )?(?P<name>.*?)( \((diverged|no values)\))?", re.DOTALL)
"""A name with what figures add to it: `final train loss`, `0.93  adam`, `adam (diverged)`."""

_COLOR_BAR = "<colorbar>"


def panels_of(figure: Figure) -> list[Axes]:
    """The panels of a figure, without color bars."""
    return [panel for panel in figure.axes if panel.get_label() != _COLOR_BAR]


def apply_look(figure: Figure, look: Look) -> None:
    """Give a figure the title, the names, limits and scales that were chosen.

    Args:
        figure: the figure.
        look: what was chosen; what was not stays as it is drawn.

    Raises:
        ConfigError: a label renames what the figure does not show, or the limits do not suit the
            number of panels or their scales.
    """
    panels = panels_of(figure)
    for number, panel in enumerate(panels):
        if look.xscale not in ("auto", panel.get_xscale()):
            panel.set_xscale(look.xscale)
        if look.yscale not in ("auto", panel.get_yscale()):
            panel.set_yscale(look.yscale)
        for key, scale in (("xlim", panel.get_xscale()), ("ylim", panel.get_yscale())):
            ends = look.limits(key, number, len(panels), scale)
            panel.set(**{key: ends})
    _rename(_texts(figure), look.names)
    if look.title:
        figure.suptitle(look.title, fontsize=TITLE_SIZE)
    _take_literally(figure)


def _take_literally(figure: Figure) -> None:
    """Draw texts as they are whose dollars enclose no formula: `$x^{$` would end the drawing."""
    from matplotlib.mathtext import MathTextParser
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        words = text.get_text()
        if "$" not in words:
            continue
        try:
            MathTextParser("path").parse(words)
        except ValueError:
            text.set_parse_math(False)


def _texts(figure: Figure) -> list[Text]:
    """All words that name a setting, a value or a measure."""
    texts = []
    for panel in figure.axes:
        texts += [panel.xaxis.label, panel.yaxis.label, panel.title]
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes)]
    for legend in legends:
        texts += [legend.get_title(), *legend.get_texts()] if legend else []
    return [text for text in texts if text.get_text()]


def _renamed(part: str, name: str, new: Mapping[str, str]) -> str:
    """A part of a text with its new name, with what the figure adds unless it is a measure."""
    if name not in new:
        return part
    return new[name] if part.startswith("final ") else part.replace(name, new[name], 1)


def _rename(texts: list[Text], names: Mapping[str, str]) -> None:
    """Replace names: the whole text, or parts of it that commas separate.

    Raises:
        ConfigError: a name is in none of the texts.
    """
    if not names:
        return
    new = {key: label for name, label in names.items() for key in (name, readable(name))}
    used = set()
    known: dict[str, None] = {}
    for text in texts:
        whole = text.get_text()
        parts = [whole] if whole in new else whole.split(", ")
        known |= dict.fromkeys([whole, *parts])
        found = [_NAME.fullmatch(part) for part in parts]
        plain = [match["name"] if match else part for match, part in zip(found, parts, strict=True)]
        used |= set(plain) & set(new)
        text.set_text(", ".join(map(_renamed, parts, plain, [new] * len(parts))))
    for name in names:
        if not used & {name, readable(name)}:
            raise ConfigError(f"labels: {name} is not in the figure{did_you_mean(name, known)}")
