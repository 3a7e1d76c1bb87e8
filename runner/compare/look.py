"""How a figure looks: title, limits, scales, names, size and style."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any

from runner.errors import ConfigError, did_you_mean

STYLES = ("screen", "paper")
LARGEST = 50
"""The largest side of a figure, in inches."""

SCALES = ("auto", "linear", "log", "symlog")


def field(default: Any, words: str, *, flag: str = "", metavar: str = "") -> Any:
    """Declare a field of `Look` or `View`.

    Args:
        default: its default, the same everywhere.
        words: its meaning, for `runner-compare --help` and the YAML page of a sweep.
        flag: the name of the flag, if it differs from the name of the field.
        metavar: the placeholder for a value in the help.
    """
    metadata = {"help": words, "flag": flag, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How a figure looks, whatever it shows."""

    title: str | None = field(None, "above the figure", metavar="TEXT")
    style: str = field(
        "screen",
        "screen, or paper: a column of 3.3 inches, lines with dashes and markers",
        metavar="STYLE",
    )
    size: tuple[float, ...] = field((), "width and height in inches", metavar="WIDTH,HEIGHT")
    dpi: float = field(200.0, "dots per inch of a .png", metavar="NUMBER")
    xlim: tuple[float, ...] = field(
        (),
        "ends of the horizontal axis, in its unit; of several panels for all or for each",
        metavar="LOW,HIGH",
    )
    ylim: tuple[float, ...] = field(
        (), "ends of the vertical axis, in its unit: an error of 5 % is 0.05", metavar="LOW,HIGH"
    )
    xscale: str = field("auto", f"of the horizontal axis: {', '.join(SCALES)}", metavar="SCALE")
    yscale: str = field("auto", "of the vertical axis: the same", metavar="SCALE")
    labels: tuple[str, ...] = field(
        (),
        "other names for values, keys and measures: sgd=SGD,train_loss=Loss",
        metavar="NAME=LABEL,...",
    )
    smoothing: float = field(
        0.02,
        "the window over which noisy curves are averaged, as a part of the axis; 0: none",
        metavar="NUMBER",
    )

    @property
    def is_paper(self) -> bool:
        """Whether the figure is for a column of a paper."""
        return self.style == "paper"

    @property
    def names(self) -> dict[str, str]:
        """The labels by what they replace."""
        pairs = (label.partition("=") for label in self.labels)
        return {name: label for name, _, label in pairs}

    def check(self) -> None:
        """Check all fields, without knowing the figure.

        Raises:
            ConfigError: one is not known or out of range.
        """
        check_name("style", self.style, STYLES)
        check_name("xscale", self.xscale, SCALES)
        check_name("yscale", self.yscale, SCALES)
        _check_numbers(
            "size",
            self.size,
            len(self.size) in (0, 2) and all(0.5 <= side <= LARGEST for side in self.size),
        )
        _check_numbers("dpi", (self.dpi,), 10 <= self.dpi <= 2400)
        _check_numbers("smoothing", (self.smoothing,), 0 <= self.smoothing <= 0.5)
        for key, ends in (("xlim", self.xlim), ("ylim", self.ylim)):
            rising = all(low < high for low, high in zip(ends[::2], ends[1::2], strict=False))
            _check_numbers(key, ends, len(ends) % 2 == 0 and rising)
        for label in self.labels:
            if not label.partition("=")[0] or "=" not in label:
                raise ConfigError(f"labels: {label!r} must be NAME=LABEL, such as sgd=SGD")

    def limits(self, key: str, panel: int, panels: int, scale: str) -> tuple[float, float] | None:
        """Return the chosen ends of an axis of a panel; None if they are not chosen.

        Args:
            key: `xlim` or `ylim`.
            panel: the number of the panel, from 0.
            panels: the number of all panels.
            scale: the scale of the axis, as matplotlib names it.

        Raises:
            ConfigError: there are several pairs, but not one for each panel; or the axis is
                logarithmic and does not reach there.
        """
        ends = self.xlim if key == "xlim" else self.ylim
        if len(ends) not in (0, 2, 2 * panels):
            raise ConfigError(
                f"{key} has {len(ends)} numbers; the figure needs 2, or 2 for each of its "
                f"{panels} panels"
            )
        if not ends:
            return None
        first = 2 * panel if len(ends) > 2 else 0
        low, high = ends[first], ends[first + 1]
        if low <= 0 and scale == "log":
            raise ConfigError(
                f"{key}={low:g},{high:g} must be greater than 0 on a logarithmic axis; "
                f"{key[0]}scale=linear or symlog shows 0"
            )
        return low, high


_RULES = {
    "size": f"two numbers from 0.5 to {LARGEST}: width and height in inches",
    "dpi": "from 10 to 2400",
    "smoothing": "from 0 to 0.5, a part of the axis",
    "xlim": "two numbers, the lower one first, or two for each panel",
    "ylim": "two numbers, the lower one first, or two for each panel",
}


def _check_numbers(key: str, values: Sequence[float], is_right: bool) -> None:
    if not is_right or not all(map(math.isfinite, values)):
        given = ",".join(f"{value:g}" for value in values)
        raise ConfigError(f"{key}={given} must be {_RULES[key]}")


def check_name(what: str, name: str, known: Collection[str]) -> None:
    """Check that a name is known.

    Args:
        what: what it names, for the error.
        name: the name.
        known: all that are known.

    Raises:
        ConfigError: it is not.
    """
    if name not in known:
        raise ConfigError(f"the {what} {name} is not known{did_you_mean(name, known)}")


PLAIN = Look()
"""The look unless another is chosen."""
